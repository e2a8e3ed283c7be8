"""Repeated: which contents several files of a stack have, by the rows; what `lamina waste` looks up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from lamina.oci.digest import DiffID

_ONCE, _OFTEN = 1, 2
_DIGITS = 6  # of a digest that count


class Repeated:
    """Which contents several files of some layers may have: a sieve of 16 MiB, however many there are."""

    def __init__(self, c: sqlite3.Connection, diff_ids: Iterable[DiffID]) -> None:
        """Reads the digests of all files that are not empty."""
        self._seen = seen = bytearray(1 << 4 * _DIGITS)
        for diff_id in diff_ids:
            rows = c.execute(
                "SELECT substr(f.digest, 1, 3) FROM files AS f JOIN diffs AS d ON d.num = f.diff "
                "WHERE d.diff_id = ? AND f.kind = 'f' AND f.size > 0",
                (diff_id,),
            )
            for (head,) in rows:
                place = int.from_bytes(head)
                seen[place] = _OFTEN if seen[place] else _ONCE

    def __contains__(self, digest: object) -> bool:
        """False for the hex digest of a content that one file has; True can be chance, one time in many."""
        return isinstance(digest, str) and self._seen[int(digest[:_DIGITS] or "0", 16)] == _OFTEN
