"""What a step writes into the database: its cache row and its place in a stack; the first commit wins."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lamina.db import cachedb, layerdb
from lamina.db.cachedb import Ingredient, Step
from lamina.layers.clock import now
from lamina.layers.commit import reuse_diff, stack
from lamina.oci.timestamp import rfc3339

if TYPE_CHECKING:
    import sqlite3

    from lamina.build.stagerun import Work
    from lamina.db.layerdb import Diff, Layer
    from lamina.graph.key import CacheKey
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID


class Adoption:
    """Called inside the transaction that commits a step's layer.

    Another build may have done the same step meanwhile: then its layer becomes ours. Afterwards `diff`,
    `top` and `created` are what the stage goes on with. `replace` forgets an earlier result (--no-cache).
    `start` is when the step began, on the monotonic clock; `epoch` is SOURCE_DATE_EPOCH.
    """

    def __init__(
        self,
        ctx: Layers,
        parent: Layer | None,
        work: Work,
        start: float,
        replace: bool,
        epoch: int | None,
    ) -> None:
        self._ctx = ctx
        self._parent = parent
        self._work = work
        self._start = start
        self._replace = replace
        self._epoch = epoch
        self.created = ""
        self.diff: Diff
        self.top: Layer

    def __call__(self, c: sqlite3.Connection, diff: Diff) -> None:
        work = self._work
        if self._replace:
            for key in _keys(work):
                cachedb.delete_step(c, key.digest)
        created_by = _text(work.created_by)
        created = rfc3339(self._epoch) if self._epoch is not None else now()
        seconds = time.monotonic() - self._start
        mine = Step(work.key.digest, diff.diff_id, _ingredients(work.key), created_by, created, seconds)
        step = cachedb.put_step(c, mine)
        if work.alias is not None:
            _put_alias(c, work.alias, step)
        if step.diff_id is not None and step.diff_id != diff.diff_id:
            diff = layerdb.need_diff(c, step.diff_id)
        parent = self._parent.chain_id if self._parent else None
        self.top = stack(c, self._ctx, parent, diff, created_by, step.created)
        self.diff, self.created = diff, step.created


def put_alias(ctx: Layers, work: Work, step: Step) -> None:
    """Notes that the quick key of a step stands for a step that is there."""
    assert work.alias is not None
    with ctx.db.write(durable=False) as c:
        if cachedb.get_step(c, step.key) is not None:
            _put_alias(c, work.alias, step)


def _put_alias(c: sqlite3.Connection, alias: CacheKey, step: Step) -> None:
    cachedb.put_step(c, step._replace(key=alias.digest, ingredients=_ingredients(alias)))


def _keys(work: Work) -> tuple[CacheKey, ...]:
    return (work.key,) if work.alias is None else (work.key, work.alias)


def _ingredients(key: CacheKey) -> tuple[Ingredient, ...]:
    """What is kept of a key, in a form that a row can hold."""
    parts = (*key.ingredients, *key.listing)
    return tuple(Ingredient(_text(label), _text(value)) for label, value in parts)


def restack(
    ctx: Layers, parent: Layer | None, diff_id: DiffID, created_by: str, created: str
) -> Layer | None:
    """The row of a known layer on top of `parent`, made if it is missing; None when the layer is gone."""
    found: list[Layer] = []

    def also(c: sqlite3.Connection, diff: Diff) -> None:
        found.append(stack(c, ctx, parent.chain_id if parent else None, diff, _text(created_by), created))

    reuse_diff(ctx, diff_id, also=also)
    return found[0] if found else None


def _text(text: str) -> str:
    """What a row can hold: bytes that are not UTF-8 are shown as escapes."""
    return text.encode(errors="backslashreplace").decode()
