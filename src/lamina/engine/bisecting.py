"""Bisecting: a command is run on states between the layers of an image, until the layer is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.engine import joined
from lamina.engine.operating import find
from lamina.engine.passing import make_image, remove_image
from lamina.errors import InvalidInput, ProcessFailed
from lamina.events import Notice
from lamina.insight.bisect import Verdict, bisect
from lamina.insight.stack import stack

if TYPE_CHECKING:
    from lamina.containers.request import RunRequest
    from lamina.containers.stdio import Stdio
    from lamina.db.names import Named
    from lamina.engine.opened import Opened
    from lamina.events import Observer
    from lamina.insight.stack import Stack, StackLayer

_SKIP = 125  # the exit code that says nothing, as for `git bisect run`
_CANNOT = 126  # the exit code where the command could not be started
_NOTHING = 'each line of the image\'s history that is no "empty layer" is a layer: `lamina layers IMAGE`'


class BisectQuery(NamedTuple):
    """What to run (`request.image` with its flags), and what counts.

    `term` is what is looked for: `fails` (any exit code but 0), `works` (0), or one exit code. `good` and
    `bad` are layers (a number, or a diff ID) after which it is known that the command does not do so, or
    does; "": the lowest that does not, and the top.
    """

    request: RunRequest
    term: str = "fails"
    good: str = ""
    bad: str = ""


class Try(NamedTuple):
    """One run."""

    layer: int  # the state after this one, from 1, the bottom
    status: int  # exit code; 126 or 127 when the command could not be run
    verdict: str  # bad: it did what is looked for; good: it did not; skip: exit code 125


class Bisected(NamedTuple):
    """What was found. `layers` is the first bad one; several when states between them were skipped."""

    image: str
    term: str
    layers: tuple[StackLayer, ...]
    good: int  # the highest state below them that is good; 0 when none of those tried is
    tries: tuple[Try, ...]  # in their order


def bisect_image(opened: Opened, query: BisectQuery, stdio: Stdio | None, tell: Observer) -> Bisected:
    """See Engine.bisect."""
    from lamina.db.layernames import number_of

    if not query.request.command:
        raise InvalidInput("which command?", hint="lamina bisect IMAGE -- COMMAND [ARGUMENT...]")
    runs = _Runs(opened, query, stdio, tell)
    diff_ids = runs.stack.diff_ids
    if not diff_ids:
        raise InvalidInput(f"{runs.stack.name} has no layers", hint=_NOTHING)
    good, bad = (number_of(diff_ids, text) if text else 0 for text in (query.good, query.bad))
    found = bisect(len(diff_ids), runs, good, bad)
    layers = tuple([runs.stack.layers[number - 1] for number in found.candidates])
    return Bisected(runs.stack.name, query.term, layers, found.good, tuple(runs.tries))


class _Runs:
    """Runs the command on one state after the other, and keeps what came of it."""

    def __init__(self, opened: Opened, query: BisectQuery, stdio: Stdio | None, tell: Observer) -> None:
        opened.runtime  # noqa: B018  the spawner is forked before anything else is loaded or opened
        self._opened = opened
        self._query = query
        self._stdio = stdio
        self._tell = tell
        self._wanted = _wanted(query.term)
        self.tries: list[Try] = []
        self.stack = self._stack(find(opened, query.request.image, query.request.platform, tell))

    def __call__(self, number: int) -> Verdict:
        status = self._run(number)
        bad = (
            status == self._wanted
            if self._wanted is not None
            else (status != 0) is (self._query.term == "fails")
        )
        verdict = Verdict.BAD if bad else Verdict.GOOD
        if status == _SKIP and self._wanted != _SKIP:
            verdict = Verdict.SKIP
        self.tries.append(Try(number, status, str(verdict)))
        self._tell(Notice(f"after layer {number} of {len(self.stack.layers)}: exit code {status}: {verdict}"))
        return verdict

    def _stack(self, found: Named) -> Stack:
        return stack(self._opened.rows, found.image_id)

    def _run(self, number: int) -> int:
        """The exit code of the command after this layer; what it writes is gone with its container."""
        from lamina.containers.run import run

        config = self.stack.config
        part = config.rootfs._replace(diff_ids=config.diff_ids[:number])
        image_id = make_image(self._opened.ctx, config._replace(rootfs=part, history=()))
        request = self._query.request._replace(
            image=image_id, entrypoint=self._query.request.entrypoint or (), remove=True, platform=""
        )
        try:
            return run(joined.containers_of(self._opened), request, self._stdio).status
        except ProcessFailed as error:
            self._tell(Notice(error.message))
            return error.status
        except InvalidInput as error:
            if not self.tries:  # it is what was asked that is wrong, not this state
                raise
            self._tell(Notice(error.message))  # the user of the config is not there yet
            return _CANNOT
        finally:
            remove_image(self._opened, image_id)


def _wanted(term: str) -> int | None:
    """The exit code that is looked for; None for `fails` and `works`."""
    if term in ("fails", "works"):
        return None
    if term.isascii() and term.isdigit() and int(term[:4]) < 256:
        return int(term)
    raise InvalidInput(f"invalid term: {term!r}", hint="fails, works, or an exit code from 0 to 255")
