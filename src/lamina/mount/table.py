"""What is mounted, as the kernel lists it for this process. Cheap to import: no ctypes."""

from __future__ import annotations

import os

# What /proc/self/mountinfo writes for bytes that would break its columns.
_ESCAPES = ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\"))


def mounts_below(path: str) -> list[str]:
    """Where something is mounted at or below `path` in this mount namespace, deepest first."""
    prefix = os.fsencode(path).rstrip(b"/")
    found = []
    with open("/proc/self/mountinfo", "rb") as table:
        for line in table:
            where = line.split(b" ")[4]
            for escape, byte in _ESCAPES:
                where = where.replace(escape, byte)
            if where == prefix or where.startswith(prefix + b"/"):
                found.append(os.fsdecode(where))
    return sorted(found, key=lambda where: where.count("/"), reverse=True)
