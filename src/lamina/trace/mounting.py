"""The two mounts of a recording: ours, which shows files without data, and the overlay of a step."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from lamina.mount import apply, syscalls

if TYPE_CHECKING:
    from lamina.mount.types import Mount

_DEVICE = "/dev/fuse"


def connect() -> tuple[int, int]:
    """A new file system of ours: (the connection, its mount, which is attached nowhere). OSError.

    The connection is for one process alone: it is cut when the last copy of its descriptor is closed.
    """
    fuse = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    try:
        context = syscalls.fsopen("fuse")
        try:
            options = (("source", "lamina"), ("fd", str(fuse)), ("rootmode", "40000"))
            for key, value in (*options, ("user_id", "0"), ("group_id", "0")):
                syscalls.fsconfig(context, key, value)
            for flag in ("default_permissions", "allow_other"):
                syscalls.fsconfig(context, flag)
            return fuse, syscalls.fsmount(context, 0)
        finally:
            os.close(context)
    except BaseException:
        os.close(fuse)
        raise


def overlay(mount: Mount, names: int, data: str) -> int:
    """The overlay `mount` with the mount `names` for all of its lowers, attached nowhere. OSError.

    `data` is the folder that has the files of all layers. One device number for all files, as without a
    recording, needs xino.
    """
    lower = f"/proc/self/fd/{names}"
    options = [word for word in mount.options.split(",") if not word.startswith("xino=")]
    return apply.detached(
        replace(mount, lowers=(lower,), datas=(data,), options=",".join([*options, "xino=on"]))
    )
