"""Finding and executing the program of a container, with the words and statuses of runc."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.sandbox.devices import Devices

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOT_FOUND, NOT_EXECUTABLE = 127, 126
SETUP = 3  # the descriptor that exec closes, and over which a failure is told


class CannotRun(Exception):
    """The program is not there (status 127) or cannot be executed (126)."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.message = message
        self.errno = number
        self.status = NOT_FOUND if number in (errno.ENOENT, errno.ENOTDIR) else NOT_EXECUTABLE


def lay_ready(devices: Devices, trampoline: bytes) -> int:
    """The descriptor of an executable file with this content, which has no name any more."""
    name = "trampoline"
    with open(devices.make_file(name, 0o755), "wb") as file:
        file.write(trampoline)
    fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=devices.folder)
    os.unlink(name, dir_fd=devices.folder)
    return fd


def execute(program: str, args: tuple[str, ...], environment: Mapping[str, str], trampoline: int) -> NoReturn:
    """Become `program`, by way of the trampoline in that descriptor unless it is -1.

    Raises CannotRun; a trampoline tells on its own what `program` failed with (see trampoline).
    """
    try:
        if trampoline < 0:
            os.set_inheritable(SETUP, False)
            os.execve(program, args, environment)
        os.execve(trampoline, (program, *args), environment)
    except OSError as error:
        raise cannot_execute(program, error.errno or errno.EIO) from None


def cannot_execute(program: str, number: int) -> CannotRun:
    """What to say of an exec that the kernel refused."""
    return CannotRun(f"exec {program}: {os.strerror(number).lower()}", number)


def find(name: str, path: str) -> str:
    """The file that `name` stands for: itself when it has a slash, else the first match in `path`."""
    if "/" in name:
        number = _problem(name)
        if number:
            reason = os.strerror(number).lower()
            what = f"stat {name}: {reason}" if number == errno.ENOENT else reason
            raise CannotRun(f'exec: "{name}": {what}', number)
        return name
    for folder in path.split(":") if name else ():
        place = f"{folder or '.'}/{name}"
        if not _problem(place):
            return place
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
