"""What this machine gives a store (`lamina info`)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.insight.info import Info, counts

if TYPE_CHECKING:
    from lamina.engine.opened import Opened


def info(opened: Opened) -> Info:
    """The store and the machine, as seen by the user that asks."""
    import lamina

    system = os.uname()
    return Info(
        version=lamina.__version__,
        root=opened.layout.root,
        snapshotter=opened.snapshotter.name,
        rootless=_mapped_root() != 0,
        ids=_ids(),
        counts=counts(opened.rows),
        kernel=system.release,
        operating_system=_operating_system(),
        architecture=system.machine,
        cpus=len(os.sched_getaffinity(0)),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        filesystem=_filesystem(opened.layout.root),
        untraced=opened.why_untraced(),
    )


def _mapped_root() -> int:
    """The user outside that root in here stands for."""
    from lamina.mount.userns import current_ids

    maps = current_ids().uids
    return next((each.outside for each in maps if 0 in each), -1)


def _ids() -> str:
    from lamina.mount.userns import current_ids

    ids = current_ids()
    if ids.single:
        return "one ID (for more: apt-get install uidmap, and a line in /etc/subuid and /etc/subgid)"
    return ", ".join(f"{each.inside}-{each.inside + each.length - 1} -> {each.outside}" for each in ids.uids)


def _operating_system() -> str:
    try:
        with open("/etc/os-release", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("PRETTY_NAME="):
                    return line.partition("=")[2].strip().strip('"')
    except OSError:
        pass
    return os.uname().sysname


def _filesystem(path: str) -> str:
    """The kind of file system that holds `path`, from the longest mount point above it."""
    best, kind = "", "unknown"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as rows:
        for row in rows:
            mounted, _, about = row.partition(" - ")
            point = mounted.split(" ")[4]
            inside = path == point or path.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best):
                best, kind = point, about.split(" ")[0]
    return kind
