"""Limits: how much an archive may ask for before it is refused."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """The most that is accepted of each; numbers of bytes but for `entries`.

    `total` counts what the contents come to when they are read, the holes of sparse files included.
    """

    entries: int = 4_000_000
    path: int = 4096
    component: int = 255
    header: int = 1 << 20  # one PAX header, one long name, one map of a sparse file
    xattrs: int = 64 << 10  # names and values of one entry
    total: int = 64 << 30


DEFAULT = Limits()
