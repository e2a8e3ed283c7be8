"""Pulls: the images of a build that the store lacks, or that --pull asks for, from their registries."""

from __future__ import annotations

from _thread import allocate_lock
from typing import TYPE_CHECKING

from lamina.db import imagedb
from lamina.errors import Cancelled, Conflict, InvalidInput, LaminaError, NoSpace, NotFound
from lamina.events import Notice, Progress
from lamina.fetch.failures import FetchFailed
from lamina.oci import reference as references
from lamina.transfer.pull import pull, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.build.images import Absent
    from lamina.events import Event, Observer
    from lamina.fetch.stopping import Stopper
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID, Digest
    from lamina.oci.platform import Platform
    from lamina.oci.reference import Reference
    from lamina.registry.settings import Settings


class Pulls:
    """One build's. Threads may ask at once: one image is pulled at a time."""

    def __init__(
        self,
        ctx: Layers,
        registries: Callable[[], Settings],
        observer: Observer,
        enter: Callable[[], None],
        ask_layers: Callable[[Sequence[DiffID]], object],
    ) -> None:
        """`ask_layers` may know layers that are about to come: then they come when their files are needed."""
        self._ctx = ctx
        self._ask_layers = ask_layers
        self._registries = registries
        self._observer = observer
        self._enter = enter
        self._lock = allocate_lock()
        self._asked: dict[str, Digest] = {}  # what a name means in its registry
        self.stopper: Stopper | None = None

    def refresh(self, name: str, platform: Platform) -> None:
        """Brings what the name means now; nothing where the store has just that. NotFound, InvalidInput."""
        if name.startswith("sha256:") or len(name) == 64:
            return  # an ID: what it names cannot change
        reference = references.parse(name)
        if reference.digest is not None:
            return  # nor can this
        with self._lock:
            try:
                if not self._unchanged(reference):
                    self._pull(reference, platform)
            except LaminaError as error:
                raise _explained(error, None) from None

    def bring(self, name: str, platform: Platform, absent: Absent) -> None:
        """Pulls an image that the store lacks. NotFound, with what the registry says to it."""
        try:
            reference = references.parse(name)
        except InvalidInput:
            raise absent from None  # no name: an ID that nothing has
        if self._registries().offline:
            raise absent
        if absent.index is not None:  # the same index that the name stands for, whatever it means by now
            reference = reference._replace(tag="", digest=absent.index)
        with self._lock:
            try:
                self._pull(reference, platform)
            except LaminaError as error:
                raise _explained(error, absent) from None

    def _unchanged(self, reference: Reference) -> bool:
        """Whether the store has what the registry has under this name; each name is asked for once."""
        name = str(reference.with_default_tag())
        if name not in self._asked:
            self._asked[name] = resolve(reference, self._registries(), self.stopper)
        c = self._ctx.db.read()
        tag = imagedb.find_tag(c, name)
        if tag is None:
            return False
        return self._asked[name] == (tag.index_digest or imagedb.need_image(c, tag.image_id).manifest)

    def _pull(self, reference: Reference, platform: Platform) -> None:
        self._enter()
        self._observer(Notice(f"pulling {reference.with_default_tag().familiar()}"))
        pull(
            self._ctx,
            reference,
            self._registries(),
            platform,
            lazy=self._ask_layers,
            stopper=self.stopper,
            observer=self._progress,
        )

    def _progress(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._observer(event)


def _explained(error: LaminaError, absent: Absent | None) -> LaminaError:
    """As an error of the instruction that names the image, unless it is the machine's own problem.

    Where no registry answers, an image that the store lacks is what is missing first of all.
    """
    if isinstance(error, NoSpace | Cancelled | Conflict):
        return error
    if absent is not None and isinstance(error, FetchFailed):
        return NotFound(f"{absent.message}; {error.message}", hint=absent.hint)
    return NotFound(error.message, hint=error.hint)
