"""Which descriptors of ours a container's process is joined to."""

from __future__ import annotations

from typing import NamedTuple


class Stdio(NamedTuple):
    """The descriptors; they stay the caller's. A terminal must be in raw mode for `tty` (the CLI does that).

    `forward_signals` passes the signals that this process gets on to the container's, from the main
    thread only.
    """

    stdin: int = 0
    stdout: int = 1
    stderr: int = 2
    forward_signals: bool = False
