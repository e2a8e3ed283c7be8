"""A pseudo terminal from the container's own devpts, as stdin, stdout, stderr and /dev/console."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from typing import TYPE_CHECKING

from lamina.mount import syscalls

if TYPE_CHECKING:
    from lamina.sandbox.devices import Devices

_TIOCSPTLCK, _TIOCGPTPEER = 0x40045431, 0x5441


def take(devices: Devices, window: tuple[int, int], uid: int) -> int:
    """Make a terminal of this size for user `uid`, take it as the controlling one; its master's descriptor.

    Both ends are had by descriptor and not by path, which a volume might have put something over.
    """
    flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
    master = os.open("ptmx", flags, dir_fd=devices.terminals)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("=i", 0))
    end = fcntl.ioctl(master, _TIOCGPTPEER, flags)
    resize(master, window)
    if uid:
        os.fchown(end, uid, -1)
    os.close(devices.make_file("console", 0o620))
    devices.place(syscalls.open_tree("", dir_fd=end), "console")
    for fd in range(3):
        os.dup2(end, fd)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    return master


def resize(master: int, window: tuple[int, int]) -> None:
    """Set (rows, columns); the processes on it get SIGWINCH."""
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("=HHHH", *window, 0, 0))
