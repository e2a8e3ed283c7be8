"""Names of deletions."""

from __future__ import annotations

import pytest
from hypothesis import given

from lamina.tree.entry import Entry, Kind
from lamina.tree.whiteout import Mark, meaning, name_of, opaque_name, whiteout
from tests.tree.strategies import PATHS


@pytest.mark.parametrize(
    ("path", "mark", "about"),
    [
        (b"a", Mark.PLAIN, b"a"),
        (b"a.wh.b", Mark.PLAIN, b"a.wh.b"),
        (b".whx", Mark.PLAIN, b".whx"),
        (b".wh.a", Mark.WHITEOUT, b"a"),
        (b"d/.wh.a", Mark.WHITEOUT, b"d/a"),
        (b"d/.wh..a", Mark.WHITEOUT, b"d/.a"),
        (b".wh..wh..opq", Mark.OPAQUE, b""),
        (b"a/b/.wh..wh..opq", Mark.OPAQUE, b"a/b"),
        (b".wh..wh.plnk", Mark.IGNORED, b".wh..wh.plnk"),
        (b".wh..wh.plnk/3.5", Mark.IGNORED, b".wh..wh.plnk/3.5"),
        (b"x/.wh..wh.aufs", Mark.IGNORED, b"x/.wh..wh.aufs"),
        (b"x/.wh.", Mark.IGNORED, b"x/.wh."),
        (b"x/.wh..", Mark.IGNORED, b"x/.wh.."),
        (b"x/.wh...", Mark.IGNORED, b"x/.wh..."),
        (b".wh.d/f", Mark.PLAIN, b".wh.d/f"),
    ],
)
def test_meanings(path: bytes, mark: Mark, about: bytes) -> None:
    assert meaning(path) == (mark, about)


@given(PATHS)
def test_there_and_back(path: bytes) -> None:
    assert meaning(name_of(path)) == (Mark.WHITEOUT, path)
    assert meaning(opaque_name(path)) == (Mark.OPAQUE, path)
    assert meaning(path) == (Mark.PLAIN, path)


def test_equal_deletions_are_equal() -> None:
    assert whiteout(b"a") == Entry(b"a", Kind.WHITEOUT, mode=0)
