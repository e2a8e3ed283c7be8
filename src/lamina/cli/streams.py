"""Standard streams and output files: what is refused on a terminal, what is half-written never stays."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from lamina.errors import Denied, InvalidInput, LaminaError, NoSpace, NotFound
from lamina.events import Notice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.events import Event


def notices(event: Event) -> None:
    """An Observer that shows nothing but notices, on stderr: stdout may be an archive."""
    if isinstance(event, Notice):
        from lamina.dockerfile.source import printable  # most work has nothing to say

        print(f"lamina: {printable(event.text)}", file=sys.stderr, flush=True)


def warnings(event: Event) -> None:
    """An Observer that shows nothing but notices, on stderr, as Docker's client shows warnings."""
    if isinstance(event, Notice):
        from lamina.cli.escaping import escaped

        print(f"[Warning] {escaped(event.text)}", file=sys.stderr)


@contextmanager
def output(path: str, what: str) -> Iterator[BinaryIO]:
    """A file that gets its name only when all is written; standard output for "" and `-`.

    `what` is the verb for the refusal on a terminal: save, export.
    """
    if path in ("", "-"):
        if sys.stdout.isatty():
            raise InvalidInput(f"cowardly refusing to {what} to a terminal. Use the -o flag or redirect")
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if os.path.islink(path) and os.path.isfile(path):
        path = os.path.realpath(path)  # the link itself stays: it may be /dev/stdout
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        with open(path, "wb") as device:  # a pipe or /dev/null: renaming over it would replace it
            yield device
        return
    with _renamed(path, what) as file:
        yield file


@contextmanager
def _renamed(path: str, what: str) -> Iterator[BinaryIO]:
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path) or not os.path.isdir(folder):
        place = path if os.path.isdir(path) else folder
        fault = "is a directory" if os.path.isdir(path) else "does not exist"
        raise InvalidInput(f'failed to {what}: invalid output path: "{place}" {fault}')
    temporary = os.path.join(folder, f".lamina_temp_{os.getpid()}")
    try:
        with system_errors(path):
            with open(temporary, "wb") as file:
                yield file
            os.replace(temporary, path)
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise


@contextmanager
def input_file(path: str) -> Iterator[BinaryIO]:
    """The file to read; standard input for "" and `-`, unless it is a terminal."""
    if path in ("", "-"):
        if sys.stdin.isatty():
            raise InvalidInput("requested load from stdin, but stdin is empty")
        yield sys.stdin.buffer
        return
    with system_errors(path), open(path, "rb") as file:
        yield file


def read_file(path: str) -> bytes:
    """All of a small file, or of standard input for `-`."""
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise from_system(error, path) from error


def write_file(path: str, text: str) -> None:
    """Writes a small text file; one that cannot be written whole is not there."""
    opened = False
    try:
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            opened = True
            file.write(text)
    except OSError as error:
        if opened and os.path.isfile(path):
            os.unlink(path)
        raise from_system(error, path) from error


@contextmanager
def system_errors(path: str) -> Iterator[None]:
    """Turns the errors of the file at `path` into Lamina's own."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise from_system(error, path) from error


def from_system(error: OSError, path: str) -> LaminaError:
    """The kind of LaminaError that an OSError on one of the user's own files is."""
    import errno  # only when something went wrong

    message = f"{path}: {(error.strerror or str(error)).lower()}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(message)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Denied(message)
    return NotFound(message) if error.errno == errno.ENOENT else InvalidInput(message)


def confirmed(warning: str) -> bool:
    """Shows a warning on stdout and asks; only `y` (or yes) counts."""
    print(f"{warning}\nAre you sure you want to continue? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
