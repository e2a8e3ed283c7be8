"""Blobs of a repository: read whole or in part, and taken away from it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO, cast

from lamina.db import hosted, layerdb, leases
from lamina.errors import InvalidInput
from lamina.layers.absent import bring
from lamina.layers.pack import open_packed
from lamina.oci import digest as digests
from lamina.serving.failures import BLOB_UNKNOWN, DIGEST_INVALID, Failure, Kind
from lamina.serving.messages import Response, Span
from lamina.serving.work import working

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import DiffID, Digest
    from lamina.serving.messages import Request
    from lamina.serving.routes import Repository
    from lamina.serving.shelf import BlobFound
    from lamina.serving.site import Site

_CHUNK = 1 << 20
_UNSATISFIABLE = Kind("UNKNOWN", 416, "the blob has no such range")


def digest_of(text: str) -> Digest:
    """A digest as a client wrote it. Failure when it is none that we can check."""
    try:
        return digests.parse(text)
    except InvalidInput as error:
        raise Failure(DIGEST_INVALID, error.message, details=[text[:200]]) from None


def get(site: Site, request: Request, repository: Repository, text: str) -> Response:
    """GET and HEAD of a blob, with a range if one is asked for (distribution-spec, Pulling blobs)."""
    digest = digest_of(text)
    found = site.shelf.find_blob(repository.name, digest)
    if found is None:
        raise Failure(BLOB_UNKNOWN, details=[digest])
    start, end = _range(request.headers.get("range", ""), found.size) or (0, found.size)
    headers = [
        ("Content-Type", "application/octet-stream"),
        ("Docker-Content-Digest", digest),
        ("ETag", f'"{digest}"'),
        ("Accept-Ranges", "bytes"),
        ("Cache-Control", "max-age=31536000"),
    ]
    is_part = (start, end) != (0, found.size) or (
        found.size and request.headers.get("range", "") == "bytes=0-"
    )
    if is_part:
        headers.append(("Content-Range", f"bytes {start}-{end - 1}/{found.size}"))
    answer = Response(206 if is_part else 200, tuple(headers), length=end - start)
    if request.method == "HEAD":
        return answer._replace(content=iter(()))
    return _open(site, answer, digest, found, start)


def delete(site: Site, repository: Repository, text: str) -> Response:
    """DELETE of a blob: of this repository alone; an image of the store that has it keeps it."""
    digest = digest_of(text)
    with site.ctx.db.write() as tx:
        if not hosted.delete_blob(tx, repository.name, digest):
            raise Failure(BLOB_UNKNOWN, details=[digest])
    site.deleted()
    return Response(202)


def _open(site: Site, answer: Response, digest: Digest, found: BlobFound, start: int) -> Response:
    if found.diff_id is not None:
        return _open_layer(site, answer, found.diff_id, start)
    if found.elsewhere is not None:
        return _open_elsewhere(site, answer, digest, found.elsewhere, start)
    return _open_file(site, answer, digest, start)


def _open_elsewhere(
    site: Site, answer: Response, digest: Digest, descriptor: Descriptor, start: int
) -> Response:
    """A layer's blob that is fetched first; it stays if an image of the store names it."""
    if site.ctx.fetch is None:
        raise Failure(BLOB_UNKNOWN, details=[digest])
    with working(site.ctx) as own:
        site.ctx.fetch().blob(own, descriptor)
        return _open_file(site, answer, digest, start)


def _open_file(site: Site, answer: Response, digest: Digest, start: int) -> Response:
    try:
        file = cast("BinaryIO", open(site.ctx.blobs.path(digest), "rb", buffering=0))  # noqa: SIM115
    except FileNotFoundError:
        raise Failure(BLOB_UNKNOWN, details=[digest]) from None
    return answer._replace(content=Span(file, start, answer.length), close=file.close)


def _open_layer(site: Site, answer: Response, diff_id: DiffID, start: int) -> Response:
    """A layer as its plain tar, made from its files while it is sent; it stays until then."""
    with ExitStack() as stack:
        own = stack.enter_context(working(site.ctx))
        with own.db.write(durable=False) as tx:
            leases.hold(tx, own.lease.id, leases.DIFF, diff_id)
            if layerdb.get_diff(tx, diff_id) is None:
                raise Failure(BLOB_UNKNOWN, details=[diff_id])
        bring(own, [diff_id])
        stack.enter_context(own.lease.idle())  # a slow client keeps this layer, and nothing else
        stream = stack.enter_context(open_packed(own, diff_id))
        close = stack.pop_all().close
    return answer._replace(content=_part(stream, start, answer.length), close=close)


def _part(stream: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    """Bytes of a stream; up to its end, so that it can say whether they were right."""
    while start:
        start -= len(stream.read(min(_CHUNK, start)))
    while length:
        data = stream.read(min(_CHUNK, length))
        length -= len(data)
        if not length:
            _check_end(stream)
        yield data


def _check_end(stream: BinaryIO) -> None:
    stream.read(1)  # raises Corrupt when what was read is not the layer


def _range(text: str, size: int) -> tuple[int, int] | None:
    """The bytes from and up to which are asked for; None for all (RFC 9110, 14). Failure."""
    unit, _, ranges = text.partition("=")
    first, dash, last = ranges.strip().partition("-")
    if unit.strip() != "bytes" or not dash or not all(not each or _is_number(each) for each in (first, last)):
        return None  # several ranges, or none that we know: all of it is a right answer
    if not first and not last:
        return None
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return None
    if start >= size or start >= end:
        raise Failure(_UNSATISFIABLE, headers=(("Content-Range", f"bytes */{size}"),))
    return start, end


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
