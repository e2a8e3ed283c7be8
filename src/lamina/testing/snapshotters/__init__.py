"""The conformance suite of snapshotters: what each of them promises, one check a promise.

A check is a function that takes a Bench (a snapshotter, a folder, and the helpers to write, mount and commit
with it) and asserts. Its name says what is promised; to add a promise is to add a function. To have a
snapshotter checked, run every check where mounts can be made and thrown away:

    for check in CHECKS:
        isolate.run(lambda folder: run(check, MySnapshotter, folder, ids="root"), "root")

tests/snapshot/test_conformance.py does so for all of ours: as root, in a user namespace, and with one ID.
A check that needs more than the place has raises isolate.Skip with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.testing.snapshotters import commits, keys, metadata, scale, views
from lamina.testing.snapshotters.bench import Bench

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.snapshot.protocol import Snapshotter
    from lamina.testing.isolate import Ids

    Check = Callable[[Bench], None]

CHECKS: tuple[Check, ...] = tuple(
    check
    for module in (views, metadata, commits, keys, scale)
    for name, check in vars(module).items()
    if name.startswith("check_")
)


def run(check: Check, make: Callable[[str], Snapshotter], folder: str, ids: Ids) -> None:
    """Runs one check in the empty folder `folder`; `make` gets the folder for the snapshots (mnt/)."""
    check(Bench(make, folder, ids))
