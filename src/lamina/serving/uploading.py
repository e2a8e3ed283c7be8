"""Blobs on their way in: whole or in chunks, resumed after a break, or mounted from another repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import hosted, layerdb, leases
from lamina.errors import LaminaError
from lamina.oci.digest import DiffID
from lamina.serving import routes
from lamina.serving.blobs import digest_of
from lamina.serving.failures import DIGEST_INVALID, OUT_OF_RANGE, SIZE_INVALID, UPLOAD_INVALID, Failure
from lamina.serving.messages import Response
from lamina.serving.work import working

if TYPE_CHECKING:
    from lamina.oci.digest import Digest
    from lamina.serving.messages import Request
    from lamina.serving.routes import Repository
    from lamina.serving.site import Site
    from lamina.serving.uploads import Upload


def begin(site: Site, request: Request, repository: Repository) -> Response:
    """POST: a new upload, one that is over at once (`digest`), or a mount (`mount`, `from`)."""
    if "mount" in request.query:
        mounted = _mount(site, request, repository)
        if mounted is not None:
            return mounted
    elif "digest" in request.query:
        digest = digest_of(request.query["digest"])
        with site.uploads.once(repository.name) as upload:
            upload.take(request.body.pieces())
            upload.commit(digest)
        return _created(repository, digest)
    return _accepted(site.uploads.begin(repository.name), repository)


def patch(site: Site, request: Request, repository: Repository, name: str) -> Response:
    """PATCH: the next bytes."""
    with site.uploads.use(repository.name, name, request.abort) as upload:
        _take(site, request, repository, upload)
        return _accepted(upload, repository)


def finish(site: Site, request: Request, repository: Repository, name: str) -> Response:
    """PUT: the last bytes, if any, and the digest of all."""
    with site.uploads.use(repository.name, name, request.abort) as upload:
        if "digest" not in request.query:
            raise Failure(DIGEST_INVALID, "the digest of the blob is missing")
        digest = digest_of(request.query["digest"])
        _take(site, request, repository, upload)
        try:
            upload.commit(digest)
        finally:
            site.uploads.drop(upload)
    return _created(repository, digest)


def status(site: Site, request: Request, repository: Repository, name: str) -> Response:
    """GET: how much has arrived."""
    with site.uploads.use(repository.name, name, request.abort) as upload:
        return Response(204, _headers(upload, repository))


def cancel(site: Site, request: Request, repository: Repository, name: str) -> Response:
    """DELETE: what has arrived goes."""
    with site.uploads.use(repository.name, name, request.abort) as upload:
        site.uploads.drop(upload)
    return Response(204)


def _take(site: Site, request: Request, repository: Repository, upload: Upload) -> None:
    expected = _place(request, repository, upload)
    try:
        upload.take(request.body.pieces())
    except LaminaError:  # no space: what has come is of no use
        site.uploads.drop(upload)
        raise
    if expected is not None and upload.size != expected:
        site.uploads.drop(upload)
        raise Failure(SIZE_INVALID, "the chunk is not as long as its range")


def _place(request: Request, repository: Repository, upload: Upload) -> int | None:
    """The size of the upload after this chunk, if it says so. Failure when the chunk does not follow."""
    text = request.headers.get("content-range", "")
    if not text:
        return None
    first, dash, last = text.removeprefix("bytes").strip().partition("/")[0].partition("-")
    if not dash or not all(each.isascii() and each.isdigit() and len(each) < 19 for each in (first, last)):
        raise Failure(UPLOAD_INVALID, f"Content-Range {text[:100]!r} is not FIRST-LAST")
    if int(first) != upload.size or int(last) < int(first) - 1:
        raise Failure(OUT_OF_RANGE, headers=_headers(upload, repository))
    return int(last) + 1


def _mount(site: Site, request: Request, repository: Repository) -> Response | None:
    """The blob of another repository (of any, without `from`), if there is one; None: it must be uploaded."""
    digest = digest_of(request.query["mount"])
    source = request.query.get("from")
    with working(site.ctx) as own:
        with own.db.write(durable=False) as tx:
            leases.hold(tx, own.lease.id, leases.BLOB, digest)
            if layerdb.get_diff(tx, DiffID(digest)) is not None:
                leases.hold(tx, own.lease.id, leases.DIFF, digest)
        own.blobs.touch(digest)
        if site.shelf.locate(digest, elsewhere=False) is None:
            return None
        if source is not None and not site.shelf.find_blob(routes.repository(source).name, digest):
            return None
        with own.db.write() as tx:
            hosted.put_blobs(tx, repository.name, [digest])
    return _created(repository, digest)


def _created(repository: Repository, digest: Digest) -> Response:
    place = f"/v2/{repository.shown}/blobs/{digest}"
    return Response(201, (("Location", place), ("Docker-Content-Digest", digest)))


def _accepted(upload: Upload, repository: Repository) -> Response:
    return Response(202, _headers(upload, repository))


def _headers(upload: Upload, repository: Repository) -> tuple[tuple[str, str], ...]:
    return (
        ("Location", f"/v2/{repository.shown}/blobs/uploads/{upload.id}"),
        ("Range", f"0-{max(0, upload.size - 1)}"),
        ("Docker-Upload-UUID", upload.id),
    )
