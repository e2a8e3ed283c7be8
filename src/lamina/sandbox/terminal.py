"""A pseudo terminal from the container's own devpts, as stdin, stdout, stderr and /dev/console."""

from __future__ import annotations

import fcntl
import os
import struct
import termios

from lamina.mount import syscalls

_TIOCSPTLCK, _TIOCGPTN, _TIOCGPTPEER = 0x40045431, 0x80045430, 0x5441


def take(window: tuple[int, int], uid: int, single_id: bool) -> int:
    """Make a terminal of this size, take it as the controlling one; the descriptor of its master."""
    flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
    master = os.open("/dev/pts/ptmx", flags)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("=i", 0))
    number = struct.unpack("=i", fcntl.ioctl(master, _TIOCGPTN, bytes(4)))[0]
    # The other end by descriptor and not by path, which the image might have put something over.
    end = fcntl.ioctl(master, _TIOCGPTPEER, flags)
    resize(master, window)
    if uid and not single_id:
        os.fchown(end, uid, -1)
    _be_console(f"/dev/pts/{number}")
    for fd in range(3):
        os.dup2(end, fd)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    return master


def resize(master: int, window: tuple[int, int]) -> None:
    """Set (rows, columns); the processes on it get SIGWINCH."""
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("=HHHH", *window, 0, 0))


def _be_console(path: str) -> None:
    os.close(os.open("/dev/console", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o620))
    fd = syscalls.open_tree(path)
    syscalls.move_mount(fd, "/dev/console")
    os.close(fd)
