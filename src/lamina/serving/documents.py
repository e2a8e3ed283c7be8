"""Documents: what manifests and indexes name, read once each."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import LaminaError
from lamina.oci import manifest as manifests
from lamina.oci import media
from lamina.oci.manifest import Index

if TYPE_CHECKING:
    from lamina.layers.context import Layers
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import Digest

_KEPT = 1000


class Document(NamedTuple):
    """A manifest or an index: the blobs that it names, and the manifests."""

    media_type: str
    blobs: tuple[Descriptor, ...]
    manifests: tuple[Descriptor, ...]

    def names_blob(self, digest: Digest) -> bool:
        """Whether it has this blob."""
        return any(each.digest == digest for each in self.blobs)


def read(data: bytes, media_type: str = "") -> Document:
    """What a document names; `media_type` if it does not say its own. InvalidInput."""
    parsed = manifests.parse(data, media_type)
    own = parsed.media_type or media_type
    if isinstance(parsed, Index):
        return Document(own or media.INDEX, (), parsed.manifests)
    return Document(own or media.MANIFEST, (parsed.config, *parsed.layers), ())


class Documents:
    """The documents of a store, the last ones kept in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Digest, Document] = OrderedDict()

    def get(self, ctx: Layers, digest: Digest) -> Document | None:
        """What the store's document names; None when it is not there, or is none."""
        with self._lock:
            found = self._kept.get(digest)
            if found is not None:
                self._kept.move_to_end(digest)
        if found is not None:
            return found if ctx.blobs.has(digest) else None
        try:
            found = read(ctx.blobs.read(digest))
        except LaminaError:
            return None
        with self._lock:
            self._kept[digest] = found
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found
