"""source_at: a Place to read an image from, as a Source (transfer.ends)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.archive import docker_archive, oci_layout
from lamina.archive.opening import open_files
from lamina.archive.since import left_out
from lamina.db import imagedb, indexdb, layerdb, names
from lamina.db import packed as forms
from lamina.errors import InvalidInput, NotFound
from lamina.layers.absent import open_blob
from lamina.layers.pack import open_packed
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest
from lamina.oci.platform import Platform
from lamina.registry.failures import check_online
from lamina.registry.repository import Repository
from lamina.transfer.copying.docker import DockerSource
from lamina.transfer.copying.ends import LayoutSource
from lamina.transfer.copying.names import find_image, find_row
from lamina.transfer.copying.places import DOCKER_ARCHIVE, REGISTRY, STORE
from lamina.transfer.find import hold
from lamina.transfer.registry_ends import RegistrySource, type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lamina.archive.files import Files
    from lamina.archive.image import ArchivedImage
    from lamina.db.names import Named
    from lamina.fetch.stopping import Stop
    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID
    from lamina.registry.settings import Settings
    from lamina.transfer.copying.places import Place
    from lamina.transfer.ends import Source


class Setting(NamedTuple):
    """What places are looked for in. The store is opened only where a place is in it.

    `spool` is a folder for copies of archives that are compressed.
    """

    settings: Callable[[], Settings]
    store: Callable[[], Layers]
    host: Platform
    spool: str


@contextmanager
def source_at(place: Place, setting: Setting, stop: Stop) -> Iterator[Source]:
    """The image at a place, until the block ends. NotFound, InvalidInput; what reading it raises."""
    if place.kind == REGISTRY:
        check_online(place.reference, setting.settings())
        with Repository(place.reference, setting.settings(), stop) as repository:
            yield RegistrySource(repository)
        return
    if place.kind == STORE:
        ctx = setting.store()
        yield StoreSource(ctx, names.resolve_image(ctx.db.read(), place.name))
        return
    files = open_files(place.path, setting.spool)
    try:
        yield _in_files(files, place)
    finally:
        files.close()


def _in_files(files: Files, place: Place) -> Source:
    try:
        if _is_layout(files):
            return LayoutSource(files, find_row(files, place.name), str(place))
        if place.kind != DOCKER_ARCHIVE and not files.has(docker_archive.MANIFEST):
            raise InvalidInput("this is no OCI layout")
        return DockerSource(files, place.name, str(place))
    except (InvalidInput, NotFound) as error:
        raise type(error)(f"{place}: {error.message}", hint=error.hint) from None


class StoreSource:
    """An image of the store, or an index with what the store has of it, as it is there."""

    def __init__(self, ctx: Layers, found: Named) -> None:
        self.ctx = ctx
        self.found = found
        hold(ctx, found.image_id, indexes=[found.index_digest])

    @property
    def shown(self) -> str:
        """As Docker shows it."""
        return references.parse(self.found.tag).familiar() if self.found.tag else self.found.image_id

    def root(self) -> Descriptor:
        """What its name stands for."""
        digest = self.found.index_digest
        digest = digest or imagedb.need_image(self.ctx.db.read(), self.found.image_id).manifest
        data = self.ctx.blobs.read(digest)
        return Descriptor(type_of(data), digest, len(data))

    def document(self, descriptor: Descriptor) -> bytes:
        """A blob of the store."""
        if not self.ctx.blobs.has(descriptor.digest):
            raise NotFound(
                f"{self.shown}: the store does not have all of this index: not "
                + str(descriptor.platform or descriptor.digest),
                hint="copy one of its images with --platform, or pull the others with it first",
            )
        return self.ctx.blobs.read(descriptor.digest)

    def has(self, descriptor: Descriptor) -> bool:
        """Whether it is there, as a blob or as a layer."""
        return self.ctx.blobs.has(descriptor.digest) or self._is_layer(descriptor.digest)

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """A blob, or a layer that is packed now; what the store only knows is fetched."""
        if not self.ctx.blobs.has(descriptor.digest) and self._is_layer(descriptor.digest):
            return open_packed(self.ctx, DiffID(descriptor.digest))
        return open_blob(self.ctx, descriptor)

    def places(self, digest: Digest) -> Sequence[str]:
        """Where blobs came from or went to."""
        return forms.places(self.ctx.db.read(), digest)

    def platform(self, host: Platform) -> Platform:
        """What is meant where none is named: `host`, or that of the image which the name shows here."""
        row = imagedb.need_image(self.ctx.db.read(), self.found.image_id)
        own = Platform(row.os, row.architecture, row.variant)
        return own if own.distance(host) is None else host

    def image_of(self, manifest: Digest) -> ImageID | None:
        """The image with this manifest; None for what is no image, an attestation for one."""
        return indexdb.find_manifest(self.ctx.db.read(), manifest)

    def _is_layer(self, digest: Digest) -> bool:
        return layerdb.get_diff(self.ctx.db.read(), DiffID(digest)) is not None


def image_of(files: Files, place: Place, platform: Platform, *, whole: bool) -> ArchivedImage:
    """What `load` takes of an archive or a layout for one name of it. NotFound, InvalidInput, Corrupt."""
    try:
        if _is_layout(files):
            row = find_row(files, place.name)
            return oci_layout.read_row(files, row, platform, whole=whole)
        return find_image(docker_archive.read_docker_archive(files, left_out(files)), place.name)
    except (InvalidInput, NotFound) as error:
        raise type(error)(f"{place}: {error.message}", hint=error.hint) from None


def _is_layout(files: Files) -> bool:
    return files.has(oci_layout.LAYOUT) and files.has(oci_layout.INDEX)
