"""Failure: what a client is told when its request cannot be done (distribution-spec, Error Codes)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import Conflict, InvalidInput, LaminaError, NoSpace, NotFound, Unsupported
from lamina.fetch.failures import FetchFailed
from lamina.layers.absent import Elsewhere

if TYPE_CHECKING:
    from collections.abc import Sequence

Headers = tuple[tuple[str, str], ...]


class Kind(NamedTuple):
    """A code of the specification, the status that goes with it, and what it says if nothing else does."""

    code: str
    status: int
    message: str


BLOB_UNKNOWN = Kind("BLOB_UNKNOWN", 404, "blob unknown to registry")
UPLOAD_INVALID = Kind("BLOB_UPLOAD_INVALID", 400, "blob upload invalid")
UPLOAD_UNKNOWN = Kind("BLOB_UPLOAD_UNKNOWN", 404, "blob upload unknown to registry")
DIGEST_INVALID = Kind("DIGEST_INVALID", 400, "provided digest did not match uploaded content")
MANIFEST_BLOB_UNKNOWN = Kind("MANIFEST_BLOB_UNKNOWN", 400, "manifest references a blob unknown to registry")
MANIFEST_INVALID = Kind("MANIFEST_INVALID", 400, "manifest invalid")
MANIFEST_UNKNOWN = Kind("MANIFEST_UNKNOWN", 404, "manifest unknown")
NAME_INVALID = Kind("NAME_INVALID", 400, "invalid repository name")
NAME_UNKNOWN = Kind("NAME_UNKNOWN", 404, "repository name not known to registry")
SIZE_INVALID = Kind("SIZE_INVALID", 400, "provided length did not match content length")
UNAUTHORIZED = Kind("UNAUTHORIZED", 401, "authentication required")
UNSUPPORTED = Kind("UNSUPPORTED", 405, "the operation is unsupported")
TOO_MANY = Kind("TOOMANYREQUESTS", 429, "too many requests")
# What the specification has no code for; Distribution says UNKNOWN too.
TOO_LARGE = Kind("MANIFEST_INVALID", 413, "manifest too large")
OUT_OF_RANGE = Kind("BLOB_UPLOAD_INVALID", 416, "the range does not follow what was uploaded")
NO_PLACE = Kind("UNKNOWN", 404, "page not found")
BUSY = Kind("UNKNOWN", 503, "the store is busy")
FULL = Kind("UNKNOWN", 507, "no space left in the store")
REFUSED = Kind("DENIED", 403, "requested access to the resource is denied")
ELSEWHERE = Kind("UNKNOWN", 502, "the layer is elsewhere, and cannot be brought from there now")
BROKEN = Kind("UNKNOWN", 500, "unknown error")


class Failure(Exception):
    """Ends a request. `details` are the digests or names that it is about, one error for each."""

    def __init__(
        self, kind: Kind, message: str = "", *, details: Sequence[str] = (), headers: Headers = ()
    ) -> None:
        super().__init__(message or kind.message)
        self.kind = kind
        self.message = message or kind.message
        self.details = tuple(details)
        self.headers = headers

    def body(self) -> bytes:
        """The JSON that the specification wants."""
        from lamina.oci import canonical

        one: dict[str, object] = {"code": self.kind.code, "message": self.message}
        many = [{**one, "detail": detail} for detail in self.details] or [one]
        return canonical.dumps({"errors": many})


def of_store(error: LaminaError) -> Failure:
    """What a client is told of an error of the store: no path of this machine."""
    if isinstance(error, NoSpace):
        return Failure(FULL)
    if isinstance(error, Conflict):
        return Failure(BUSY, headers=(("Retry-After", "1"),))
    if isinstance(error, FetchFailed | Elsewhere):
        return Failure(ELSEWHERE)
    if isinstance(error, NotFound):
        return Failure(BLOB_UNKNOWN)
    if isinstance(error, InvalidInput | Unsupported):
        return Failure(MANIFEST_INVALID, error.message)
    return Failure(BROKEN)
