"""Small ELF files, laid out by hand (ELF-64 gABI): just what a loader reads of a program or library."""

from __future__ import annotations

import struct

_HEADER, _PROGRAM, _SECTION, _TAG = "<16sHHIQQQIHHHHHH", "<IIQQQQQQ", "<IIQQQQIIQQ", "<QQ"
_NEEDED, _STRTAB, _SONAME, _STRSZ, _RPATH, _RUNPATH, _NULL = 1, 5, 14, 10, 15, 29, 0
_X86_64 = 62


def elf(
    *needed: str,
    soname: str = "",
    interpreter: str = "",
    rpath: str = "",
    runpath: str = "",
    machine: int = _X86_64,
) -> bytes:
    """A dynamic file that needs these libraries."""
    strings = _Strings()
    tags = [(_NEEDED, strings.add(name)) for name in needed]
    for tag, text in ((_SONAME, soname), (_RPATH, rpath), (_RUNPATH, runpath)):
        if text:
            tags.append((tag, strings.add(text)))
    segments = 3 if interpreter else 2
    at = 64 + 56 * segments
    loader = interpreter.encode() + b"\0" if interpreter else b""
    table = at + len(loader)
    dynamic = table + len(strings.data)
    tags += [(_STRTAB, table), (_STRSZ, len(strings.data)), (_NULL, 0)]
    body = loader + strings.data + b"".join(struct.pack(_TAG, *tag) for tag in tags)
    size = at + len(body)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack(_HEADER, ident, 3, machine, 1, 0, 64, 0, 0, 64, 56, segments, 64, 0, 0)
    programs = [_segment(1, 0, size), _segment(2, dynamic, 16 * len(tags))]
    if interpreter:
        programs.insert(0, _segment(3, at, len(loader)))
    return header + b"".join(programs) + body


class _Strings:
    def __init__(self) -> None:
        self.data = b"\0"

    def add(self, text: str) -> int:
        at = len(self.data)
        self.data += text.encode() + b"\0"
        return at


def _segment(kind: int, at: int, size: int) -> bytes:
    return struct.pack(_PROGRAM, kind, 4, at, at, at, size, size, 8)
