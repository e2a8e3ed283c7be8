"""What the caller of a build gives it beside files: secrets, SSH agents, limits.

A file of its own: most builds are given none of these, and do not load it.
"""

from __future__ import annotations

from typing import NamedTuple


class Secret(NamedTuple):
    """What --secret gives: the content of a file, read when it is needed, or `value` (of a variable)."""

    id: str
    path: str = ""
    value: bytes | None = None


class SshForward(NamedTuple):
    """What --ssh gives: one agent's socket, or files with keys."""

    id: str
    paths: tuple[str, ...]


class Ulimit(NamedTuple):
    """What --ulimit says: a limit's name as Docker knows it (nofile, core, ...); -1 is no limit."""

    name: str
    soft: int
    hard: int
