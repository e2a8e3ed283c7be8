"""bring_layers: layers of one repository into the store, fetched in parallel, each unpacked while it comes.

    bring_layers(ctx, repository, [Wanted(descriptor, diff_id), ...], stop, observer)

`repository` has been resolved; the caller's lease holds the blobs (leases.BLOB) so that no sweep takes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from lamina.db import packed
from lamina.errors import Corrupt, InvalidInput, LaminaError, NoSpace
from lamina.events import Notice, Progress, ignore
from lamina.layers.apply import apply_layer, apply_verified
from lamina.layers.commit import reuse_diff
from lamina.oci.digest import Digest, short
from lamina.store.blobs import CHUNK
from lamina.transfer.arriving import Arriving, Interrupted, StartedAgain
from lamina.transfer.delta.attempt import try_delta
from lamina.transfer.downloads import Downloads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.events import Observer
    from lamina.fetch.stopping import Stop
    from lamina.layers.context import Layers
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import DiffID
    from lamina.registry.repository import Repository


class Wanted(NamedTuple):
    """One layer that the store should have: the blob in the registry, and what it is when unpacked."""

    descriptor: Descriptor
    diff_id: DiffID


def bring_layers(
    ctx: Layers, repository: Repository, wanted: Sequence[Wanted], stop: Stop, observer: Observer = ignore
) -> None:
    """Afterwards the store has each of these layers, verified; our lease holds them. What is here stays.

    Tells `Notice`s in Docker's words and `Progress` for each layer that comes, named by the first 12 digits
    of its digest. NotFound, Denied, FetchFailed; Corrupt for what is not what its digest, size or diff ID
    says; InvalidInput for a broken or hostile archive; NoSpace, Cancelled. What came whole stays for the
    next try.
    """
    try:
        _Incoming(ctx, repository, stop, observer).run(wanted)
    except NoSpace as error:
        shown = repository.reference.familiar()
        raise NoSpace(f"cannot unpack the layers of {shown}: {error.message}", hint=error.hint) from None


class _Incoming:
    """Layers on their way: threads fetch, and this one unpacks whatever there is to unpack."""

    def __init__(self, ctx: Layers, repository: Repository, stop: Stop, observer: Observer) -> None:
        self._ctx = ctx
        self._repository = repository
        self._shown = repository.reference.familiar()
        self._stop = stop
        self._tell = observer
        self._left: list[Wanted] = []  # those that nobody unpacks yet
        self._coming: dict[Digest, Arriving] = {}
        self._diff_ids: dict[Digest, DiffID] = {}

    def run(self, wanted: Sequence[Wanted]) -> None:
        """Every layer; of two that could be unpacked the one that is all there, else the lower one."""
        todo = [each.descriptor for each in wanted if not self._has(each)]
        missing = {layer.digest for layer in todo}
        for layer, _ in wanted if todo else ():
            state = "Pulling fs layer" if layer.digest in missing else "Already exists"
            self._tell(Notice(f"{short(layer.digest)}: {state}"))
        downloads = Downloads(todo, self._fetch, self._stop)
        self._coming = {digest: Arriving(downloads.check) for digest in missing}
        self._left = list(wanted)
        self._diff_ids = {layer.digest: diff_id for layer, diff_id in wanted}
        told = [each for each in dict.fromkeys(layer.digest for layer, _ in wanted) if each in missing]
        with downloads:
            while self._left:
                self._unpack(self._whole() or self._left.pop(0))
                self._tell_complete(told)
            while told:
                self._coming[told[0]].wait()
                self._tell_complete(told)

    def _tell_complete(self, untold: list[Digest]) -> None:
        """Tells of those that are done, in their order; `untold` is the rest then."""
        left = {layer.digest for layer, _ in self._left}
        while untold and untold[0] not in left and self._coming[untold[0]].is_over:
            self._tell(Notice(f"{short(untold.pop(0))}: Pull complete"))

    def _has(self, wanted: Wanted) -> bool:
        """Whether the blob is there, or can be had: an uncompressed layer is what we pack ourselves.

        A layer that came in parts (transfer.delta) has no blob here: it is known where to get it.
        """
        layer, diff_id = wanted
        if self._ctx.blobs.touch(layer.digest):
            return True
        forms = packed.forms(self._ctx.db.read(), diff_id)
        if layer.digest != Digest(diff_id) and layer.digest not in [form.descriptor.digest for form in forms]:
            return False
        return reuse_diff(self._ctx, diff_id, with_files=True) is not None

    # --- in threads

    def _fetch(self, descriptor: Descriptor) -> None:
        """Brings a blob into the store, told to its Arriving."""
        arriving, name = self._coming[descriptor.digest], short(descriptor.digest)
        wanted = Wanted(descriptor, self._diff_ids[descriptor.digest])
        if try_delta(self._ctx, self._repository, wanted, self._stop, self._tell):
            arriving.end()
            return
        self._repository.blob(
            descriptor,
            arriving.store(self._ctx),
            lambda done, total: self._tell(Progress(name, done, total)),
        )
        arriving.end()  # also where another process was faster

    # --- unpacking

    def _whole(self) -> Wanted | None:
        """Takes a layer whose blob is all there, if there is one."""
        for number, each in enumerate(self._left):
            arriving = self._coming.get(each.descriptor.digest)
            if arriving is None or arriving.is_over:
                return self._left.pop(number)
        return None

    def _meanwhile(self) -> bool:
        """Something to do while nothing comes: False when there is nothing."""
        each = self._whole()
        if each is None:
            return False
        try:
            self._unpack(each)
        except LaminaError as error:
            raise Interrupted(error) from error
        return True

    def _unpack(self, wanted: Wanted) -> None:
        if reuse_diff(self._ctx, wanted.diff_id, with_files=True) is not None:
            return
        arriving = self._coming.get(wanted.descriptor.digest)
        try:
            if arriving is None or not arriving.comes(self._meanwhile):
                if arriving is None or reuse_diff(self._ctx, wanted.diff_id, with_files=True) is None:
                    self._unpack_old(wanted)  # else it came in parts
            else:
                while not self._unpack_new(wanted, arriving):
                    pass
        except Interrupted as interrupted:
            raise interrupted.error from None

    def _unpack_new(self, wanted: Wanted, arriving: Arriving) -> bool:
        """Unpacks a blob while it comes; False when it began again. It is verified before the layer is."""
        layer, diff_id = wanted
        with arriving.open(self._ctx.blobs.path(layer.digest), self._meanwhile) as stream:
            try:
                apply_verified(self._ctx, stream, diff_id, layer.digest, layer.media_type)
            except StartedAgain:
                return False
            except (Corrupt, InvalidInput) as error:
                arriving.wait()  # were the bytes those of the digest?
                if stream.is_stale:
                    return False
                raise self._about(layer, error) from None
        return True

    def _unpack_old(self, wanted: Wanted) -> None:
        """Unpacks a blob that the store had; one that rotted there comes anew."""
        try:
            try:
                self._apply(wanted)
            except (Corrupt, InvalidInput):
                if is_sound(self._ctx, wanted.descriptor.digest):
                    raise
                self._repository.blob(wanted.descriptor, self._ctx.blobs, lambda done, total: None)
                self._apply(wanted)
        except (Corrupt, InvalidInput) as error:
            raise self._about(wanted.descriptor, error) from None

    def _apply(self, wanted: Wanted) -> None:
        layer, diff_id = wanted
        # What is read is checked against the digest once more.
        with cast("BinaryIO", open(self._ctx.blobs.path(layer.digest), "rb", buffering=0)) as stream:
            apply_layer(self._ctx, stream, diff_id=diff_id, blob=layer.digest, media_type=layer.media_type)

    def _about(self, layer: Descriptor, error: LaminaError) -> LaminaError:
        message = f"layer {short(layer.digest)} of {self._shown}: {error.message}"
        return type(error)(message, hint=error.hint)


def is_sound(ctx: Layers, digest: Digest) -> bool:
    """Whether the bytes of a blob that is there are its digest's; one that rotted goes, to come anew."""
    try:
        with ctx.blobs.open(digest) as stream:
            while stream.read(CHUNK):
                pass
    except Corrupt:
        ctx.blobs.delete(digest)
        return False
    return True
