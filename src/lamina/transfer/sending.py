"""Sending: the layers of images to one repository, each by the cheapest way that there is.

A layer whose packed form is known is asked for first (HEAD), then mounted from another repository of the
registry, and only then sent: from the store, or else straight from a repository that has it. What is not
known is packed while it is sent. Afterwards it is known what each layer is there.
"""

from __future__ import annotations

import hashlib
import io
from _thread import allocate_lock
from typing import TYPE_CHECKING, NamedTuple

from lamina.archive.opening import Spools
from lamina.db import layerdb
from lamina.db import packed as forms
from lamina.db.packed import Packed
from lamina.errors import LaminaError
from lamina.events import Notice, Progress
from lamina.fetch.failures import FetchFailed
from lamina.layers.absent import is_here
from lamina.layers.pack import open_packed
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest, sha256, short
from lamina.registry.repository import Repository
from lamina.transfer.elsewhere import NotThere, from_elsewhere
from lamina.transfer.packing import UNCOMPRESSED, form_of, pack_into, type_of
from lamina.transfer.ship import EXISTS, PUSHED, is_elsewhere, mounted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from lamina.db.layerdb import Diff
    from lamina.events import Observer
    from lamina.fetch.stopping import Stop
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.registry.settings import Settings
    from lamina.transfer.ends import Opener
    from lamina.transfer.packing import Packing
    from lamina.transfer.registry_ends import RegistrySink


_SMALL = 4 << 20  # bytes of a tar that is packed in memory
_NOTHING = sha256(b"")
_UNSEEN = "?"  # who made a form of which only a manifest says that it is one


class LayerOf(NamedTuple):
    """A layer as a manifest of the store names it."""

    diff_id: DiffID
    descriptor: Descriptor

    def __hash__(self) -> int:  # annotations of a descriptor have none
        return hash((self.diff_id, self.descriptor.digest))


class Sending:
    """Layers on their way to `sink`; what was sent once is not asked for again."""

    def __init__(
        self,
        ctx: Layers,
        sink: RegistrySink,
        settings: Settings,
        packing: Packing,
        stop: Stop,
        observer: Observer,
    ) -> None:
        self._ctx = ctx
        self._sink = sink
        self._settings = settings
        self._packing = packing
        self._stop = stop
        self._tell = observer
        self._repository = sink.reference.name
        self._sent: dict[LayerOf, Packed] = {}
        self._elsewhere: dict[str, Repository] = {}
        self._lock = allocate_lock()
        self._at_once = False  # the registry takes no pieces

    def close(self) -> None:
        """Ends the connections to other registries."""
        while self._elsewhere:
            self._elsewhere.popitem()[1].__exit__()

    def send(self, layers: Iterable[LayerOf]) -> Mapping[LayerOf, Descriptor]:
        """Afterwards the repository has all of these; as what, by layer. Several go at once.

        NotFound, Corrupt for what the store and the places have not; what the Destination raises.
        """
        from lamina.transfer.downloads import Downloads  # threading

        todo = [each for each in dict.fromkeys(layers) if each not in self._sent]
        going = {_job(each).digest: each for each in todo if not is_elsewhere(each.descriptor)}
        for layer in going.values():
            self._tell(Notice(f"{short(layer.diff_id)}: Preparing"))
        jobs = [_job(layer) for layer in going.values()]
        with Downloads(jobs, lambda job: self._send(going[job.digest]), self._stop) as under_way:
            for digest in going:
                under_way.wait(digest)
        self._sent.update({each: Packed(*each, _UNSEEN) for each in todo if is_elsewhere(each.descriptor)})
        return {each: sent.descriptor for each, sent in self._sent.items()}

    def sent(self) -> list[Packed]:
        """What the repository is known to have by now, for db.packed.

        Without what only a manifest says to be a form of a layer: nobody here has looked.
        """
        return [each for each in self._sent.values() if each.maker != _UNSEEN]

    def _note(self, sent: Packed) -> None:
        """What was sent is known at once, whatever becomes of the rest: the next try sends it no more."""
        c, digest = self._ctx.db.read(), sent.descriptor.digest
        known = any(form.descriptor.digest == digest for form in forms.forms(c, sent.diff_id))
        if sent.maker == _UNSEEN or (known and forms.is_at(c, digest, self._repository)):
            return
        with self._ctx.db.write(durable=False) as tx:
            if layerdb.get_diff(tx, sent.diff_id) is not None:
                forms.put(tx, sent, self._repository)

    def _maker_of(self, diff: Diff, known: Descriptor) -> str:
        for form in forms.forms(self._ctx.db.read(), diff.diff_id):
            if form.descriptor.digest == known.digest:
                return form.maker
        if known.digest == Digest(diff.diff_id):
            return UNCOMPRESSED
        return "" if known.digest == diff.blob else _UNSEEN

    # --- one layer

    def _send(self, layer: LayerOf) -> None:
        c = self._ctx.db.read()
        diff = layerdb.need_diff(c, layer.diff_id)
        known = form_of(c, diff, layer.descriptor, self._packing, self._repository)
        name = short(layer.diff_id)
        sent, state = None, ""
        if known is not None:
            state = self._send_known(layer.diff_id, known, name)
            sent = Packed(layer.diff_id, known, self._maker_of(diff, known))
        if sent is None or not state:
            sent, state = self._pack(diff, name)
        with self._lock:
            self._sent[layer] = sent
        self._note(sent)
        self._tell(Notice(f"{name}: {state}"))

    def _send_known(self, diff_id: DiffID, descriptor: Descriptor, name: str) -> str:
        """How the blob came there, in Docker's words; "" when nobody has it any more."""
        if self._sink.has(descriptor):
            return EXISTS
        places = forms.places(self._ctx.db.read(), descriptor.digest)
        place = self._sink.mount(descriptor, places)
        if place:
            return mounted(place)
        opener = self._opener(diff_id, descriptor)
        if opener is not None:
            self._put(descriptor, opener, name)
            return PUSHED
        for place in places:
            if place != self._repository and self._put_from(place, descriptor, name):
                return PUSHED
        return ""

    def _opener(self, diff_id: DiffID, descriptor: Descriptor) -> Opener | None:
        """The blob as the store has it."""
        if self._ctx.blobs.has(descriptor.digest):
            return lambda: self._ctx.blobs.open(descriptor.digest)
        if descriptor.digest == Digest(diff_id) and is_here(self._ctx, diff_id):
            return lambda: open_packed(self._ctx, diff_id)
        return None

    def _put(self, descriptor: Descriptor, opener: Opener, name: str) -> None:
        self._sink.put(descriptor, opener, lambda done, total: self._tell(Progress(name, done, total)))

    def _put_from(self, place: str, descriptor: Descriptor, name: str) -> bool:
        """Straight from a repository that was seen to have it; whether it had."""
        source = self._source(place)

        try:
            self._put(descriptor, lambda: from_elsewhere(source, descriptor), name)
        except NotThere as error:
            self._tell(Notice(f"{name}: {error.message}; packed anew"))
            with self._ctx.db.write(durable=False) as tx:
                forms.forget_places(tx, [descriptor.digest], place)
            return False
        return True

    def _source(self, place: str) -> Repository:
        with self._lock:
            if place not in self._elsewhere:
                self._elsewhere[place] = Repository(references.parse(place), self._settings, self._stop)
            return self._elsewhere[place]

    def _pack(self, diff: Diff, name: str) -> tuple[Packed, str]:
        """Packs a layer while it is sent. A small one is packed first: the registry may have just that."""
        if diff.tar_size <= _SMALL or self._at_once:
            return self._pack_first(diff, name)
        notes: dict[str, str] = {}
        try:
            fill = self._fill(diff, name, notes)
            digest, size = self._sink.destination.stream(fill, lambda done, total: None)
        except FetchFailed as error:
            self._check_answers(error)
            self._at_once = True
            return self._pack_first(diff, name)
        made = Descriptor(type_of(self._packing), digest, size, notes)
        return Packed(diff.diff_id, made, self._packing.maker), PUSHED

    def _pack_first(self, diff: Diff, name: str) -> tuple[Packed, str]:
        """Into memory or a nameless file, then in one request, which every registry takes.

        Some take no pieces: GitHub's none above 4 MiB, and Amazon's says wrongly how much it has.
        """
        notes: dict[str, str] = {}
        digest, size = hashlib.sha256(), 0
        fill = self._fill(diff, name, notes)

        def hashed(write: Callable[[bytes], object]) -> None:
            def take(data: bytes) -> None:
                nonlocal size
                digest.update(data)
                size += len(data)
                write(data)

            fill(take)

        with Spools(self._ctx.layout.root) as spools:
            if diff.tar_size <= _SMALL:
                small = io.BytesIO()
                hashed(small.write)
                opener: Opener = lambda: io.BytesIO(small.getvalue())  # noqa: E731
            else:
                opener = spools.add(hashed)
            name_of = Digest("sha256:" + digest.hexdigest())
            made = Descriptor(type_of(self._packing), name_of, size, notes)
            packed = Packed(diff.diff_id, made, self._packing.maker)
            if self._sink.has(made):
                return packed, EXISTS
            self._sink.put(made, opener, lambda done, total: None)
        return packed, PUSHED

    def _fill(
        self, diff: Diff, name: str, notes: dict[str, str]
    ) -> Callable[[Callable[[bytes], object]], None]:
        """What writes a layer packed, tells how far it is, and puts the annotations of it into `notes`."""

        def moved(done: int) -> None:
            self._stop.check()
            self._tell(Progress(name, done, diff.tar_size))

        def fill(write: Callable[[bytes], object]) -> None:
            notes.clear()
            notes.update(pack_into(self._ctx, diff.diff_id, self._packing, write, moved))

        return fill

    def _check_answers(self, error: FetchFailed) -> None:
        """Raises the error where it is not that the registry takes no pieces, but that it cannot be asked."""
        try:
            self._sink.has(Descriptor(media.LAYER, _NOTHING, 0))
        except LaminaError:
            raise error from None


def _job(layer: LayerOf) -> Descriptor:
    """What names a layer among those that go at once: two manifests may name it in two forms."""
    name = sha256(f"{layer.diff_id} {layer.descriptor.digest}".encode())
    return Descriptor(media.LAYER, name, layer.descriptor.size)
