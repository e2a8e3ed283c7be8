"""What a step writes into the database: its cache row and its place in a stack; the first commit wins."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from lamina.build.errors import Swept
from lamina.db import cachedb, layerdb, traces
from lamina.db.cachedb import Ingredient, Step
from lamina.db.traces import Trace
from lamina.errors import NotFound
from lamina.graph.ops import CopyOp
from lamina.graph.rules import SAME_CONTENT
from lamina.layers.clock import now
from lamina.layers.commit import reuse_diff, stack
from lamina.oci.timestamp import rfc3339

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from lamina.build.stagerun import Work
    from lamina.db.layerdb import Diff, Layer
    from lamina.graph.key import CacheKey
    from lamina.layers.commit import Also
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID


class Seen(NamedTuple):
    """What a step read of the layers below it, packed (tree.readset); or why that is not known."""

    paths: int  # observations in the read set
    read_set: bytes | None
    doubt: str = ""


_UNSEEN = Seen(0, None, "it was not traced")


class Adoption:
    """Called inside the transaction that commits a step's layer.

    Another build may have done the same step meanwhile: then its layer becomes ours. Afterwards `diff`,
    `top` and `created` are what the stage goes on with. `replace` forgets an earlier result (--no-cache).
    `start` is when the step began, on the monotonic clock; `epoch` is SOURCE_DATE_EPOCH; `recipe` is that
    of the step, "" where it has none, which is then not reused elsewhere.

    Whoever makes the layer sets `seen`, which tells what the step read: it is called once, in the
    transaction, with the connection and the layer, whose rows are there already.
    """

    def __init__(
        self,
        ctx: Layers,
        parent: Layer | None,
        work: Work,
        start: float,
        replace: bool,
        epoch: int | None,
        recipe: str = "",
    ) -> None:
        self._ctx = ctx
        self._parent = parent
        self._work = work
        self._start = start
        self._replace = replace
        self._epoch = epoch
        self._recipe = recipe
        self.seen: Callable[[sqlite3.Connection, Diff], Seen] | None = None
        self.created = ""
        self.diff: Diff
        self.top: Layer

    def __call__(self, c: sqlite3.Connection, diff: Diff) -> None:
        work = self._work
        if self._replace:
            _forget(c, work, self._recipe)
        created = rfc3339(self._epoch) if self._epoch is not None else now()
        mine = Step(
            work.key.digest, diff.diff_id, ingredients_of(work.key), _text(work.created_by), created,
            time.monotonic() - self._start, self._recipe, _name(self._parent), "", time.time(),
        )  # fmt: skip
        step = cachedb.put_step(c, mine)
        if step is mine and self._recipe:
            self._put_trace(c, mine, diff)
        self.diff, self.top = _placed(c, self._ctx, self._parent, work, step, diff)
        self.created = step.created

    def settle(self) -> None:
        """What is left to do once the layer is committed: nothing, for most."""

    def _put_trace(self, c: sqlite3.Connection, step: Step, diff: Diff) -> None:
        if isinstance(self._work.op, CopyOp) and self._work.op.link:
            return  # it looks at nothing, and its key says so
        seen = self.seen(c, diff) if self.seen is not None else _UNSEEN
        traces.put(c, Trace(self._recipe, diff.diff_id, _name(self._parent), step.key, *seen))


class Adopted(NamedTuple):
    """The layer that a stage goes on with, and when it was made (RFC 3339)."""

    diff: Diff
    top: Layer
    created: str


def adopt(ctx: Layers, parent: Layer | None, work: Work, step: Step, old: Step | None) -> Adopted | None:
    """Takes the layer of another step over for `work`; None when it is gone.

    `step` is the row that `work` gets, aside from its key: it says by which rule, and when the layer was
    made. `old` is a row under its key that does not count. What another build has put there meanwhile wins.
    """
    adopted: list[Adopted] = []

    def also(c: sqlite3.Connection, diff: Diff) -> None:
        mine = step._replace(
            key=work.key.digest,
            ingredients=ingredients_of(work.key),
            created_by=_text(work.created_by),
            parent=_name(parent),
        )
        known = cachedb.get_step(c, mine.key)
        if known is not None and old is not None and known.diff_id == old.diff_id and _is_better(mine, known):
            _forget(c, work, mine.recipe)
        found = cachedb.put_step(c, mine)
        adopted.append(Adopted(*_placed(c, ctx, parent, work, found, diff), found.created))

    assert step.diff_id is not None
    _commit(ctx, step.diff_id, also)
    return adopted[0] if adopted else None


def _is_better(mine: Step, known: Step) -> bool:
    return mine.diff_id != known.diff_id or mine.ran > known.ran


def _placed(
    c: sqlite3.Connection, ctx: Layers, parent: Layer | None, work: Work, step: Step, diff: Diff
) -> tuple[Diff, Layer]:
    """The layer of a step that has its row, and its place on top of `parent`."""
    if work.alias is not None:
        _put_alias(c, work.alias, step)
    if step.diff_id is not None and step.diff_id != diff.diff_id:
        diff = layerdb.need_diff(c, step.diff_id)
    return diff, stack(
        c, ctx, parent.chain_id if parent else None, diff, _text(work.created_by), step.created
    )


def _forget(c: sqlite3.Connection, work: Work, recipe: str) -> None:
    """Afterwards the step has no row; nor is known what it read when it was done."""
    for key in _keys(work):
        cachedb.delete_step(c, key.digest)
        traces.delete_of(c, recipe, key.digest)


def put_alias(ctx: Layers, work: Work, step: Step) -> None:
    """Notes that the quick key of a step stands for a step that is there."""
    assert work.alias is not None
    with ctx.db.write(durable=False) as c:
        row = cachedb.get_step(c, step.key)
        if row is not None:
            _put_alias(c, work.alias, row)


def _put_alias(c: sqlite3.Connection, alias: CacheKey, step: Step) -> None:
    cachedb.put_step(c, step._replace(key=alias.digest, ingredients=ingredients_of(alias)))


def _keys(work: Work) -> tuple[CacheKey, ...]:
    return (work.key,) if work.alias is None else (work.key, work.alias)


def ingredients_of(key: CacheKey) -> tuple[Ingredient, ...]:
    """What is kept of a key, in a form that a row can hold."""
    parts = (*key.ingredients, *key.listing)
    return tuple(Ingredient(_text(label), _text(value)) for label, value in parts)


def restack(ctx: Layers, parent: Layer | None, work: Work, step: Step, rule: str) -> Layer | None:
    """The row of a known layer on top of `parent`, made if it is missing; None when the layer is gone.

    With the rule same-content the step's row says from now on that it stands on these layers, too.
    """
    assert step.diff_id is not None
    found: list[Layer] = []

    def also(c: sqlite3.Connection, diff: Diff) -> None:
        found.append(
            stack(c, ctx, parent.chain_id if parent else None, diff, _text(work.created_by), step.created)
        )
        if rule == SAME_CONTENT and cachedb.get_step(c, step.key) == step:
            cachedb.delete_step(c, step.key)
            cachedb.put_step(c, step._replace(parent=_name(parent), rule=step.rule or rule))

    _commit(ctx, step.diff_id, also)
    return found[0] if found else None


def _commit(ctx: Layers, diff_id: DiffID, also: Also) -> None:
    """One transaction. Swept when the layers below are not there any more."""
    try:
        reuse_diff(ctx, diff_id, also=also)
    except NotFound:
        raise Swept from None


def _name(layer: Layer | None) -> str:
    """How the row of a step names what it was done on."""
    return layer.chain_id if layer else ""


def _text(text: str) -> str:
    """What a row can hold: bytes that are not UTF-8 are shown as escapes."""
    return text.encode(errors="backslashreplace").decode()
