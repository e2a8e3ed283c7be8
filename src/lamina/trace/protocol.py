"""What goes over /dev/fuse: the requests of the kernel and our answers, as bytes (linux/fuse.h). Pure."""

from __future__ import annotations

import struct
from typing import NamedTuple

ROOT_ID = 1  # the node of the root folder
READ_SIZE = 1 << 14  # bytes that one read must have room for
NAME_LIMIT = 255  # bytes of a name
FOREVER = 1 << 40  # seconds: what we said of a name or a node stays true

LOOKUP, FORGET, GETATTR, READLINK = 1, 2, 3, 5
READ, STATFS, RELEASE, GETXATTR, LISTXATTR = 15, 17, 18, 22, 23
INIT, READDIR, RELEASEDIR, DESTROY, IOCTL, BATCH_FORGET = 26, 28, 29, 38, 39, 42
CHANGES = frozenset({4, 6, 8, 9, 10, 11, 12, 13, 16, 21, 24, 35, 43, 45, 51})  # what would write: SETATTR ...
SILENT = frozenset({FORGET, BATCH_FORGET})  # requests that want no answer

# The kernel sends each name once, keeps links, and does without a message for open and opendir.
_PARALLEL_DIROPS, _CACHE_SYMLINKS = 1 << 18, 1 << 23
_NO_OPEN, _NO_OPENDIR = 1 << 17, 1 << 24
_FLAGS = _PARALLEL_DIROPS | _CACHE_SYMLINKS | _NO_OPEN | _NO_OPENDIR

REQUEST = struct.Struct("=IIQQIIIHH")  # length, opcode, unique, node, uid, gid, pid, extensions, padding
ANSWER = struct.Struct("=IiQ")  # length, negative errno, unique
READ_IN = struct.Struct("=QQII")  # fh, offset, size, flags: the beginning of it
SIZE_IN = struct.Struct("=II")  # size, padding
IOCTL_IN = struct.Struct("=QIIQII")  # fh, flags, command, argument, size in, size out
SIZE_OUT = SIZE_IN
IOCTL_OUT = struct.Struct("=iIII")  # result, flags, counts of vectors in and out

_INIT_IN = struct.Struct("=IIII")
_INIT_OUT = struct.Struct("=IIIIHHIIHHI28x")
_ATTR = struct.Struct("=QQQQQQIIIIIIIIII")
_ATTR_OUT = struct.Struct("=QII")
_ENTRY_OUT = struct.Struct("=QQQQII")
_DIRENT = struct.Struct("=QQII")
_STATFS = struct.Struct("=QQQQQIIII24x")

# Nothing is there, and that stays so: an entry with no node.
NEGATIVE = _ENTRY_OUT.pack(0, 0, FOREVER, 0, 0, 0) + bytes(_ATTR.size)
STATFS_OUT = _STATFS.pack(0, 0, 0, 0, 0, 4096, NAME_LIMIT, 4096, 0)


class Attributes(NamedTuple):
    """What stat says of a node. `mode` has the kind; `mtime` is in nanoseconds."""

    mode: int
    nlink: int
    uid: int
    gid: int
    size: int
    mtime: int
    rdev: tuple[int, int]


def init_answer(body: bytes) -> bytes:
    """The answer to INIT: what we want of what the kernel offers."""
    major, _, readahead, offered = _INIT_IN.unpack_from(body)
    flags = _FLAGS & offered
    return _INIT_OUT.pack(major, 38, readahead, flags, 16, 12, 4096, 1, 0, 0, 0)


def inode(node: int) -> int:
    """An inode number: programs that keep it as a float tell them apart after overlay added 2**63."""
    return node << 11


def attributes(node: int, about: Attributes) -> bytes:
    """A fuse_attr. Times are the same for all three kinds: which they are does not count."""
    mode, nlink, uid, gid, size, mtime, (major, minor) = about
    second, rest = divmod(mtime, 1_000_000_000)
    second &= 0xFFFFFFFFFFFFFFFF
    device = (minor & 0xFF) | major << 8 | (minor & ~0xFF) << 12  # new_encode_dev of the kernel
    blocks = (size + 511) // 512
    times = (second, second, second, rest, rest, rest)
    return _ATTR.pack(inode(node), size, blocks, *times, mode, nlink, uid, gid, device, 4096, 0)


def entry_out(node: int, attr: bytes) -> bytes:
    """The answer to LOOKUP of a name that is there."""
    return _ENTRY_OUT.pack(node, 0, FOREVER, FOREVER, 0, 0) + attr


def attr_out(attr: bytes) -> bytes:
    """The answer to GETATTR."""
    return _ATTR_OUT.pack(FOREVER, 0, 0) + attr


def dirent(node: int, position: int, mode: int, name: bytes) -> bytes:
    """One name of a folder; reading goes on at `position` after it."""
    return _DIRENT.pack(inode(node), position, len(name), mode >> 12) + name + bytes(-len(name) % 8)
