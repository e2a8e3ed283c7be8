"""Lazy: absent layers (layers.absent), and blobs that are elsewhere, from where `packed` and `places` know them.

    ctx = ctx._replace(fetch=lambda: Lazy(registries))           # what the engine does: then `bring` finds us
    Lazy(registries, enter, stopper, observer).layers(ctx, diff_ids)     # by hand

Of several repositories the one that has most of the layers is asked first; what it lacks is asked of the others.
Two who want the same layer at once, threads or processes, fetch it once.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from lamina.db import cachedb, layerdb, leases, packed, traces
from lamina.errors import Corrupt, Denied, InvalidInput, LaminaError, NotFound
from lamina.events import Progress, ignore
from lamina.fetch.failures import FetchFailed
from lamina.fetch.stopping import NeverStops, Stop
from lamina.layers.absent import Misdescribed, absent, elsewhere, said
from lamina.layers.apply import apply_layer
from lamina.oci import reference as references
from lamina.oci.digest import hex_of
from lamina.registry.endpoints import endpoints
from lamina.registry.failures import check_online
from lamina.registry.repository import Repository
from lamina.store.lock import NameLock
from lamina.transfer.incoming import Wanted, bring_layers, is_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lamina.db.packed import Packed
    from lamina.events import Observer
    from lamina.fetch.stopping import Stopper
    from lamina.layers.absent import Elsewhere
    from lamina.layers.context import Layers
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import DiffID, Digest
    from lamina.registry.settings import Settings

    Registries = Callable[[], Settings]

_LATER = "try again when it can be reached"
_GONE = "pull the image again, or build it again: the build cache has forgotten what is not to be had"
_WRONG = "build again: what was said of it, and of the steps that rest on it, is forgotten"
_CHUNKED = "io.github.containers.zstd-chunked.manifest-position"  # of which parts can be had


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
        """Afterwards the files of these layers, which have their rows, are in the store; our lease holds them.

        Elsewhere names the layers that nobody has, or can be asked for, and what each one said; when they are
        gone for good the steps that made them are forgotten. Misdescribed when rows were wrong; they are right
        then. NoSpace, Cancelled; Denied for our own files.
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

        NotFound when no place has it, else what the last place said that was asked; NoSpace, Cancelled.
        """
        digest = descriptor.digest
        with ctx.db.write(durable=False) as tx:
            leases.hold(tx, ctx.lease.id, leases.BLOB, digest)
        last: LaminaError = NotFound(f"blob {digest} is not in the store, and no repository is known to have it")
        for repository in packed.places(ctx.db.read(), digest):
            reference, settings = references.parse(repository), self._registries()
            try:
                check_online(reference, settings)
                with Repository(reference, settings, Stop(self._stopper)) as there:
                    there.blob(descriptor, ctx.blobs, self._progress(digest))
                return
            except (NotFound, Denied, FetchFailed, Corrupt) as error:
                last = error
        raise last

    def _progress(self, digest: Digest) -> Callable[[int, int], object]:
        name = hex_of(digest)[:12]
        return lambda done, total: self._observer(Progress(name, done, total))


class _Fetch:
    """Layers on their way; what was tried and did not work."""

    def __init__(self, ctx: Layers, registries: Registries, stop: Stop, observer: Observer) -> None:
        self._ctx = ctx
        self._registries = registries
        self._stop = stop
        self._tell = observer
        self._tried: set[tuple[str, Digest]] = set()
        self._said: dict[str, LaminaError] = {}  # by repositories: the last that each one said

    def run(self, diff_ids: Sequence[DiffID]) -> None:
        before = self._hold(diff_ids)
        self._unpack_here(diff_ids)
        while missing := absent(self._ctx, diff_ids):
            place = self._best(missing)
            if place is None:
                raise self._lost(missing)
            self._ask(place)
        c = self._ctx.db.read()
        wrong = [diff_id for diff_id, claim in before.items() if said(layerdb.need_diff(c, diff_id)) != claim]
        if wrong:
            raise _misdescribed(wrong)

    def _hold(self, diff_ids: Sequence[DiffID]) -> dict[DiffID, object]:
        """Keeps rows and blobs from sweeps; what the rows say. NotFound."""
        with self._ctx.db.write(durable=False) as tx:
            lease = self._ctx.lease.id
            leases.hold(tx, lease, leases.DIFF, *diff_ids)
            for diff_id in diff_ids:
                leases.hold(tx, lease, leases.BLOB, *[form.descriptor.digest for form in packed.forms(tx, diff_id)])
            return {diff_id: said(layerdb.need_diff(tx, diff_id)) for diff_id in diff_ids}

    def _unpack_here(self, diff_ids: Sequence[DiffID]) -> None:
        """Layers whose blobs are in the store, from a try that broke off for one."""
        for diff_id in diff_ids:
            for form in packed.forms(self._ctx.db.read(), diff_id):
                if self._ctx.blobs.touch(form.descriptor.digest) and self._unpack(form):
                    break
                if self._unpack_from_folder(form):
                    break

    def _unpack(self, form: Packed) -> bool:
        """From a blob that is here. False when it rotted, or is something else: it comes anew."""
        digest = form.descriptor.digest
        try:
            with cast("BinaryIO", open(self._ctx.blobs.path(digest), "rb", buffering=0)) as stream:
                kind = form.descriptor.media_type
                apply_layer(self._ctx, stream, diff_id=form.diff_id, blob=digest, media_type=kind)
        except (Corrupt, InvalidInput):
            self._check_form(form)
            return False
        return True

    def _unpack_from_folder(self, form: Packed) -> bool:
        """From a shared cache that is a folder of this machine."""
        for folder in packed.folders(self._ctx.db.read(), digest := form.descriptor.digest):
            from lamina.transfer.cachefolder import unpack  # most layers come from registries

            try:
                unpack(self._ctx, folder, form.descriptor, form.diff_id)
            except (NotFound, Corrupt, InvalidInput):
                with self._ctx.db.write(durable=False) as tx:
                    packed.forget_places(tx, [digest], packed.FOLDER + folder)
            else:
                return True
        return False

    # --- places

    def _best(self, diff_ids: Sequence[DiffID]) -> Place | None:
        """The repository that has most of these layers, of those that were not asked for them yet."""
        places: dict[str, dict[DiffID, Packed]] = {}
        for diff_id, form, repository in self._known(diff_ids):
            forms = places.setdefault(repository, {})
            if diff_id not in forms or _rank(form) < _rank(forms[diff_id]):
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

    def _ask(self, place: Place) -> None:
        """Brings what the place has; what goes wrong is noted, and the layer asked for elsewhere."""
        try:
            self._bring(place)
        except (NotFound, Corrupt, InvalidInput) as error:
            if len(place.forms) > 1:  # of which layer is it? Those that came stay
                for diff_id in absent(self._ctx, place.forms):
                    self._ask(Place(place.repository, {diff_id: place.forms[diff_id]}))
            elif not self._from_registry(place):  # a mirror may lack what the registry has
                self._failed(place, error)
        except (FetchFailed, Denied) as error:
            self._failed(place, error)
        else:
            self._note(place)

    def _bring(self, place: Place) -> None:
        settings, reference = self._registries(), references.parse(place.repository)
        check_online(reference, settings)
        wanted = [Wanted(form.descriptor, diff_id) for diff_id, form in place.forms.items()]
        with Repository(reference, settings, stop := Stop(self._stop)) as repository:
            bring_layers(self._ctx, repository, wanted, stop, self._tell)

    def _from_registry(self, place: Place) -> bool:
        """The same for one layer where there are mirrors, one of which was asked."""
        (form,) = place.forms.values()
        reference, settings = references.parse(place.repository), self._registries()
        if len(list(endpoints(reference, settings))) < 2:
            return False
        try:
            with Repository(reference, settings, Stop(self._stop)) as there:
                there.blob(form.descriptor, self._ctx.blobs, lambda done, total: None)
        except (NotFound, Corrupt, InvalidInput, FetchFailed, Denied):
            return False
        return self._unpack(form)

    def _note(self, place: Place) -> None:
        digests = {form.descriptor.digest for form in place.forms.values()}
        self._tried |= {(place.repository, digest) for digest in digests}
        with self._ctx.db.write(durable=False) as tx:
            for digest in digests:
                packed.put_place(tx, digest, place.repository)

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

    # --- how it ends

    def _lost(self, diff_ids: Sequence[DiffID]) -> Elsewhere:
        """The error for layers that could not be brought."""
        gone = all(isinstance(error, NotFound | Corrupt | InvalidInput) for error in self._said.values())
        told = [f"{repository}: {error.message}" for repository, error in self._said.items()]
        why = "; ".join(told) or "no repository is known to have it"
        if not gone:
            hints = [error.hint for error in self._said.values() if error.hint]
            return elsewhere(diff_ids, why, hints[0] if hints else _LATER)
        with self._ctx.db.write() as tx:
            for diff_id in diff_ids:
                cachedb.delete_steps_on(tx, diff_id, ())
            traces.delete_lost(tx)
        return elsewhere(diff_ids, why, _GONE, gone=True)


def _rank(form: Packed) -> tuple[bool, int]:
    """What is to be preferred: a form of which parts can be had, then the smaller one."""
    return _CHUNKED not in form.descriptor.annotations, form.descriptor.size


def _misdescribed(diff_ids: Sequence[DiffID]) -> Misdescribed:
    more = f" and {len(diff_ids) - 1} more are" if len(diff_ids) > 1 else " is"
    error = Misdescribed(f"layer {diff_ids[0]}{more} not what the cache that it is from said of it", hint=_WRONG)
    error.diff_ids = tuple(diff_ids)
    return error
