"""Layers left out, put into another order, or taken from other images: which are meant, what is noted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db.layernames import number_of, range_of, split_name
from lamina.engine.operating import Operated, Subject, Target, find, operate
from lamina.errors import Conflict, InvalidInput
from lamina.surgery import reorder
from lamina.surgery.findings import Finding, Findings, gathered
from lamina.surgery.parts import Parts, done, take_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.engine.opened import Opened
    from lamina.engine.operating import Change
    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID


class Picking(NamedTuple):
    """What came of a drop or a cherry-pick: for each platform what could break, and the image."""

    findings: tuple[tuple[str, Findings], ...]
    made: Operated


class Unfit(Conflict):
    """Layers with which something would break for certain; `findings` say what. Nothing was made."""

    findings: tuple[tuple[str, Findings], ...] = ()


def drop(
    opened: Opened, name: str, layers: Sequence[str], target: Target, tell: Observer, *, force: bool
) -> Picking:
    """Leaves out these layers: numbers, diff IDs or ranges. Bound, Unfit unless forced."""
    told: list[tuple[str, Findings]] = []

    def change(ctx: Layers, subject: Subject) -> Parts:
        diff_ids = subject.parts.diff_ids
        numbers = sorted({number for text in layers for number in _numbers(diff_ids, text)})
        gone = ", ".join(f"{number} ({diff_ids[number - 1]})" for number in numbers)
        what = f"lamina drop {' '.join(map(str, numbers))}"
        parts, found = reorder.drop(ctx, subject.parts, numbers, force=force)
        told.append((str(subject.platform), found))
        _judge(told, f"without layer {gone} of {subject.name}", force=force)
        return _noted(parts, subject, what, f"from {subject.image_id} without layer {gone}")

    made = operate(opened, name, target, change, tell)
    return Picking(tuple(told), made)


def reordering(layers: Sequence[str]) -> Change:
    """The operation that puts these layers (numbers or diff IDs) into this order."""

    def change(ctx: Layers, subject: Subject) -> Parts:
        numbers = [number_of(subject.parts.diff_ids, text) for text in layers]
        parts = reorder.reorder(ctx, subject.parts, numbers)
        if parts == subject.parts:
            return parts
        what = f"lamina reorder {' '.join(map(str, numbers))}"
        return _noted(parts, subject, what, f"from {subject.image_id}")

    return change


def pick(
    opened: Opened, layers: Sequence[str], onto: str, target: Target, tell: Observer, *, force: bool
) -> Picking:
    """Puts layers of other images on each image of `onto`, if nothing breaks or it is forced. Unfit."""
    told: list[tuple[str, Findings]] = []

    def change(ctx: Layers, subject: Subject) -> Parts:
        parts = subject.parts
        found: list[Finding] = []
        for text in layers:
            parts, more = _picked(opened, text, parts, subject, tell)
            found += more.listed
        told.append((str(subject.platform), gathered(found)))
        _judge(told, f"with these layers on {subject.name}", force=force)
        return parts

    made = operate(opened, onto, target, change, tell)
    return Picking(tuple(told), made)


def _judge(told: list[tuple[str, Findings]], what: str, *, force: bool) -> None:
    """Unfit when something breaks in the image that was looked at last."""
    if told[-1][1].breaks and not force:
        error = Unfit(f"it breaks {what}: nothing was made", hint="--force makes the image all the same")
        error.findings = tuple(told)
        raise error


def _picked(
    opened: Opened, text: str, parts: Parts, subject: Subject, tell: Observer
) -> tuple[Parts, Findings]:
    name, layer = split_name(text)
    if not layer:
        raise InvalidInput(f"which layer of {text}?", hint="IMAGE#N, or IMAGE#A..B for several")
    source_id = find(opened, name, str(subject.platform), tell).image_id
    source = take_apart(opened.ctx, source_id)
    numbers = _numbers(source.diff_ids, layer)
    picked = reorder.cherry_pick(opened.ctx, source, numbers, parts)
    which = ", ".join(f"{number} ({source.diff_ids[number - 1]})" for number in numbers)
    word = "layer" if len(numbers) == 1 else "layers"
    comment = f"{word} {which} of {source_id} on {subject.image_id}"
    return _noted(picked.parts, subject, f"lamina cherry-pick {text}", comment), picked.findings


def _numbers(diff_ids: Sequence[DiffID], text: str) -> range:
    low, high = range_of(diff_ids, text)
    return range(low, high + 1)


def _noted(parts: Parts, subject: Subject, what: str, comment: str) -> Parts:
    return parts._replace(lines=(*parts.lines, done(what, subject.created, comment)))
