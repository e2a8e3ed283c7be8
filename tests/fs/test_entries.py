"""Entries: what a dictionary would say, however little of it fits into memory."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import LaminaError
from lamina.fs.entries import Entries
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from pathlib import Path

ROOMS = (0, 1000, 1 << 20)  # bytes: nothing, two entries, all
NAMES = st.sampled_from([b"", b"a", b"a/b", b"a-b", b"a/b/c", b"\xff\xff", b"b", b"c"])
FULL = Entry(
    b"f", Kind.CHAR, 0o4755, 2**32 - 2, 7, 2**40, -5, b"l", (4, 2**20 - 1), ((b"user.n", b"\0v"),), "ab", True
)


def entries() -> st.SearchStrategy[Entry]:
    def made(path: bytes, kind: Kind, link: bytes, uid: int) -> Entry:
        kind = kind if path else Kind.DIR  # the root
        return FULL._replace(path=path, kind=kind, link=link if kind is Kind.HARDLINK else b"", uid=uid)

    kinds = st.sampled_from([Kind.FILE, Kind.DIR, Kind.HARDLINK, Kind.WHITEOUT])
    return st.builds(made, NAMES, kinds, NAMES, st.integers(0, 3))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(ROOMS), st.lists(st.one_of(entries(), st.tuples(NAMES)), max_size=12))
def test_it_is_a_sorted_dictionary(room: int, acts: list[Entry | tuple[bytes]]) -> None:
    with Entries(room=room) as ours:
        check(ours, acts)


def check(ours: Entries, acts: list[Entry | tuple[bytes]]) -> None:
    model = dict[bytes, Entry]()
    for act in acts:
        if isinstance(act, Entry):
            ours.put(act)
            model[act.path] = act
        else:
            ours.remove(act[0])
            model.pop(act[0], None)
        assert all(ours.get(path) == model.get(path) for path in (b"a", b"a/b", b"never", *model))
    for _ in range(2):  # as often as one likes
        assert list(ours) == [model[path] for path in sorted(model)]
        assert list(reversed(ours)) == [model[path] for path in sorted(model, reverse=True)]
    assert len(ours) == len(model) and all(path in ours for path in model)
    links = [each for each in model.values() if each.kind is Kind.HARDLINK]
    for file in (b"a", b"b", b""):
        assert list(ours.names(file)) == sorted(each.path for each in links if each.link == file)
    ours.drop(lambda entry: entry.uid > 1)
    assert list(ours) == [model[path] for path in sorted(model) if model[path].uid <= 1]


@pytest.mark.parametrize("room", ROOMS)
def test_names_and_entries_may_change_while_they_are_read(room: int) -> None:
    with Entries(room=room) as ours:
        for number in range(300):
            ours.put(Entry(b"%03d" % number, Kind.HARDLINK, link=b"old"))
        for name in ours.names(b"old"):
            ours.put(Entry(name, Kind.HARDLINK, link=b"new"))
        assert len(list(ours.names(b"new"))) == 300 and not list(ours.names(b"old"))
        for entry in ours:
            ours.put(entry._replace(uid=1))
        assert {entry.uid for entry in ours} == {1}


def test_its_file_has_no_name(tmp_path: Path) -> None:
    numbers = count()
    ours = Entries(lambda: str(tmp_path / f"temp{next(numbers)}"), 0)
    for number in range(50):
        ours.put(Entry(b"%d" % number, Kind.DIR))
    assert len(ours) == 50
    assert next(numbers) == 1 and not os.listdir(tmp_path)
    ours.close()


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    ours = Entries(lambda: str(tmp_path / "missing" / "temp"), 0)
    with pytest.raises(LaminaError, match="temporary file"):
        ours.put(FULL)
