"""Bench: what a check works with: one registry over plain HTTP, and repositories of the check's own."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import random
import ssl
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from lamina.oci import media
from lamina.testing.isolate import Skip

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PATIENCE = 30.0  # seconds for an answer
_BYTES = "application/octet-stream"


class Target(NamedTuple):
    """A registry. `authority` is a file with the CA of its certificate; `namespace` begins all names used."""

    url: str  # http[s]://host[:port]
    user: str = ""
    password: str = ""
    authority: str = ""
    namespace: str = "conformance"
    lacks: frozenset[str] | set[str] = frozenset()


class Reply(NamedTuple):
    """What it answered. Names of `headers` are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def codes(self) -> list[str]:
        """The codes of its errors, which have the form that the spec says."""
        found = json.loads(self.body)["errors"]
        assert found and all(isinstance(each["code"], str) for each in found), found
        return [each["code"] for each in found]


class Bench:
    """One registry, and one connection to it, opened again where it was closed."""

    def __init__(self, target: Target, name: str) -> None:
        self.target = target
        self.repository = f"{target.namespace}/{name.replace('_', '-')[:60]}-{os.urandom(4).hex()}"
        self._line: http.client.HTTPConnection | None = None

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.close()

    def need(self, part: str) -> None:
        """Skips the check where the registry does without this part of the spec."""
        if part in self.target.lacks:
            raise Skip(f"the registry lacks: {part}")

    def connect(self) -> http.client.HTTPConnection:
        """A connection of its own; to be closed."""
        parts = urlsplit(self.target.url)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=_PATIENCE)
        context = ssl.create_default_context(cafile=self.target.authority or None)
        return http.client.HTTPSConnection(host, port, timeout=_PATIENCE, context=context)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] = b"",
        headers: Mapping[str, str] | None = None,
        *,
        anonymous: bool = False,
    ) -> Reply:
        """One request. `path` begins with / or is a URL; else it is what follows /v2/."""
        line = self._line = self._line or self.connect()
        sent = {"Authorization": self.basic()} if self.target.user and not anonymous else {}
        sent |= dict(headers or {})
        chunked = not isinstance(body, bytes)
        if method in ("GET", "HEAD") and not body:
            body = b""
        elif not chunked:
            sent.setdefault("Content-Length", str(len(body)))  # type: ignore[arg-type]
        line.request(method, self.path(path), body or None, sent, encode_chunked=chunked)
        answer = line.getresponse()
        data = answer.read()
        if method == "HEAD":
            assert not data, "an answer to HEAD has no body"
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, data)

    def path(self, text: str) -> str:
        """What stands in a request's first line."""
        if text.startswith("http"):
            parts = urlsplit(text)
            return parts.path + (f"?{parts.query}" if parts.query else "")
        return text if text.startswith("/") else f"/v2/{text}"

    def basic(self, password: str | None = None) -> str:
        """The header Authorization."""
        pair = f"{self.target.user}:{self.target.password if password is None else password}"
        return "Basic " + base64.b64encode(pair.encode()).decode()

    # --- blobs

    def begin(self, repository: str = "") -> str:
        """Opens an upload; where it lies."""
        reply = self.ask("POST", f"{repository or self.repository}/blobs/uploads/")
        assert reply.status == 202, reply
        assert reply.headers["location"]
        return reply.headers["location"]

    def finish(self, location: str, digest: str, data: bytes = b"", start: int = -1) -> Reply:
        """Ends an upload."""
        headers = {"Content-Type": _BYTES}
        if start >= 0 and data:
            headers["Content-Range"] = f"{start}-{start + len(data) - 1}"
        return self.ask("PUT", with_digest(location, digest), data, headers)

    def patch(self, location: str, data: bytes, start: int = -1) -> Reply:
        """Sends a piece; with where it begins, if that is given."""
        headers = {"Content-Type": _BYTES}
        if start >= 0:
            headers["Content-Range"] = f"{start}-{start + len(data) - 1}"
        return self.ask("PATCH", location, data, headers)

    def put_blob(self, data: bytes, repository: str = "") -> str:
        """Uploads a blob in one piece; its digest."""
        digest = digest_of(data)
        reply = self.finish(self.begin(repository), digest, data)
        assert reply.status == 201, reply
        return digest

    def blob(self, digest: str, repository: str = "") -> bytes | None:
        """The bytes of a blob; None where it is not there."""
        reply = self.ask("GET", f"{repository or self.repository}/blobs/{digest}")
        assert reply.status in (200, 404), reply
        return reply.body if reply.status == 200 else None

    # --- manifests

    def put(self, name: str, data: bytes, media_type: str = media.MANIFEST, repository: str = "") -> Reply:
        """Puts a manifest under a tag or a digest."""
        path = f"{repository or self.repository}/manifests/{name}"
        return self.ask("PUT", path, data, {"Content-Type": media_type})

    def get(self, name: str, method: str = "GET", repository: str = "") -> Reply:
        """Asks for a manifest of any kind."""
        kinds = (media.MANIFEST, media.INDEX, media.DOCKER_MANIFEST, media.DOCKER_INDEX)
        path = f"{repository or self.repository}/manifests/{name}"
        return self.ask(method, path, headers={"Accept": ", ".join(kinds)})

    def image(self, seed: str = "", *, tag: str = "", repository: str = "", **more: object) -> bytes:
        """A small image with its blobs there; put by its digest, or under a tag; its manifest."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "seed": seed}).encode()
        layer = b"layer " + seed.encode()
        self.put_blob(config, repository)
        self.put_blob(layer, repository)
        data = manifest(config, [layer], **more)
        reply = self.put(tag or digest_of(data), data, repository=repository)
        assert reply.status == 201, reply
        return data

    def referrer(self, subject: bytes, kind: str, *, notes: Mapping[str, str] | None = None) -> bytes:
        """An artifact that refers to a manifest, put by its digest; its own manifest."""
        self.put_blob(b"{}")
        about = descriptor(subject, media.MANIFEST)
        data = artifact(kind, subject=about, annotations=dict(notes or {}))
        reply = self.put(digest_of(data), data)
        assert reply.status == 201, reply
        return data


def digest_of(data: bytes) -> str:
    """Names bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def with_digest(location: str, digest: str) -> str:
    """The URL that ends an upload."""
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"


def descriptor(data: bytes, media_type: str) -> dict[str, object]:
    """What names these bytes."""
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def manifest(config: bytes, layers: Iterable[bytes], **more: object) -> bytes:
    """An image manifest."""
    document = {
        "schemaVersion": 2,
        "mediaType": media.MANIFEST,
        "config": descriptor(config, media.CONFIG),
        "layers": [descriptor(layer, media.LAYER) for layer in layers],
        **more,
    }
    return json.dumps(document).encode()


def artifact(kind: str, **more: object) -> bytes:
    """A manifest of an artifact without content: its config is the empty one, `{}`."""
    document = {
        "schemaVersion": 2,
        "mediaType": media.MANIFEST,
        "artifactType": kind,
        "config": descriptor(b"{}", media.EMPTY),
        "layers": [descriptor(b"{}", media.EMPTY)],
        **more,
    }
    return json.dumps(document).encode()


def index(*members: bytes) -> bytes:
    """An index of image manifests."""
    rows = [descriptor(each, media.MANIFEST) for each in members]
    return json.dumps({"schemaVersion": 2, "mediaType": media.INDEX, "manifests": rows}).encode()


def noise(size: int, seed: str = "") -> bytes:
    """Bytes that look like none, the same for the same seed."""
    return random.Random(seed).randbytes(size)
