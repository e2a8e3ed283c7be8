"""ours: whether a layer is in just the form that Lamina packs, as far as its headers tell.

The files of such a layer are enough to make its tar again; of any other a packed copy has to be kept.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from lamina.errors import InvalidInput
from lamina.tree.entry import Entry, Kind
from lamina.tree.tar.header import END, encode, padding
from lamina.tree.tar.read import read_tar
from lamina.tree.tree import parent_of
from lamina.tree.whiteout import Mark, meaning

if TYPE_CHECKING:
    from lamina.archive.chunked.recipe import Recipe

_LOOKED_AT = 200  # entries: another form shows in the first ones


def seems_ours(recipe: Recipe) -> bool:
    """Whether the first entries are headers of ours, in our order, with the folders that they lie in."""
    folders, last, skip = {b""}, b"", 0
    count = 0
    for part in recipe.parts():
        if type(part) is int:
            skip = padding(recipe.contents[part].size)
            continue
        if type(part) is not bytes:
            return False
        head, skip = part[skip:], 0
        entry = _entry(head)
        if entry is None:
            return head == END
        mark, path = meaning(entry.path)
        if mark is not Mark.OPAQUE:
            if (path <= last and count) or (path and parent_of(path) not in folders):
                return False
            last = path
        if entry.kind is Kind.DIR:
            folders.add(path)
        count += 1
        if count == _LOOKED_AT:
            return True
    return True


def _entry(head: bytes) -> Entry | None:
    """The entry of one head, when it is written as we write it."""
    try:
        record = next(read_tar(io.BytesIO(head), need_end=False), None)
        if record is None or encode(record.entry, record.name) != head:
            return None
    except InvalidInput:
        return None
    return record.entry
