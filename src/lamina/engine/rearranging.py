"""Rearranging: the operations that give an image other layers, while a container sees the same files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db.siblings import siblings
from lamina.errors import InvalidInput, NotFound
from lamina.events import Notice
from lamina.oci.timestamp import rfc3339
from lamina.surgery import squash
from lamina.surgery.ranges import base_of, layers_meant

if TYPE_CHECKING:
    from lamina.engine.operating import Change, Subject
    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.surgery.parts import Parts

SIZE, PACKAGE, CHANGE_RATE = "size", "package", "change-rate"
_PART = 100 << 20  # bytes of a part of `split` by size
_PARTS = 32  # by package
_SIBLINGS = 8  # layers that are compared


def squashing(layers: str, tell: Observer) -> Change:
    """Makes one layer of a range; of the image's own layers, where the range is ""."""

    def change(ctx: Layers, subject: Subject) -> Parts:
        low, high = layers_meant(ctx, subject.image_id, subject.parts, layers)
        made = squash.squash(ctx, subject.parts, low, high, subject.image_id, subject.created)
        if made is subject.parts and not layers:
            _tell_of_base(ctx, subject, "a range of layers", tell)
        return made

    return change


def flattening() -> Change:
    """Makes one layer of all."""

    def change(ctx: Layers, subject: Subject) -> Parts:
        return squash.flatten(ctx, subject.parts, subject.image_id, subject.created)

    return change


def folding(layers: str, tell: Observer, *, base: bool) -> Change:
    """Takes out what nobody sees, and puts metadata where the bytes are."""

    def change(ctx: Layers, subject: Subject) -> Parts:
        from lamina.surgery.fold import fold

        low, high = layers_meant(ctx, subject.image_id, subject.parts, layers, base=base)
        made = fold(ctx, subject.parts, low, high, subject.image_id, subject.created)
        if made is subject.parts and not (layers or base):
            _tell_of_base(ctx, subject, "--base", tell)
        return made

    return change


def _tell_of_base(ctx: Layers, subject: Subject, how: str, tell: Observer) -> None:
    """Says which layers were left alone where nothing else was to be done."""
    base = base_of(ctx, subject.image_id)
    if base is not None:
        theirs = f"the lower {base.layers} layers of {subject.name} are those of {base.label}"
        tell(Notice(f"{theirs}: {how} takes them, too"))


def splitting(layers: str, by: str, most: int, tell: Observer) -> Change:
    """Makes several layers of one, or of a range; `most` is the bytes or number of parts, 0 as usual."""
    if by not in (SIZE, PACKAGE, CHANGE_RATE):
        raise InvalidInput(f"cannot split by {by!r}", hint=f"{SIZE}, {PACKAGE} or {CHANGE_RATE}")
    if by == PACKAGE and most == 1:
        raise InvalidInput("one part is what there is already", hint="package=2 or more")

    def change(ctx: Layers, subject: Subject) -> Parts:
        from lamina.surgery import split

        low, high = layers_meant(ctx, subject.image_id, subject.parts, layers)
        given = (subject.parts, low, high)
        told = (subject.image_id, subject.created)
        if by == CHANGE_RATE:
            return _by_change_rate(ctx, subject, low, high)
        c, diff_ids = ctx.db.read(), subject.parts.diff_ids
        if by == SIZE:
            sizes = split.BySize(c, diff_ids, low, high, most or _PART)
            return split.split(ctx, *given, sizes, *told, f"{SIZE}={_shown(most or _PART)}")
        from lamina.insight.packages.owners import owners

        owned = {path: owner.name for path, owner in owners(ctx, diff_ids[:high], tell).items()}
        packages = split.ByPackage(c, diff_ids, low, high, owned, most or _PARTS)
        return split.split(ctx, *given, packages, *told, f"{PACKAGE}={most or _PARTS}")

    return change


def _shown(size: int) -> str:
    return f"{size >> 20}MB" if size % (1 << 20) == 0 else str(size)


def _by_change_rate(ctx: Layers, subject: Subject, low: int, high: int) -> Parts:
    from lamina.surgery.changerate import ByChangeRate
    from lamina.surgery.split import split

    if low != high:
        raise InvalidInput(
            f"layers {low}..{high} cannot be split by {CHANGE_RATE} at once", hint="name one layer"
        )
    others = siblings(ctx.db.read(), subject.image_id, low, _SIBLINGS)
    if not others:
        raise NotFound(
            f"no other version of layer {low} is in the store, so nothing is known of what changes in it",
            hint="a layer of the same instruction, or of an image with a name in the same repository",
        )
    with ByChangeRate(ctx, subject.parts.diff_ids[low - 1], others) as rates:
        return split(ctx, subject.parts, low, high, rates, subject.image_id, subject.created, CHANGE_RATE)


def normalising(latest: int, owner: tuple[int, int] | None, *, base: bool) -> Change:
    """Gives layers and config no time after `latest`, in seconds since 1970."""
    rfc3339(latest)  # is it one?

    def change(ctx: Layers, subject: Subject) -> Parts:
        from lamina.surgery.normalise import normalise

        low, high = layers_meant(ctx, subject.image_id, subject.parts, "", base=base)
        return normalise(ctx, subject.parts, low, high, latest, owner)

    return change
