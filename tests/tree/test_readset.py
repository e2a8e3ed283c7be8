"""What counts of what a step saw, and read sets as bytes."""

from __future__ import annotations

import os
import sysconfig

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import Corrupt
from lamina.tree.entry import Entry, Kind
from lamina.tree.readset import SHORT, Observed, ReadSet, listing_value, make, pack, unpack, value_of
from tests.tree.strategies import NAMES, PATHS, entries

DIGEST = "ab" * 32
FILE = Entry(b"etc/file", Kind.FILE, 0o644, size=3, digest=DIGEST)
KINDS = st.sampled_from([kind for kind in Kind if kind not in (Kind.WHITEOUT, Kind.HARDLINK)])


@pytest.mark.parametrize(
    "others",
    [
        {"mode": 0o664},
        {"mode": 0o4644},
        {"uid": 1},
        {"gid": 1},
        {"size": 4},
        {"digest": "cd" * 32},
        {"xattrs": ((b"user.a", b""),)},
        {"kind": Kind.DIR},
        {"kind": Kind.FIFO},
        {"kind": Kind.SOCKET},
        {"kind": Kind.SYMLINK, "link": b"x"},
    ],
    ids=str,
)
def test_what_counts_of_a_file(others: dict[str, object]) -> None:
    assert value_of(FILE._replace(**others)) != value_of(FILE)  # type: ignore[arg-type]


def test_what_does_not_count() -> None:
    folder = Entry(b"d", Kind.DIR, 0o755)
    link = Entry(b"l", Kind.SYMLINK, 0o777, link=b"x")
    assert value_of(FILE) == value_of(FILE._replace(mtime=1))
    assert value_of(FILE) == value_of(FILE._replace(path=b"other"))  # an observation has its own
    assert value_of(FILE) == value_of(FILE._replace(kind=Kind.HARDLINK, link=b"first"))
    assert value_of(folder) == value_of(folder._replace(size=4096, mtime=1, opaque=True))
    assert value_of(link) == value_of(link._replace(mode=0o755, mtime=1))  # Linux shows 0777 for all
    empty = FILE._replace(size=0, digest="")
    assert value_of(empty) == value_of(empty._replace(digest=DIGEST))  # some know it and some do not


def test_nothing_is_nothing() -> None:
    assert value_of(None) == b""
    assert value_of(Entry(b"gone", Kind.WHITEOUT)) == b""
    assert len(value_of(FILE)) == 32


def test_folders_links_and_devices_count_with_what_they_are() -> None:
    folder = Entry(b"d", Kind.DIR, 0o755)
    link = Entry(b"l", Kind.SYMLINK, 0o777, link=b"x")
    device = Entry(b"n", Kind.CHAR, 0o666, rdev=(1, 3))
    found = [
        folder,
        folder._replace(mode=0o700),
        folder._replace(uid=1),
        folder._replace(gid=1),
        folder._replace(xattrs=((b"user.a", b"1"),)),
        link,
        link._replace(link=b"y"),
        link._replace(link=b"x1"),
        link._replace(uid=1),
        link._replace(gid=1),
        device,
        device._replace(kind=Kind.BLOCK),
        device._replace(rdev=(1, 5)),
        device._replace(rdev=(3, 1)),
        device._replace(mode=0o660),
        device._replace(uid=1),
        device._replace(gid=1),
    ]
    assert len({value_of(entry) for entry in found}) == len(found)


def test_the_names_of_a_file_count_when_it_has_several() -> None:
    assert value_of(FILE, [FILE.path]) == value_of(FILE)
    two, three = [b"etc/file", b"etc/other"], [b"etc/file", b"etc/other", b"x"]
    assert value_of(FILE, two) == value_of(FILE, iter(two[::-1]))
    assert len({value_of(FILE, names) for names in ((), two, three)}) == 3


def test_a_file_of_which_the_content_is_not_known_is_equal_to_nothing() -> None:
    with pytest.raises(Corrupt):
        value_of(FILE._replace(digest=""))


@given(entries(), entries())
def test_two_entries_have_one_value_only_if_nothing_that_counts_differs(a: Entry, b: Entry) -> None:
    def what_counts(entry: Entry) -> Entry:
        entry = entry._replace(path=b"", mtime=0, size=0, opaque=False)
        if entry.kind is Kind.SYMLINK:
            return entry._replace(mode=0)
        return entry._replace(kind=Kind.FILE, link=b"") if entry.kind is Kind.HARDLINK else entry

    a, b = a._replace(size=0), b._replace(size=0)
    assert (value_of(a) == value_of(b)) == (what_counts(a) == what_counts(b))


LISTINGS = st.dictionaries(NAMES, KINDS, max_size=4)


@given(LISTINGS, LISTINGS)
def test_two_listings_have_one_value_only_if_they_are_the_same(
    a: dict[bytes, Kind], b: dict[bytes, Kind]
) -> None:
    assert (listing_value(a.items()) == listing_value(b.items())) == (a == b)
    assert listing_value(a.items()) == listing_value(reversed(a.items()))


def test_a_name_of_a_file_is_listed_as_a_file() -> None:
    assert listing_value([(b"a", Kind.HARDLINK)]) == listing_value([(b"a", Kind.FILE)])
    assert listing_value([(b"a", Kind.FILE)]) != listing_value([(b"a", Kind.DIR)])
    assert listing_value([]) != listing_value([(b"", Kind.FILE)])


# --- sets --------------------------------------------------------------------------------------

OBSERVED = st.builds(Observed, st.one_of(PATHS, st.just(b""), st.just(b"p" * 300)), st.booleans())
VALUES = st.one_of(st.just(b""), st.binary(min_size=32, max_size=32))


@st.composite
def found(draw: st.DrawFn) -> dict[Observed, bytes]:
    """Observations with their values; a listing always has one."""
    observed = draw(st.lists(OBSERVED, unique=True, max_size=20))
    return {each: draw(VALUES) or (bytes(32) if each.listed else b"") for each in observed}


def set_of(found: dict[Observed, bytes]) -> ReadSet:
    return make(found, found.values())


@given(found())
def test_a_set_comes_back_from_its_bytes(found: dict[Observed, bytes]) -> None:
    read_set = set_of(found)
    assert unpack(pack(read_set)) == read_set
    assert list(read_set.observed) == sorted(found)
    assert read_set.values == tuple([found[each][:SHORT] for each in read_set.observed])
    backwards = dict(reversed(found.items()))
    assert set_of(backwards) == read_set


@given(found(), found())
def test_two_sets_have_one_digest_only_if_they_are_the_same(
    a: dict[Observed, bytes], b: dict[Observed, bytes]
) -> None:
    assert (set_of(a).digest == set_of(b).digest) == (a == b)


@pytest.mark.parametrize(
    "other",
    [
        {Observed(b"a"): bytes(31) + b"\1", Observed(b"b"): b""},  # what is kept of the values is the same
        {Observed(b"a"): b"", Observed(b"b"): bytes(32)},
        {Observed(b"a"): bytes(32), Observed(b"b", True): b""},
        {Observed(b"a"): bytes(32), Observed(b"c"): b""},
        {Observed(b"a"): bytes(32)},
    ],
)
def test_the_digest_is_over_paths_and_whole_values(other: dict[Observed, bytes]) -> None:
    assert set_of(other).digest != set_of({Observed(b"a"): bytes(32), Observed(b"b"): b""}).digest


def test_paths_with_much_in_common() -> None:
    paths = [b"d/" * 400 + b"%03d" % number for number in range(300)]
    read_set = set_of({Observed(path): b"" for path in paths})
    assert unpack(pack(read_set)) == read_set
    assert len(pack(read_set)) < 20 * len(paths)


@given(found(), st.data())
def test_damaged_bytes_are_not_taken_for_a_set(found: dict[Observed, bytes], data: st.DataObject) -> None:
    packed = pack(set_of(found))
    at = data.draw(st.integers(0, len(packed) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    more = data.draw(st.binary(min_size=1, max_size=3))
    for damaged in (
        packed[:at],
        packed[at + 1 :],
        packed + more,
        packed[:at] + bytes([packed[at] ^ bit]) + packed[at + 1 :],
        more,
        b"",
    ):
        with pytest.raises(Corrupt):
            unpack(damaged)


def test_the_set_of_another_version_is_none_of_ours() -> None:
    import hashlib

    body = b"\2" + pack(set_of({Observed(b"a"): b""}))[9:]
    with pytest.raises(Corrupt):
        unpack(hashlib.sha256(body).digest()[:8] + body)


def test_a_real_set_takes_few_bytes() -> None:
    """All that Python's own library has, and a name that is missing for each folder."""
    top = sysconfig.get_path("stdlib")
    found: dict[Observed, bytes] = {}
    for number, (folder, _, files) in enumerate(os.walk(top)):
        for name in files:
            found[Observed(os.fsencode(f"{folder[1:]}/{name}"))] = os.urandom(32)
        found[Observed(os.fsencode(f"{folder[1:]}/missing{number}.py"))] = b""
    assert len(found) > 500
    assert len(pack(set_of(found))) < 20 * len(found)
