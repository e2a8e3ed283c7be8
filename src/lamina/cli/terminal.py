"""Our own terminal in raw mode while a container's process has it: always put back as it was."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def raw(descriptor: int, *, wanted: bool = True) -> Iterator[None]:
    """Keys go through unread and unchanged (Ctrl-C too) until the block ends, however it ends.

    Nothing happens when it is not `wanted`, or `descriptor` is no terminal.
    """
    if not wanted or not os.isatty(descriptor):
        yield
        return
    import termios  # only `run -it` needs these
    import tty

    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
