"""Overlay: snapshots by the kernel's overlay file system; a commit is one rename.

mnt/KEY/upper gets what is written, mnt/KEY/work is the kernel's. A view is an overlay without `upper`, with
an empty folder on top: overlay wants two lowers, and takes the root's mode and owner from the top one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.fs import walk, xattr
from lamina.fs.failures import failure
from lamina.mount.types import Mount
from lamina.snapshot.backend import Backend
from lamina.snapshot.explicit import explicit_entries, make_explicit
from lamina.snapshot.root import make_root
from lamina.snapshot.transcribe import transcribe
from lamina.store.files import remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamina.snapshot.protocol import Hidden, Info
    from lamina.tree.entry import Entry

# All said although most are defaults: a kernel may be configured otherwise, and each of them would put into
# `upper` what only overlay understands (redirects, files without data, an index).
_OPTIONS = "index=off,metacopy=off,redirect_dir=nofollow,xino=off"


class Overlay(Backend):
    """The snapshotter that copies nothing. See snapshot.protocol."""

    name = "overlay"
    _data = "upper"

    def mounts(self, key: str, target: str) -> tuple[Mount, ...]:
        """One overlay mount."""
        info = self._info(key)
        path = self._shelf.path(key)
        options = mount_options(volatile=info.volatile)
        lowers = _visible(info.parents)
        if not info.writable:
            lowers = (f"{path}/upper", *(lowers or (f"{path}/empty",)))
            return (Mount("overlay", target, "overlay", lowers, read_only=True, options=options),)
        if info.volatile:
            _forget_mounting(path)
        lowers = lowers or (f"{path}/empty",)
        upper, work = f"{path}/upper", f"{path}/work"
        return (Mount("overlay", target, "overlay", lowers, upper, work, options=options),)

    def commit(self, key: str, into: str, *, hidden: Hidden, keep: bool = False) -> None:
        """Renames `upper`, its opaque folders made explicit; with `keep` copies it."""
        self._active(key)
        upper = self._path(key)
        if keep:
            transcribe(self.changes(key, hidden=hidden), upper, into, move=False)
            return
        make_explicit(upper, hidden)
        try:
            os.rename(upper, into)
        except OSError as error:
            raise failure(error, into) from error
        self.remove(key)

    def changes(self, key: str, *, hidden: Hidden) -> Iterator[Entry]:
        """What lies in `upper`."""
        self._active(key)
        return iter(explicit_entries(walk.scan(self._path(key)), hidden))

    def _fill(self, path: str, info: Info) -> None:
        make_root(f"{path}/upper", info.parents)
        if info.writable:
            os.mkdir(f"{path}/work", 0o700)
        if not info.parents:
            os.mkdir(f"{path}/empty", 0o755)


def mount_options(*, volatile: bool = False) -> str:
    """The options of every overlay mount that this process makes."""
    words = [_OPTIONS]
    if xattr.overlay_prefix() == xattr.USER:
        words.append("userxattr")
    if volatile:
        words.append("volatile")
    return ",".join(words)


def _visible(parents: Sequence[str]) -> tuple[str, ...]:
    """`parents`, each once, down to the first whose root is opaque: overlay itself does not look at roots.

    Overlay refuses a folder that it gets twice; of equal layers the top one shows all that the others could.
    """
    name = xattr.overlay_prefix() + "opaque"
    found: dict[str, None] = {}
    for parent in parents:
        found[parent] = None
        if xattr.get(os.fsencode(parent), name) == b"y":
            break
    return tuple(found)


def _forget_mounting(path: str) -> None:
    """Makes a volatile snapshot mountable again.

    The kernel leaves a mark that says "not synced when last mounted", and refuses. That is what was asked
    for: all of it is synced when it becomes a layer.
    """
    mark = f"{path}/work/work/incompat"
    if os.path.lexists(mark):
        remove_tree(mark)
