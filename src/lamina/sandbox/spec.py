"""What a process runs with: pure data, the same for every runtime."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lamina.mount.types import Mount
    from lamina.sandbox.accounts import Identity


SHM_SIZE = 64 * 1024 * 1024  # bytes of /dev/shm where nobody says it


class HeldFile(NamedTuple):
    """A file that lies in memory and that only the process sees, read-only, at `target`."""

    target: str
    content: bytes
    mode: int = 0o400
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process in a root file system.

    `root` are the mounts that make the root file system, done in order inside the process's own mount
    namespace, so that nothing is left when it dies; the first one's target is the root. `mounts` come
    after, with targets inside the root. `aside` are mounts that nobody sees, with targets on the host: a bind
    of `mounts` can take its source from one of them. `user` is as in a Dockerfile: "", "name", "uid",
    "name:group", "uid:gid", looked up in the root's own /etc/passwd and /etc/group, unless `identity` says
    what is found there. `env` is all of the environment, aside from HOME, which is the user's home folder in
    /etc/passwd where `env` does not say it.

    `security` is sandbox, or insecure for a process with all powers that we have: every capability and system
    call, and nothing of /proc, /sys and the devices hidden or protected.
    """

    args: tuple[str, ...]
    root: tuple[Mount, ...]
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # it may hold secrets
    cwd: str = "/"  # made when it is missing
    user: str = ""
    hostname: str = ""  # "": the host's
    network: str = "host"  # host | none
    mounts: tuple[Mount, ...] = ()
    aside: tuple[Mount, ...] = ()
    files: tuple[HeldFile, ...] = field(default=(), repr=False)
    read_only: bool = False  # the root file system, after all mounts are made
    terminal: bool = False  # a pseudo terminal of its own instead of stdin, stdout, stderr
    window: tuple[int, int] = (0, 0)  # rows and columns of the terminal, before the process starts
    tmpfs_shm: int = SHM_SIZE  # bytes of /dev/shm
    extra_hosts: tuple[tuple[str, str], ...] = field(default=())  # (name, address) for /etc/hosts
    ulimits: tuple[tuple[str, int, int], ...] = ()  # (Docker's name, soft, hard); -1 is no limit
    security: str = "sandbox"  # sandbox | insecure
    identity: Identity | None = None
