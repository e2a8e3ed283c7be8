"""DockerSource: an image of an archive that Docker wrote before 25, which has no manifests."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, BinaryIO

from lamina.archive import docker_archive
from lamina.archive.checked import checked
from lamina.archive.compression import CHUNK, MAGIC_SIZE, detect, media_suffix
from lamina.archive.since import left_out
from lamina.errors import InvalidInput
from lamina.oci import media
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest, sha256
from lamina.oci.manifest import Manifest
from lamina.transfer.copying.names import find_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.archive.files import Files
    from lamina.archive.image import ArchivedLayer


class DockerSource:
    """An image of an archive that has no manifests: it gets one, of its layers as they are."""

    def __init__(self, files: Files, name: str, shown: str) -> None:
        self.files = files
        self._shown = shown
        image = find_image(docker_archive.read_docker_archive(files, left_out(files)), name)
        self._config = image.config_bytes
        self._layers: dict[Digest, ArchivedLayer] = {}
        rows = []
        for layer in image.layers:
            row = _described(layer)
            self._layers[row.digest] = layer
            rows.append(row)
        config = Descriptor(media.CONFIG, sha256(self._config), len(self._config))
        self._manifest = Manifest(config, tuple(rows)).to_bytes()

    @property
    def shown(self) -> str:
        """The place."""
        return self._shown

    def root(self) -> Descriptor:
        """The manifest that was made."""
        return Descriptor(media.MANIFEST, sha256(self._manifest), len(self._manifest))

    def document(self, descriptor: Descriptor) -> bytes:
        """There is only one."""
        return self._manifest

    def has(self, descriptor: Descriptor) -> bool:
        """All of it."""
        return True

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """The config, or a file of the archive."""
        layer = self._layers.get(descriptor.digest)
        if layer is None:
            return io.BytesIO(self._config)
        return checked(layer.open(), descriptor.digest, descriptor.size, f"{self._shown}: {layer.name}")

    def places(self, digest: Digest) -> Sequence[str]:
        """None."""
        return ()


def _described(layer: ArchivedLayer) -> Descriptor:
    """A layer of Docker's archive, which tells no digest but that of the tar."""
    if layer.elsewhere:
        raise InvalidInput(
            f"the archive leaves out layer {layer.diff_id[:19]} of {layer.elsewhere}", hint="load it instead"
        )
    with layer.open() as stream:
        packing = detect(stream.read(MAGIC_SIZE))
    if not packing:
        return Descriptor(media.LAYER, Digest(layer.diff_id), layer.size)
    made = hashlib.sha256()
    with layer.open() as stream:
        while piece := stream.read(CHUNK):
            made.update(piece)
    return Descriptor(media.LAYER + media_suffix(packing), Digest("sha256:" + made.hexdigest()), layer.size)
