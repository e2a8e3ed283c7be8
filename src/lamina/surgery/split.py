"""split: one layer, or some, in several by size, by package or by how often files change."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from lamina.errors import InvalidInput
from lamina.surgery.arrange import Spot, arrange
from lamina.surgery.net import net
from lamina.surgery.parts import Parts, done
from lamina.tree.entry import Kind
from lamina.tree.tree import parent_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID, ImageID
    from lamina.surgery.net import Settled

MOST = 100  # layers; Docker mounts 128 at most


class Policy(Protocol):
    """In which part each file goes."""

    @property
    def labels(self) -> Sequence[str]:
        """What is in each part, the bottom one first."""

    def part(self, path: bytes) -> int:
        """The part of a path, or of a FILE with all its names."""


def split(
    ctx: Layers, parts: Parts, low: int, high: int, policy: Policy, image_id: ImageID, created: str, by: str
) -> Parts:
    """Several layers in place of the layers `low` to `high` (from 1, both included); `by` names the policy.

    What a container sees does not change. Where the policy has but one part, and there is one layer, `parts`.
    InvalidInput when there would be more than MOST layers; errors as of layers.rewrite.
    """
    count = len(policy.labels)
    if count <= 1 and low == high:
        return parts
    total = len(parts.diff_ids) - (high - low + 1) + count
    if total > MOST:
        raise InvalidInput(
            f"the image would have {total} layers; {MOST} is the most", hint="split into fewer"
        )
    made = arrange(ctx, parts.diff_ids, low, high, max(count, 1), lambda each: _spot(policy, each))
    first, last = parts.at(low), parts.at(high)
    lines = [line._replace(diff_id=None) for line in parts.lines[first : last + 1]]
    numbers = f"{low}" if low == high else f"{low}..{high}"
    for label, diff in zip(policy.labels, made, strict=False):
        if diff is not None:
            comment = f"{label}, of layer {numbers} of {image_id}"
            lines.append(done(f"lamina split {numbers} --by {by}", created, comment, diff.diff_id))
    return parts._replace(lines=(*parts.lines[:first], *lines, *parts.lines[last + 1 :]))


def _spot(policy: Policy, each: Settled) -> Spot:
    entry = each.entry
    if entry.kind is Kind.WHITEOUT:
        return Spot(0)
    path = entry.link if entry.kind is Kind.HARDLINK else entry.path
    return Spot(policy.part(path), always=False, opaque=0)


class BySize:
    """Parts of at most so many bytes, as far as files allow it; files of one folder stay together."""

    def __init__(
        self, c: sqlite3.Connection, diff_ids: Sequence[DiffID], low: int, high: int, most: int
    ) -> None:
        """`most` is in bytes."""
        self._starts: list[tuple[bytes, bytes]] = []  # folder and name of the first file of each part but one
        self._big: dict[bytes, int] = {}
        size = 0
        for each in net(c, diff_ids, low, high):
            entry = each.entry
            if entry.kind is not Kind.FILE:
                continue
            if entry.size > most:
                self._big[entry.path] = 0
            elif size + entry.size > most:
                self._starts.append(_key(entry.path))
                size = entry.size
            else:
                size += entry.size
            if len(self._starts) + len(self._big) > MOST:
                raise InvalidInput(
                    f"parts of {most} bytes are more than {MOST} layers", hint="larger parts: --by size=500MB"
                )
        small = len(self._starts) + 1
        self._big = {path: small + number for number, path in enumerate(sorted(self._big))}
        count = small + len(self._big)
        self.labels = [f"part {number} of {count}" for number in range(1, count + 1)]

    def part(self, path: bytes) -> int:
        """As Policy has it."""
        big = self._big.get(path)
        return bisect_right(self._starts, _key(path)) if big is None else big


class ByPackage:
    """The biggest packages each in a part, the others in one, and files of no package in the last."""

    def __init__(
        self,
        c: sqlite3.Connection,
        diff_ids: Sequence[DiffID],
        low: int,
        high: int,
        owners: Mapping[bytes, str],
        most: int,
    ) -> None:
        """`owners` has the package of each path, `most` is how many parts there may be."""
        self._owners = owners
        sizes: Counter[str] = Counter()
        for each in net(c, diff_ids, low, high):
            if each.entry.kind is Kind.FILE:
                sizes[owners.get(each.entry.path, "")] += each.entry.size
        packages = sorted(sizes.keys() - {""}, key=lambda name: (-sizes[name], name))
        own = packages if len(packages) < most else packages[: max(0, most - 2)]
        rest = packages[len(own) :]
        self.labels = [f"{len(rest)} packages"] * bool(rest)
        self._parts = dict.fromkeys(rest, 0)
        for name in sorted(own):
            self._parts[name] = len(self.labels)
            self.labels.append(f"package {name}")
        self.labels += ["files of no package"] * (not packages or "" in sizes)

    def part(self, path: bytes) -> int:
        """As Policy has it."""
        name = self._owners.get(path, "")
        return self._parts.get(name, len(self.labels) - 1)


def _key(path: bytes) -> tuple[bytes, bytes]:
    return parent_of(path), path.rpartition(b"/")[2]
