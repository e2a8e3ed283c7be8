"""choose: the best snapshotter that works here, found out by trying."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from lamina.errors import InvalidInput, Unsupported
from lamina.fs import xattr
from lamina.fs.failures import failure
from lamina.mount.types import Mount
from lamina.snapshot.native import Native
from lamina.snapshot.overlay import Overlay, mount_options
from lamina.store.files import remove_tree

if TYPE_CHECKING:
    from lamina.snapshot.protocol import Snapshotter
    from lamina.store.layout import Layout
    from lamina.store.lease import Lease

_BACKENDS: dict[str, type[Overlay] | type[Native]] = {"overlay": Overlay, "native": Native}


def choose(name: str | None, layout: Layout, lease: Lease) -> Snapshotter:
    """The snapshotter `name`, or the best one that works when it is None or "".

    Call it as root of wherever the mounts will be made: after mount.userns.enter(). Costs a few
    milliseconds, so once for each process, and not before a snapshot is needed.
    InvalidInput for an unknown name; Unsupported, with the kernel's reason, when it cannot work here.
    """
    if name and name not in _BACKENDS:
        raise InvalidInput(f"unknown snapshotter {name!r}", hint="there are overlay and native")
    if name == "native":
        return Native(layout.mnt)
    reason = why_not_overlay(f"{layout.mnt}/{lease.temp_name()}")
    if not reason:
        return Overlay(layout.mnt)
    if name:
        raise Unsupported(
            f"the overlay snapshotter does not work here: {reason}", hint="use --snapshotter native"
        )
    return Native(layout.mnt)


def named(name: str, layout: Layout) -> Snapshotter:
    """The snapshotter that made a snapshot (Info.snapshotter), not tried: to look at it or to remove it."""
    if name not in _BACKENDS:
        raise InvalidInput(f"unknown snapshotter {name!r}", hint="there are overlay and native")
    return _BACKENDS[name](layout.mnt)


def why_not_overlay(folder: str) -> str:
    """Tries an overlay mount below the folder `folder`, made for it and gone afterwards; "" when it works."""
    try:
        try:
            for path in (folder, f"{folder}/lower", f"{folder}/upper", f"{folder}/work"):
                os.mkdir(path, 0o700)
        except OSError as error:
            raise failure(error, folder) from error
        return _reason(folder)
    finally:
        remove_tree(folder)


def _reason(folder: str) -> str:
    prefix = xattr.overlay_prefix()
    try:
        os.setxattr(f"{folder}/upper", prefix + "opaque", b"y")
        os.removexattr(f"{folder}/upper", prefix + "opaque")
    except OSError as error:
        return f"no {prefix}* attributes in {folder}: {error.strerror}"
    lowers = (f"{folder}/lower",)
    options = mount_options(volatile=True)
    mount = Mount("overlay", folder, "overlay", lowers, f"{folder}/upper", f"{folder}/work", options=options)
    return _try_detached(mount)


def _try_detached(mount: Mount) -> str:
    """Makes the mount without attaching it anywhere, which needs no process and no namespace of its own."""
    from lamina.mount import apply  # ctypes: only what mounts pays for it

    try:
        os.close(apply.detached(mount))
    except OSError as error:
        if error.errno in {errno.ENOSYS, errno.EINVAL}:
            return try_in_child(mount)  # a kernel before 6.7, which has only the old way
        return str(error)
    return ""


def try_in_child(mount: Mount) -> str:
    """Makes the mount in a mount namespace that lives no longer than a forked child; "" or why not."""
    from lamina.mount import apply, syscalls  # before the fork: a child of many threads must not import

    def mount_privately() -> str:
        try:
            syscalls.unshare(syscalls.CLONE_NEWNS)
            syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE, "")
            apply.apply(mount)
        except OSError as error:
            return str(error)
        return ""

    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, b"=" + os.fsencode(mount_privately())[:4000])
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return os.fsdecode(text[1:]) if text else "the probe died"
