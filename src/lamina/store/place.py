"""Moves a finished layer folder to its name, and away from it.

Both belong inside `with db.write()`, of which the whole machine has one at a time: a committer looks,
renames and inserts its rows in one; a sweep deletes the rows in one, and looks and renames in the next.
So none of them can see the other half done. A crash between the two leaves at worst a whole, synced
folder that no row names; the next committer of the same layer adopts it, or a sweep removes it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.store.guard import guard
from lamina.store.sync import fsync_dir

if TYPE_CHECKING:
    from lamina.oci.digest import DiffID
    from lamina.store.layout import Layout
    from lamina.store.lease import Lease


def place_diff(layout: Layout, temp: str, diff_id: DiffID) -> bool:
    """Renames the synced folder `temp` to diff/HEX and makes the name reach the disk.

    False when the layer's folder is there already: then `temp` still is too, for the caller to remove.
    """
    target = layout.diff_dir(diff_id)
    with guard(target):
        if os.path.isdir(target):
            return False
        os.rename(temp, target)
        fsync_dir(layout.diff)
    return True


def take_diff(layout: Layout, lease: Lease, diff_id: DiffID) -> str | None:
    """Renames diff/HEX to a temporary name, which it returns for `remove_tree`; None when it is not there."""
    target = layout.diff_dir(diff_id)
    temp = f"{layout.diff}/{lease.temp_name()}"
    with guard(target):
        try:
            os.rename(target, temp)
        except FileNotFoundError:
            return None
    return temp
