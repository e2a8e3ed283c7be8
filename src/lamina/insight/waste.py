"""Waste: the bytes that a smaller image would not carry, and the change that saves them (`lamina waste`).

Every file that a layer carries is counted once at most, in one finding:

    overwritten   a later layer wrote the path anew, with another content
    deleted       a later layer deleted it, or a folder that it lay in
    metadata      a copy of what a layer below has at this path: for a new mode, owner or time, or for nothing
    cache         it is to be seen, and lies where a package manager keeps what it does not need any more
    duplicate     it is to be seen, and another visible file has its content (hard links are one file)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db.files import absolute
from lamina.insight.stack import stack
from lamina.insight.wasted.changes import Change, change
from lamina.insight.wasted.copies import DELETED, METADATA, OVERWRITTEN
from lamina.insight.wasted.groups import CACHE, DUPLICATE, MOST_FILES, tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.insight.rows import Rows
    from lamina.insight.stack import Stack
    from lamina.insight.wasted.groups import Group, Tally
    from lamina.oci.digest import DiffID, ImageID

HIDDEN = (OVERWRITTEN, DELETED, METADATA)
KINDS = (*HIDDEN, CACHE, DUPLICATE)
__all__ = ["HIDDEN", "KINDS", "MOST_FILES", "Change", "Finding", "LayerWaste", "Waste", "WastedFile", "waste"]


class WastedFile(NamedTuple):
    """One file that need not be there."""

    path: str  # absolute, by os.fsdecode
    size: int
    other: str = ""  # the path with the same content that stays: of a duplicate, and where it was moved to


class Finding(NamedTuple):
    """Files that are wasted for one and the same reason, by the same layers."""

    kind: str  # overwritten, deleted, metadata, cache or duplicate
    layer: int  # the one that carries the bytes, from 1, the bottom
    by: int  # the one that overwrote or deleted them; that has the first copy (metadata, duplicate); 0: cache
    what: str  # more of the kind: the name of the cache, "moved", "package database"; of metadata what is
    # new: "owner", "mode, owner", "time", "nothing"
    size: int  # bytes
    files: int
    folder: str  # the deepest that all of them lie in, absolute
    biggest: tuple[WastedFile, ...]  # at most MOST_FILES, the biggest first
    created_by: str  # the instruction of `layer`, on one line
    line: int  # of that instruction; 0 where it is not known
    base: str  # the base image when all of this happened in it; "" when the image's own layers had a part
    change: Change


class LayerWaste(NamedTuple):
    """One layer with what of it is wasted."""

    number: int  # from 1, the bottom
    diff_id: DiffID
    size: int  # bytes in its files
    wasted: int  # bytes of these that are in a finding
    created_by: str
    dockerfile: str  # where that instruction stands, as records of builds know it; "" and 0 else
    line: int
    base: str


class Waste(NamedTuple):
    """All that is wasted in an image; sizes in bytes.

    `hidden` is what dive looks for: bytes that nobody can see (overwritten, deleted, metadata). dive counts
    all copies of such a path, even the one that is needed; here N copies are N-1 too many.
    """

    image_id: ImageID
    name: str
    size: int  # of all files in all layers
    own_size: int  # of that, in the layers above the base image; above the first layer when no base is known
    wasted: int  # all findings
    own_wasted: int  # of that, what is not the base image's doing
    hidden: int
    own_hidden: int
    findings: tuple[Finding, ...]  # the biggest first
    layers: tuple[LayerWaste, ...]  # the bottom first

    @property
    def efficiency(self) -> float:
        """The part of all bytes that is to be seen, 0 to 1, as dive has it; 1 for an image without any."""
        return 1 - self.hidden / self.size if self.size else 1.0

    @property
    def foldable(self) -> int:
        """Hidden bytes that lie in the image's own layers: `lamina fold` leaves them out without a build."""
        base = {each.number for each in self.layers if each.base}
        return sum(
            each.size for each in self.findings if each.kind in HIDDEN and not {each.layer, each.by} & base
        )

    @property
    def user_wasted_percent(self) -> float:
        """Hidden bytes against all that the image's own layers carry: a ratio, for all that dive calls it."""
        return self.own_hidden / self.own_size if self.own_size else 0.0


def waste(rows: Rows, image_id: ImageID) -> Waste:
    """All that is wasted in an image of the store. NotFound, Corrupt, InvalidInput, NoSpace."""
    found = stack(rows, image_id)
    counted = tally(rows.connection, found.diff_ids)
    findings = [_finding(group, found) for group in counted.groups]
    findings.sort(
        key=lambda each: (-each.size, KINDS.index(each.kind), each.layer, each.by, each.what, each.folder)
    )
    return _summed(found, counted, findings)


def _finding(group: Group, found: Stack) -> Finding:
    why, layers = group.why, found.layers
    layer = layers[why.layer]
    return Finding(
        why.kind,
        why.layer + 1,
        why.by + 1,
        why.what or (why.cached.cache.name if why.cached else ""),
        group.size,
        group.files,
        absolute(group.folder or b""),
        tuple(
            WastedFile(absolute(path), size, absolute(other) if other else "")
            for size, path, other in group.biggest
        ),
        layer.created_by,
        layer.line,
        layers[max(why.layer, why.by)].base,
        change(group, layers, found.name),
    )


def _summed(found: Stack, counted: Tally, findings: Sequence[Finding]) -> Waste:
    wasted = [0] * len(found.layers)
    for each in findings:
        wasted[each.layer - 1] += each.size
    own = [each for each in findings if not each.base]
    own_from = found.base_layers or 1
    return Waste(
        found.image_id,
        found.name,
        sum(counted.carried),
        sum(counted.carried[own_from:]),
        sum(wasted),
        _size(own),
        _size([each for each in findings if each.kind in HIDDEN]),
        _size([each for each in own if each.kind in HIDDEN]),
        tuple(findings),
        tuple(
            LayerWaste(
                one.number,
                one.diff_id,
                size,
                lost,
                one.created_by,
                one.origin.dockerfile if one.origin else "",
                one.line,
                one.base,
            )
            for one, size, lost in zip(found.layers, counted.carried, wasted, strict=True)
        ),
    )


def _size(findings: Sequence[Finding]) -> int:
    return sum(each.size for each in findings)
