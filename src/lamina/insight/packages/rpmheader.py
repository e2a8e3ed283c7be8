"""The header of an RPM package as its database keeps it: an index of tags over a store of values.

Format (rpm.org, "Header format"): two numbers, of tags and of bytes of values; for each tag its number, type,
offset and count; the values. All numbers are big-endian and 4 bytes long.
"""

from __future__ import annotations

import struct

from lamina.insight.packages.package import BadDatabase

NAME, VERSION, RELEASE, EPOCH, SUMMARY = 1000, 1001, 1002, 1003, 1004
VENDOR, LICENSE, PACKAGER, URL, ARCH, SOURCERPM = 1011, 1014, 1015, 1020, 1022, 1044
DIRINDEXES, BASENAMES, DIRNAMES = 1116, 1117, 1118
_INT32, _STRING, _STRINGS, _I18N = 4, 6, 8, 9
_TEXTS = (_STRING, _STRINGS, _I18N)
_MOST_TAGS = 1 << 16
_INTRO, _ENTRY = struct.Struct(">II"), struct.Struct(">IIII")


class Header:
    """The values of one header, read when they are asked for."""

    def __init__(self, blob: bytes) -> None:
        """BadDatabase when the blob is no header."""
        if len(blob) < _INTRO.size:
            raise BadDatabase("a header is too short")
        count, size = _INTRO.unpack_from(blob)
        start = _INTRO.size + count * _ENTRY.size
        if count > _MOST_TAGS or start + size > len(blob):
            raise BadDatabase("a header is longer than its bytes")
        entries = _ENTRY.iter_unpack(blob[_INTRO.size : start])
        self._index = {tag: (kind, offset, number) for tag, kind, offset, number in entries}
        self._values = blob[start : start + size]

    def text(self, tag: int) -> str:
        """A text, the first of several; "" where there is none."""
        kind, offset, number = self._index.get(tag, (0, 0, 0))
        return self._text(offset)[0] if kind in _TEXTS and number else ""

    def texts(self, tag: int) -> list[str]:
        """All texts of a tag."""
        kind, offset, number = self._index.get(tag, (0, 0, 0))
        found: list[str] = []
        if kind in _TEXTS:
            for _ in range(number):
                text, offset = self._text(offset)
                found.append(text)
        return found

    def numbers(self, tag: int) -> tuple[int, ...]:
        """All numbers of a tag; () where there are none."""
        kind, offset, number = self._index.get(tag, (0, 0, 0))
        if kind != _INT32:
            return ()
        if offset + 4 * number > len(self._values):
            raise BadDatabase("a header's numbers lie outside of it")
        return struct.unpack_from(f">{number}I", self._values, offset)

    def _text(self, offset: int) -> tuple[str, int]:
        """The text at an offset, and where the next one begins."""
        end = self._values.find(b"\0", offset) if offset < len(self._values) else -1
        if end < 0:
            raise BadDatabase("a header's text lies outside of it")
        return self._values[offset:end].decode("utf-8", "replace"), end + 1
