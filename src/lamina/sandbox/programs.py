"""Finding and executing the program of a container, with the words and statuses of runc."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOT_FOUND, NOT_EXECUTABLE = 127, 126


class CannotRun(Exception):
    """The program is not there (status 127) or cannot be executed (126)."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.message = message
        self.errno = number
        self.status = NOT_FOUND if number in (errno.ENOENT, errno.ENOTDIR) else NOT_EXECUTABLE


def execute(args: tuple[str, ...], environment: Mapping[str, str]) -> NoReturn:
    """Become the program args[0], looked up in the PATH of `environment`. Raises CannotRun."""
    program = find(args[0], environment.get("PATH", DEFAULT_PATH))
    try:
        os.execve(program, args, environment)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise CannotRun(f"exec {program}: {reason}", error.errno or errno.EIO) from None


def find(name: str, path: str) -> str:
    """The file that `name` stands for: itself when it has a slash, else the first match in `path`."""
    if "/" in name:
        number = _problem(name)
        if number:
            reason = os.strerror(number).lower()
            what = f"stat {name}: {reason}" if number == errno.ENOENT else reason
            raise CannotRun(f'exec: "{name}": {what}', number)
        return name
    refused = False
    for folder in path.split(":") if name else ():
        place = f"{folder or '.'}/{name}"
        number = _problem(place)
        if not number:
            return place
        refused = refused or number == errno.EACCES
    if refused:
        raise CannotRun(f'exec: "{name}": permission denied', errno.EACCES)
    raise CannotRun(f'exec: "{name}": executable file not found in $PATH', errno.ENOENT)


def _problem(place: str) -> int:
    """0 for a file that may be executed, else the errno that says why not."""
    try:
        mode = os.stat(place).st_mode
    except OSError as error:
        return error.errno or errno.EIO
    if stat.S_ISDIR(mode):
        return errno.EISDIR
    return 0 if os.access(place, os.X_OK) else errno.EACCES
