"""User namespaces: how an ordinary user's process becomes root over its own files.

A process enters once, before its first file operation; everything after that acts as root "in here".
With newuidmap and rows in /etc/subuid all IDs of an image exist; without, only 0 does.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import Denied

if TYPE_CHECKING:
    from collections.abc import Sequence

_CAP_SYS_ADMIN = 21
_TOOL_FOLDERS = ("/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin", "/run/wrappers/bin")
_HINT = (
    "user namespaces may be switched off: see the sysctls user.max_user_namespaces, "
    "kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns"
)


class Range(NamedTuple):
    """`length` IDs from `inside` on stand for those from `outside` on, one level up."""

    inside: int
    outside: int
    length: int

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.inside <= number < self.inside + self.length


class IdMap(NamedTuple):
    """Which user and group IDs exist in a user namespace."""

    uids: tuple[Range, ...]
    gids: tuple[Range, ...]

    @property
    def single(self) -> bool:
        """Whether there is one user ID only, so that no file can have another owner."""
        return sum(each.length for each in self.uids) == 1

    def has_uid(self, uid: int) -> bool:
        """Whether this user ID can be used in here."""
        return any(uid in each for each in self.uids)

    def has_gid(self, gid: int) -> bool:
        """Whether this group ID can be used in here."""
        return any(gid in each for each in self.gids)


def is_privileged() -> bool:
    """Whether this process may mount: effective user ID 0 with CAP_SYS_ADMIN, wherever it is."""
    return os.geteuid() == 0 and bool(_effective_capabilities() >> _CAP_SYS_ADMIN & 1)


def current_ids() -> IdMap:
    """The user and group IDs that exist where this process is."""
    return IdMap(_read_map("/proc/self/uid_map"), _read_map("/proc/self/gid_map"))


def enter() -> IdMap:
    """Make this process root of a new user namespace, unless it is privileged already.

    The process must have one thread. Denied when the system does not allow it.
    """
    if is_privileged():
        return current_ids()
    # ctypes costs several ms, which a privileged process should not pay here.
    from lamina.mount import syscalls

    # A process that changed its user is not dumpable, and then /proc/self belongs to the outer root.
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
    uid, gid = os.geteuid(), os.getegid()
    helper = _Helper(os.getpid(), uid, gid)
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
    except OSError as error:
        helper.cancel()
        raise _refused(error) from None
    try:
        if not helper.write_maps():
            _write_single_map(uid, gid)
    except OSError as error:
        raise _refused(error) from None
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    if not is_privileged():
        raise Denied("a user namespace was made, but it may not mount", hint=_HINT)
    return current_ids()


def _refused(error: OSError) -> Denied:
    if error.errno == errno.EINVAL:
        return Denied("cannot make a user namespace: the process has several threads")
    return Denied(f"cannot make a user namespace: {error.strerror}", hint=_HINT)


def _effective_capabilities() -> int:
    with open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"CapEff:"):
                return int(line[7:], 16)
    return 0


def _read_map(path: str) -> tuple[Range, ...]:
    with open(path, "rb") as rows:
        return tuple(Range(*map(int, row.split())) for row in rows)


def _write_single_map(uid: int, gid: int) -> None:
    """Map this user and group to 0; the kernel allows that to anyone who gives up setgroups.

    newuidmap may have written the user half before newgidmap failed: only what is missing is written.
    """
    for path, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1\n"), ("gid_map", f"0 {gid} 1\n")):
        if path.endswith("_map") and _read_map(f"/proc/self/{path}"):
            continue
        with open(f"/proc/self/{path}", "w") as file:
            file.write(text)


class _Helper:
    """A child that stays outside and writes the maps of its parent, as only someone outside can."""

    def __init__(self, target: int, uid: int, gid: int) -> None:
        ask_read, self._ask = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            status = 1
            try:
                os.close(self._ask)
                if os.read(ask_read, 1):  # nothing comes when the parent gave up, or died
                    status = 0 if _map_from_outside(target, uid, gid) else 1
            finally:
                os._exit(status)
        os.close(ask_read)

    def write_maps(self) -> bool:
        """Whether all of the user's IDs are mapped now."""
        os.write(self._ask, b"!")
        return self._finish() == 0

    def cancel(self) -> None:
        self._finish()

    def _finish(self) -> int:
        os.close(self._ask)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def _map_from_outside(target: int, uid: int, gid: int) -> bool:
    if uid == 0 and _map_like_here(target):
        return True
    uids, gids = _sub_ids("/etc/subuid", uid), _sub_ids("/etc/subgid", uid)
    if not uids or not gids:
        return False
    return _run_tool("newuidmap", target, uid, uids) and _run_tool("newgidmap", target, gid, gids)


def _map_like_here(target: int) -> bool:
    """Root without CAP_SYS_ADMIN (in a container) can often still map every ID that it has to itself."""
    try:
        for name in ("uid_map", "gid_map"):
            rows = [
                f"{each.inside} {each.inside} {each.length}\n" for each in _read_map(f"/proc/self/{name}")
            ]
            with open(f"/proc/{target}/{name}", "w") as file:
                file.write("".join(rows))
    except OSError:
        return False
    return True


def _sub_ids(path: str, uid: int) -> list[tuple[int, int]]:
    """(first, count) of each range that subuid(5) or subgid(5) gives to this user, by name or number."""
    import pwd  # only here: an ordinary user's first command

    owners = {str(uid)}
    try:
        owners.add(pwd.getpwuid(uid).pw_name)
    except KeyError:
        pass
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            rows = [line.strip().split(":") for line in file]
    except OSError:
        return []
    return [
        (int(row[1]), int(row[2]))
        for row in rows
        if len(row) == 3 and row[0] in owners and row[1].isdecimal() and row[2].isdecimal()
    ]


def _run_tool(name: str, target: int, own: int, ranges: Sequence[tuple[int, int]]) -> bool:
    """Run newuidmap or newgidmap: our own ID becomes 0, the sub-IDs 1 and what follows."""
    tool = next(
        (f"{folder}/{name}" for folder in _TOOL_FOLDERS if os.access(f"{folder}/{name}", os.X_OK)), None
    )
    if tool is None:
        return False
    arguments = [tool, str(target), "0", str(own), "1"]
    inside = 1
    for first, count in ranges:
        arguments += [str(inside), str(first), str(count)]
        inside += count
    null = os.open("/dev/null", os.O_RDWR)
    quiet = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in range(3)]
    pid = os.posix_spawn(tool, arguments, {}, file_actions=quiet)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
