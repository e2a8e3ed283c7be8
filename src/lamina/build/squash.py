"""--squash: all layers that a build adds to its base become one, as Docker's classic builder did it."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from lamina.db import cachedb
from lamina.db.cachedb import Step
from lamina.graph import stages
from lamina.graph.key import Ingredient, cache_key
from lamina.layers.absent import bring
from lamina.layers.commit import commit_empty, reuse_diff
from lamina.layers.lookup import Lookup
from lamina.layers.write import LayerItem, write_layer
from lamina.oci.config import History, RootFS
from lamina.oci.digest import sha256
from lamina.tree.change import diff, layer_of
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

    from lamina.build.session import Session
    from lamina.build.stagerun import StageRun
    from lamina.db.layerdb import Diff
    from lamina.layers.context import Layers
    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import DiffID


def squash(session: Session, run: StageRun, config: ImageConfig, enter: Callable[[], None]) -> ImageConfig:
    """The config of the image with one layer over its base; that layer is in the store afterwards.

    Its history is Docker's: the lines of the build make no layers, one more, at the end, makes the one.
    """
    base = run.state.image
    count = len(base.diff_ids)
    merged = _merged(session.ctx, config.diff_ids, count, config.created, enter)
    inherited = len(base.history)
    lines = [line._replace(empty_layer=True) for line in config.history[inherited:]]
    comment = f"create new from {sha256(config.to_bytes())}"
    if parent := _base_id(session, run):
        comment = f"merge {sha256(config.to_bytes())} to {parent}"
    last = History(created=config.created, comment=comment)
    return config._replace(
        rootfs=RootFS((*config.diff_ids[:count], merged)),
        history=(*config.history[:inherited], *lines, last),
    )


def _base_id(session: Session, run: StageRun) -> str:
    """The image that the build stands on; "" for scratch, and for what is no image of the store."""
    stage = run.stage
    while stage.parent is not None:
        stage = session.plan.stages[stage.parent]
    if stage.base == stages.SCRATCH or stage.context:
        return ""
    return session.base(stage.base, stage.source, stage.platform).image_id


def _merged(
    ctx: Layers, diff_ids: Sequence[DiffID], count: int, created: str, enter: Callable[[], None]
) -> DiffID:
    """The layer that does what all from `count` on do; made once, then found."""
    below, added = tuple(diff_ids[:count]), tuple(diff_ids[count:])
    parts = [("instruction", "squash"), ("parent", " ".join(below)), ("layers", " ".join(added))]
    key = cache_key([Ingredient(*part) for part in parts])
    step = cachedb.get_step(ctx.db.read(), key.digest)
    if step is not None and step.diff_id is not None and reuse_diff(ctx, step.diff_id) is not None:
        return step.diff_id
    enter()

    def also(c: sqlite3.Connection, made: Diff) -> None:
        ingredients = tuple([cachedb.Ingredient(*part) for part in key.ingredients])
        cachedb.put_step(c, Step(key.digest, made.diff_id, ingredients, "squash", created, 0.0))

    bring(ctx, added)
    base = Lookup(ctx, below[::-1])
    items = list(_items(base, Lookup(ctx, diff_ids[::-1])))
    if not items:
        return commit_empty(ctx, also=also).diff_id
    return write_layer(ctx, items, parent=base, also=also).diff_id


def _items(base: Lookup, top: Lookup) -> Iterator[LayerItem]:
    after = top.tree()
    for entry in layer_of(diff(base.tree(), after, mtimes=True), after):
        yield LayerItem(entry, _opener(top, entry.path) if entry.kind is Kind.FILE else None)


def _opener(top: Lookup, path: bytes) -> Callable[[], BinaryIO]:
    return lambda: top.open(path)
