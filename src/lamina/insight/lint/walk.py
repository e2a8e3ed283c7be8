"""Finds the steps of earlier builds of a Dockerfile in the cache, without a context and without keys.

A step's row says which line of history it made and what it stood on (its ingredient "parent"). So from the
base image on: the newest row with the instruction's line on top of what is there so far is what the last
build did, its layer is what the next instruction stands on; the other rows are earlier versions of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import cachedb, imagedb, layerdb, names
from lamina.dockerfile import Onbuild
from lamina.errors import LaminaError
from lamina.graph import stages
from lamina.graph.advance import advance
from lamina.graph.state import from_image, from_scratch, from_stage
from lamina.insight.config import config_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from lamina.db.cachedb import Step
    from lamina.db.layerdb import Diff
    from lamina.dockerfile import Instruction
    from lamina.graph.ops import SourceRef
    from lamina.graph.stages import Plan, Stage
    from lamina.graph.state import StageState
    from lamina.insight.rows import Rows
    from lamina.oci.digest import DiffID


class Done(NamedTuple):
    """One instruction as it was last done: its step and layer, and earlier `versions` of it (and itself)."""

    position: int
    step: Step
    diff: Diff
    versions: tuple[Step, ...]
    parent: str  # content ID of what it stands on, "" for nothing


class Trail(NamedTuple):
    """One stage as far as the cache knows it. `lower` are the base's layers, bottom first; `texts` are the
    lines of history by position, of the instructions that make layers."""

    state: StageState
    content: str  # content ID of its top, "" for no layer
    lower: tuple[DiffID, ...]
    texts: Mapping[int, str]
    done: tuple[Done, ...]
    complete: bool

    @property
    def own(self) -> tuple[DiffID, ...]:
        """The layers that its instructions made."""
        return tuple(one.diff.diff_id for one in self.done)


class _Start(NamedTuple):
    state: StageState
    content: str
    lower: tuple[DiffID, ...]


def walk(rows: Rows, plan: Plan) -> dict[int, Trail]:
    """The trails of all stages that the cache knows something of."""
    trails: dict[int, Trail] = {}
    for stage in plan.stages:
        try:
            start = _start(rows, plan, stage, trails)
        except LaminaError:
            continue  # an image that is not here: nothing was built on it
        if start is not None:
            trails[stage.number] = _trail(rows.connection, plan, stage, start)
    return trails


def follow(
    c: sqlite3.Connection, texts: Mapping[int, str], content: str, after: int = -1
) -> tuple[Done, ...]:
    """The newest steps from a state of the layers on, of the instructions after the position `after`."""
    found: list[Done] = []
    for position in sorted(texts):
        if position <= after:
            continue
        versions = _versions(c, texts[position], content)
        step = versions[-1] if versions else None
        diff = layerdb.get_diff(c, step.diff_id) if step is not None and step.diff_id is not None else None
        if step is None or diff is None:
            break
        found.append(Done(position, step, diff, tuple(versions), content))
        content = on_top(content, diff)
    return tuple(found)


def on_top(content: str, diff: Diff) -> str:
    """The content ID of a layer on top of another."""
    return layerdb.chain_content_id(content or None, diff.content_id)


def _versions(c: sqlite3.Connection, text: str, parent: str) -> list[Step]:
    """The rows of one instruction on top of `parent`; those of its quick keys say nothing new."""
    found: list[Step] = []
    for step in cachedb.steps_created_by(c, text):
        labels = dict(step.ingredients)
        if labels.get("parent", parent) == parent and "source layers" not in labels:
            found.append(step)
    return found


def _start(rows: Rows, plan: Plan, stage: Stage, trails: Mapping[int, Trail]) -> _Start | None:
    """What a stage stands on; None when that is not known. LaminaError."""
    if stage.parent is not None:
        parent = trails.get(stage.parent)
        triggers = any(isinstance(one, Onbuild) for one in plan.stages[stage.parent].instructions)
        if parent is None or not parent.complete or triggers:
            return None
        return _Start(from_stage(parent.state), parent.content, (*parent.lower, *parent.own))
    if stage.context:
        return None
    if stage.base == stages.SCRATCH:
        return _Start(from_scratch(plan.scope), "", ())
    c = rows.connection
    image_id = names.resolve_image(c, stage.base).image_id
    config = config_of(rows, image_id)
    if config.config.on_build:
        return None
    chain = imagedb.layers_of(c, image_id)
    content = layerdb.need_layer(c, chain[-1]).content_id if chain else ""
    return _Start(from_image(plan.scope, config), content, config.diff_ids)


def _trail(c: sqlite3.Connection, plan: Plan, stage: Stage, start: _Start) -> Trail:
    texts, state, whole = _texts(plan, stage, start.state)
    done = follow(c, texts, start.content)
    content = on_top(done[-1].parent, done[-1].diff) if done else start.content
    return Trail(state, content, start.lower, texts, done, whole and len(done) == len(texts))


def _texts(plan: Plan, stage: Stage, state: StageState) -> tuple[dict[int, str], StageState, bool]:
    """The line of history of each instruction that makes a layer, and whether all could be told."""
    texts: dict[int, str] = {}
    for position, instruction in enumerate(stage.instructions):
        try:
            state, text, op = _advance(plan, stage, state, instruction)
        except LaminaError:
            return texts, state, False
        if op is not None:
            texts[position] = text.encode(errors="backslashreplace").decode()
    return texts, state, True


def _advance(
    plan: Plan, stage: Stage, state: StageState, instruction: Instruction
) -> tuple[StageState, str, object]:
    def find(name: str) -> SourceRef:
        return stages.find_source(plan, stage.number, instruction, name, name)

    return advance(state, instruction, find)
