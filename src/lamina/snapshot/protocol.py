"""Snapshotter: what makes a file system out of layers, keeps what is written to it, and hands that back.

# The words

A *diff folder* is a committed layer on disk, diff/HEX in overlay's own format: plain files; a deletion is a
character device 0/0 (see lamina.fs.whiteouts). Nobody writes to it again. A *snapshot* is a stack of diff
folders, top first, that can be mounted. It has a *key*, one word that the caller chooses: the name of a
folder below mnt/. An *active* snapshot can be written to; a *view* cannot.

A snapshotter knows folders, not images: no database, no digests, no tar. It mounts nothing either. It says
what to mount (lamina.mount.types.Mount), and whoever runs a process does so inside that process's own mount
namespace, so that nothing is left on the host when the process dies.

# A RUN step

    key = lease.temp_name()                          # recover() takes it away if we die
    snapshotter.prepare(key, parents, volatile=True) # parents: diff folders, top first; () for scratch
    mounts = snapshotter.mounts(key, "/some/folder")
    ...                                              # the process runs on the mounts, and they are gone
    snapshotter.commit(key, into, hidden=names)      # `into` is now a diff folder; the key is gone

`hidden` tells what the parents have in a folder. Overlay marks a folder that replaced another one as opaque;
a committed layer has explicit deletions instead, and only the caller can list them:

    def names(path: bytes) -> Iterable[bytes]:       # b"etc" -> [b"passwd", b"group", ...]; () for no folder

lamina.layers.capture does all this, then drops what did not really change and writes the rows.

# A container

Same, with the container's ID for a key and without `volatile`: the snapshot stays when the process has ended,
and can be mounted again. `commit(..., keep=True)` copies its changes and leaves it as it is, `changes()`
only lists them, `remove()` ends it.

# Looking at an image

    snapshotter.view(key, parents)
    snapshotter.mounts(key, target)                  # read-only

# What is promised

- The merged view is what the OCI image-spec (layer.md) and overlay say, with both forms of deletions.
- What was written comes back exactly: kind, mode, owner, xattrs, link target, nanoseconds, hard links among
  the changed files, holes.
- prepare() and commit() that fail or are killed leave the parents and all other keys as they were; what is
  left of this key goes with remove().
- Two processes may use one snapshotter folder at once, with different keys.
- Errors: Conflict (the key is taken), NotFound (no such key), NoSpace, Denied.

lamina.testing.snapshotters checks every one of these; a new backend passes it before it is chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lamina.mount.types import Mount
    from lamina.tree.entry import Entry

    # The names that the parents have in the folder at a path; () when there is no folder at it.
    Hidden = Callable[[bytes], Iterable[bytes]]


class Info(NamedTuple):
    """One snapshot."""

    key: str
    writable: bool  # active; else a view
    parents: tuple[str, ...]  # diff folders, top first
    snapshotter: str  # name of the backend that made it
    volatile: bool = False  # need not outlive a crash of the machine


class Usage(NamedTuple):
    """What removing a snapshot would free."""

    size: int  # bytes on disk
    inodes: int


class Snapshotter(Protocol):
    """Makes, describes and commits snapshots. The module's docstring is the tutorial."""

    @property
    def name(self) -> str:
        """ "overlay" or "native": what LAMINA_SNAPSHOTTER and --snapshotter say."""

    def prepare(self, key: str, parents: Sequence[str], *, volatile: bool = False) -> None:
        """Makes the active snapshot `key` over `parents` (diff folders, top first; may be none).

        `volatile`: what is written need not survive a crash of the machine before it is committed, so
        syncs inside may be skipped. Conflict when the key is taken.
        """

    def view(self, key: str, parents: Sequence[str]) -> None:
        """Makes the read-only snapshot `key`. Conflict when the key is taken."""

    def mounts(self, key: str, target: str) -> tuple[Mount, ...]:
        """The mounts that put the snapshot at `target`, to be done in order, in one namespace at a time.

        Call it for every mounting: it also readies the snapshot. NotFound when there is no such key.
        """

    def keep(self, key: str, name: str) -> None:
        """Renames an active snapshot, with what is in it, for a step that failed: `name` is no temporary one.

        It can be committed, listed and removed, not mounted: parents may have been temporary, too.
        NotFound when there is no such key, Conflict when `name` is taken.
        """

    def commit(self, key: str, into: str, *, hidden: Hidden, keep: bool = False) -> None:
        """Makes the folder `into` (not there yet, on the same disk) out of what changed in `key`.

        The snapshot must not be mounted and is gone afterwards; with `keep` it may be mounted and stays.
        Nothing is synced. NotFound when there is no such key, Conflict when it is a view.
        """

    def changes(self, key: str, *, hidden: Hidden) -> Iterator[Entry]:
        """The entries that commit() would write, sorted by path, without digests; the root (b"") first.

        Folders on the way to a change are among them. The snapshot may be mounted.
        """

    def folder(self, key: str) -> str:
        """Where the files of changes() lie, by their paths; what else lies there is not to be counted on."""

    def stat(self, key: str) -> Info:
        """What is known about `key`. NotFound when there is no such key."""

    def usage(self, key: str) -> Usage:
        """What removing `key` would free. NotFound when there is no such key."""

    def remove(self, key: str) -> None:
        """Takes the snapshot away, or what is left of it; no error when there is none.

        It must not be mounted.
        """

    def walk(self) -> Iterator[Info]:
        """All snapshots, of whatever backend, sorted by key."""
