"""Measures what the steps of a Dockerfile did when they were last done: seconds, and bytes for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import cachedb
from lamina.db.files import absolute
from lamina.db.overlap import stored_again
from lamina.dockerfile import Add, Copy, Run
from lamina.dockerfile.lint.tools import MANAGERS
from lamina.graph.lint.facts import Amount, Change, Known, StepFacts
from lamina.insight.lint.order import change_of
from lamina.insight.lint.walk import walk
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Sequence

    from lamina.dockerfile.lint.tools import Manager
    from lamina.graph.stages import Plan
    from lamina.insight.lint.walk import Done, Trail
    from lamina.insight.rows import Rows
    from lamina.oci.digest import DiffID
    from lamina.tree.entry import Entry


def known(rows: Rows, plan: Plan) -> Known:
    """What the store knows of every stage. `plan` has all of them, without the triggers of base images."""
    steps: dict[tuple[int, int], StepFacts] = {}
    changes: dict[tuple[int, int], Change] = {}
    trails = walk(rows, plan)
    for number, trail in trails.items():
        ours = _below(plan, number, trails)
        lower = list(trail.lower)
        for one in trail.done:
            instruction = plan.stages[number].instructions[one.position]
            if isinstance(instruction, Run):
                steps[number, one.position] = _step(rows.connection, one, lower, ours)
            elif isinstance(instruction, Copy | Add) and not getattr(instruction, "from_", None):
                change = change_of(rows.connection, trail, one, plan.stages[number].instructions)
                if change is not None:
                    changes[number, one.position] = change
            lower.append(one.diff.diff_id)
            ours.append(one.diff.diff_id)
    return Known(steps, changes)


def _below(plan: Plan, number: int, trails: dict[int, Trail]) -> list[DiffID]:
    """The layers that the stages made which this one is built from."""
    found: list[DiffID] = []
    parent = plan.stages[number].parent
    while parent is not None:
        found = [*trails[parent].own, *found]
        parent = plan.stages[parent].parent
    return found


def _step(c: sqlite3.Connection, one: Done, lower: Sequence[DiffID], ours: Sequence[DiffID]) -> StepFacts:
    entries = cachedb.files(c, one.diff.diff_id)
    return StepFacts(
        one.step.seconds,
        amount(stored_again(c, one.diff.diff_id, lower)),
        _deleted(c, entries, ours),
        {manager.name: found for manager in MANAGERS if (found := _left(manager, entries)).size},
    )


def _deleted(c: sqlite3.Connection, entries: Sequence[Entry], ours: Sequence[DiffID]) -> Amount:
    """The files of our own lower layers that this one hides, each as often as it is stored."""
    gone = {entry.path for entry in entries if entry.kind is Kind.WHITEOUT or entry.opaque}
    if not gone:
        return Amount()
    stay = {entry.path for entry in entries if entry.kind is not Kind.WHITEOUT}
    return amount(
        (entry.path, entry.size)
        for diff_id in ours
        for entry in cachedb.files(c, diff_id)
        if entry.kind is Kind.FILE and entry.path not in stay and _is_in(entry.path, gone)
    )


def _is_in(path: bytes, gone: Collection[bytes]) -> bool:
    """Whether the path, or a folder that it lies in, is one of these."""
    while path and path not in gone:
        path = path.rpartition(b"/")[0]
    return bool(path)


def _left(manager: Manager, entries: Iterable[Entry]) -> Amount:
    """The files of a layer in the manager's cache."""
    fixed = tuple(place[1:].encode() + b"/" for place in manager.places if place.startswith("/"))
    at_home = tuple(place[1:].encode() + b"/" for place in manager.places if place.startswith("~"))
    return amount(
        (entry.path, entry.size)
        for entry in entries
        if entry.kind is Kind.FILE
        and (entry.path.startswith(fixed) or any(place in b"/" + entry.path for place in at_home))
    )


def amount(files: Iterable[tuple[bytes, int]]) -> Amount:
    """The sum of these files, and the largest."""
    found = sorted(files, key=lambda file: (-file[1], file[0]))
    if not found:
        return Amount()
    return Amount(sum(size for _, size in found), absolute(found[0][0]), len(found))
