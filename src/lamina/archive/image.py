"""What an archive shows of the images in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.errors import Corrupt, InvalidInput
from lamina.oci.digest import DiffID, Digest, sha256

if TYPE_CHECKING:
    from lamina.archive.files import Files
    from lamina.oci.config import ImageConfig

MAX_LAYERS = 500  # overlay takes no more


class ArchivedLayer(NamedTuple):
    """One layer. Docker's own archives do not tell its digest and media type.

    Where the archive leaves it out (archive.since), `elsewhere` names the image that has it, and there is
    nothing to open.
    """

    files: Files
    name: str  # of the blob in the archive
    diff_id: DiffID
    digest: Digest | None
    size: int
    media_type: str  # "" when not told
    elsewhere: str = ""

    def open(self) -> BinaryIO:
        """The blob, packed as it is. The caller closes it, and verifies what it reads."""
        return self.files.open(self.name)


class ArchivedImage(NamedTuple):
    """One image: documents that were checked, layers that were not read yet."""

    names: tuple[str, ...]  # as the archive gives them
    config_bytes: bytes
    config: ImageConfig
    manifest_bytes: bytes  # b"" when there is none
    layers: tuple[ArchivedLayer, ...]
    whole: ArchivedIndex | None = None  # what the names stand for, when it is more than this image


class ArchivedBlob(NamedTuple):
    """A blob that an index needs and no image has: an attestation, an index within it."""

    files: Files
    name: str
    digest: Digest
    size: int


class ArchivedIndex(NamedTuple):
    """An index of which the archive has everything; `images` are in its order."""

    data: bytes
    images: tuple[ArchivedImage, ...]
    others: tuple[ArchivedBlob, ...]


def check_digest(data: bytes, digest: str, what: str) -> None:
    """Corrupt when `data` is not what `digest` names."""
    if sha256(data) != digest:
        raise Corrupt(f"archive: {what} is not {digest}, which names it")


def check_count(found: int, config: ImageConfig) -> None:
    """InvalidInput when an archive has not as many layers as the image's config, or too many."""
    if found != len(config.diff_ids):
        raise InvalidInput(
            f"archive: {found} layers, and the image's config names {len(config.diff_ids)} diff IDs"
        )
    if found > MAX_LAYERS:
        raise InvalidInput(f"archive: an image of {found} layers; at most {MAX_LAYERS} can be mounted")
