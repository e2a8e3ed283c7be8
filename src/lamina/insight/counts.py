"""How many paths each layer added, changed and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db.versions import versions
from lamina.insight.deeds import ADDED, DELETED, steps
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from lamina.oci.digest import DiffID
    from lamina.tree.entry import Entry


class Counts(NamedTuple):
    """Paths of one layer: files, folders, links, whatever they are.

    A folder that is as it was, but for its time, is not changed; any other path that the layer has is, also
    one that is the same as below. What goes with a folder counts as deleted, each path.
    """

    added: int = 0
    changed: int = 0
    deleted: int = 0

    @property
    def text(self) -> str:
        """`+3 ~2 -1`, without what is 0."""
        signs = zip("+~-", self, strict=True)
        return " ".join(f"{sign}{count}" for sign, count in signs if count)


def counts(c: sqlite3.Connection, diff_ids: Sequence[DiffID]) -> list[Counts]:
    """Those of each layer of a stack, bottom first. One pass over all rows of files."""
    added, changed, deleted = ([0] * len(diff_ids) for _ in range(3))
    for found in versions(c, diff_ids):
        if not found.path:
            continue
        for step in steps(found):
            if step.what == ADDED:
                added[step.layer] += 1
            elif step.what == DELETED:
                deleted[step.layer] += 1
            elif not _same_folder(step.before, step.entry):
                changed[step.layer] += 1
    return [Counts(*each) for each in zip(added, changed, deleted, strict=True)]


def _same_folder(old: Entry | None, new: Entry | None) -> bool:
    if old is None or new is None or old.kind is not Kind.DIR or new.kind is not Kind.DIR:
        return False
    return (old.mode, old.uid, old.gid, old.xattrs) == (new.mode, new.uid, new.gid, new.xattrs)
