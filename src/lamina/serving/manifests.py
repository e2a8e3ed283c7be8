"""Manifests and indexes of a repository: read, pushed, and taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import containerdb, hosted, imagedb, indexdb
from lamina.errors import InvalidInput
from lamina.oci import digest as digests
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.canonical import MAX_SIZE
from lamina.oci.digest import Digest
from lamina.serving.blobs import digest_of
from lamina.serving.documents import read
from lamina.serving.failures import MANIFEST_INVALID, MANIFEST_UNKNOWN, TOO_LARGE, Failure
from lamina.serving.messages import Response

if TYPE_CHECKING:
    import sqlite3

    from lamina.serving.messages import Request
    from lamina.serving.routes import Repository
    from lamina.serving.site import Site

_ANY = ("", "application/json", "*/*")


def get(site: Site, repository: Repository, reference: str) -> Response:
    """GET and HEAD of a manifest, by its tag or digest (distribution-spec, Pulling manifests)."""
    found = None
    if ":" not in reference:
        found = site.shelf.by_tag(repository.name, reference) if _is_tag(reference) else None
    elif _is_digest(reference):
        found = site.shelf.by_digest(repository.name, Digest(reference))
    if found is None:
        raise Failure(MANIFEST_UNKNOWN, details=[reference[:200]])
    headers = (
        ("Content-Type", found.media_type),
        ("Docker-Content-Digest", found.digest),
        ("ETag", f'"{found.digest}"'),
    )
    return Response(200, headers, found.data)


def put(site: Site, request: Request, repository: Repository, reference: str) -> Response:
    """PUT of a manifest (distribution-spec, Pushing manifests)."""
    named = digest_of(reference) if ":" in reference else None
    if named is None and not _is_tag(reference):
        raise Failure(MANIFEST_INVALID, f"{reference[:200]!r} is no tag")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    known = media.MANIFESTS | media.INDEXES
    if media_type not in known and media_type not in _ANY:
        raise Failure(MANIFEST_INVALID, f"manifests of type {media_type[:100]!r} are not taken here")
    data = request.body.all(MAX_SIZE, Failure(TOO_LARGE, f"a manifest of more than {MAX_SIZE} bytes"))
    tag = "" if named is not None else reference
    taken = site.taker.take(repository, data, media_type if media_type in known else "", tag, named)
    headers = [
        ("Location", f"/v2/{repository.shown}/manifests/{taken.digest}"),
        ("Docker-Content-Digest", taken.digest),
    ]
    if taken.subject is not None:
        headers.append(("OCI-Subject", taken.subject))
    if taken.note:
        text = "".join(
            [
                char if char.isascii() and char.isprintable() and char not in '"\\' else "'"
                for char in taken.note
            ]
        )
        headers.append(("Warning", f'299 - "kept, but not an image of the store: {text[:300]}"'))
    return Response(201, tuple(headers), note=taken.note)


def delete(site: Site, repository: Repository, reference: str) -> Response:
    """DELETE of a tag, or of a manifest with all its tags (distribution-spec, Content Management)."""
    with site.ctx.db.write() as tx:
        if ":" in reference:
            gone = _delete_manifest(site, tx, repository.name, digest_of(reference))
            site.shelf.forget(repository.name, Digest(reference))
        else:
            gone = imagedb.delete_tag(tx, f"{repository.name}:{reference}")
            gone = hosted.delete_tag(tx, repository.name, reference) or gone
        if not gone:
            raise Failure(MANIFEST_UNKNOWN, details=[reference[:200]])
    site.deleted()
    return Response(202)


def _delete_manifest(site: Site, tx: sqlite3.Connection, repository: str, digest: Digest) -> bool:
    """Takes a manifest away from a repository, with its tags; an image that has no name then goes too."""
    found = site.shelf.by_digest(repository, digest)
    gone = hosted.delete_manifest(tx, repository, digest)
    for name, image_id in imagedb.all_tags(tx):
        if name.rpartition(":")[0] == repository:
            tag = imagedb.find_tag(tx, name)
            image = imagedb.get_image(tx, image_id)
            if tag and image and digest == (tag.index_digest or image.manifest):
                gone = imagedb.delete_tag(tx, name) or gone
    if not gone:
        return False
    if found is not None:
        hosted.age_blobs(tx, repository, [each.digest for each in read(found.data, found.media_type).blobs])
    _delete_images(tx, digest)
    return True


def _delete_images(tx: sqlite3.Connection, digest: Digest) -> None:
    """The images that nothing names any more once this manifest, or index, is gone; their bytes go later."""
    images = [each.image_id for each in indexdb.members(tx, digest)]
    image_id = indexdb.find_manifest(tx, digest)
    if digest in hosted.documents(tx):
        return
    if indexdb.get_index(tx, digest) is not None and not indexdb.tags(tx, digest):
        indexdb.delete_index(tx, digest)
    for each in {*images, *([image_id] if image_id else [])}:
        named = imagedb.tags(tx, each) or indexdb.indexes_with(tx, each) or each in hosted.images(tx)
        if not named and not containerdb.using_image(tx, each):
            imagedb.delete_image(tx, each)


def _is_tag(text: str) -> bool:
    try:
        return references.parse(f"x:{text}").tag == text
    except InvalidInput:
        return False


def _is_digest(text: str) -> bool:
    try:
        digests.parse(text)
    except InvalidInput:
        return False
    return True
