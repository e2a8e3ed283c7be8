"""cachemounts/NAME/info.json: enough to give the folder its row again when the database was lost."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NoReturn

from lamina.cachemounts.wanted import CacheWanted
from lamina.db.cachemounts import CacheMount
from lamina.errors import Corrupt
from lamina.store.guard import guard

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORMAT = 1
_MOST = 1 << 20  # bytes that are read of one


def write(path: str, row: CacheMount) -> None:
    """Writes the file. NoSpace, Denied."""
    text = json.dumps({"format": _FORMAT, **described(row), "created": row.created}, indent=1)
    with guard(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text + "\n")


def read(path: str, name: str) -> CacheMount:
    """The row that a folder had when it was made. Corrupt, also when the file is not there."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            said = json.loads(file.read(_MOST))
        if not isinstance(said, dict) or said.get("format") != _FORMAT:
            raise ValueError
        wanted = wanted_of(said)
        created = said["created"]
        if not isinstance(created, str):
            raise ValueError
    except (OSError, ValueError, KeyError, RecursionError):
        raise Corrupt(f"{path} does not say what cache mount this is") from None
    key = wanted.key
    fields = (wanted.id, wanted.sharing, wanted.mode, wanted.uid, wanted.gid, wanted.seed_key)
    return CacheMount(name, key, *fields, wanted.created_by, created, created, 0, None, False)


def described(row: CacheMount) -> dict[str, object]:
    """What info.json and an archive say of a folder: what makes its key, and where it came from."""
    return {
        "id": row.id,
        "sharing": row.sharing,
        "mode": row.mode,
        "uid": row.uid,
        "gid": row.gid,
        "seed": row.seed,
        "created_by": row.created_by,
    }


def wanted_of(said: Mapping[str, object]) -> CacheWanted:
    """The same back. ValueError when a field is missing or of another type."""
    texts = [said.get(field) for field in ("id", "sharing", "seed", "created_by")]
    numbers = [said.get(field) for field in ("mode", "uid", "gid")]
    for text in texts:
        str(text).encode()  # UnicodeEncodeError is a ValueError: what is no UTF-8 has no row
    id_, sharing, seed, created_by = [text if isinstance(text, str) else _bad() for text in texts]
    mode, uid, gid = [n if type(n) is int and 0 <= n < 2**32 - 1 else _bad() for n in numbers]
    if not id_ or sharing not in ("shared", "private", "locked") or mode > 0o7777:
        raise ValueError
    return CacheWanted(id_, sharing, mode, uid, gid, None, seed, created_by)


def _bad() -> NoReturn:
    raise ValueError
