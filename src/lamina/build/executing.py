"""The second half of a build: the steps that the cache does not have, stages side by side.

Each stage has a thread of its own (the last one alone has none). A thread waits for the stages that
its own needs, then takes one step after the other: from the cache where a re-run step gave the same
layer as before, else by doing it. The first failure stops all others.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from lamina.build.adopting import Adoption
from lamina.build.cancel import Cancel
from lamina.build.copying import copy_layer, workdir_layer
from lamina.build.errors import Swept
from lamina.build.reasons import explain
from lamina.build.running import run_layer
from lamina.errors import Cancelled, LaminaError
from lamina.events import StepFailed, StepFinished
from lamina.graph.ops import CopyOp, RunOp
from lamina.graph.reason import to_text
from lamina.graph.stages import dependencies
from lamina.layers.absent import bring
from lamina.sandbox.points import lay_points
from lamina.sandbox.waiting import LONGEST
from lamina.store.files import remove_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamina.build.mounting import Mounter
    from lamina.build.session import Session, Tools
    from lamina.build.stagerun import StageRun, Work

_MOST_PROCESSES = 4


class Executor:
    """Brings the stages that are not done to their end."""

    def __init__(self, session: Session, runs: Mapping[int, StageRun], tools: Tools | None) -> None:
        self._session = session
        self._runs = runs
        self._tools = tools
        self._cancel = Cancel()
        session.contexts.stop_with(self._cancel)
        self._processes = threading.Semaphore(max(2, min(_MOST_PROCESSES, os.cpu_count() or 2)))
        self._ended = {number: threading.Event() for number in runs}
        self._same = threading.Condition()
        self._in_work: set[str] = set()
        self._points = ""  # a folder of mount points, once a process has to run
        self._mounter: Mounter | None = None  # once a RUN has mounts
        self._failures: list[BaseException] = []

    def execute(self) -> None:
        """Does it. Raises the first failure once all threads have ended."""
        pending = [run for run in self._runs.values() if not run.done]
        for run in self._runs.values():
            if run.done:
                self._ended[run.stage.number].set()
        self._session.hold([run.top.chain_id for run in self._runs.values() if run.begun and run.top])
        try:
            if len(pending) == 1:
                self._finish(pending[0])
            else:
                self._side_by_side(pending)
        finally:
            # What comes after us, a second attempt maybe, must not be stopped by what stopped us.
            self._session.contexts.stop_with(Cancel())
            if self._mounter is not None:
                self._mounter.close()
            if self._points:
                remove_tree(self._points)
        if self._failures:
            real = [error for error in self._failures if not isinstance(error, Cancelled)]
            raise (real or self._failures)[0]

    def _side_by_side(self, pending: Sequence[StageRun]) -> None:
        # Events, because Thread.join takes a thread for ended once a signal has interrupted it (bpo-45274).
        gone = [threading.Event() for _ in pending]
        for each in zip(pending, gone, strict=True):
            threading.Thread(target=self._in_thread, args=each, daemon=True).start()
        try:
            _wait_all(gone)
        except BaseException:  # Ctrl-C arrives in this thread
            self._cancel.set()
            _wait_all(gone)
            raise

    def _in_thread(self, run: StageRun, gone: threading.Event) -> None:
        try:
            self._finish(run)
        finally:
            self._session.ctx.db.close()  # this thread's connection
            gone.set()

    def _finish(self, run: StageRun) -> None:
        """The life of one stage; never raises."""
        try:
            plan = self._session.plan
            for number in set(dependencies(plan, run.stage)):
                self._ended[number].wait()
            self._cancel.check()
            if not run.begun:
                run.begin(self._runs)
            while work := run.find_work(self._runs):
                self._cancel.check()
                self._step(run, work)
        except BaseException as error:
            self._failures.append(error)
            self._cancel.set()
        finally:
            self._ended[run.stage.number].set()

    def _step(self, run: StageRun, work: Work) -> None:
        """One step. Two stages that come to the same step at once do it once."""
        run.ask_shared()
        with self._same:
            while work.key.digest in self._in_work:
                self._same.wait()
            self._cancel.check()
            if run.find_exact():
                return
            self._in_work.add(work.key.digest)
        try:
            if not run.find_reusable():
                self._do(run, work)
        finally:
            with self._same:
                self._in_work.discard(work.key.digest)
                self._same.notify_all()

    def _do(self, run: StageRun, work: Work) -> None:
        session = self._session
        start = time.monotonic()
        session.record.because(work.number, to_text(explain(run, work, run.miss)))
        try:
            adoption = self._make(run, work, start)
        except BaseException as error:
            if not isinstance(error, Cancelled | KeyboardInterrupt | Swept):
                self._note_failed(run, work)
                message = error.message if isinstance(error, LaminaError) else str(error)
                session.observer(StepFailed(work.number, time.monotonic() - start, message))
            raise
        seconds = time.monotonic() - start
        session.fresh.update(key.digest for key in (work.key, work.alias) if key is not None)
        run.take(adoption.diff.diff_id, adoption.created, adoption.top)
        diff = adoption.diff
        session.observer(StepFinished(work.number, seconds, diff.diff_id, diff.size))
        session.report(work, run.stage, cached=False, diff_id=diff.diff_id, seconds=seconds)

    def _note_failed(self, run: StageRun, work: Work) -> None:
        """What the failed step stood on, for the record."""
        top = run.top.chain_id if run.top else ""
        self._session.record.reached(work.number, run.state, top, work)

    def _make(self, run: StageRun, work: Work, start: float) -> Adoption:
        """Makes and commits the layer of a step."""
        session = self._session
        adoption = self._adoption(run, work, start)
        try:
            if isinstance(work.op, RunOp):
                bring(session.ctx, run.chain())
                with self._processes:
                    self._cancel.check()
                    tools, points = self._need_tools()
                    mounter = self._need_mounter() if work.op.mounts else None
                    run_layer(run, work, tools, points, self._cancel, adoption, mounter)
            elif isinstance(work.op, CopyOp):
                copy_layer(run, work, adoption)
            else:
                workdir_layer(run, work, adoption)
        except LaminaError as error:
            if hasattr(error, "line") or isinstance(error, Cancelled | Swept):
                raise
            raise _placed(session, work, error) from None
        adoption.settle()
        return adoption

    def _adoption(self, run: StageRun, work: Work, start: float) -> Adoption:
        """What commits the layer of a step: in the place of an earlier one that does not count."""
        miss = run.miss
        assert miss is not None, "nothing is done before it was sought"
        replace = run.no_cache or bool(miss.refusal)
        if miss.verify is not None:
            from lamina.build.verifying import Verification  # only with --cache-rule verify

            return Verification(run, work, start, replace, miss.recipe, miss.verify)
        epoch = run.state.scope.epoch
        return Adoption(self._session.ctx, run.top, work, start, replace, epoch, miss.recipe)

    def _need_mounter(self) -> Mounter:
        """What makes mounts ready, for all RUNs of the build."""
        from lamina.build.mounting import Mounter  # most builds have none

        with self._same:
            self._mounter = self._mounter or Mounter(self._session)
            return self._mounter

    def _need_tools(self) -> tuple[Tools, str]:
        """What runs processes, and the folder of mount points that lies below their layers."""
        assert self._tools is not None, "build makes them when a stage that is not done has a RUN"
        with self._same:
            if not self._points:
                ctx = self._session.ctx
                self._points = f"{ctx.layout.mnt}/{ctx.lease.temp_name()}"
                lay_points(self._points)
            return self._tools, self._points


def _wait_all(gone: Sequence[threading.Event]) -> None:
    for event in gone:
        while not event.wait(LONGEST):
            pass


def _placed(session: Session, work: Work, error: LaminaError) -> LaminaError:
    """A problem of what the Dockerfile asks for gets its place; one of the machine stays what it is."""
    from lamina.errors import Denied, InvalidInput, NotFound, ProcessFailed, Unsupported

    if isinstance(error, InvalidInput | NotFound | Unsupported | Denied | ProcessFailed):
        return session.locate(work.instruction, error)
    return error
