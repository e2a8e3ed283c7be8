"""Two tars of the same files that are not the same bytes: where they part."""

from __future__ import annotations

import os
import tarfile
from itertools import zip_longest
from typing import TYPE_CHECKING, BinaryIO

from lamina.layers.pack import open_packed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID

_FIELDS = ("type", "uname", "gname", "mode", "uid", "gid", "mtime", "linkname", "devmajor", "devminor")
_NAMES = ("path", "linkpath", "size")  # PAX records for what is too long elsewhere


def first_difference(ctx: Layers, old: DiffID, new: DiffID) -> tuple[str, str, str]:
    """order or header; the path, absolute; and how it differs. Errors as of layers.pack."""
    with open_packed(ctx, old) as one, open_packed(ctx, new) as other:
        for number, (before, after) in enumerate(zip_longest(_members(one), _members(other)), 1):
            if before is None or after is None:
                name = (before or after).name
                return "order", _path(name), f"record {number} is only in one of them"
            if before.name != after.name:
                return (
                    "order",
                    _path(before.name),
                    f"record {number} is {_path(before.name)} -> {_path(after.name)}",
                )
            was, now = _fields(before), _fields(after)
            for field in was:
                if was[field] != now[field]:
                    detail = f"{field}: {was[field]!r} -> {now[field]!r}"
                    return "header", _path(before.name), detail
    return "header", "", "the form of the headers, or the padding"


def _members(stream: BinaryIO) -> Iterator[tarfile.TarInfo]:
    with tarfile.open(fileobj=stream, mode="r|", errors="surrogateescape") as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # it would keep all of them
            yield member


def _fields(member: tarfile.TarInfo) -> dict[str, object]:
    """What a header says beside the name; how it says it does not count."""
    found = {field: getattr(member, field) for field in _FIELDS}
    kept = {name: text for name, text in member.pax_headers.items() if name not in (*_FIELDS, *_NAMES)}
    return found | {"PAX records": kept}


def _path(name: str) -> str:
    return "/" + os.fsdecode(os.fsencode(name)).strip("/")
