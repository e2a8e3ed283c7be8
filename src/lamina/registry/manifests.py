"""Manifests and indexes as a registry sends them: of kinds we know, bounded, and what their digest says."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import Corrupt, InvalidInput, Unsupported
from lamina.fetch.exchange import Request
from lamina.oci import digest as digests
from lamina.oci import media
from lamina.oci.digest import Digest, sha256
from lamina.registry.failures import refused

if TYPE_CHECKING:
    from lamina.fetch.ask import Answer
    from lamina.oci.reference import Reference
    from lamina.registry.reach import Reached

_ACCEPT = ", ".join((media.INDEX, media.MANIFEST, media.DOCKER_INDEX, media.DOCKER_MANIFEST))
_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+"
_SAYS_NOTHING = frozenset({"", "application/json", "application/octet-stream", "text/plain"})


class Document(NamedTuple):
    """A manifest or an index. `media_type` is as announced, "" where nothing was said."""

    digest: Digest
    media_type: str
    data: bytes


def head(at: Reached, reference: Reference, name: str) -> tuple[Answer, Digest | None]:
    """What a registry says of a manifest without sending it: its digest, None when it does not tell."""
    answer = _ask(at, reference, "HEAD", name)
    text = answer.headers.get("docker-content-digest", "")
    try:
        return answer, digests.parse(text) if answer.ok else None
    except InvalidInput:
        return answer, None  # we take the digest of what it sends


def get(at: Reached, reference: Reference, name: str) -> Document:
    """A manifest by its tag or digest. NotFound, Denied, FetchFailed; Corrupt when it is another one.

    InvalidInput for what is none; Unsupported for one of the kind that Docker had before 1.10.
    """
    answer = _ask(at, reference, "GET", name)
    shown, host = reference.familiar(), at.host
    if not answer.ok:
        what = "manifest" if name in (reference.tag, reference.digest) else f"manifest {name}"
        raise refused(answer, reference, host, what)
    media_type = answer.media_type
    if media_type.startswith(_SCHEMA_1):
        raise Unsupported(
            f"{shown}: its manifest is of schema 1, which Docker gave up",
            hint="push the image again with a current tool",
        )
    if media_type not in media.MANIFESTS | media.INDEXES:
        if media_type not in _SAYS_NOTHING:
            raise InvalidInput(
                f"manifest of {shown}: {host} sent {media_type[:100]!r}, which is no manifest",
                hint=f"is {host} a registry?",
            )
        media_type = ""
    digest = sha256(answer.body)
    if ":" in name and digest != name:
        raise Corrupt(f"manifest of {shown}: what {host} sent is {digest}, and should be {name}")
    return Document(digest, media_type, answer.body)


def _ask(at: Reached, reference: Reference, method: str, name: str) -> Answer:
    shown = f"the manifest of {reference.familiar()}"
    return at.ask(Request(f"{at.url}/manifests/{name}", method, {"Accept": _ACCEPT}, shown=shown))
