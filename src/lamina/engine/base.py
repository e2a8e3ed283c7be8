"""Base: a store that is opened, and work on it done where this process is root in here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self, TypeVar

from lamina.engine.opened import Opened
from lamina.engine.root import root_folder
from lamina.events import ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.events import Observer

Result = TypeVar("Result")


class Inside(Protocol):
    """Base._inside, for the parts of an Engine that are objects of their own."""

    def __call__(
        self,
        work: Callable[[Opened, Observer, BinaryIO | None], Result],
        observer: Observer = ...,
        sink: BinaryIO | None = ...,
    ) -> Result:
        """Does `work` where it is root, and returns its result."""


class Base:
    """What every part of the Engine stands on."""

    def __init__(
        self,
        root: str,
        snapshotter: str | None,
        *,
        own_process: bool,
        environ: Mapping[str, str] = os.environ,
        observer: Observer = ignore,
    ) -> None:
        self.root = root
        self._snapshotter = snapshotter
        self._own_process = own_process
        self._environ = environ
        self._observer = observer
        self._opened = Opened(root, snapshotter, environ)

    @classmethod
    def open(
        cls,
        root: str | None = None,
        *,
        snapshotter: str | None = None,
        environ: Mapping[str, str] = os.environ,
        own_process: bool = False,
        observer: Observer = ignore,
    ) -> Self:
        """The Engine on a store; nothing is made until something is written.

        `root` is a folder, else LAMINA_ROOT, else the default for this user. `snapshotter` is overlay or
        native, else LAMINA_SNAPSHOTTER, else what works. `own_process` allows an ordinary user's process to
        enter a user namespace for good (the command line does); otherwise such work is done by a worker.
        `observer` is told of layers that are fetched for a method that has no observer of its own.
        """
        chosen = snapshotter or environ.get("LAMINA_SNAPSHOTTER")
        folder = root_folder(root, environ)
        return cls(folder, chosen, own_process=own_process, environ=environ, observer=observer)

    def close(self) -> None:
        """Ends what this Engine started. Harmless when done twice."""
        self._opened.close()
        self._opened = Opened(self.root, self._snapshotter, self._environ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _in_place(self) -> bool:
        """Whether this process may do the work itself: it is all ours, or it is root as it is."""
        if self._own_process:
            return True
        from lamina.mount.userns import is_privileged  # the command line does without

        return is_privileged()

    def _inside(
        self,
        work: Callable[[Opened, Observer, BinaryIO | None], Result],
        observer: Observer = ignore,
        sink: BinaryIO | None = None,
    ) -> Result:
        """Does `work` where it is root: here, or in a worker (lamina.engine.inside says when and why)."""
        fetching = self._observer if observer is ignore else observer
        if self._in_place():
            self._opened.enter()
            self._opened.tell = fetching
            return work(self._opened, observer, sink)
        from lamina.db.connect import touch
        from lamina.engine.inside import in_worker  # pickle and pipes, for programs of ordinary users only

        in_child = self._as_worker(work, quiet=observer is ignore)
        return in_worker(in_child, fetching, sink, lambda: touch(self._opened.layout.database))

    def _as_worker(
        self, work: Callable[[Opened, Observer, BinaryIO | None], Result], *, quiet: bool
    ) -> Callable[[Observer, BinaryIO], Result]:
        """`quiet`: only what is fetched is told of."""

        def run(observer: Observer, sink: BinaryIO) -> Result:
            opened = Opened(self.root, self._snapshotter, self._environ)
            opened.tell = observer
            try:
                opened.enter()
                return work(opened, ignore if quiet else observer, sink)
            finally:
                opened.close()

        return run
