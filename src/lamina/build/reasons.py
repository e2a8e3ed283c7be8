"""explain: why a step has to be done, from what the cache knows of the times before. It never raises."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lamina.build.earlier import earlier_of
from lamina.build.layersource import LayerSource
from lamina.build.parents import MOST, below, steps_only
from lamina.build.records import plain
from lamina.build.reuse import AGE, LOST, try_all
from lamina.build.stacks import Maker
from lamina.build.unlisted import all_files, has_unlisted
from lamina.db import cachedb
from lamina.graph import reason as codes
from lamina.graph.differences import Sources, changes
from lamina.graph.masking import masked, secrets_of
from lamina.graph.ops import RunOp
from lamina.graph.reason import MASKED, Change, Reason
from lamina.graph.rules import INDEPENDENT, UNTOUCHED, VERIFY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.build.earlier import Nearest
    from lamina.build.reuse import Miss, Tried
    from lamina.build.session import Session
    from lamina.build.stagerun import StageRun, Work
    from lamina.db.cachedb import Step
    from lamina.graph.key import CacheKey


def explain(run: StageRun, work: Work, miss: Miss | None) -> Reason:
    """Why `work` is to be done. What cannot be found out is said in `doubt`."""
    try:
        found = _explain(run, work, miss)
    except Exception as error:  # whatever it is: no build fails because its reasons cannot be told
        return Reason(codes.UNKNOWN, doubt=f"it could not be found out: {error or type(error).__name__}")
    return found._replace(changes=found.changes[:MOST], more=found.more + max(0, len(found.changes) - MOST))


def _explain(run: StageRun, work: Work, miss: Miss | None) -> Reason:
    session = run.session
    if run.no_cache:
        record = earlier_of(session).record_like(work.number)
        code = codes.NO_CACHE if session.request.no_cache else codes.NO_CACHE_FILTER
        seconds = _seconds(run, work.key.digest, record.key if record else "")
        return Reason(
            code, _option("--no-cache-filter", run.stage.name) * (code != codes.NO_CACHE), seconds=seconds
        )
    refused = _refused(session, miss)
    if refused is not None:
        return refused
    c = session.ctx.db.read()
    row = cachedb.get_step(c, work.key.digest)
    if row is not None:
        return Reason(codes.GONE, doubt=_GONE, seconds=row.seconds)
    earlier = earlier_of(session)
    before = next((step for step in earlier.steps if step.key == work.key.digest), None)
    if before is not None and before.status in _UNWELL:
        return Reason(codes.FAILED, build=earlier.build, seconds=before.seconds)
    if before is not None:
        return Reason(codes.GONE, doubt=_GONE, build=earlier.build)
    tried = _closest(miss)
    nearest = earlier.with_record(tried.step) if tried is not None else None
    nearest = nearest or earlier.nearest(work, miss.recipe if miss else "")
    if nearest is None:
        return Reason(codes.FIRST)
    if nearest.step is None:
        return _without_row(run, work, nearest)
    return _changed(run, work, nearest, nearest.step, tried)


_UNWELL = ("failed", "canceled", "running")  # statuses of steps that left nothing to reuse
_ELSEWHERE = "the last build of this Dockerfile had no such step: compared with the same words elsewhere"
_ELSEWHERE_FIRST = "this Dockerfile was not built here before: compared with the same words elsewhere"
_SHARED = "not built here before: compared with what {} recorded"
_FAILED = "it did not end well then: nothing else is known of what it depended on"
_GONE = "its layer is not in the store any more"
_LOST = "its layer is elsewhere, and could not be fetched"


def _option(name: str, value: str) -> tuple[Change, ...]:
    return (Change("option", name, "value", None, value),)


def _seconds(run: StageRun, *keys: str) -> float | None:
    """How long the step took that has the first of these keys that the cache knows."""
    rows = (cachedb.get_step(run.session.ctx.db.read(), key) for key in keys if key)
    return next((row.seconds for row in rows if row is not None), None)


def _refused(session: Session, miss: Miss | None) -> Reason | None:
    """The reason where something could be reused, and is not to be."""
    if miss is None:
        return None
    step, refusal = miss.old, miss.refusal
    if not refusal and miss.hit is not None:
        step, refusal = miss.hit.step, miss.held
    if not refusal and miss.tried and miss.tried[0].aged:
        step, refusal = miss.tried[0].step, AGE
    if not refusal or step is None:
        return None
    if refusal == LOST:
        return Reason(codes.GONE, doubt=_LOST, seconds=step.seconds)
    if refusal == AGE:
        age, limit = time.time() - step.ran, session.request.cache_ttl
        found = Change("option", "--cache-ttl", "value", f"{age:.0f}", f"{limit:.0f}")
        return Reason(codes.AGE, (found,), seconds=step.seconds)
    if refusal == VERIFY:
        rule = miss.hit.rule if miss.hit is not None else step.rule
        return Reason(codes.VERIFYING, _option("--cache-rule", rule), seconds=step.seconds)
    return Reason(codes.RULE_OFF, _option("--cache-rule", refusal), seconds=step.seconds)


def _closest(miss: Miss | None) -> Tried | None:
    """The recorded run of the same instruction that is told about: one with a read set, the newest."""
    tried = miss.tried if miss is not None else ()
    return next((one for one in tried if one.differs is not None), tried[0] if tried else None)


def _changed(run: StageRun, work: Work, nearest: Nearest, step: Step, tried: Tried | None) -> Reason:
    """What differs from an earlier step."""
    found, doubt = _ingredients(run, work, step), ""
    old, new = dict(step.ingredients), dict(work.key.ingredients)
    more = 0
    # what COPY and WORKDIR stand on counts by the rule independent alone, which wants all else the same
    counts = not found or _stands_on_all(run, work)
    if found and counts and tried is None and isinstance(work.op, RunOp):
        counts, tried = _read_then(run, work, step)
    if counts and old.get("parent", "") != new.get("parent", "") and "link" not in new and "link" not in old:
        layers, doubt, more = below(run, work, nearest, step, tried)
        found += layers
    if step.origin and nearest.record is None:
        doubt = "; ".join(filter(None, (_SHARED.format(step.origin), doubt)))
    elif nearest.elsewhere:
        known = earlier_of(run.session).build
        doubt = "; ".join(filter(None, (_ELSEWHERE if known else _ELSEWHERE_FIRST, doubt)))
    if tried is not None and tried.doubt:
        doubt = "; ".join(filter(None, (f"not traced: {tried.doubt}", doubt)))
    reason = Reason(codes.CHANGED, tuple(found), doubt, step.seconds, more, build=nearest.build)
    if not found and not more:
        return reason._replace(code=codes.UNKNOWN, doubt=doubt or "nothing that can be told differs")
    return reason


def _stands_on_all(run: StageRun, work: Work) -> bool:
    """Whether any change of the layers below can be why; COPY and WORKDIR look at little of them."""
    return isinstance(work.op, RunOp) or INDEPENDENT in run.session.request.rules_off


def _read_then(run: StageRun, work: Work, step: Step) -> tuple[bool, Tried | None]:
    """Of a RUN that is another now: whether what the earlier one read below differs, and what of it."""
    if UNTOUCHED in run.session.request.rules_off:
        return True, None
    found = try_all(run.session, work.op, step.recipe, run.chain())
    if found.hit is not None:
        return False, None
    return True, next((one for one in found.tried if one.differs is not None), None)


_MOST_MAKERS = 20


def _ingredients(run: StageRun, work: Work, step: Step) -> list[Change]:
    """What differs aside from the layers below."""
    key = work.key
    quick = any(label == "source layers" for label, _ in step.ingredients)
    if quick and work.alias is not None:
        key = work.alias
    picked = work.sources.picked if work.sources else ()
    counts = [sum(len(one.entries) - one.is_folder for one in matches) for matches in picked]
    sources = Sources(getattr(work.op, "sources", ()), tuple(counts))
    secrets = secrets_of(run.state.env.items())
    found = changes(_told(step, key), [*key.ingredients, *key.listing], sources, secrets)
    if any(change.kind == "file" for change in found) and has_unlisted(work, step):
        files = all_files(run, work, step)
        found = [change for change in found if change.kind != "file"] + files if files else found
    return _with_makers(run, work, found)


def _told(step: Step, key: CacheKey) -> Sequence[tuple[str, str]]:
    """The ingredients of an earlier step; what a shared cache kept to itself counts as the same."""
    if not step.origin:
        return step.ingredients
    new = dict(key.ingredients)
    return [(label, new.get(label, value) if value == MASKED else value) for label, value in step.ingredients]


def _with_makers(run: StageRun, work: Work, found: list[Change]) -> list[Change]:
    """The same; of files that are copied from layers with the step that brought them, where it is known."""
    source = work.sources.source if work.sources else None
    chain = source.chain if isinstance(source, LayerSource) else ()
    if not chain:
        return found
    c = run.session.ctx.db.read()
    makers = {
        record.diff_id: Maker(number, record.start.line, record.start.text)
        for number, record in sorted(run.session.record.steps.items(), reverse=True)
        if record.diff_id
    }
    told = []
    for number, change in enumerate(found):
        maker = None
        if change.kind == "file" and change.what != "unlisted":
            path = change.name.encode(errors="surrogateescape")
            change = change._replace(name="/" + change.name.lstrip("/"))
            place = cachedb.lookup(c, chain, path) if number < _MOST_MAKERS else None
            maker = makers.get(place[0]) if place else None
        told.append(change._replace(step=maker.number, line=maker.line) if maker else change)
    return told


def _without_row(run: StageRun, work: Work, nearest: Nearest) -> Reason:
    """What can be told of a step that the last build had, and whose row in the cache is gone."""
    record, build = nearest.record, nearest.build
    assert record is not None
    failed = record.status in _UNWELL
    doubt = _FAILED if failed else "what it depended on then is not in the store any more"
    found = steps_only(run, work, earlier_of(run.session)) if _stands_on_all(run, work) else []
    now = run.session.record.steps[work.number].start.text
    if record.text != plain(now):
        found.insert(0, Change("text", "instruction", "value", masked(record.text), masked(now)))
    if failed and not found:
        return Reason(codes.FAILED, seconds=record.seconds or None, build=build)
    code = codes.CHANGED if found else codes.GONE
    return Reason(code, tuple(found), doubt, record.seconds or None, build=build)
