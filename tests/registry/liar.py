"""A registry for tests that lies, stalls and breaks off, where it is told to; else it serves images."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.fetch.server import Answer, Handler, Site
from tests.fetch.server import serve as serve_site
from tests.registry.images import Made


@dataclass
class Liar:
    """One server; `site.pages` are what it answers, by path."""

    site: Site
    wrong: dict[str, Answer] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return urlsplit(self.site.url).netloc

    def put(self, made: Made, name: str, tag: str = "latest") -> str:
        """Serves an image; its name."""
        for digest, (data, media_type) in made.everything().items():
            self.site.pages[f"/v2/{name}/manifests/{digest}"] = document(data, media_type)
        self.site.pages[f"/v2/{name}/manifests/{tag}"] = document(made.data, made.media_type)
        for digest, data in made.blobs.items():
            self.site.pages[f"/v2/{name}/blobs/{digest}"] = data
        return f"{self.host}/{name}:{tag}"

    def asked(self, method: str = "GET") -> list[str]:
        """The paths that were asked for."""
        return [path for how, path, _ in self.site.asked if how == method]


def document(data: bytes, media_type: str) -> Answer:
    """An answer with a manifest."""
    from lamina.oci.digest import sha256

    def answer(handler: Handler) -> None:
        handler.reply(200, data, Content_Type=media_type, Docker_Content_Digest=sha256(data))

    return answer


def guarded(inner: Answer, wanted: str, challenge: str) -> Answer:
    """Answers only to those who show `wanted`."""

    def answer(handler: Handler) -> None:
        if handler.headers.get("Authorization") == wanted:
            inner(handler)
        else:
            handler.reply(401, WWW_Authenticate=challenge)

    return answer


def guard_all(liar: Liar, wanted: str, challenge: str) -> None:
    """Everything that is there now wants a password or a token."""
    for path, page in [(path, page) for path, page in liar.site.pages.items() if path.startswith("/v2/")]:
        inner: Answer = page if callable(page) else (lambda handler, page=page: handler.file(page))  # type: ignore[misc]
        liar.site.pages[path] = guarded(inner, wanted, challenge)


def basic(user: str, password: str) -> str:
    """The header Authorization."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@contextmanager
def serve() -> Iterator[Liar]:
    """One that listens on this machine, without TLS."""
    with serve_site() as site:
        yield Liar(site)
