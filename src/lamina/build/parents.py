"""What differs between the layers that a step was done on and those that it is to be done on now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.build.earlier import earlier_of
from lamina.build.records import plain
from lamina.build.stacks import NOBODY, Comparison, Maker, shown, stack_of
from lamina.errors import Corrupt, NotFound
from lamina.graph.reason import Change
from lamina.tree.readset import unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamina.build.earlier import Earlier, Nearest
    from lamina.build.reuse import Tried
    from lamina.build.stacks import Stack
    from lamina.build.stagerun import StageRun, Work
    from lamina.db.cachedb import Step
    from lamina.db.recorded import BuildStep
    from lamina.tree.readset import Observed, ReadSet

MOST = 200  # changes that are kept of one step
_GONE = "the layers that it was done on are not in the store any more"


def below(
    run: StageRun, work: Work, nearest: Nearest, step: Step, tried: Tried | None
) -> tuple[list[Change], str, int]:
    """What differs in the layers below: changes, doubt, and how many changes are not told."""
    parent = step.parent if tried is None else tried.trace.parent
    session, makers = run.session, _makers(run)
    earlier = earlier_of(session)
    if parent is None and nearest.record is not None:
        parent = _parent_in(earlier, nearest.record)
    if parent is None:
        return steps_only(run, work, earlier), "on which layers it was done is not known", 0
    top = run.top.chain_id if run.top else ""
    new = stack_of(session.ctx, top, _own_bases(run))
    try:
        layers = stack_of(session.ctx, parent, ()).layers
    except NotFound:
        return steps_only(run, work, earlier), _GONE, 0
    bases = earlier.bases_of(layers)
    if new.base and any(layer.chain_id == new.layers[new.base - 1].chain_id for layer in layers):
        bases.setdefault(new.layers[new.base - 1].chain_id, "")
    old = stack_of(session.ctx, parent, bases or None)
    both = Comparison(session.ctx, old, new, makers)
    base = _base(run, earlier, bases, old, new)
    above = [*base, *both.steps()]
    if tried is not None and tried.differs is not None:
        found = _read(both, tried)
        brought = {each.step for each in found}
        found += [change for change in base if change.step in brought]
        if 0 in brought:  # what brought it is not there any more, or elsewhere
            found += [change for change in both.steps() if change.what in ("removed", "moved")]
        return found, both.doubt and f"there may be more: {both.doubt}", 0
    told, more = both.all()
    found = [*above, *(told or both.made_anew())] if both.doubt else [*above, *told]
    if not found and not more:
        found = [Change("step", "the layers below", "moved")]
    return found, both.doubt, more


def _read(both: Comparison, tried: Tried) -> list[Change]:
    """What differs of all that a step looked at: first what was found first."""
    assert tried.differs is not None
    try:
        read_set = unpack(tried.trace.read_set or b"")
    except Corrupt:
        read_set = None
    found = list(_observed(both, tried.differs, read_set))
    if read_set is None:
        return found
    looked_up = {path for path, listed in read_set.observed if not listed}
    listed = {path for path, listed in read_set.observed if listed}
    folders = {path.rpartition(b"/")[0] for path in both.paths()} & listed
    for path in [path for path in both.paths() if path in looked_up][:MOST]:
        if path != tried.differs.path or tried.differs.listed:
            found += both.at("read", path)
    for path in sorted(folders):
        if path != tried.differs.path or not tried.differs.listed:
            found += both.listing(path)
    return found


def _observed(both: Comparison, differs: Observed, read_set: ReadSet | None) -> Sequence[Change]:
    """What differs at the place that decided."""
    found = both.listing(differs.path) if differs.listed else both.at("read", differs.path)
    if found:
        return found
    maker = both.maker(differs.path)
    return (Change("read", shown(differs.path), "unknown", None, None, maker.number, maker.line),)


def _own_bases(run: StageRun) -> tuple[str, ...]:
    """The chain ID that the FROM of this stage, or of the one that it starts from, led to."""
    stages, stage = run.session.plan.stages, run.stage
    while stage.parent is not None:
        stage = stages[stage.parent]
    record = run.session.record.steps.get(run.session.first_step[stage.number])
    return (record.chain_id,) if record is not None and record.chain_id else ()


def _base(run: StageRun, earlier: Earlier, bases: Mapping[str, str], old: Stack, new: Stack) -> list[Change]:
    """The image of FROM, where it is another."""
    before = old.layers[old.base - 1].chain_id if old.base else ""
    after = new.layers[new.base - 1].chain_id if new.base else ""
    if before == after:
        return []
    maker = _makers(run).get(after, NOBODY)
    record = run.session.record.steps.get(maker.number)
    names = [
        (bases.get(before) or earlier.name_of(before)) if before else "scratch",
        ((record.key if record else "") or earlier.name_of(after)) if after else "scratch",
    ]
    name = names[1].partition("@")[0]
    return [Change("base", name, "value", names[0], names[1], maker.number, maker.line)]


def _parent_in(earlier: Earlier, record: BuildStep) -> str | None:
    """What a recorded step stood on: what the one before it, in its stage, led to."""
    if record.place == 1:
        return None
    return next((step.chain_id for step in earlier.steps if step.step == record.step - 1), None)


def steps_only(run: StageRun, work: Work, earlier: Earlier) -> list[Change]:
    """Which steps above are not as in the last build, where that is all that can be told."""
    records, first = run.session.record.steps, run.session.first_step[run.stage.number]
    found = []
    for number in range(first, work.number):
        now = records[number]
        place = [step for step in earlier.steps if step.stage == plain(now.start.stage)]
        if number == first:
            then = next((step for step in place if step.place == 1), None)
        else:
            then = earlier.record_like(number)
        text, at = now.start.text, (number, now.start.line)
        if then is None:
            found.append(Change("step", text, "added", None, None, *at))
        elif then.text != plain(text):
            found.append(Change("step", text, "replaced", then.text, None, *at))
        elif number == first and then.chain_id != now.chain_id:
            name = now.key.partition("@")[0] or text
            found.append(Change("base", name, "value", then.key or f"@{then.chain_id}", now.key, *at))
        elif number != first and then.diff_id != now.diff_id:
            found.append(Change("step", text, "content", then.diff_id, now.diff_id, *at))
    return found


def _makers(run: StageRun) -> dict[str, Maker]:
    """The steps of this build by the chain IDs that they led to.

    Several may have led to the same: the stage's own steps go before those of the stages that it starts from,
    and these before all others; in one stage the first goes before the others.
    """
    session, stage = run.session, run.stage
    records, first, counts = session.record.steps, session.first_step, session.counts
    numbers: list[int] = []
    while True:
        begin = first[stage.number] + (stage.parent is not None)
        numbers += range(begin, first[stage.number] + counts[stage.number])
        if stage.parent is None:
            break
        stage = session.plan.stages[stage.parent]
    found: dict[str, Maker] = {}
    for number in (*numbers, *sorted(records)):
        record = records.get(number)
        if record is not None and record.chain_id:
            start = record.start
            found.setdefault(record.chain_id, Maker(number, start.line, start.text))
    return found
