"""Shelf: what a repository has, for those who read.

That is what was pushed to it (db.hosted), and the images of the store that have a name in it, with what
their manifests name. A layer that is only files is as good as its plain tar, whose digest is the diff ID.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import hosted, imagedb, indexdb, layerdb, packed
from lamina.errors import LaminaError, NotFound
from lamina.layers.absent import is_here
from lamina.oci import config as configs
from lamina.oci import media
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest, ImageID, sha256
from lamina.oci.manifest import Manifest
from lamina.serving import routes
from lamina.serving.documents import Document, Documents, Recent, read

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from lamina.layers.context import Layers

_LENT = 16 << 20  # bytes of manifests


class Found(NamedTuple):
    """A manifest or an index as it is served."""

    digest: Digest
    media_type: str
    data: bytes


class BlobFound(NamedTuple):
    """A blob that can be served: a file, the tar of a layer (`diff_id`), or what is `elsewhere` for now."""

    size: int
    diff_id: DiffID | None = None
    elsewhere: Descriptor | None = None


class Shelf:
    """The repositories of one store; threads share it."""

    def __init__(self, ctx: Layers) -> None:
        self._ctx = ctx
        self._documents = Documents()
        # What was handed out lately: a tag may move while a client still fetches the blobs of what it had.
        self._lent: Recent[tuple[str, Digest], tuple[Found, Document]] = Recent(_LENT)

    # --- names

    def repositories(self) -> list[str]:
        """The repositories that have something, as clients call them; sorted."""
        c = self._ctx.db.read()
        names = {name.rpartition(":")[0] for name, _ in imagedb.all_tags(c)}
        shown = {routes.shown(name) for name in names.union(hosted.repositories(c))}
        return sorted([name for name in shown if name is not None])

    def tags(self, repository: str) -> list[str] | None:
        """The tags of a repository, sorted; None when there is no such repository."""
        c = self._ctx.db.read()
        found = sorted({*[tag for tag, _ in _image_tags(c, repository)], *hosted.tags(c, repository)})
        return found if found or hosted.is_known(c, repository) else None

    # --- manifests

    def by_tag(self, repository: str, tag: str) -> Found | None:
        """What a tag stands for."""
        c = self._ctx.db.read()
        of_image = imagedb.find_tag(c, f"{repository}:{tag}")
        if of_image is not None:
            found = self._of_image(of_image)
        else:
            digest = hosted.get_tag(c, repository, tag)
            row = hosted.get_manifest(c, repository, digest) if digest is not None else None
            found = None if row is None else self._stored(row.digest, row.media_type)
        return self._lend(repository, found)

    def by_digest(self, repository: str, digest: Digest) -> Found | None:
        """What a repository has under a digest."""
        row = hosted.get_manifest(self._ctx.db.read(), repository, digest)
        if row is not None:
            return self._stored(digest, row.media_type)
        if self._reaches(repository, digest):
            return self._lend(repository, self._stored(digest))
        lent = self._lent.get((repository, digest))
        return lent[0] if lent is not None and self._is_known(*lent) else None

    def forget(self, repository: str, digest: Digest) -> None:
        """A manifest was deleted: it is not lent any more."""
        self._lent.drop((repository, digest))

    # --- blobs

    def find_blob(self, repository: str, digest: Digest) -> BlobFound | None:
        """A blob that the repository has."""
        found = self.locate(digest)
        if found is None or hosted.has_blob(self._ctx.db.read(), repository, digest):
            return found
        named = any(document.names_blob(digest) for _, document in self._all(repository))
        return found if named or self._was_lent(repository, digest) else None

    def locate(self, digest: Digest, *, elsewhere: bool = True) -> BlobFound | None:
        """A blob of the store, whoever has it; also what is to be had `elsewhere` (layers.absent)."""
        try:
            return BlobFound(self._ctx.blobs.size(digest))
        except NotFound:
            pass
        c = self._ctx.db.read()
        diff = layerdb.get_diff(c, DiffID(digest))
        if diff is not None and (
            is_here(self._ctx, diff.diff_id) or (elsewhere and self._can_come(diff.diff_id))
        ):
            return BlobFound(diff.tar_size, diff.diff_id)
        form = packed.by_digest(c, digest)
        if form is None or not elsewhere or not self._can_come(form.diff_id):
            return None
        return BlobFound(form.descriptor.size, None, form.descriptor)

    def _can_come(self, diff_id: DiffID) -> bool:
        """Whether some place is known to have a layer."""
        if self._ctx.fetch is None:
            return False
        c = self._ctx.db.read()
        return any(packed.places(c, each.descriptor.digest) for each in packed.forms(c, diff_id))

    # --- how it is found

    def _of_image(self, tag: imagedb.Tag) -> Found | None:
        """The first that is whole here: what the tag stands for, the image's manifest, one for its files.

        Else the first that can be made whole.
        """
        image = imagedb.need_image(self._ctx.db.read(), tag.image_id)
        digests = [tag.index_digest, image.manifest] if tag.index_digest else [image.manifest]
        for elsewhere in (False, True):
            for digest in digests:
                document = self._documents.get(self._ctx, digest)
                if document is not None and self._is_whole(document, elsewhere):
                    return self._stored(digest)
            plain = self._plain(tag.image_id, elsewhere)
            if plain is not None:
                return plain
        return self._stored(digests[0])

    def _is_whole(self, document: Document, elsewhere: bool) -> bool:
        """Whether all that a manifest names can be served; of an index some images may be missing."""
        if document.manifests:
            inner = [self._documents.get(self._ctx, each.digest) for each in document.manifests]
            return any(each is not None and self._is_whole(each, elsewhere) for each in inner)
        return all(self.locate(each.digest, elsewhere=elsewhere) is not None for each in document.blobs)

    def _plain(self, image_id: ImageID, elsewhere: bool) -> Found | None:
        """The image with plain tars, for one whose blobs are not here; None if its files are not either."""
        try:
            config = self._ctx.blobs.read(Digest(image_id), configs.MAX_SIZE)
            c = self._ctx.db.read()
            diffs = [layerdb.need_diff(c, diff_id) for diff_id in configs.parse(config).diff_ids]
        except LaminaError:
            return None
        if not all(self.locate(Digest(diff.diff_id), elsewhere=elsewhere) for diff in diffs):
            return None
        layers = tuple([Descriptor(media.LAYER, Digest(diff.diff_id), diff.tar_size) for diff in diffs])
        data = Manifest(Descriptor(media.CONFIG, sha256(config), len(config)), layers).to_bytes()
        return Found(sha256(data), media.MANIFEST, data)

    def _stored(self, digest: Digest, media_type: str = "") -> Found | None:
        document = self._documents.get(self._ctx, digest)
        if document is None:
            return None
        try:
            return Found(digest, media_type or document.media_type, self._ctx.blobs.read(digest))
        except NotFound:
            return None

    def _lend(self, repository: str, found: Found | None) -> Found | None:
        if found is not None:
            self._lent.put((repository, found.digest), (found, read(found.data)), len(found.data))
        return found

    def _was_lent(self, repository: str, blob: Digest) -> bool:
        return any(
            document.names_blob(blob) and self._is_known(found, document)
            for (name, _), (found, document) in self._lent.items()
            if name == repository
        )

    def _is_known(self, found: Found, document: Document) -> bool:
        """Whether what was lent is still an image or an index of the store, with a name or without."""
        c = self._ctx.db.read()
        if document.manifests:
            return indexdb.get_index(c, found.digest) is not None
        return any(imagedb.get_image(c, ImageID(each.digest)) is not None for each in document.blobs[:1])

    def _reaches(self, repository: str, digest: Digest) -> bool:
        return any(found == digest for found, _ in self._all(repository))

    def _all(self, repository: str) -> Iterator[tuple[Digest, Document]]:
        """The documents of the images that have a name in the repository, and those within indexes."""
        c = self._ctx.db.read()
        todo: list[Digest] = []
        for tag in dict.fromkeys([tag for _, tag in _image_tags(c, repository)]):
            image = imagedb.get_image(c, tag.image_id)
            todo += [*([tag.index_digest] if tag.index_digest else []), *([image.manifest] if image else [])]
        seen: set[Digest] = set()
        while todo:
            digest = todo.pop()
            if digest in seen:
                continue
            seen.add(digest)
            document = self._documents.get(self._ctx, digest)
            if document is not None:
                yield digest, document
                todo += [each.digest for each in document.manifests]


def _image_tags(c: sqlite3.Connection, repository: str) -> list[tuple[str, imagedb.Tag]]:
    """The tags of the repository that are images', each with what it stands for."""
    rows = c.execute(
        "SELECT name, image_id, index_digest FROM tags WHERE name >= ? AND name < ?",
        (f"{repository}:", f"{repository};"),  # the character after ":"
    )
    return [(name[len(repository) + 1 :], imagedb.Tag(image_id, index)) for name, image_id, index in rows]
