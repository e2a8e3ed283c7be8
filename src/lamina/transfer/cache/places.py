"""Places of shared caches, in one shape: a name in a registry, or a tag in an OCI layout that is a folder.

    with RegistryPlace(ctx, reference, settings, stop) as place: ...
    with FolderPlace(ctx, path, tag) as place: ...

A place has blobs, and one manifest under its name. Threads may send at once; all else is for one thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lamina.db import layerdb
from lamina.db import packed as forms
from lamina.errors import Corrupt, NotFound
from lamina.events import Progress
from lamina.oci import media
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest, sha256
from lamina.registry.failures import check_online
from lamina.registry.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lamina.events import Event, Observer
    from lamina.fetch.stopping import Stop
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.oci.reference import Reference
    from lamina.registry.destination import Destination
    from lamina.registry.settings import Settings
    from lamina.transfer.packing import Packing
    from lamina.transfer.sending import Sending


class CachePlace(Protocol):
    """Where a cache is. All methods raise what its medium raises: Denied, FetchFailed, NoSpace, Corrupt, ...

    `shown` is what messages call it; `source` names it among all places; `repository` is what db.packed calls
    a place of blobs that are in it.
    """

    shown: str
    source: str
    repository: str

    def digest(self) -> Digest | None:
        """What the name stands for now; None for nothing."""

    def document(self, digest: Digest) -> bytes:
        """A manifest. NotFound."""

    def blob(self, descriptor: Descriptor) -> bytes:
        """A small blob, verified. NotFound."""

    def has(self, digest: Digest) -> bool:
        """Whether the blob is there."""

    def put(self, data: bytes, media_type: str) -> Descriptor:
        """Stores a small blob."""

    def fetch(self, descriptor: Descriptor, diff_id: DiffID, tell: Observer) -> None:
        """Brings one layer into the store, verified."""

    def send(
        self, diff_ids: Iterable[DiffID], packing: Packing, tell: Observer
    ) -> Mapping[DiffID, Descriptor]:
        """Afterwards the place has these layers of the store; as what. Tells how much has moved."""

    def name(self, manifest: bytes, before: Digest | None) -> Digest | None:
        """Gives the manifest, all of whose blobs are there, the name of the place.

        None when the name does not stand for `before` any more, in so far as the place can tell that.
        """


class RegistryPlace:
    """A cache at a reference of a registry. It is read there, or at a mirror; and written there alone."""

    def __init__(self, ctx: Layers, reference: Reference, settings: Settings, stop: Stop) -> None:
        self._ctx = ctx
        self._reference = reference.with_default_tag()
        self._settings = settings
        self._stop = stop
        self._reader: Repository | None = None
        self._writer: Destination | None = None
        self._senders: dict[Packing, Sending] = {}
        self.shown = self._reference.familiar()
        self.source = f"registry {self._reference}"
        self.repository = self._reference.name

    def __enter__(self) -> RegistryPlace:
        check_online(self._reference, self._settings)
        return self

    def __exit__(self, *_: object) -> None:
        while self._senders:
            self._senders.popitem()[1].close()
        for each in (self._reader, self._writer):
            if each is not None:
                each.__exit__(None, None, None)
        self._reader = self._writer = None

    def digest(self) -> Digest | None:
        """Asks the registry; once it is written to, that alone."""
        if self._writer is not None:
            return self._writer.manifest_digest(self._reference.digest or self._reference.tag)
        try:
            return self.reader.resolve()
        except NotFound:
            return None

    def document(self, digest: Digest) -> bytes:
        """By its digest, from wherever."""
        if self._reader is None:
            self.reader.resolve()
        return self.reader.document(digest).data

    def blob(self, descriptor: Descriptor) -> bytes:
        """Verified as it streams."""
        if self._reader is None:
            self.reader.resolve()
        with self.reader.open(descriptor) as stream:
            return stream.read()

    def has(self, digest: Digest) -> bool:
        """HEAD."""
        return self.writer.has_blob(digest)

    def put(self, data: bytes, media_type: str) -> Descriptor:
        """Uploads what is not there."""
        import io  # a build that exports nothing does without

        made = Descriptor(media_type, sha256(data), len(data))
        if not self.writer.has_blob(made.digest):
            self.writer.upload(made, lambda: io.BytesIO(data), lambda done, total: None)
        return made

    def fetch(self, descriptor: Descriptor, diff_id: DiffID, tell: Observer) -> None:
        """As a pull does."""
        from lamina.transfer.incoming import Wanted, bring_layers  # only for caches inside of images

        bring_layers(self._ctx, self.reader, [Wanted(descriptor, diff_id)], self._stop, tell)

    def send(
        self, diff_ids: Iterable[DiffID], packing: Packing, tell: Observer
    ) -> Mapping[DiffID, Descriptor]:
        """By the cheapest way (transfer.sending); what is there is noted, for who fetches or pushes later."""
        if packing not in self._senders:
            from lamina.transfer.registry_ends import RegistrySink
            from lamina.transfer.sending import Sending

            sink = RegistrySink(self.writer)
            moved = _only_progress(tell)
            self._senders[packing] = Sending(self._ctx, sink, self._settings, packing, self._stop, moved)
        from lamina.transfer.sending import LayerOf

        layers = [LayerOf(diff_id, described(self._ctx, diff_id)) for diff_id in diff_ids]
        sender = self._senders[packing]
        sent = sender.send(layers)
        note(self._ctx, sender.sent(), self.repository)
        return {layer.diff_id: sent[layer] for layer in layers}

    def name(self, manifest: bytes, before: Digest | None) -> Digest | None:
        """Puts it under the tag. There is no lock: who comes between the two requests is written over."""
        if self.digest() != before:
            return None
        return self.writer.put_manifest(manifest, media.MANIFEST, self._reference.tag)

    @property
    def reader(self) -> Repository:
        """What asks the registry."""
        if self._reader is None:
            self._reader = Repository(self._reference, self._settings, self._stop)
        return self._reader

    @property
    def writer(self) -> Destination:
        """What writes to it."""
        if self._writer is None:
            from lamina.registry.destination import Destination

            self._writer = Destination(self._reference, self._settings, self._stop).__enter__()
        return self._writer


def _only_progress(tell: Observer) -> Observer:
    """What a push says in words beside that is not said of a cache."""

    def moved(event: Event) -> None:
        if isinstance(event, Progress):
            tell(event)

    return moved


def described(ctx: Layers, diff_id: DiffID) -> Descriptor:
    """A layer as manifests of this store name it: as it was received, or as a plain tar."""
    diff = layerdb.need_diff(ctx.db.read(), diff_id)
    if diff.blob is None or not ctx.blobs.has(diff.blob):
        return Descriptor(media.LAYER, Digest(diff_id), diff.tar_size)
    return Descriptor(diff.media_type, diff.blob, ctx.blobs.size(diff.blob))


def note(ctx: Layers, sent: Iterable[forms.Packed], repository: str) -> None:
    """Notes in which forms layers are at a place."""
    c = ctx.db.read()
    new = [
        each
        for each in sent
        if not forms.is_at(c, each.descriptor.digest, repository)
        or all(form.descriptor.digest != each.descriptor.digest for form in forms.forms(c, each.diff_id))
    ]
    if not new:
        return
    with ctx.db.write(durable=False) as tx:
        for each in new:
            if layerdb.get_diff(tx, each.diff_id) is not None:
                forms.put(tx, each, repository)


def checked(data: bytes, descriptor: Descriptor, shown: str) -> bytes:
    """The bytes of a blob, which are the descriptor's. Corrupt."""
    if len(data) != descriptor.size or sha256(data) != descriptor.digest:
        raise Corrupt(f"{shown}: blob {descriptor.digest} is damaged")
    return data
