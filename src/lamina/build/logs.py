"""The logs of a build: for each step a file with all that its process wrote, as it came.

builds/ID/STEP.log is a row of pieces. Each begins with a line `STREAM SECONDS LENGTH` (1 is stdout, 2 is
stderr; seconds after the step began), then that many bytes, then a newline. What a killed process has begun
to write ends early; all before it can be read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.errors import Corrupt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.events import StepOutput

_LONGEST = 80  # bytes of a line before a piece


class Piece(NamedTuple):
    """What a process wrote at one moment."""

    stderr: bool
    seconds: float  # after the step began
    data: bytes


class Logs:
    """The logs of one build that goes on; `bytes` is what they take, `failed` says why they end early.

    For one thread at a time. Nothing here raises: a build goes on when its log cannot.
    """

    def __init__(self, folder: str) -> None:
        self.bytes = 0
        self.failed = ""
        self._folder = folder
        self._files: dict[int, int] = {}

    def write(self, event: StepOutput, seconds: float) -> None:
        """Adds one piece."""
        if self.failed:
            return
        head = f"{2 if event.stderr else 1} {seconds:.6f} {len(event.data)}\n".encode()
        try:
            data = memoryview(head + event.data + b"\n")
            while data:
                written = os.write(self._file(event.step), data)
                self.bytes += written
                data = data[written:]
        except OSError as error:
            self.failed = error.strerror or str(error)

    def close(self) -> None:
        """Closes the files."""
        while self._files:
            os.close(self._files.popitem()[1])

    def _file(self, step: int) -> int:
        if step not in self._files:
            if not self._files:
                os.makedirs(self._folder, 0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._files[step] = os.open(f"{self._folder}/{step}.log", flags, 0o600)
        return self._files[step]


def read(folder: str, step: int) -> Iterator[Piece]:
    """The pieces of one step's log, in their order; none when it wrote nothing. Corrupt."""
    path = f"{folder}/{step}.log"
    try:
        file = open(path, "rb")  # noqa: SIM115
    except FileNotFoundError:
        return
    with file:
        while (piece := _piece(file, path)) is not None:
            yield piece


def _piece(file: BinaryIO, path: str) -> Piece | None:
    """The next piece; None at the end, or where a write was cut off."""
    head = file.readline(_LONGEST)
    if not head.endswith(b"\n"):
        return None
    try:
        stream, seconds, length = head.split()
        size, at = int(length), float(seconds)
    except ValueError:
        raise Corrupt(f"{path} is damaged: no piece begins with {head!r}") from None
    data = file.read(size)
    return Piece(stream == b"2", at, data) if file.read(1) or data else None


def sizes(folder: str) -> int:
    """The bytes that the logs of one build take; 0 when there are none."""
    try:
        with os.scandir(folder) as entries:
            return sum([entry.stat().st_size for entry in entries])
    except FileNotFoundError:
        return 0
