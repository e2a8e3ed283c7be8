"""The Linux calls that Python 3.11 does not wrap: mounts, namespaces, capabilities, seccomp.

Importing this module loads ctypes (several ms): do it only where something is mounted or run. Each
function raises OSError with the errno of the kernel and the path that it was about. File systems and
mounts are made with the mount API of Linux 5.2 (fsopen, fsmount, open_tree, move_mount), because a
mount that is not yet attached anywhere cannot be raced or seen.
"""

from __future__ import annotations

import ctypes
import os

# PyDLL keeps the GIL: these calls take microseconds, and a raw clone must not meet another thread.
_libc = ctypes.PyDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long

_X86_64 = os.uname().machine == "x86_64"
# Calls from 424 on have one number on every architecture; these two came before.
_NR_PIVOT_ROOT, _NR_CLONE, _NR_SECCOMP, _NR_CAPSET = (155, 56, 317, 126) if _X86_64 else (41, 220, 277, 91)
_NR_OPEN_TREE, _NR_MOVE_MOUNT, _NR_FSOPEN, _NR_FSCONFIG, _NR_FSMOUNT = 428, 429, 430, 431, 432
_NR_CLOSE_RANGE, _NR_OPENAT2, _NR_MOUNT_SETATTR = 436, 437, 442

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_PIDFD = 0x00001000
CLONE_PARENT = 0x00008000

MS_RDONLY = 1
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

ATTR_RDONLY = 0x01
ATTR_NOSUID = 0x02
ATTR_NODEV = 0x04
ATTR_NOEXEC = 0x08
ATTR_STRICTATIME = 0x20

AT_RECURSIVE = 0x8000
AT_EMPTY_PATH = 0x1000
AT_FDCWD = -100

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_IN_ROOT = 0x10

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2

_FSCONFIG_SET_FLAG, _FSCONFIG_SET_STRING, _FSCONFIG_CREATE = 0, 1, 6
_CAPABILITY_VERSION_3 = 0x20080522


def _fail(path: str | bytes | None = None) -> OSError:
    number = ctypes.get_errno()
    message = os.strerror(number)
    return OSError(number, message) if path is None else OSError(number, message, os.fsdecode(path))


def _call(number: int, *args: object, path: str | bytes | None = None) -> int:
    result: int = _syscall(ctypes.c_long(number), *args)
    if result < 0:
        raise _fail(path)
    return result


def _text(value: str | bytes | None) -> ctypes.c_char_p:
    return ctypes.c_char_p(None if value is None else os.fsencode(value))


def unshare(flags: int) -> None:
    """Move the calling thread into new namespaces, unshare(2)."""
    if _libc.unshare(ctypes.c_int(flags)) < 0:
        raise _fail()


def setns(fd: int, kind: int) -> None:
    """Enter the namespace that `fd` names; `kind` is a CLONE_NEW flag, setns(2)."""
    if _libc.setns(ctypes.c_int(fd), ctypes.c_int(kind)) < 0:
        raise _fail()


def mount(source: str, target: str, kind: str, flags: int, data: str) -> None:
    """The old call, mount(2); for propagation flags, and where the kernel lacks the newer ones."""
    data_text = _text(data) if data else None
    if _libc.mount(_text(source), _text(target), _text(kind), ctypes.c_ulong(flags), data_text) < 0:
        raise _fail(target)


def umount(target: str, flags: int = MNT_DETACH | UMOUNT_NOFOLLOW) -> None:
    """Detach what is mounted at `target`, umount2(2)."""
    if _libc.umount2(_text(target), ctypes.c_int(flags)) < 0:
        raise _fail(target)


def pivot_root(new_root: str, put_old: str) -> None:
    """Exchange the root mount of the calling process's mount namespace, pivot_root(2)."""
    _call(_NR_PIVOT_ROOT, _text(new_root), _text(put_old), path=new_root)


def fsopen(kind: str) -> int:
    """Begin to make a file system of this kind: a descriptor for fsconfig and fsmount."""
    return _call(_NR_FSOPEN, _text(kind), ctypes.c_uint(1), path=kind)


def fsconfig(fd: int, key: str, value: str | bytes | None = None) -> None:
    """Set one option; without a value it is a flag. OSError carries what the kernel logged."""
    command = _FSCONFIG_SET_FLAG if value is None else _FSCONFIG_SET_STRING
    try:
        _call(
            _NR_FSCONFIG, ctypes.c_int(fd), ctypes.c_uint(command), _text(key), _text(value), ctypes.c_int(0)
        )
    except OSError as error:
        raise _with_log(fd, error, key, value) from None


def fsmount(fd: int, attributes: int = 0) -> int:
    """Create the file system and a mount of it that is attached nowhere; its descriptor."""
    try:
        _call(_NR_FSCONFIG, ctypes.c_int(fd), ctypes.c_uint(_FSCONFIG_CREATE), None, None, ctypes.c_int(0))
        return _call(_NR_FSMOUNT, ctypes.c_int(fd), ctypes.c_uint(1), ctypes.c_uint(attributes))
    except OSError as error:
        raise _with_log(fd, error) from None


def _with_log(fd: int, error: OSError, key: str = "", value: str | bytes | None = None) -> OSError:
    """The same error with the kernel's own words, which tell far more than EINVAL."""
    words = [f"{key}={os.fsdecode(value)}" if value else key] if key else []
    try:
        while line := os.read(fd, 1024):
            words.append(os.fsdecode(line).strip().removeprefix("e "))
    except OSError:
        pass
    return OSError(error.errno, ": ".join([error.strerror or "", *words]))


def open_tree(path: str | bytes, *, recursive: bool = False, dir_fd: int = AT_FDCWD) -> int:
    """A copy of the mount at `path` (with all below it when recursive), attached nowhere.

    An empty path names `dir_fd` itself.
    """
    flags = 1 | os.O_CLOEXEC | (AT_RECURSIVE if recursive else 0) | (0 if path else AT_EMPTY_PATH)
    return _call(_NR_OPEN_TREE, ctypes.c_int(dir_fd), _text(path), ctypes.c_uint(flags), path=path)


def move_mount(fd: int, target: str | bytes | int) -> None:
    """Attach the mount `fd` at a path (its last link is followed), or at an open O_PATH descriptor."""
    if isinstance(target, int):
        to_fd, to_path, flags = target, "", 0x04 | 0x40  # both paths empty
    else:
        to_fd, to_path, flags = AT_FDCWD, os.fsdecode(target), 0x04 | 0x10  # from empty, to follows links
    _call(
        _NR_MOVE_MOUNT,
        ctypes.c_int(fd),
        _text(""),
        ctypes.c_int(to_fd),
        _text(to_path),
        ctypes.c_uint(flags),
        path=to_path or None,
    )


class _MountAttr(ctypes.Structure):
    _fields_ = [
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    ]


def mount_setattr(
    target: int | str, attributes: int, *, recursive: bool = False, propagation: int = 0
) -> None:
    """Add ATTR_ flags to a mount given by descriptor or path; Linux 5.12."""
    fd, path = (target, "") if isinstance(target, int) else (AT_FDCWD, target)
    flags = (AT_EMPTY_PATH if not path else 0) | (AT_RECURSIVE if recursive else 0)
    attr = _MountAttr(attributes, 0, propagation, 0)
    _call(
        _NR_MOUNT_SETATTR,
        ctypes.c_int(fd),
        _text(path),
        ctypes.c_uint(flags),
        ctypes.byref(attr),
        ctypes.c_size_t(ctypes.sizeof(attr)),
        path=path or None,
    )


class _OpenHow(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def openat2(path: str | bytes, flags: int, resolve: int, *, mode: int = 0, dir_fd: int = AT_FDCWD) -> int:
    """Open with rules on how the path may be resolved, openat2(2)."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    size = ctypes.c_size_t(ctypes.sizeof(how))
    return _call(_NR_OPENAT2, ctypes.c_int(dir_fd), _text(path), ctypes.byref(how), size, path=path)


def close_range(first: int, *, cloexec: bool = False) -> None:
    """Close every descriptor from `first` on, or mark them to be closed at exec."""
    flags = ctypes.c_uint(4 if cloexec else 0)
    _call(_NR_CLOSE_RANGE, ctypes.c_uint(first), ctypes.c_uint(0xFFFFFFFF), flags)


def clone(flags: int, exit_signal: int) -> tuple[int, int]:
    """Fork into new namespaces: (pid, pidfd) in the parent, (0, -1) in the child.

    Python's own fork hooks do not run: call it only from a process with a single thread.
    """
    pidfd = ctypes.c_int(-1)
    where = ctypes.byref(pidfd)
    all_flags = ctypes.c_ulong(flags | CLONE_PIDFD | exit_signal)
    none = ctypes.c_void_p(None)
    pid = _call(_NR_CLONE, all_flags, none, where, none, none)
    return pid, pidfd.value if pid else -1


def prctl(option: int, value: int = 0, second: int = 0) -> int:
    """prctl(2) with one number, or two."""
    zero, numbers = ctypes.c_ulong(0), (ctypes.c_ulong(value), ctypes.c_ulong(second))
    result: int = _libc.prctl(ctypes.c_int(option), *numbers, zero, zero)
    if result < 0:
        raise _fail()
    return result


def die_with_parent() -> None:
    """Be killed when the thread that forked this process ends."""
    prctl(PR_SET_PDEATHSIG, 9)


class _CapHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """Set the capability sets of the calling thread, each a mask of 64 bits, capset(2)."""
    header = _CapHeader(_CAPABILITY_VERSION_3, 0)
    low, high = 0xFFFFFFFF, 32
    data = (ctypes.c_uint32 * 6)(
        *(mask & low for mask in (effective, permitted, inheritable)),
        *(mask >> high for mask in (effective, permitted, inheritable)),
    )
    _call(_NR_CAPSET, ctypes.byref(header), ctypes.byref(data))


class _SockFprog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def seccomp_filter(program: bytes) -> None:
    """Install a BPF program (8 bytes an instruction) over every call from now on, seccomp(2)."""
    fprog = _SockFprog(len(program) // 8, program)
    _call(_NR_SECCOMP, ctypes.c_uint(1), ctypes.c_uint(0), ctypes.byref(fprog))
