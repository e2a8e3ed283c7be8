"""Where a zstd:chunked layer has its table of contents: annotations of its descriptor, and its footer.

Written as containers/storage does (pkg/chunked/internal/minimal/compression.go); stargz's own names for the
same annotations are read too. Positions are after the 8 bytes with which a skippable frame begins.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from lamina.archive.chunked.errors import Doubt

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "io.github.containers.zstd-chunked."
_STARGZ_PREFIX = "io.containers.zstd-chunked."
ESTARGZ_TOC = "containerd.io/snapshot/stargz/toc.digest"
FRAME_HEAD = 8  # bytes before the content of a skippable frame
_SKIPPABLE = b"\x50\x2a\x4d\x18"
_MAGIC = b"GNUlInUx"
_TYPE = 1  # a table of contents as CRFS has it
_footer = struct.Struct("<7Q8s")
MAX_TABLE = 12 << 20  # bytes, unpacked: of some 50,000 files, which take 35 MB of memory
_MAX_SPLIT = 150 << 20  # as containers/storage; it is never in memory as a whole


class Position(NamedTuple):
    """A compressed piece of a blob: where, how long, and how long once it is unpacked."""

    start: int
    length: int
    unpacked: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.start + self.length


class Positions(NamedTuple):
    """What the annotations say: the digest of the compressed table, its place, and the tar-split's."""

    checksum: str
    toc: Position
    tar_split: Position | None

    @property
    def end(self) -> int:
        """The end of what has to be fetched from `toc.start` on to have both."""
        return max(self.toc.end, self.tar_split.end if self.tar_split else 0)


def notes_of(positions: Positions) -> dict[str, str]:
    """What the descriptor of the layer has to say."""
    found = {
        PREFIX + "manifest-checksum": positions.checksum,
        PREFIX + "manifest-position": ":".join(map(str, (*positions.toc, _TYPE))),
    }
    if positions.tar_split is not None:
        found[PREFIX + "tarsplit-position"] = ":".join(map(str, positions.tar_split))
    return found


def parse(notes: Mapping[str, str], size: int) -> Positions | None:
    """The positions in a blob of `size` bytes; None when nothing is said of any. Doubt for what cannot be."""
    for prefix in (PREFIX, _STARGZ_PREFIX):
        where, checksum = notes.get(prefix + "manifest-position"), notes.get(prefix + "manifest-checksum")
        if where is None or checksum is None:
            continue
        *toc, kind = _numbers(where, 4)
        split = notes.get(prefix + "tarsplit-position")
        found = Positions(checksum, Position(*toc), Position(*_numbers(split, 3)) if split else None)
        if kind != _TYPE:
            raise Doubt(f"a table of contents of the unknown type {kind}")
        _check(found, size)
        return found
    return None


def skippable(data: bytes) -> bytes:
    """A frame that no reader of zstd gives out (RFC 8878, 3.1.2)."""
    return _SKIPPABLE + len(data).to_bytes(4, "little") + data


def footer(positions: Positions) -> bytes:
    """The last frame of the blob: the positions once more. Only who has no annotations reads it."""
    split = positions.tar_split or Position(0, 0, 0)
    return skippable(_footer.pack(*positions.toc, _TYPE, *split, _MAGIC))


def _numbers(text: str, count: int) -> list[int]:
    parts = text.split(":")
    if len(parts) != count or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        raise Doubt(f"the position {text[:80]!r} is none")
    return [int(part) for part in parts]


def _check(found: Positions, size: int) -> None:
    for each, most in ((found.toc, MAX_TABLE), (found.tar_split, _MAX_SPLIT)):
        if each is not None and not (each.start > FRAME_HEAD and each.length > 0 and each.end <= size):
            raise Doubt("the table of contents is said to be where the blob has nothing")
        if each is not None and (each.unpacked > most or each.length > MAX_TABLE):
            raise Doubt(f"tables of more than {most} bytes are not read")
    split = found.tar_split
    if split is not None and split.start < found.toc.end:
        raise Doubt("the table of contents and the tar-split overlap")
