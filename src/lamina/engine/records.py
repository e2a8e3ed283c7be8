"""Records: what an Engine can tell of builds that were, and do with what they left."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from lamina.events import ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lamina.build.logs import Piece
    from lamina.containers.changes import ContainerChange
    from lamina.containers.request import RunRequest, RunResult
    from lamina.containers.stdio import Stdio
    from lamina.engine.base import Inside
    from lamina.engine.opened import Opened
    from lamina.engine.steps import StepRef
    from lamina.events import Observer
    from lamina.insight.builds import BuildDetail, BuildSummary
    from lamina.insight.why import Why


class Records:
    """The records of the builds in one store: Engine.records.

    A build is named by its ID, the beginning of its ID, or `^N`: the Nth before the last; "" is the last.
    """

    def __init__(self, inside: Inside, opened: Callable[[], Opened]) -> None:
        self._inside = inside
        self._opened = opened

    def ls(self) -> list[BuildSummary]:
        """All builds that are recorded, the newest first."""
        from lamina.insight.builds import builds

        return builds(self._opened().rows)

    def show(self, ref: str = "") -> BuildDetail:
        """One build, with its steps. NotFound, Conflict."""
        from lamina.insight.builds import build

        return build(self._opened().rows, ref)

    def why(self, ref: str = "") -> Why:
        """Why each step of a build was done or reused; `ref` is a build, or an image that a build made.

        NotFound, Conflict.
        """
        from lamina.insight.why import why

        return why(self._opened().rows, ref)

    def log(self, ref: str, step: int) -> Iterator[Piece]:
        """All that the process of one step wrote, as it came. NotFound, Corrupt."""
        from lamina.build.logs import read
        from lamina.db import recorded

        rows = self._opened().rows
        return read(rows.layout.build_dir(recorded.find(rows.connection, ref).id), step)

    def rm(self, refs: Sequence[str] | None) -> list[str]:
        """Removes records, their logs and what failed steps left (None: all that do not run). The IDs."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> list[str]:
            from lamina.engine.steps import remove_builds

            return remove_builds(opened, refs)

        return self._inside(work)

    def names(self, word: str) -> bool:
        """Whether a word of a command line can only mean a build, and no command."""
        from lamina.db import recorded

        return recorded.names_build(self._opened().rows.connection, word)

    def run(
        self, ref: StepRef, request: RunRequest, stdio: Stdio | None = None, observer: Observer = ignore
    ) -> RunResult:
        """Runs a process on a writable layer over what a step left; `request.image` does not matter.

        Its environment, folder, user and network are the step's, where the request does not say them;
        without a command it is the step's shell. Of its mounts there are those of type cache and tmpfs; a
        Notice names the others. NotFound when the step's layer is not in the store any more.
        """

        def work(opened: Opened, tell: Observer, __: BinaryIO | None) -> RunResult:
            from lamina.engine.steps import run_step

            return run_step(opened, ref, request, stdio, tell)

        return self._inside(work, observer)

    def diff(self, ref: StepRef) -> Sequence[ContainerChange]:
        """What a step added, changed and deleted; for one that failed, until it did. NotFound."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> Sequence[ContainerChange]:
            from lamina.engine.steps import diff_step

            return diff_step(opened, ref)

        return self._inside(work)
