"""A registry for tests that takes uploads as the spec says, and breaks down where it is told to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from lamina.oci.digest import sha256
from tests.fetch.server import Handler, Site, serve

Spoil = Callable[[Handler], bool]  # True: it has answered, or hung up


@dataclass
class Taker:
    """One server. `spoil` is asked before each request of a method; `sent` has the bytes of each body."""

    site: Site
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    sessions: dict[str, bytearray] = field(default_factory=dict)
    spoil: dict[str, list[Spoil]] = field(default_factory=dict)
    sent: list[tuple[str, int]] = field(default_factory=list)
    referrers: bool = False
    least: int = 0  # OCI-Chunk-Min-Length
    place: str = ""  # begins the Locations: another host, or "" for relative ones
    resumes: bool = True

    @property
    def host(self) -> str:
        return urlsplit(self.site.url).netloc

    @property
    def methods(self) -> list[str]:
        return [method for method, _, _ in self.site.asked]

    def once(self, method: str, *spoil: Spoil) -> None:
        """The next requests of this method meet these."""
        self.spoil.setdefault(method, []).extend(spoil)

    def answer(self, handler: Handler) -> None:
        waiting = self.spoil.get(handler.command, [])
        if waiting and waiting.pop(0)(handler):
            return
        path, _, query = handler.path.partition("?")
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        if found := re.fullmatch(r"/v2/.+/blobs/uploads/(.*)", path):
            self._upload(handler, found[1], asked)
        elif found := re.fullmatch(r"/v2/.+/blobs/(.+)", path):
            data = self.blobs.get(found[1])
            handler.reply(404) if data is None else handler.reply(200, data)
        elif found := re.fullmatch(r"/v2/.+/manifests/(.+)", path):
            self._manifest(handler, found[1])
        else:
            handler.reply(404)

    def _upload(self, handler: Handler, name: str, asked: dict[str, str]) -> None:
        method = handler.command
        if method == "POST":
            name = f"u{len(self.sessions) + 1}"
            self.sessions[name] = bytearray()
            more = {"OCI_Chunk_Min_Length": str(self.least)} if self.least else {}
            handler.reply(202, Location=self.location(handler, name), **more)
        elif name not in self.sessions:
            handler.reply(404, b'{"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]}')
        elif method == "GET":
            if self.resumes:
                handler.reply(204, Location=self.location(handler, name), Range=self.range(name))
            else:
                handler.reply(404)
        elif method == "DELETE":
            del self.sessions[name]
            handler.reply(204)
        else:
            self._take(handler, name, asked)

    def _take(self, handler: Handler, name: str, asked: dict[str, str]) -> None:
        start = handler.headers.get("Content-Range", "").partition("-")[0]
        if start and int(start) != len(self.sessions[name]):
            self.body(handler, bytearray())
            handler.reply(416)
            return
        self.body(handler, self.sessions[name])
        data = bytes(self.sessions[name])
        if handler.command == "PATCH":
            handler.reply(202, Location=self.location(handler, name), Range=self.range(name))
        elif sha256(data) != asked["digest"]:
            handler.reply(400, b'{"errors": [{"code": "DIGEST_INVALID", "message": "other bytes"}]}')
        else:
            del self.sessions[name]
            self.blobs[sha256(data)] = data
            handler.reply(201, Docker_Content_Digest=sha256(data))

    def _manifest(self, handler: Handler, name: str) -> None:
        if handler.command == "PUT":
            data = bytearray()
            self.body(handler, data)
            kept = bytes(data), handler.headers["Content-Type"]
            self.manifests[name] = self.manifests[sha256(kept[0])] = kept
            subject = re.search(rb'"subject":.*?"(sha256:[0-9a-f]+)"', kept[0])
            more = {"OCI_Subject": subject[1].decode()} if subject and self.referrers else {}
            handler.reply(201, Docker_Content_Digest=sha256(kept[0]), **more)
        elif name not in self.manifests:
            handler.reply(404, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')
        elif handler.command == "DELETE":
            self.manifests = {key: value for key, value in self.manifests.items() if key != name}
            handler.reply(202)
        else:
            data_, kind = self.manifests[name]
            handler.reply(200, data_, Content_Type=kind, Docker_Content_Digest=sha256(data_))

    def body(self, handler: Handler, into: bytearray, most: int = 1 << 40) -> int:
        """Reads what is sent, so much of it at most."""
        left = min(int(handler.headers.get("Content-Length", 0)), most)
        count = 0
        while left and (data := handler.rfile.read1(min(left, 1 << 16))):  # type: ignore[attr-defined]
            into += data
            left -= len(data)
            count += len(data)
        self.sent.append((handler.command, count))
        return count

    def location(self, handler: Handler, name: str) -> str:
        path = handler.path.partition("?")[0]
        return f"{self.place}{path[: path.index('/uploads/')]}/uploads/{name}?_state=x"

    def range(self, name: str) -> str:
        return f"0-{max(0, len(self.sessions[name]) - 1)}"


def cut(taker: Taker, most: int, *, keep: bool = True) -> Spoil:
    """Takes so many bytes of the body, keeps them or not, and hangs up."""

    def spoil(handler: Handler) -> bool:
        name = handler.path.partition("?")[0].rpartition("/")[2]
        taker.body(handler, taker.sessions[name] if keep else bytearray(), most)
        handler.close_connection = True
        return True

    return spoil


def say(status: int, body: bytes = b"", **headers: str) -> Spoil:
    """Reads the body, and answers this."""

    def spoil(handler: Handler) -> bool:
        handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        handler.reply(status, body, **headers)
        return True

    return spoil


@contextmanager
def taking() -> Iterator[Taker]:
    """One that listens on this machine, without TLS."""
    with serve() as site:
        taker = Taker(site)
        site.default = taker.answer
        yield taker
