"""What is likely behind a difference between two builds of the same, and what would take it away. Pure."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from lamina.insight.diff import known
from lamina.insight.diff.known import Known
from lamina.oci.timestamp import rfc3339
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_SIZE = 4 << 20  # bytes of a file that are compared
_SHOWN = 100  # characters of a line
_LATEST = 253402300800  # the year 10000
_LINES = 50  # that are looked at
_UNKNOWN = Known("", "")

_TEXTS = (
    (
        re.compile(r"/tmp[./][\w.-]+|\btmp\.?\w{6,}"),
        Known("the name of a temporary folder", "build in a folder with a fixed name"),
    ),
    (
        re.compile(
            r"\b\d{4}-\d\d-\d\d|\b\d\d:\d\d(:\d\d)?\b|\b1[5-9]\d{8}(\.\d+)?\b|\b20\d{6}(T?\d{6}Z?)?\b"
            r"|\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b|\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b"
        ),
        Known("a date or a time in the text", "SOURCE_DATE_EPOCH where the program knows it, or take it out"),
    ),
    (
        re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|[0-9a-fA-F]{16,}|[A-Za-z0-9+/=]{22,}"),
        Known("an ID, a key or a hash that is made anew", "derive it from the input, or pin it"),
    ),
)

_FORMATS = (  # by the bytes that both begin with
    (
        b"!<arch>\n",
        Known("the archive notes times and owners of what is in it", "ar and ranlib with D"),
    ),
    (
        b"PK\x03\x04",
        Known("the zip notes the times of what is in it", "SOURCE_DATE_EPOCH, or strip-nondeterminism"),
    ),
    (
        b"\x7fELF",
        Known("a build ID, a path or a date in the program", "-ffile-prefix-map, no __DATE__, pinned tools"),
    ),
    (
        b"SQLite format 3\0",
        Known("a database: its pages depend on the order of writes", "make it when the container starts"),
    ),
)


class Likely(NamedTuple):
    """How something differs, why that may be, and what helps; "" where nobody knows."""

    detail: str
    reason: str
    advice: str


def of_presence(path: bytes, old: Entry | None, new: Entry | None) -> Likely:
    """A path that only one of two layers has, or that only one of them deletes."""
    entry = new if old is None else old if new is None else new if new.kind is Kind.WHITEOUT else old
    side = "second" if entry is new else "first"
    verb = "deletes" if entry is not None and entry.kind is Kind.WHITEOUT else "has"
    detail = f"only the {side} {verb} it"
    if path.endswith(b".pyc"):
        return Likely(detail, "bytecode that only one of the builds compiled", known.NO_BYTECODE)
    return Likely(detail, *(known.of_name(path) or _UNKNOWN))


def of_entries(what: str, old: Entry, new: Entry) -> Likely:
    """A path that differs in something else than its content: `what`, as in FileChange, or "hard link"."""
    before, after = _value(what, old), _value(what, new)
    return Likely(f"{before} -> {after}", *known.OF_ENTRIES.get(what, _UNKNOWN))


def of_sizes(path: bytes, old: int, new: int) -> Likely:
    """Two contents that nobody has read."""
    return Likely(f"{old} bytes -> {new} bytes", *(known.of_name(path) or _UNKNOWN))


def of_content(path: bytes, old: bytes, new: bytes) -> Likely:
    """Two contents of one file."""
    found = _of_format(path, old, new)
    if found is not None:
        return found
    likely = _of_bytes(old, new) if b"\0" in old + new else _of_text(old, new)
    by_name = known.of_name(path)
    return Likely(likely.detail, *by_name) if by_name is not None else likely


def _value(what: str, entry: Entry) -> str:
    if what == "time":
        return _moment(entry.mtime)
    if what == "owner":
        return f"{entry.uid}:{entry.gid}"
    if what == "mode":
        return f"{entry.mode:04o}"
    if what == "device":
        return "{}:{}".format(*entry.rdev)
    if what == "xattr":
        return _text(b", ".join(name for name, _ in entry.xattrs)) or "none"
    if what == "type":
        return entry.kind.name.lower()
    return _text(entry.link) or "a file of its own"


def _moment(mtime: int) -> str:
    """RFC 3339, with a fraction where there is one."""
    whole, rest = divmod(mtime, 10**9)
    text = rfc3339(whole) if 0 <= whole < _LATEST else str(whole)
    return f"{text.removesuffix('Z')}.{rest:09}{'Z' * text.endswith('Z')}" if rest else text


def _of_format(path: bytes, old: bytes, new: bytes) -> Likely | None:
    """Formats with a time or an ID at a place that is known."""
    if path.endswith(b".pyc") and old[:4] == new[:4]:
        if old[16:] == new[16:]:
            return Likely("bytes 5 to 16", "a .pyc notes the time of its source", known.NO_TIMES_IN_BYTECODE)
        detail = _of_bytes(old, new).detail
        return Likely(detail, "bytecode depends on the run that compiled it", known.NO_BYTECODE)
    if old[:2] == new[:2] == b"\x1f\x8b" and old[:4] == new[:4] and old[8:] == new[8:]:
        return Likely("bytes 5 to 8", "the header of gzip notes a time", "gzip -n")
    for magic, words in _FORMATS:
        if old.startswith(magic) and new.startswith(magic):
            return Likely(_of_bytes(old, new).detail, *words)
    return None


def _of_bytes(old: bytes, new: bytes) -> Likely:
    both = enumerate(zip(old, new, strict=False), 1)
    at = next((at for at, (one, other) in both if one != other), min(len(old), len(new)) + 1)
    return Likely(f"from byte {at} on", "", "")


def _of_text(old: bytes, new: bytes) -> Likely:
    """The first line that differs, and what the lines look like."""
    before, after = _text(old).split("\n"), _text(new).split("\n")
    both = enumerate(zip_longest(before, after), 1)
    changed = [(number, one or "", other or "") for number, (one, other) in both if one != other]
    number, one, other = changed[0]
    detail = f"line {number}: {_short(one)} -> {_short(other)}"
    if len(before) == len(after) and sorted(before) == sorted(after):
        reason = "the same lines in another order: that of a folder, of a set, or of work side by side"
        return Likely(detail, reason, "sort them")
    return Likely(detail, *_of_lines([pair[1:] for pair in changed[:_LINES]]))


def _of_lines(lines: Sequence[tuple[str, str]]) -> Known:
    """What all of these lines have where they differ."""
    for pattern, words in _TEXTS:
        if all(pattern.search(one) and pattern.search(other) for one, other in lines):
            bare = [_bare(pattern.sub("", one)) == _bare(pattern.sub("", other)) for one, other in lines]
            if all(bare):
                return words
    return _UNKNOWN


def _bare(text: str) -> str:
    """Text without what a time has around what was found of it."""
    return re.sub(r"[\d.:,+-]+|\b(AM|PM|UTC|GMT|CET|CEST)\b", "", text).strip()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _short(line: str) -> str:
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
