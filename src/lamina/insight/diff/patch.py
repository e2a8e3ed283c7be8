"""Patches in the form of `git diff`: what `git apply` and `patch -p1` read. Pure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamina.insight.diff.change import FileChange, FileFacts

MAX_SIZE = 4 << 20  # bytes of a text of which lines are compared
_CONTEXT = 3  # lines around each change
_MOST = 40_000_000  # pairs of lines: what would be slower to compare is replaced as a whole
_BINARY = 8000  # bytes in which a NUL makes a file a binary one, as git has it
_MODES = {"f": 0o100000, "l": 0o120000}

Op = tuple[str, int, int, int, int]


class Content(NamedTuple):
    """What a side has: `data` is None where it is not to be read as text, and `why` says so."""

    data: bytes | None
    why: str = ""


NONE = Content(b"")


def is_text(data: bytes) -> bool:
    """Whether git would show it."""
    return b"\0" not in data[:_BINARY]


def patch(change: FileChange, old: Content, new: Content) -> tuple[str, tuple[int, int] | None]:
    """The patch of a changed file or link ("" of anything else), and how many lines it adds and deletes."""
    if change.what == ("type",):
        gone, went = _patch(change, change.old, None, old, NONE)
        made, came = _patch(change, None, change.new, NONE, new)
        counts = (came[0], went[1]) if came and went else None
        return gone + made, counts
    return _patch(change, change.old, change.new, old, new)


def _patch(
    change: FileChange, before: FileFacts | None, after: FileFacts | None, old: Content, new: Content
) -> tuple[str, tuple[int, int] | None]:
    modes = [_mode(facts) for facts in (before, after)]
    if not any(modes):
        return "", None
    left, right = _quoted("a" + change.path), _quoted("b" + change.path)
    head = [f"diff --git {left} {right}\n", *_header(*modes)]
    if (old.data, new.data) == (None, None) or old.data is None or new.data is None:
        why = f" ({old.why or new.why})" if old.why or new.why else ""
        differs = "content" in change.what or not (before and after)
        return "".join(head) + (f"Binary files {left} and {right} differ{why}\n" if differs else ""), None
    one, other = _lines(old.data), _lines(new.data)
    ops = list(_opcodes(one, other))
    counts = (
        sum(op[4] - op[3] for op in ops if op[0] != "equal"),
        sum(op[2] - op[1] for op in ops if op[0] != "equal"),
    )
    if any(counts):
        head += [f"--- {left if modes[0] else '/dev/null'}\n", f"+++ {right if modes[1] else '/dev/null'}\n"]
        head += _hunks(one, other, ops)
    return ("".join(head) if len(head) > 1 else ""), counts


def _header(old: str, new: str) -> list[str]:
    if not old:
        return [f"new file mode {new}\n"]
    if not new:
        return [f"deleted file mode {old}\n"]
    return [f"old mode {old}\n", f"new mode {new}\n"] if old != new else []


def _mode(facts: FileFacts | None) -> str:
    """As git writes it, but with all permission bits; "" for what git does not have."""
    if facts is None or facts.type not in _MODES:
        return ""
    return f"{_MODES[facts.type] | (facts.mode if facts.type == 'f' else 0):06o}"


def _quoted(name: str) -> str:
    """A name as git quotes it: all ASCII, on one line."""
    data = os.fsencode(name)
    if all(32 <= byte < 127 and byte not in b'"\\' for byte in data):
        return name
    return (
        '"'
        + "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03o}" for byte in data)
        + '"'
    )


def _lines(data: bytes) -> list[str]:
    """The lines with their ends; the last one may have none."""
    parts = data.decode("utf-8", "surrogateescape").split("\n")
    last = parts.pop()
    return [part + "\n" for part in parts] + ([last] if last else [])


def _opcodes(old: Sequence[str], new: Sequence[str]) -> Iterator[Op]:
    """As SequenceMatcher has them; what both begin and end with is taken off first."""
    from difflib import SequenceMatcher  # 8 ms

    most = min(len(old), len(new))
    head = next((at for at in range(most) if old[at] != new[at]), most)
    most -= head
    tail = next((at for at in range(most) if old[-1 - at] != new[-1 - at]), most)
    one, other = old[head : len(old) - tail], new[head : len(new) - tail]
    if head:
        yield "equal", 0, head, 0, head
    if len(one) * len(other) > _MOST:
        yield "replace", head, head + len(one), head, head + len(other)
    elif one or other:
        for tag, low, high, start, end in SequenceMatcher(None, one, other).get_opcodes():
            yield tag, low + head, high + head, start + head, end + head
    if tail:
        yield "equal", len(old) - tail, len(old), len(new) - tail, len(new)


def _hunks(old: Sequence[str], new: Sequence[str], ops: Sequence[Op]) -> Iterator[str]:
    for group in _groups(ops):
        low, start = group[0][1], group[0][3]
        high, end = group[-1][2], group[-1][4]
        yield f"@@ -{_range(low, high)} +{_range(start, end)} @@\n"
        for tag, first, last, begin, stop in group:
            if tag == "equal":
                yield from _marked(" ", old[first:last])
                continue
            yield from _marked("-", old[first:last])
            yield from _marked("+", new[begin:stop])


def _groups(ops: Sequence[Op]) -> Iterator[list[Op]]:
    """The changes with the equal lines around them; those that are near to each other together."""
    group: list[Op] = []
    for place, (tag, low, high, start, end) in enumerate(ops):
        if tag != "equal":
            group.append((tag, low, high, start, end))
            continue
        is_last = place == len(ops) - 1
        if group and (is_last or high - low > 2 * _CONTEXT):
            size = min(_CONTEXT, high - low)
            yield [*group, (tag, low, low + size, start, start + size)]
            group = []
        if not is_last:
            size = high - low if group else min(_CONTEXT, high - low)
            group.append((tag, high - size, high, end - size, end))
    if group:
        yield group


def _range(low: int, high: int) -> str:
    """As POSIX has it for unified diffs: from 1, and the line before where there is none."""
    size = high - low
    return str(low + 1) if size == 1 else f"{low + 1 if size else low},{size}"


def _marked(mark: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield mark + line + ("" if line.endswith("\n") else "\n\\ No newline at end of file\n")
