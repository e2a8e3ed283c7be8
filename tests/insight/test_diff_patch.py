"""Patches of texts: what a small reader of them makes of the old text is the new one."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lamina.insight.diff import patch as patches
from lamina.insight.diff.change import FileChange, FileFacts
from lamina.insight.diff.patch import Content, patch

FACTS = FileFacts("f", 0o644, 0, 0, 1, 0, "", "", {}, "", 1)
CHANGE = FileChange("C", "/a", ("content",), FACTS, FACTS)
LINES = st.lists(
    st.sampled_from([b"a", b"b", b"c", b"d", b"\xff\xfe", b"\x0b\r", b"-- x", b"@@ -1 +1 @@"]), max_size=30
)
TEXTS = st.builds(lambda lines, end: b"\n".join(lines) + end, LINES, st.sampled_from([b"", b"\n"]))
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@\n")


def applied(old: bytes, text: str) -> bytes:
    """What POSIX says of unified diffs, without tolerance: every count and every line must fit."""
    lines = patches._lines(old)
    rows = re.split(r"(?<=\n)", text)[:-1][3:]
    out: list[str] = []
    at = 0
    while rows:
        match = _HUNK.fullmatch(rows.pop(0))
        assert match is not None
        low, size, start, fresh = int(match[1]), int(match[2] or 1), int(match[3]), int(match[4] or 1)
        begin = low - 1 if size else low
        out += lines[at:begin]
        assert len(out) == (start - 1 if fresh else start)
        at = begin
        while size or fresh:
            mark, line = rows[0][0], rows.pop(0)[1:]
            if rows and rows[0].startswith("\\"):
                rows.pop(0)
                line = line.removesuffix("\n")
            if mark in " -":
                assert lines[at] == line
                at, size = at + 1, size - 1
            if mark in " +":
                out.append(line)
                fresh -= 1
    return "".join(out + lines[at:]).encode("utf-8", "surrogateescape")


@given(TEXTS, TEXTS)
@example(b"", b"a")
@example(b"a", b"")
@example(b"a\n" * 40, b"a\n" * 20 + b"b\n" + b"a\n" * 19)
def test_the_old_text_with_the_patch_is_the_new_one(old: bytes, new: bytes) -> None:
    text, counts = patch(CHANGE, Content(old), Content(new))
    assert counts is not None
    assert (text == "") == (old == new)
    assert applied(old, text or "\n\n\n") == new
    signs = [line[0] for line in re.split(r"(?<=\n)", text)[3:-1]]
    assert counts == (signs.count("+"), signs.count("-"))


def test_what_would_take_too_long_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "_MOST", 3)
    old, new = b"0\na\nb\nc\n9\n", b"0\nb\na\n9\n"
    text, counts = patch(CHANGE, Content(old), Content(new))
    assert counts == (2, 3)
    assert applied(old, text) == new


def test_many_lines_with_one_change() -> None:
    old = b"same\n" * 50_000
    text, counts = patch(CHANGE, Content(old + b"a\n" + old), Content(old + b"b\n" + old))
    assert counts == (1, 1)
    assert len(text.splitlines()) == 3 + 1 + 8  # names, the hunk, six lines around two
