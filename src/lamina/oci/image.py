"""The views `Layer` and `Image`: what a store, an archive or a registry shows of an image.

Sources implement them, sinks take them; `validate` checks any of them from the bytes alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.oci.digest import DiffID, Digest


class Layer(Protocol):
    """One layer: a blob, and what it is called."""

    @property
    def diff_id(self) -> DiffID:
        """Digest of the uncompressed tar."""
        ...

    @property
    def digest(self) -> Digest:
        """Digest of the blob; the diff ID when the blob is the tar itself."""
        ...

    @property
    def size(self) -> int:
        """Bytes of the blob."""
        ...

    @property
    def media_type(self) -> str:
        """How the blob is packed; see lamina.oci.media."""
        ...

    def open(self) -> BinaryIO:
        """The blob from its beginning, packed as `media_type` says. The caller closes it."""
        ...


class Image(Protocol):
    """One image for one platform. Its layers are in the order of the manifest, the bottom one first."""

    @property
    def manifest_bytes(self) -> bytes:
        """The manifest as it is named by its digest."""
        ...

    @property
    def config_bytes(self) -> bytes:
        """The config; its SHA-256 is the image ID."""
        ...

    @property
    def layers(self) -> Sequence[Layer]:
        """One for each layer of the manifest."""
        ...
