"""The rules of reuse beyond the exact key: whose layer a step can have, and why it cannot have it.

Here is only asked: nothing is written, nothing is taken. What is found is for adopting.adopt.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from lamina.build.errors import Swept
from lamina.db import cachedb, layerdb, traces
from lamina.errors import Corrupt, LaminaError, NotFound
from lamina.graph.key import Ingredient, recipe
from lamina.graph.ops import CopyOp, RunOp
from lamina.graph.rules import INDEPENDENT, UNTOUCHED, VERIFY
from lamina.layers.lookup import Lookup
from lamina.layers.readsets import difference
from lamina.oci.digest import ChainID
from lamina.trace.index import COVERED
from lamina.tree.entry import Kind
from lamina.tree.readset import Observed, unpack

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from lamina.build.request import BuildRequest
    from lamina.build.session import Session
    from lamina.build.stagerun import StageRun, Work
    from lamina.db.cachedb import Step
    from lamina.db.traces import Trace
    from lamina.graph.ops import Op
    from lamina.oci.digest import DiffID
    from lamina.sandbox.accounts import Identity
    from lamina.tree.readset import ReadSet

POLICY = "1"  # of the recorder: what counts as read; with another, older traces do not count
_PLAIN = (Kind.FILE, Kind.HARDLINK, Kind.WHITEOUT)  # what a file can be laid over
AGE = "age"  # why a row does not count: it is older than --cache-ttl
LOST = "lost"  # the same: its layer is elsewhere, and could not be brought


class Hit(NamedTuple):
    """A step whose layer can be had, the rule that says so, and what it read.

    `step` is the row that the one who has it gets, aside from what is its own: key, parent, text. `old` is a
    row under its key that does not count.
    """

    rule: str
    step: Step
    trace: Trace
    old: Step | None = None


class Tried(NamedTuple):
    """A recorded run of the same instruction whose layer cannot be had; one of the last three says why."""

    trace: Trace
    step: Step
    differs: Observed | None = None  # this is not in the layers below as it was then
    doubt: str = ""  # it is not known what it read
    aged: bool = False  # --cache-ttl


class Tries(NamedTuple):
    """The recorded runs of an instruction, newest first, up to the one that can be reused."""

    tried: tuple[Tried, ...]
    hit: Hit | None = None


class Miss(NamedTuple):
    """Why a step has to be done.

    `recipe` is that of the step, "" where it cannot be told (its USER is not there). `old` is the row under
    its very key, when there is one that does not count, and `refusal` says why: AGE, LOST, VERIFY, or the
    rule that is switched off. `tried` are the recorded runs of the same instruction that cannot be reused.
    `hit` is one that could be, were it not for `held`: VERIFY, or its rule, which is switched off. `identity`
    is whom the process of a RUN will be.
    """

    recipe: str
    old: Step | None = None
    refusal: str = ""
    tried: tuple[Tried, ...] = ()
    hit: Hit | None = None
    held: str = ""
    identity: Identity | None = None

    @property
    def verify(self) -> Hit | None:
        """What the result of the step is to be compared with (--cache-rule verify)."""
        return self.hit if self.held == VERIFY else None


def search(run: StageRun, work: Work) -> Hit | Miss:
    """What `work` can reuse though the cache has no row for it that counts; else why not. Swept.

    With --no-cache that is nothing: what this build itself has done is found by its exact key.
    """
    who = _identity_of(work.op, run)
    found = _recipe_of(work, who)
    if run.no_cache:
        return Miss(found, identity=who)
    old = cachedb.get_step(run.session.ctx.db.read(), work.key.digest)
    refusal = "" if old is None else refusal_of(run, work.op, old)
    miss = Miss(found, old if refusal else None, refusal, identity=who)
    tried, hit = try_all(run.session, work.op, found, run.chain())
    hit = hit and hit._replace(old=miss.old)
    held = "" if hit is None else held_by(run.session.request, hit.rule)
    if hit is not None and not held:
        return hit
    return miss._replace(tried=tried, hit=hit, held=held)


def held_by(request: BuildRequest, rule: str) -> str:
    """What keeps one of the rules independent and untouched from being used: VERIFY, or its own name."""
    if rule in request.rules_off:
        return rule
    return VERIFY if request.verify else ""


def try_all(session: Session, op: Op, name: str, chain: Sequence[DiffID]) -> Tries:
    """Asks each run of the recipe `name` whether its layer can be had on `chain` (top first). Swept."""
    if not name or (isinstance(op, CopyOp) and op.link):  # --link stands on nothing: its key says all
        return Tries(())
    c = session.ctx.db.read()
    rule = UNTOUCHED if isinstance(op, RunOp) else INDEPENDENT
    tried: list[Tried] = []
    for trace in traces.candidates(c, name):
        step = _origin(c, trace)
        if step is None or step.diff_id in session.contexts.lost:
            continue  # another result has taken its place, or it was pruned, or cannot be had
        one = Tried(trace, step, aged=is_aged(session.request, op, step))
        if not one.aged:
            one = _compared(session, op, one, chain)
        if not (one.aged or one.doubt or one.differs):
            return Tries(tuple(tried), Hit(rule, step._replace(rule=rule, recipe=name), trace))
        tried.append(one)
    return Tries(tuple(tried))


def _compared(session: Session, op: Op, one: Tried, chain: Sequence[DiffID]) -> Tried:
    trace = one.trace
    if trace.read_set is None:
        return one._replace(doubt=trace.doubt or "it is not known what it read")
    try:
        read_set = unpack(trace.read_set)
        differs = difference(session.ctx, chain, read_set, trace.failed, _done_on(session, trace))
        if differs is None and isinstance(op, RunOp):
            differs = _uncovered(session, chain, read_set)
        return one._replace(differs=differs)
    except Corrupt as error:
        return one._replace(doubt=error.message)
    except NotFound:
        raise Swept from None


def _done_on(session: Session, trace: Trace) -> list[DiffID]:
    """The layers, top first, that the run of a trace stood on; none where the store has them no more."""
    try:
        below = layerdb.chain(session.ctx.db.read(), ChainID(trace.parent)) if trace.parent else []
    except NotFound:
        return []
    return [layer.diff_id for layer in reversed(below)]


def _uncovered(session: Session, chain: Sequence[DiffID], read_set: ReadSet) -> Observed | None:
    """Where the sandbox lays a file of its own over what is no plain file here; then it shows.

    A read set leaves these places out where they were plain files, or nothing at all.
    """
    below = Lookup(session.ctx, chain)
    for path in COVERED:
        entry = below.get(path)
        if entry is not None and entry.kind not in _PLAIN and Observed(path) not in read_set.observed:
            return Observed(path)
    return None


def _origin(c: sqlite3.Connection, trace: Trace) -> Step | None:
    """The row of the step that left this trace, as long as it stands for the same layer."""
    step = cachedb.get_step(c, trace.step)
    return step if step is not None and step.diff_id == trace.diff_id else None


def note_failures(session: Session, miss: Miss) -> None:
    """Notes what differed, so that it is tried first the next time. Most times it is known already."""
    new = [one for one in miss.tried if one.differs is not None and one.differs != one.trace.failed]
    if not new:
        return
    with session.ctx.db.write(durable=False) as c:
        for one in new:
            assert one.differs is not None
            traces.note_failed(c, one.trace, one.differs)


def _identity_of(op: Op, run: StageRun) -> Identity | None:
    """Whom the process of a RUN will be; None when its USER is not to be found in the layers below."""
    if not isinstance(op, RunOp):
        return None
    from lamina.build.identity import find_identity  # only RUN has one

    try:
        return find_identity(op.user, run.lookup())
    except Swept:
        raise
    except LaminaError:
        return None


def _recipe_of(work: Work, who: Identity | None) -> str:
    """Names the same instruction on whatever parent; "" for a RUN of nobody that is known."""
    if not isinstance(work.op, RunOp):
        return recipe(work.key)
    if who is None:
        return ""
    groups = ",".join(map(str, who.groups))
    identity = Ingredient("identity", f"{who.uid}:{who.gid} {groups} {who.home}")
    return recipe(work.key, identity, Ingredient("policy", POLICY))


def refusal_of(run: StageRun, op: Op, step: Step) -> str:
    """Why a row under the very key of a step does not count: "" when it does, else as in Miss."""
    request = run.session.request
    if step.key in run.session.fresh:
        return ""
    if step.diff_id in run.session.contexts.lost:
        return LOST
    for rule in (run.rule_of(op, step), step.rule):
        if rule in request.rules_off:
            return rule
    if request.verify and step.rule in (INDEPENDENT, UNTOUCHED):
        return VERIFY
    return AGE if is_aged(request, op, step) else ""


def is_aged(request: BuildRequest, op: Op, step: Step) -> bool:
    """Whether a step may have asked the network for something so long ago that it is to ask again."""
    if request.cache_ttl is None or not isinstance(op, RunOp) or op.network == "none":
        return False
    return time.time() - step.ran >= request.cache_ttl
