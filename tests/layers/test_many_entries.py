"""Layers with more entries than the memory has room for: the same tests, and how much memory it takes."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.errors import InvalidInput
from lamina.fs.create import Builder
from lamina.fs.entries import Entries
from lamina.fs.folders import Folders
from lamina.fs.walk import scan
from lamina.fs.whiteouts import Whiteouts
from lamina.layers.apply import _unpack
from lamina.layers.pack import canonical_pieces
from lamina.store.files import remove_tree
from lamina.tree.entry import Entry, Kind
from tests.layers import test_apply as usual
from tests.layers.stores import file, member, named, on_disk, rows, tar_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from tarfile import TarInfo

    from lamina.layers.context import Layers

AGAIN = [
    usual.test_folders_that_are_missing_are_plain,
    usual.test_of_two_entries_for_a_path_the_last_counts,
    usual.test_a_file_lives_on_under_its_other_names,
    usual.test_a_hard_link_to_its_own_file_changes_nothing,
    usual.test_a_hard_link_to_a_link_is_a_link,
    usual.test_what_lies_below_a_link_goes_where_it_leads,
    usual.test_deletions,
    usual.test_attributes_of_the_machine_stay_out,
    usual.test_wrong_digests_leave_nothing,
]
MOST = 44  # MiB over what the interpreter takes with everything imported; what is promised is 64

# A layer of files with long names, made while it is read; taken in, packed, and removed again.
SCRIPT = """
import io, sys, tarfile
from lamina.db import layerdb
from lamina.gc.collect import collect
from lamina.layers.apply import apply_layer
from lamina.layers.pack import pack
from lamina.store.files import remove_tree
from tests.layers.stores import open_store
import isal.isal_zlib, zstandard

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))

class Archive:
    def __init__(self, count):
        self.pieces, self.left = self.make(count), b""
    def make(self, count):
        info = tarfile.TarInfo("N" * 8 + "-" + "x" * 90)
        block = info.tobuf(tarfile.USTAR_FORMAT)
        rest = sum(block[8:148]) + sum(block[156:])
        for start in range(0, count, 1000):
            batch = []
            for number in range(start, start + 1000):
                name = b"%05d/%02d" % (number // 100, number % 100)
                check = b"%06o\\0 " % (sum(name) + 256 + rest)
                batch.append(name + block[8:148] + check + block[156:])
            yield b"".join(batch)
        yield bytes(1024)
    def read(self, size=-1):
        if not self.left:
            self.left = next(self.pieces, b"")
        data, self.left = self.left[:size], self.left[size:]
        return data

store = open_store(sys.argv[1])
store.db.read()
before = peak()
diff = apply_layer(store, Archive(int(sys.argv[2])))
pack(store, diff.diff_id, len)
taken = peak() - before
with store.db.write() as tx:
    tx.execute("DELETE FROM leases")
collected = collect(store)
assert collected.diffs == (diff.diff_id,), collected
remove_tree(sys.argv[1])
print(diff.entries, round(taken), round(peak() - before))
"""


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but one or two entries go to the file."""
    monkeypatch.setattr("lamina.fs.entries.ROOM", 900)
    monkeypatch.setattr("lamina.fs.create._ROOM", 900)


@pytest.mark.usefixtures("no_room")
@pytest.mark.parametrize("again", AGAIN, ids=lambda test: test.__name__.removeprefix("test_"))
def test_what_holds_for_few_entries(store: Layers, again: Callable[[Layers], None]) -> None:
    again(store)


@pytest.mark.usefixtures("no_room")
def test_hostile_archives_leave_no_trace(store: Layers, folder: str) -> None:
    for name, data in usual.HOSTILE.items():
        if "bomb" not in name:
            usual.test_hostile_archives_leave_no_trace(store, data, folder)


NAMES = st.sampled_from(["a", "a/b", "a/b/c", "a-b", "l", "l/x", "d", "d/e", "f"])
WORDS = st.sampled_from(["f", "d", "l", "h", "wh", "opq"])


def unpacked(folder: str, archive: bytes, plain: bool) -> tuple[list[Entry], list[Entry]] | str:
    """The entries, and what is on the disk; or what is wrong with the archive."""
    temp = tempfile.mkdtemp(dir=folder)
    try:
        with pytest.MonkeyPatch.context() as patch, Entries() as entries:
            patch.setattr(
                "lamina.layers.apply.Builder",
                lambda temp, place: Builder(temp, plain_whiteouts=plain, place=place),
            )
            _unpack(io.BytesIO(archive), temp, entries)
            return list(entries), [each._replace(uid=0, gid=0) for each in scan(temp)]
    except InvalidInput as error:
        return error.message
    finally:
        remove_tree(temp)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(WORDS, NAMES, NAMES), max_size=9), st.booleans())
def test_any_archive_is_read_the_same(folder: str, members: list[tuple[str, str, str]], plain: bool) -> None:
    made: list[TarInfo | tuple[TarInfo, bytes]] = []
    for kind, name, other in members:
        parent, _, last = name.rpartition("/")
        if kind in ("wh", "opq"):
            made.append(file(f"{parent}/.wh.{last}" if kind == "wh" else f"{name}/.wh..wh..opq", b""))
        elif kind == "f":
            made.append(file(name, other.encode()))
        else:
            made.append(member(name, kind, link=other))
    archive = tar_of(*made)
    expected = unpacked(folder, archive, plain)
    with pytest.MonkeyPatch.context() as patch:
        for room in ("lamina.fs.entries.ROOM", "lamina.fs.create._ROOM"):
            patch.setattr(room, 900)
        assert unpacked(folder, archive, plain) == expected


@pytest.mark.usefixtures("no_room")
def test_two_whiteouts_forms_and_a_folder_that_hides(store: Layers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deletions are told from files on the disk, in both of their forms."""
    for plain in (False, True):
        if plain:
            monkeypatch.setattr("lamina.fs.create.Whiteouts", lambda plain: Whiteouts(plain=True))
        archive = tar_of(
            *[file(f"d/.wh.{number}", b"") for number in range(5)],
            file("d/0"),
            member("d/1", "d"),
            member("e", "d"),
            *[file(f"e/.wh.{number}", b"") for number in range(5)],
            file("e/.wh..wh..opq", b""),
            file("e/empty", b"x" if plain else b""),
        )
        found = {entry.path: entry for entry in rows(store, usual.apply(store, archive))}
        assert [path for path, entry in found.items() if entry.kind is Kind.WHITEOUT] == [
            b"d/2",
            b"d/3",
            b"d/4",
        ]
        assert [path for path, entry in found.items() if entry.opaque] == [b"d/1", b"e"]
        on_its_disk = on_disk(store, named(archive))
        assert [path for path in on_its_disk if path.startswith(b"e")] == [b"e", b"e/empty"]
        assert [path for path in on_its_disk if path.startswith(b"d/")] == [b"d/%d" % n for n in range(5)]
        scanned = list(scan(store.layout.diff_dir(named(archive))))[1:]
        assert [(each.path, each.kind, each.opaque) for each in scanned] == [
            (path, entry.kind, entry.opaque) for path, entry in found.items() if path
        ]


def test_a_tar_is_given_out_as_it_is_made(folder: str) -> None:
    taken = 0

    def folders() -> Iterator[Entry]:
        nonlocal taken
        for taken in range(20_000):
            yield Entry(b"%05d" % taken, Kind.DIR)

    with Folders(folder) as opened:
        pieces = canonical_pieces(opened, folders())
        next(pieces)
        assert taken < 1000
        assert max(map(len, pieces)) < 1 << 20


def test_memory_is_bounded(folder: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, f"{folder}/large", "100000"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    entries, taken, whole = map(int, done.stdout.split())
    assert entries == 101_000
    assert taken < MOST and whole < MOST
