"""Recorder: keeps the record of one build while it goes on. It stands before the caller's Observer.

A build from the cache is recorded in one small transaction at its end. Any other is written down when its
first step is about to be done, and again with each step, so that a build that is killed leaves its record.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock
from typing import TYPE_CHECKING

from lamina.build import state as states
from lamina.db import builds, cachedb
from lamina.errors import Cancelled, LaminaError
from lamina.events import Notice, StepCached, StepFailed, StepFinished, StepOutput, StepStarted
from lamina.layers.clock import now
from lamina.oci.digest import ChainID

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from lamina.build.logs import Logs
    from lamina.build.request import BuildRequest, BuildResult
    from lamina.build.stagerun import Work
    from lamina.db.builds import Value
    from lamina.events import Event, Observer
    from lamina.graph.state import StageState
    from lamina.layers.context import Layers

MOST = 200  # records that are kept
MOST_BYTES = 1 << 30  # of logs, over all records
_BATCH = 20  # records that go at once when there are too many
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ALPHABET = "0123456789" + _LETTERS


class StepRecord:
    """One step as far as it is known; `status` is one of db.recorded.BuildStep's."""

    __slots__ = (
        "began", "chain_id", "diff_id", "kept", "key", "origin", "reason", "rule", "seconds", "size", "start",
        "state", "status",
    )  # fmt: skip

    def __init__(self, start: StepStarted) -> None:
        self.start = start
        self.status = "not reached"
        self.began = self.seconds = 0.0
        self.diff_id = self.key = self.chain_id = self.state = self.kept = ""
        self.rule = self.reason = self.origin = ""
        self.size: int | None = None

    def row(self) -> tuple[Value, ...]:
        """As db.builds.STEP has it."""
        start = self.start
        return (
            start.step, plain(start.stage), plain(start.text), start.line, start.place, start.places,
            self.status, self.began, self.seconds, self.diff_id, self.size, self.key, self.chain_id,
            self.state, self.kept, self.rule, self.reason, self.origin,
        )  # fmt: skip


class Recorder:
    """The record of one build. Called from the threads of all stages."""

    def __init__(self, ctx: Layers, request: BuildRequest, observer: Observer) -> None:
        self.id = _new_id()
        self.steps: dict[int, StepRecord] = {}
        self.dockerfile = request.dockerfile_name
        self.kept = False  # whether a failed step's writable layer was
        self.lock = allocate_lock()
        self._ctx = ctx
        self._request = request
        self._observer = observer
        self._space = request.build_args.get("BUILDKIT_CACHE_MOUNT_NS")
        self._started, self._clock = now(), time.monotonic()
        self._begun = False
        self._complained = False
        self._changed: set[int] = set()
        self._logs: Logs | None = None
        self._error, self._error_line = "", 0
        self._image_id, self._tags = "", request.tags
        self._lines: list[tuple[str, str]] = []

    def __call__(self, event: Event) -> None:
        """Notes an event of the build, and passes it on."""
        if isinstance(event, StepOutput):
            self._output(event)
        elif isinstance(event, StepStarted):
            self._start(event)
        elif isinstance(event, StepCached):
            self._end(event.step, "cached", event.diff_id)
            self._note_rule(event)
        elif isinstance(event, StepFinished):
            self._end(event.step, "run", event.diff_id, event.seconds, event.size)
        elif isinstance(event, StepFailed):
            self._end(event.step, "failed", "", event.seconds)
        self._observer(event)

    def planned(self, steps: Iterable[StepStarted]) -> None:
        """Notes the steps that a build will have, before the first begins (again, when it begins again)."""
        for start in steps:
            self.steps[start.step] = StepRecord(start)

    def reached(
        self, number: int, state: StageState, chain_id: str, work: Work | None = None, named: str = ""
    ) -> None:
        """Notes where a step led, or what it stood on when it fails. A FROM has no `work`, maybe a name."""
        step = self.steps.get(number)
        if step is None or step.kept:
            return
        step.state, step.chain_id = states.to_text(state, work.op if work else None, self._space), chain_id
        step.key = work.key.digest if work else named
        self._changed.add(number)

    def because(self, number: int, reason: str) -> None:
        """Notes why a step has to be done (graph.reason), before it is: whoever waits for it can ask."""
        self.steps[number].reason = reason
        self._changed.add(number)
        if self._begun:
            self._write(self._put_changed)

    def begin(self) -> None:
        """Something has to be done: the record is written now, and kept up to date. Once is enough."""
        if not self._begun:
            self._begun = True
            self._write(lambda c: self._put(c, "running"))

    def completed(self, result: BuildResult) -> BuildResult:
        """The build is done. The result, with the ID of the record."""
        self._image_id, self._tags = result.image_id, result.tags
        self._lines = [(image.image_id, " ".join(map(str, image.lines))) for image in result.images]
        self._finish("completed")
        return result._replace(build_id=self.id)

    def failed(self, error: BaseException) -> None:
        """The build ended with an error."""
        stopped = isinstance(error, Cancelled) or not isinstance(error, Exception)
        self._error = error.message if isinstance(error, LaminaError) else str(error) or type(error).__name__
        self._error_line = line = getattr(error, "line", 0) or 0
        for number, step in self.steps.items():
            if step.status == "running":
                at_fault = not stopped and step.start.line == line
                step.status = "failed" if at_fault else "canceled"
                step.seconds = self._now() - step.began
                self._changed.add(number)
        self._finish("canceled" if stopped else "error")

    def keeps(self, key: str, state: StageState, chain_id: str, work: Work, stubs: tuple[bytes, ...]) -> None:
        """Notes that the writable layer of a failed step is now the snapshot `key`, and writes it down."""
        step = self.steps[work.number]
        self.reached(work.number, state, chain_id, work)
        step.status, step.kept, step.state = "failed", key, states.to_text(state, work.op, self._space, stubs)
        with self._ctx.db.write(durable=False) as c:
            created = now()
            cachedb.put_writable(
                c, cachedb.Writable(key, ChainID(chain_id) if chain_id else None, created, "")
            )
            builds.put_steps(c, self.id, [step.row()])

    def keeps_not(self, number: int) -> None:
        """Takes back `keeps`."""
        step = self.steps[number]
        key, step.kept = step.kept, ""
        if key:
            self._write(lambda c: cachedb.delete_writable(c, key))

    def _start(self, event: StepStarted) -> None:
        step = self.steps.get(event.step)
        if step is None:
            step = self.steps[event.step] = StepRecord(event)
        step.status, step.began = "running", self._now()
        self._changed.add(event.step)
        if self._begun:
            self._write(self._put_changed)

    def _end(
        self, number: int, status: str, diff_id: str, seconds: float = 0.0, size: int | None = None
    ) -> None:
        step = self.steps.get(number)
        if step is not None:
            step.status, step.diff_id, step.seconds, step.size = status, diff_id, seconds, size
            self._changed.add(number)

    def _note_rule(self, event: StepCached) -> None:
        step = self.steps.get(event.step)
        if step is not None:
            step.rule, step.origin = event.rule, event.origin

    def _output(self, event: StepOutput) -> None:
        with self.lock:
            if self._logs is None:
                from lamina.build.logs import Logs  # a build from the cache has none

                self._logs = Logs(self._ctx.layout.build_dir(self.id))
            step = self.steps.get(event.step)
            before = self._logs.failed
            self._logs.write(event, self._now() - (step.began if step else 0.0))
            problem = "" if before else self._logs.failed
        if problem:
            self._observer(Notice(f"[Warning] the log of this build is not complete: {problem}"))

    def _now(self) -> float:
        return time.monotonic() - self._clock

    def _finish(self, status: str) -> None:
        if self._logs is not None:
            self._logs.close()
        self._write(lambda c: self._put(c, status))
        try:
            too_many = builds.count(self._ctx.db.read()) > MOST
            if self._begun or too_many:
                from lamina.build.trimming import trim  # a build from the cache leaves it to others, mostly

                trim(self._ctx, MOST - _BATCH if too_many else MOST, MOST_BYTES)
        except LaminaError as error:
            self._complain(error)

    def _write(self, put: Callable[[sqlite3.Connection], None]) -> None:
        """One transaction. A build does not fail because its record cannot be written."""
        try:
            with self._ctx.db.write(durable=False) as c:
                put(c)
        except LaminaError as error:
            self._complain(error)

    def _complain(self, error: LaminaError) -> None:
        if not self._complained:
            self._complained = True
            self._observer(Notice(f"[Warning] the record of this build could not be kept: {error.message}"))

    def _put(self, c: sqlite3.Connection, status: str) -> None:
        """The whole record, as it stands."""
        self._changed.clear()
        request, states = self._request, [step.status for step in self.steps.values()]
        row = (
            self.id, status, self._ctx.lease.id, self._started, self._now(), plain(self.dockerfile),
            plain(context_of(request)), plain(request.target or ""), plain("\n".join(self._tags)),
            self._image_id, plain(self._error), self._error_line, len(states), states.count("cached"),
            states.count("run"), self._begun, self._logs.bytes if self._logs else 0,
        )  # fmt: skip
        builds.put(c, row, [step.row() for step in self.steps.values()])
        for image_id, lines in self._lines:
            builds.put_lines(c, image_id, plain(self.dockerfile), lines)

    def _put_changed(self, c: sqlite3.Connection) -> None:
        rows = []
        while self._changed:  # other threads add to it meanwhile
            rows.append(self.steps[self._changed.pop()].row())
        builds.put_steps(c, self.id, rows)


def context_of(request: BuildRequest) -> str:
    """The folder, or the URL without the name and password that it may hold."""
    context = request.context or ""
    scheme, is_url, rest = context.partition("://")
    if is_url:
        host, slash, path = rest.partition("/")
        return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
    return os.path.abspath(context) if os.path.isdir(context) else context


def plain(text: str) -> str:
    """What a row can hold: bytes that are not UTF-8 are shown as escapes."""
    return text.encode(errors="backslashreplace").decode()


def _new_id() -> str:
    """12 letters and digits: a letter, a digit, then any. No command is called so (see `names_build`)."""
    number = int.from_bytes(os.urandom(10))
    number, letter = divmod(number, 26)
    number, digit = divmod(number, 10)
    found = _LETTERS[letter] + str(digit)
    while len(found) < 12:
        number, place = divmod(number, 36)
        found += _ALPHABET[place]
    return found
