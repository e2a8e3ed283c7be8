"""Rebase: the layers of an application on another base; only the layers of the base are others afterwards."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput
from lamina.surgery.accounts import accounts, runs_as
from lamina.surgery.clashes import clashes
from lamina.surgery.findings import Finding, Findings, Weight, gathered
from lamina.surgery.merging import merge
from lamina.surgery.programs import commands, programs
from lamina.surgery.pythons import pythons
from lamina.surgery.readings import readings
from lamina.surgery.transplant import Transplant, sides

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.layers.context import Layers
    from lamina.surgery.merging import MergedValue
    from lamina.surgery.parts import Parts


class Rebased(NamedTuple):
    """An application on its new base, and what is to be known of it."""

    parts: Parts
    config: tuple[MergedValue, ...]
    findings: Findings


def rebase(ctx: Layers, app: Parts, old: Parts, new: Parts) -> Rebased:
    """`app`, which stands on `old`, put on `new`: its layers and its lines of history stay as they are.

    InvalidInput when it does not stand on `old`. Errors as of layers.absent for files that must be looked at.
    """
    count = stands_on(app, old)
    config, merged = merge(old.config.config, app.config.config, new.config.config)
    parts = app._replace(
        config=app.config._replace(config=config, os_version=new.config.os_version),
        lines=new.lines + app.lines[_own(app, old) :],
    )
    it = Transplant(old.diff_ids, new.diff_ids, app.diff_ids[count:], app.config.config, config)
    return Rebased(
        parts, merged, gathered(chain(_unused(new), starting(ctx, it), check(ctx, it), readings(ctx, it)))
    )


def check(ctx: Layers, it: Transplant) -> Iterator[Finding]:
    """What could break in layers that come to stand on another stack."""
    if it.old == it.new:
        return
    before, after = sides(ctx, it)
    yield from programs(ctx, it, before, after)
    yield from pythons(ctx, it, before, after)
    yield from accounts(ctx, it, before, after)
    yield from clashes(ctx.db.read(), it)


def starting(ctx: Layers, it: Transplant) -> Iterator[Finding]:
    """What could break in how the image is started."""
    before, after = sides(ctx, it)
    yield from commands(before, after)
    yield from runs_as(before, after)


def stands_on(app: Parts, old: Parts) -> int:
    """How many layers an image has of its base. InvalidInput when these are not its lowest ones."""
    count = len(old.diff_ids)
    for number, (mine, its) in enumerate(zip(app.diff_ids, old.diff_ids, strict=False), 1):
        if mine != its:
            raise InvalidInput(f"the image does not stand on its old base: layer {number} is another one")
    if count > len(app.diff_ids):
        raise InvalidInput(
            f"the image does not stand on its old base, which has {count} layers: more than it"
        )
    return count


def _own(app: Parts, old: Parts) -> int:
    """Where the lines of history of the application begin."""
    if [line.history for line in app.lines[: len(old.lines)]] == [line.history for line in old.lines]:
        return len(old.lines)
    count = len(old.diff_ids)
    return app.at(count) + 1 if count else 0


def _unused(new: Parts) -> Iterator[Finding]:
    if new.config.config.on_build:
        text = "the new base has ONBUILD instructions: nothing is run here, so they are not done"
        yield Finding(Weight.NOTE, "onbuild", "", text)
