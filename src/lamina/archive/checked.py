"""checked: a stream that turns out to be damaged, if it is, before its reader can take it for whole."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, BinaryIO, cast

from lamina.archive.compression import CHUNK
from lamina.errors import Corrupt

if TYPE_CHECKING:
    from lamina.oci.digest import Digest


def checked(stream: BinaryIO, digest: Digest, size: int, what: str) -> BinaryIO:
    """The bytes of `stream`, which it closes too: Corrupt at their end, or past it, if they are others.

    `what` is what messages call them.
    """
    return cast("BinaryIO", io.BufferedReader(_Checked(stream, digest, size, what), CHUNK))


class _Checked(io.RawIOBase):
    def __init__(self, stream: BinaryIO, digest: Digest, size: int, what: str) -> None:
        super().__init__()
        self._stream = stream
        self._digest = digest
        self._left = size
        self._what = what
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(cast("bytearray", buffer)).cast("B")
        data = self._stream.read(len(view))
        self._hash.update(data)
        self._left -= len(data)
        if self._left < 0:
            raise Corrupt(f"{self._what} is longer than it should be")
        if not data and len(view):
            if self._left:
                raise Corrupt(f"{self._what} is {self._left} bytes too short")
            if "sha256:" + self._hash.hexdigest() != self._digest:
                raise Corrupt(f"{self._what} is damaged: it is not {self._digest}")
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()
