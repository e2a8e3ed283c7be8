"""Routes: what a path asks for. A repository's name may have any of the words of the API in it, so we read
from the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput
from lamina.oci import reference as references
from lamina.serving.failures import NAME_INVALID, NO_PLACE, Failure

if TYPE_CHECKING:
    from lamina.oci.reference import Reference

BASE, CATALOG, TAGS, MANIFEST, BLOB, UPLOADS, UPLOAD, REFERRERS, TOKEN, ROOT = (
    "base", "catalog", "tags", "manifest", "blob", "uploads", "upload", "referrers", "token", "root",
)  # fmt: skip


class Repository(NamedTuple):
    """`name` is how the store calls it (docker.io/library/app), `shown` how the client does (app)."""

    name: str
    shown: str


class Route(NamedTuple):
    """What is asked for; `what` is a tag, a digest or the ID of an upload."""

    kind: str
    repository: Repository | None = None
    what: str = ""


def find(path: str) -> Route:
    """The meaning of a path. Failure when it has none, or a name is none."""
    if path == "/":
        return Route(ROOT)
    if path in ("/v2", "/v2/"):
        return Route(BASE)
    if path == "/v2/_catalog":
        return Route(CATALOG)
    if path == "/v2/token":
        return Route(TOKEN)
    if not path.startswith("/v2/"):
        raise Failure(NO_PLACE)
    front, _, last = path[len("/v2/") :].rpartition("/")
    name, _, word = front.rpartition("/")
    if (word, last) == ("tags", "list"):
        return Route(TAGS, _repository(name))
    if (word, last) == ("blobs", "uploads"):  # Docker's own has a slash at its end, some clients do not
        return Route(UPLOADS, _repository(name))
    if word in ("manifests", "blobs", "referrers") and last:
        return Route(
            {"manifests": MANIFEST, "blobs": BLOB, "referrers": REFERRERS}[word], _repository(name), last
        )
    if word == "uploads" and name.endswith("/blobs"):
        return Route(UPLOAD if last else UPLOADS, _repository(name.removesuffix("/blobs")), last)
    raise Failure(NO_PLACE)


def repository(name: str) -> Repository:
    """The repository that a client calls so. Failure."""
    return _repository(name)


def _repository(name: str) -> Repository:
    try:
        found = references.parse(name)
    except InvalidInput as error:
        raise Failure(NAME_INVALID, details=[name[:300] or error.message]) from None
    if found.tag or found.digest or ":" in name:
        raise Failure(NAME_INVALID, details=[name[:300]])
    return Repository(found.name, name)


def shown(name: str) -> str | None:
    """How clients call a repository of the store; None if no path can name it: its host has a port."""
    found: Reference = references.parse(name)
    return None if ":" in found.domain or found.domain != found.domain.lower() else found.familiar_name
