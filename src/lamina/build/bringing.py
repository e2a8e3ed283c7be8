"""Layers that are elsewhere, for one build: brought when files are needed; what cannot be had is done again.

The build cache may know layers by their rows alone (layers.absent). When one of a step cannot be brought, the
build begins again without that step's row: it does what it would have done without the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.build.errors import Swept
from lamina.events import Notice, Progress
from lamina.layers.absent import Elsewhere, Misdescribed, elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.build.session import Session
    from lamina.events import Event, Observer
    from lamina.fetch.stopping import Stopper
    from lamina.layers.context import Layers
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import DiffID
    from lamina.registry.settings import Settings


class Lost(Swept):
    """Layers cannot be brought, or were not what the cache said; `error` says why."""

    def __init__(self, error: Elsewhere | Misdescribed) -> None:
        super().__init__()
        self.error = error
        self.message = error.message


class Bringing:
    """A Fetcher (layers.absent) whose failures are Lost."""

    def __init__(
        self,
        registries: Callable[[], Settings] | None,
        enter: Callable[[], None],
        stopper: Stopper | None,
        observer: Observer,
    ) -> None:
        """Without `registries` nothing can be brought."""
        self._registries = registries
        self._enter = enter
        self._stopper = stopper
        self._observer = observer

    def layers(self, ctx: Layers, diff_ids: Sequence[DiffID]) -> None:
        """Afterwards the files of these layers are in the store. Lost; NoSpace, Denied, Cancelled."""
        try:
            if self._registries is None:
                raise elsewhere(diff_ids, "nothing is fetched here")
            from lamina.transfer.lazy import Lazy  # with all that fetches

            self._observer(Notice(_told(len(diff_ids))))
            Lazy(self._registries, self._enter, self._stopper, self._progress).layers(ctx, diff_ids)
        except (Elsewhere, Misdescribed) as error:
            raise Lost(error) from None

    def blob(self, ctx: Layers, descriptor: Descriptor) -> None:
        """As Lazy has it."""
        from lamina.transfer.lazy import Lazy

        if self._registries is not None:
            Lazy(self._registries, self._enter, self._stopper, self._progress).blob(ctx, descriptor)

    def _progress(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._observer(event)


def go_on(lost: Swept, sessions: Sequence[Session]) -> None:
    """Notes that a build has to do without these layers, which steps made; it begins again then.

    Elsewhere where that would be of no use: for a layer of an image that it stands on.
    """
    assert isinstance(lost, Lost)
    contexts, error = sessions[-1].contexts, lost.error
    if isinstance(error, Elsewhere):  # else it is here now, and its rows are right
        diff_ids = set(error.diff_ids)
        if diff_ids <= contexts.lost or any(diff_ids & session.base_layers() for session in sessions):
            raise error
        contexts.lost |= diff_ids
    contexts.observer(Notice(f"[Warning] {error.message}: the build goes on without what the cache said"))


def _told(number: int) -> str:
    return "fetching " + ("1 layer that is" if number == 1 else f"{number} layers that are") + " elsewhere"
