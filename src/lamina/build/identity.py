"""Who the process of a RUN will be: its USER as the layers below name it, found out without mounting them.

It counts in the recipe of a RUN; a traced process is given it, so that the sandbox itself looks at nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import InvalidInput, NotFound
from lamina.sandbox.accounts import Identity, look_up
from lamina.tree.entry import FILES

if TYPE_CHECKING:
    from lamina.layers.lookup import Lookup

_MOST = 16 << 20  # bytes of a table that are looked at, as in the sandbox


def find_identity(user: str, below: Lookup) -> Identity:
    """The identity that `user` names in the files of `below`, as the sandbox would find it.

    InvalidInput when there is no such user or group; Corrupt when the files cannot be read.
    """
    return look_up(user, _table(below, b"etc/passwd"), _table(below, b"etc/group"))


def _table(below: Lookup, path: bytes) -> bytes:
    """A file of the image; b"" when there is none, or something else in its place."""
    try:
        place = below.resolve(path)
    except InvalidInput:  # links that go round in a circle
        return b""
    entry = below.get(place)
    if entry is None or entry.kind not in FILES:
        return b""
    try:
        with below.open(place) as file:
            return file.read(min(entry.size, _MOST))
    except NotFound:
        return b""
