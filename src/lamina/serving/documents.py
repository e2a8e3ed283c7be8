"""Documents: what manifests and indexes name, read once each."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from lamina.errors import LaminaError
from lamina.oci import manifest as manifests
from lamina.oci import media
from lamina.oci.manifest import Index

if TYPE_CHECKING:
    from lamina.layers.context import Layers
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import Digest

_KEPT = 16 << 20  # bytes of documents, as they are written

Key = TypeVar("Key")
Value = TypeVar("Value")


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


class Recent(Generic[Key, Value]):
    """The last used values, as long as they are small enough together; threads share it."""

    def __init__(self, budget: int) -> None:
        self._budget = budget  # bytes
        self._lock = threading.Lock()
        self._all: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._size = 0

    def get(self, key: Key) -> Value | None:
        """The value, which is now the last used."""
        with self._lock:
            found = self._all.get(key)
            if found is None:
                return None
            self._all.move_to_end(key)
            return found[0]

    def put(self, key: Key, value: Value, size: int) -> None:
        """Keeps a value of this size in bytes, and lets go the ones that were not used for long."""
        with self._lock:
            self._size += size - self._all.pop(key, (value, 0))[1]
            self._all[key] = value, size
            while self._size > self._budget:
                self._size -= self._all.popitem(last=False)[1][1]

    def drop(self, key: Key) -> None:
        """Keeps it no more."""
        with self._lock:
            found = self._all.pop(key, None)
            self._size -= found[1] if found else 0

    def items(self) -> list[tuple[Key, Value]]:
        """All that is kept."""
        with self._lock:
            return [(key, value) for key, (value, _) in self._all.items()]


class Documents:
    """The documents of a store, the last ones kept in memory."""

    def __init__(self) -> None:
        self._kept: Recent[Digest, Document] = Recent(_KEPT)

    def get(self, ctx: Layers, digest: Digest) -> Document | None:
        """What the store's document names; None when it is not there, or is none."""
        found = self._kept.get(digest)
        if found is not None:
            return found if ctx.blobs.has(digest) else None
        try:
            data = ctx.blobs.read(digest)
            found = read(data)
        except LaminaError:
            return None
        self._kept.put(digest, found, len(data))
        return found
