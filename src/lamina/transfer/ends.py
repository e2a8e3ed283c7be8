"""Ends: where an image can come from and go to, in one shape each: a Source and a Sink.

An image, for what moves it, is a root descriptor, documents (manifests and indexes) and blobs.
`transfer.ship` moves them from any Source to any Sink, so an end says only how it reads and writes:

    RegistrySource(repository), RegistrySink(destination)     in transfer.registry_ends
    of the store, OCI layouts and archives                    in transfer.copying

Blobs may be asked for and put by several threads at once; documents, `root` and `finish` by one. Whatever
`open` gives is checked against its digest: the read that meets the end of the stream raises Corrupt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import Digest

    Opener = Callable[[], BinaryIO]  # begins the blob anew each time: what broke off is sent again
    Moved = Callable[[int, int], object]  # bytes done, and all


class Source(Protocol):
    """One name of an image, for reading."""

    @property
    def shown(self) -> str:
        """What messages call it."""

    def root(self) -> Descriptor:
        """What the name stands for: of an index, or of a manifest. NotFound."""

    def document(self, descriptor: Descriptor) -> bytes:
        """The bytes of a manifest or an index, which are the descriptor's. NotFound, Corrupt."""

    def has(self, descriptor: Descriptor) -> bool:
        """Whether `document` or `open` would find it, as far as that is known without moving anything.

        An end that cannot know says True. A manifest counts with the blobs that it names.
        """

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """A blob, verified as it is read. NotFound, Corrupt; what the end's reading raises."""

    def places(self, digest: Digest) -> Sequence[str]:
        """The repositories, by their full names, that have the blob or were seen to: for mounts."""


class Sink(Protocol):
    """Where an image goes."""

    @property
    def shown(self) -> str:
        """What messages call it."""

    def has(self, descriptor: Descriptor) -> bool:
        """Whether the blob is there already."""

    def mount(self, descriptor: Descriptor, places: Sequence[str]) -> str:
        """Takes the blob from one of these repositories without moving it; which one, "" when that failed."""

    def put(self, descriptor: Descriptor, open: Opener, progress: Moved) -> None:
        """Stores a blob. What its reading raises; the sink's own errors: Denied, NoSpace, FetchFailed."""

    def has_document(self, digest: Digest, tag: str = "") -> bool:
        """Whether the document is there; with `tag`, whether that tag stands for it."""

    def put_document(self, descriptor: Descriptor, data: bytes, tag: str = "") -> None:
        """Stores a manifest or an index, under a tag too if one is given. All that it names is there."""

    def finish(self, root: Descriptor) -> None:
        """All of the image is there: `root` is what was asked for."""
