"""What a process runs with: pure data, the same for every runtime."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.mount.types import Mount


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process in a root file system.

    `root` are the mounts that make the root file system, done in order inside the process's own mount
    namespace, so that nothing is left when it dies; the first one's target is the root. `mounts` come
    after, with targets inside the root. `user` is as in a Dockerfile: "", "name", "uid", "name:group",
    "uid:gid", looked up in the root's own /etc/passwd and /etc/group. `env` is all of the environment,
    aside from HOME, which is the user's home folder in /etc/passwd where `env` does not say it.
    """

    args: tuple[str, ...]
    root: tuple[Mount, ...]
    env: tuple[tuple[str, str], ...] = ()
    cwd: str = "/"  # made when it is missing
    user: str = ""
    hostname: str = ""  # "": the host's
    network: str = "host"  # host | none
    mounts: tuple[Mount, ...] = ()
    read_only: bool = False  # the root file system, after all mounts are made
    terminal: bool = False  # a pseudo terminal of its own instead of stdin, stdout, stderr
    window: tuple[int, int] = (0, 0)  # rows and columns of the terminal, before the process starts
    tmpfs_shm: int = 64 * 1024 * 1024  # bytes of /dev/shm
    extra_hosts: tuple[tuple[str, str], ...] = field(default=())  # (name, address) for /etc/hosts
