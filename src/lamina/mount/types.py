"""Mount: what a file system produces and a sandbox consumes. Neither knows the other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount, as data.

    `kind` is "overlay", "bind", "tmpfs", "proc", "sysfs", "devpts", "mqueue". An overlay has `lowers`
    (folders, top one first) and, when writable, `upper` and `work`. `target` is absolute; in a
    ProcessSpec's `root` it is on the host, in its `mounts` it is inside the root file system. A bind with
    `inside` shows what that path leads to in the folder `source`, by links that cannot lead out of it.
    """

    kind: str
    target: str
    source: str = ""
    lowers: tuple[str, ...] = ()
    upper: str = ""
    work: str = ""
    read_only: bool = False
    options: str = ""  # passed to the file system as they are (size=..., mode=..., userxattr)
    recursive: bool = False  # bind only
    inside: str = ""  # bind only; "/" and "." are the folder itself
    datas: tuple[str, ...] = ()  # overlay only: folders with the data of files that `lowers` only name
