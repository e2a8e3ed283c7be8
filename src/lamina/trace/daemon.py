"""The daemon of one recording: it answers what the kernel asks of the merged view, and notes what that was.

Every name is asked for once, whoever looks it up: the kernel remembers the answers, also that there is
nothing. So what was asked is what the step could learn of the layers below it. The daemon never touches the
mount.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from lamina.trace import protocol
from lamina.trace.index import COVERED

if TYPE_CHECKING:
    from lamina.trace.index import Index, Node

MOST = 100_000  # observations of one recording
OVERFLOW = f"it looked at more than {MOST} paths"
_GONE = frozenset({errno.ENODEV, errno.ENOTCONN, errno.ECONNABORTED, errno.EBADF})
_AGAIN = frozenset({errno.EINTR, errno.EAGAIN, errno.ENOENT})  # ENOENT: the request was taken back
_GETFLAGS, _GETXATTRS = 0x80086601, 0x801C581F  # FS_IOC_GETFLAGS, FS_IOC_FSGETXATTR
_FLAGS_OUT = {_GETFLAGS: bytes(4), _GETXATTRS: bytes(28)}


class Daemon:
    """Serves one connection. `looked_up` and `listed` are the paths that were asked for."""

    def __init__(self, fuse: int, index: Index) -> None:
        self._fuse = fuse
        self._index = index
        self.looked_up: set[bytes] = {b""}
        self.listed: set[bytes] = set()
        self.doubt = ""
        self.spoiled = False  # the step was given errors that no file system would have given it
        self._listing: tuple[int, list[tuple[bytes, int, int]]] = (0, [])  # of the folder that was read last
        self._calls = {
            protocol.LOOKUP: self._lookup,
            protocol.GETATTR: self._getattr,
            protocol.READLINK: self._readlink,
            protocol.READ: self._read,
            protocol.STATFS: lambda node, body: protocol.STATFS_OUT,
            protocol.RELEASE: lambda node, body: b"",
            protocol.GETXATTR: self._getxattr,
            protocol.LISTXATTR: self._listxattr,
            protocol.INIT: lambda node, body: protocol.init_answer(body),
            protocol.READDIR: self._readdir,
            protocol.RELEASEDIR: lambda node, body: b"",
            protocol.DESTROY: lambda node, body: b"",
            protocol.IOCTL: self._ioctl,
        }

    def fail(self, error: Exception) -> None:
        """What was noted is not all there was."""
        self.doubt = self.doubt or f"the recorder failed: {error!r}"

    def serve(self) -> None:
        """Answers until the mount is gone. When that cannot go on, the connection is cut."""
        try:
            while self._answer():
                pass
        except Exception as error:
            self.fail(error)
            self.spoiled = True
        finally:
            os.close(self._fuse)  # else whoever waits for an answer would wait for ever

    def _answer(self) -> bool:
        """Takes one request and answers it; False when the mount is gone."""
        try:
            request = os.read(self._fuse, protocol.READ_SIZE)
        except OSError as error:
            if error.errno in _AGAIN:
                return True
            if error.errno in _GONE:
                return False
            raise
        _, opcode, unique, node, _, _, _, _, _ = protocol.REQUEST.unpack_from(request)
        call = self._calls.get(opcode)
        problem, data = 0, b""
        if call is not None:
            try:
                data = call(node, request[protocol.REQUEST.size :])
            except _Refused as refused:
                problem = refused.number
            except Exception as error:  # the step must not fail because of us, if it can do without this
                self.fail(error)
                self.spoiled = True
                problem = errno.EIO
        elif opcode in protocol.SILENT:
            return True
        else:
            problem = errno.EROFS if opcode in protocol.CHANGES else errno.ENOSYS
        try:
            os.write(self._fuse, protocol.ANSWER.pack(16 + len(data), -problem, unique) + data)
        except OSError as error:
            if error.errno not in _AGAIN | _GONE:  # what we say makes no sense
                raise
            return error.errno in _AGAIN  # who asked was killed
        return True

    def _lookup(self, number: int, body: bytes) -> bytes:
        folder, name = self._index.node(number), body[: body.index(0)]
        node = self._index.find(folder, name)
        self._note(self.looked_up, folder.path + b"/" + name if folder.path else name, node)
        return protocol.NEGATIVE if node is None else node.answer

    def _note(self, where: set[bytes], path: bytes, node: Node | None) -> None:
        if path in COVERED and (node is None or node.added or node.mode & 0o170000 == 0o100000):
            return  # the sandbox covers it whatever it is
        if len(self.looked_up) + len(self.listed) < MOST:
            where.add(path)
        else:
            self.doubt = self.doubt or OVERFLOW

    def _getattr(self, number: int, body: bytes) -> bytes:
        return self._index.node(number).attr

    def _readlink(self, number: int, body: bytes) -> bytes:
        return self._index.node(number).link

    def _read(self, number: int, body: bytes) -> bytes:
        if not self._index.node(number).added:  # its data are the layer's, not ours
            raise OSError(f"a read of {self._index.node(number).path!r}")
        return b""

    def _getxattr(self, number: int, body: bytes) -> bytes:
        wanted = body[8:-1]
        value = self._index.node(number).xattrs.get(wanted)
        if value is None:
            raise _Refused(errno.ENODATA)
        return _sized(body, value)

    def _listxattr(self, number: int, body: bytes) -> bytes:
        xattrs = self._index.node(number).xattrs
        return _sized(body, b"".join([name + b"\0" for name in xattrs]))  # overlay tells nobody of its own

    def _readdir(self, number: int, body: bytes) -> bytes:
        _, offset, size, _ = protocol.READ_IN.unpack_from(body)
        folder = self._index.node(number)
        self._note(self.listed, folder.path, folder)  # whatever the offset: a reader may begin in the middle
        if not offset or self._listing[0] != number:
            dots = [(b".", folder.mode, number), (b"..", folder.mode, self._index.above(folder).id)]
            self._listing = (number, dots + self._index.names(folder))
        found = bytearray()
        for position, (name, mode, node) in enumerate(self._listing[1][offset:], offset + 1):
            row = protocol.dirent(node, position, mode, name)
            if len(found) + len(row) > size:
                break
            found += row
        return bytes(found)

    def _ioctl(self, number: int, body: bytes) -> bytes:
        """The flags that lsattr shows: none."""
        _, _, command, _, _, size = protocol.IOCTL_IN.unpack_from(body)
        flags = _FLAGS_OUT.get(command)
        if flags is None:
            raise _Refused(errno.ENOTTY)
        return protocol.IOCTL_OUT.pack(0, 0, 0, 0) + flags[:size]


class _Refused(Exception):
    """An answer that is an error number, and nothing unusual."""

    def __init__(self, number: int) -> None:
        self.number = number


def _sized(body: bytes, value: bytes) -> bytes:
    """A value, or only its size where the kernel asks for that."""
    room, _ = protocol.SIZE_IN.unpack_from(body)
    if not room:
        return protocol.SIZE_OUT.pack(len(value), 0)
    if len(value) > room:
        raise _Refused(errno.ERANGE)
    return value
