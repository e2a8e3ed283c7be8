"""Lazy: brings absent layers (layers.absent), and blobs, from where `packed` and `places` say that they are.

    ctx = ctx._replace(fetch=lambda: Lazy(registries))       # what the engine does: then `bring` finds us
    Lazy(registries, enter, stopper, observer).layers(ctx, diff_ids)        # by hand

What lies on this machine, in the store or in the folder of a shared cache, is taken first. Of repositories
the one that has most of the layers is asked, then for what it lacks the others. Two who want the same layer
at once, threads or processes, fetch it once.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from lamina.db import cachedb, layerdb, leases, packed, traces
from lamina.db.packed import Packed
from lamina.errors import Corrupt, Denied, InvalidInput, LaminaError, NotFound
from lamina.events import Progress, ignore
from lamina.fetch.failures import FetchFailed
from lamina.fetch.stopping import NeverStops, Stop
from lamina.layers.absent import Misdescribed, absent, elsewhere, rank, said
from lamina.layers.apply import apply_layer
from lamina.layers.commit import commit_empty
from lamina.layers.lookup import EMPTY_DIFF
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import hex_of, short
from lamina.registry.endpoints import endpoints
from lamina.registry.failures import check_online
from lamina.registry.repository import Repository
from lamina.store.lock import NameLock
from lamina.transfer.incoming import Wanted, bring_layers, is_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lamina.events import Observer
    from lamina.fetch.stopping import Stopper
    from lamina.layers.absent import Elsewhere
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID, Digest
    from lamina.registry.settings import Settings

    Registries = Callable[[], Settings]

_LATER = "try again when it can be reached"
_GONE = "pull the image again, or build it again: the build cache has forgotten what is not to be had"
_WRONG = "build again: what was said of it, and of the steps that rest on it, is forgotten"
_UNFIT = (NotFound, Corrupt, InvalidInput)  # it answered, and does not have it
_UNREACHED = (FetchFailed, Denied)


class Place(NamedTuple):
    """A repository, in full, and the layers that it is known to have."""

    repository: str
    forms: dict[DiffID, Packed]


class Lazy:
    """A Fetcher (layers.absent). `enter` makes us root in here, which unpacking needs."""

    def __init__(
        self,
        registries: Registries,
        enter: Callable[[], None] = lambda: None,
        stopper: Stopper | None = None,
        observer: Observer = ignore,
    ) -> None:
        """The observer is told what bring_layers tells."""
        self._registries = registries
        self._enter = enter
        self._stopper = stopper or NeverStops()
        self._observer = observer

    def layers(self, ctx: Layers, diff_ids: Sequence[DiffID]) -> None:
        """Afterwards the files of these layers, which have their rows, are here; our lease holds them.

        Elsewhere names the layers that nobody has, or can be asked for, and what each one said; when they
        are gone for good the steps that made them are forgotten. Misdescribed when rows were wrong, which are
        right then. NoSpace, Cancelled; Denied for our own files.
        """
        stop = Stop(self._stopper)
        with ExitStack() as locks:
            for diff_id in sorted(set(diff_ids)):  # in one order: nobody waits in a circle
                locks.enter_context(NameLock(ctx.layout, f"diff-{hex_of(diff_id)}", stop.check))
            missing = absent(ctx, diff_ids)  # whoever had the lock before has brought some
            if missing:
                self._enter()
                _Fetch(ctx, self._registries, stop, self._observer).run(missing)

    def blob(self, ctx: Layers, descriptor: Descriptor) -> None:
        """Afterwards a layer's blob is in the store just as it came; our lease holds it.

        NotFound when no place has it, else what the last one said that was asked; NoSpace, Cancelled.
        """
        digest = descriptor.digest
        with ctx.db.write(durable=False) as tx:
            leases.hold(tx, ctx.lease.id, leases.BLOB, digest)
        for folder in packed.folders(ctx.db.read(), digest):
            from lamina.transfer.cache.folder import keep_blob  # only who shares a cache by folders has some

            if keep_blob(ctx, folder, descriptor):
                return
        last: LaminaError = NotFound(f"blob {digest} is not in the store, and nobody is known to have it")
        for repository in packed.places(ctx.db.read(), digest):
            reference, settings = references.parse(repository), self._registries()
            try:
                check_online(reference, settings)
                with Repository(reference, settings, Stop(self._stopper)) as there:
                    there.blob(descriptor, ctx.blobs, self._progress(digest))
                return
            except (*_UNFIT, *_UNREACHED) as error:
                last = error
        raise last

    def _progress(self, digest: Digest) -> Callable[[int, int], object]:
        name = short(digest)
        return lambda done, total: self._observer(Progress(name, done, total))


class _Fetch:
    """Layers on their way; what was tried and did not work."""

    def __init__(self, ctx: Layers, registries: Registries, stop: Stop, observer: Observer) -> None:
        self._ctx = ctx
        self._registries = registries
        self._stop = stop
        self._tell = observer
        self._tried: set[tuple[str, Digest]] = set()
        self._said: dict[str, LaminaError] = {}  # by places: the last that each one said

    def run(self, diff_ids: Sequence[DiffID]) -> None:
        before = self._hold(diff_ids)
        for diff_id in diff_ids:
            self._from_here(diff_id)
        while missing := absent(self._ctx, diff_ids):
            place = self._best(missing)
            if place is None:
                raise self._lost(missing)
            self._ask(place, self._registries())
        c = self._ctx.db.read()
        wrong = [name for name, claim in before.items() if said(layerdb.need_diff(c, name)) != claim]
        if wrong:
            raise _misdescribed(wrong)

    def _hold(self, diff_ids: Sequence[DiffID]) -> dict[DiffID, object]:
        """Keeps rows and blobs from sweeps; what the rows say. NotFound."""
        with self._ctx.db.write(durable=False) as tx:
            lease = self._ctx.lease.id
            leases.hold(tx, lease, leases.DIFF, *diff_ids)
            for diff_id in diff_ids:
                digests = [form.descriptor.digest for form in packed.forms(tx, diff_id)]
                leases.hold(tx, lease, leases.BLOB, *digests)
            return {diff_id: said(layerdb.need_diff(tx, diff_id)) for diff_id in diff_ids}

    # --- from this machine

    def _from_here(self, diff_id: DiffID) -> None:
        """From a blob of the store, or from a folder; the empty layer from nothing."""
        if diff_id == EMPTY_DIFF:
            commit_empty(self._ctx)
            return
        c = self._ctx.db.read()
        own = layerdb.need_diff(c, diff_id)
        forms = packed.forms(c, diff_id)
        if own.blob is not None:
            forms.insert(0, Packed(diff_id, Descriptor(own.media_type, own.blob, 0)))
        for form in forms:
            digest = form.descriptor.digest
            if self._ctx.blobs.touch(digest) and self._unpack(form):
                return
            if any(self._from_folder(form, folder) for folder in packed.folders(c, digest)):
                return

    def _unpack(self, form: Packed) -> bool:
        """From a blob of the store. False when it rotted, or is something else: it comes anew."""
        digest = form.descriptor.digest
        try:
            with cast("BinaryIO", open(self._ctx.blobs.path(digest), "rb", buffering=0)) as stream:
                kind = form.descriptor.media_type
                apply_layer(self._ctx, stream, diff_id=form.diff_id, blob=digest, media_type=kind)
        except (Corrupt, InvalidInput):
            self._check_form(form)
            return False
        return True

    def _from_folder(self, form: Packed, folder: str) -> bool:
        from lamina.transfer.cache.folder import unpack  # only who shares a cache by folders has some

        try:
            unpack(self._ctx, folder, form.descriptor, form.diff_id)
        except _UNFIT as error:
            self._failed(Place(packed.FOLDER + folder, {form.diff_id: form}), error)
            return False
        return True

    # --- from repositories

    def _best(self, diff_ids: Sequence[DiffID]) -> Place | None:
        """The one that has most of these layers, of those that were not asked for them yet."""
        places: dict[str, dict[DiffID, Packed]] = {}
        for diff_id, form, repository in self._known(diff_ids):
            forms = places.setdefault(repository, {})
            if diff_id not in forms or rank(form) < rank(forms[diff_id]):
                forms[diff_id] = form
        found = [Place(*each) for each in places.items()]
        return max(found, key=lambda place: len(place.forms), default=None)

    def _known(self, diff_ids: Sequence[DiffID]) -> Iterator[tuple[DiffID, Packed, str]]:
        c = self._ctx.db.read()
        for diff_id in diff_ids:
            for form in packed.forms(c, diff_id):
                digest = form.descriptor.digest
                for repository in packed.places(c, digest):
                    if (repository, digest) not in self._tried:
                        yield diff_id, form, repository

    def _ask(self, place: Place, settings: Settings) -> None:
        """Brings what the place has; what goes wrong is noted, and the layer asked for elsewhere."""
        try:
            self._bring(place, settings)
        except _UNFIT as error:
            if len(place.forms) > 1:  # of which layer is it? Those that came stay
                for diff_id in absent(self._ctx, place.forms):
                    self._ask(Place(place.repository, {diff_id: place.forms[diff_id]}), settings)
            else:
                self._settle(place, self._past_mirrors(place, settings, error))
        except _UNREACHED as error:
            self._failed(place, error)
        else:
            self._settle(place, None)

    def _bring(self, place: Place, settings: Settings) -> None:
        reference = references.parse(place.repository)
        check_online(reference, settings)
        wanted = [Wanted(form.descriptor, diff_id) for diff_id, form in place.forms.items()]
        with Repository(reference, settings, stop := Stop(self._stop)) as there:
            bring_layers(self._ctx, there, wanted, stop, self._tell)

    def _past_mirrors(self, place: Place, settings: Settings, error: LaminaError) -> LaminaError | None:
        """Asks the registry for a layer, which a mirror may lack. None if it came, else what to say."""
        (form,) = place.forms.values()
        reference = references.parse(place.repository)
        if len(list(endpoints(reference, settings))) < 2:
            return error
        try:
            with Repository(reference, settings, Stop(self._stop)) as there:
                there.blob(form.descriptor, self._ctx.blobs, lambda done, total: None)
        except (*_UNFIT, *_UNREACHED) as other:
            return other
        return None if self._unpack(form) else error

    def _settle(self, place: Place, error: LaminaError | None) -> None:
        """Notes what the place has, or that it has not."""
        if error is not None:
            self._failed(place, error)
            return
        digests = [form.descriptor.digest for form in place.forms.values()]
        self._tried.update([(place.repository, digest) for digest in digests])
        with self._ctx.db.write(durable=False) as tx:
            for digest in digests:
                packed.put_place(tx, digest, place.repository)

    # --- what goes wrong

    def _failed(self, place: Place, error: LaminaError) -> None:
        self._said[place.repository] = error
        for form in place.forms.values():
            digest = form.descriptor.digest
            self._tried.add((place.repository, digest))
            if isinstance(error, NotFound):
                with self._ctx.db.write(durable=False) as tx:
                    packed.forget_places(tx, [digest], place.repository)
            elif self._ctx.blobs.touch(digest):
                self._check_form(form)

    def _check_form(self, form: Packed) -> None:
        """Forgets a form whose blob is what its digest says and could not be made this layer."""
        if is_sound(self._ctx, form.descriptor.digest):
            with self._ctx.db.write(durable=False) as tx:
                packed.forget(tx, form)

    def _lost(self, diff_ids: Sequence[DiffID]) -> Elsewhere:
        """The error for layers that could not be brought."""
        told = [f"{place}: {error.message}" for place, error in self._said.items()]
        why = "; ".join(told) or "nobody is known to have it"
        if not all(isinstance(error, _UNFIT) for error in self._said.values()):
            hints = [error.hint for error in self._said.values() if error.hint]
            return elsewhere(diff_ids, why, hints[0] if hints else _LATER)
        with self._ctx.db.write() as tx:
            for diff_id in diff_ids:
                cachedb.delete_steps_on(tx, diff_id, ())
            traces.delete_lost(tx)
        return elsewhere(diff_ids, why, _GONE, gone=True)


def _misdescribed(diff_ids: Sequence[DiffID]) -> Misdescribed:
    first, *others = diff_ids
    more = f" and {len(others)} more are" if others else " is"
    error = Misdescribed(f"layer {first}{more} not what was said of it where it is known from", hint=_WRONG)
    error.diff_ids = tuple(diff_ids)
    return error
