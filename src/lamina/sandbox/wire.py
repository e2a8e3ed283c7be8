"""What goes between Lamina and its spawner: a process to run, and what became of it.

Requests travel in a memory file, because a packet holds fewer bytes than a command line may have.
Both ends are the same program, so marshal will do.
"""

from __future__ import annotations

import marshal
import os
import struct
from typing import Any, NamedTuple

from lamina.mount.types import Mount
from lamina.sandbox import trampoline
from lamina.sandbox.accounts import Identity
from lamina.sandbox.spec import HeldFile, ProcessSpec

REPLY_SIZE = 1 << 16  # bytes of the longest reply; one that is longer is cut off where it is made

# What comes over the status socket: a first packet with the pidfd and the mount namespace, and the
# status when the process has ended.
STARTED = b"!"
STATUS = struct.Struct("=i")


class Ready(NamedTuple):
    """All is prepared, exec of `program` comes next; `terminal`: a pty master comes with this."""

    stubs: tuple[bytes, ...]
    terminal: bool
    program: str


class Failed(NamedTuple):
    """Preparing the process, or exec, failed.

    `errno` is 0 when the input was wrong and the message is complete; `status` is 126 or 127 when the
    program could not be run, else 0.
    """

    message: str
    errno: int
    status: int


def request_file(spec: ProcessSpec) -> int:
    """The descriptor of a memory file that holds `spec`."""
    fd = os.memfd_create("lamina-process")
    try:
        view = memoryview(marshal.dumps(_plain(spec)))
        while view:
            view = view[os.write(fd, view) :]
    except OSError:
        os.close(fd)
        raise
    return fd


def read_request(fd: int) -> ProcessSpec:
    """The spec in the memory file `fd`."""
    size = os.fstat(fd).st_size
    data = b""
    while len(data) < size:
        data += os.pread(fd, size - len(data), len(data))
    values = dict(zip(_SPEC_FIELDS, marshal.loads(data), strict=True))
    for name in _MOUNTS:
        values[name] = tuple(Mount(*fields) for fields in values[name])
    values["files"] = tuple(HeldFile(*fields) for fields in values["files"])
    if values["identity"] is not None:
        values["identity"] = Identity(*values["identity"])
    return ProcessSpec(**values)


def encode_reply(reply: Ready | Failed) -> bytes:
    """One packet; always shorter than REPLY_SIZE."""
    if isinstance(reply, Failed):
        return marshal.dumps(("failed", reply.message[:4096], reply.errno, reply.status))
    return marshal.dumps(("ready", *reply))


def decode_reply(data: bytes) -> Ready | Failed | int:
    """What encode_reply wrote; the errno of a failed exec, from the trampoline."""
    if len(data) == trampoline.FAILURE.size:
        return -int(trampoline.FAILURE.unpack(data)[0])
    kind, *fields = marshal.loads(data)
    return Failed(*fields) if kind == "failed" else Ready(*fields)


def _plain(spec: ProcessSpec) -> tuple[Any, ...]:
    values = {name: getattr(spec, name) for name in _SPEC_FIELDS}
    for name in _MOUNTS:
        values[name] = tuple(
            tuple(getattr(mount, field) for field in _MOUNT_FIELDS) for mount in values[name]
        )
    for name in ("files", "ulimits", "extra_hosts"):  # marshal knows tuples only by themselves
        values[name] = tuple(tuple(item) for item in values[name])
    if spec.identity is not None:
        values["identity"] = tuple(spec.identity)
    return tuple(values.values())


_MOUNTS = ("root", "mounts", "aside")
_SPEC_FIELDS = tuple(ProcessSpec.__dataclass_fields__)
_MOUNT_FIELDS = tuple(Mount.__dataclass_fields__)
