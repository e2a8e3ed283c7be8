"""Values of observations, as Lookup sees what is there; what differs between layers; what Observing notes."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from lamina.db import cachedb, layerdb, readsets
from lamina.errors import Corrupt, InvalidInput, NotFound
from lamina.layers.absent import Elsewhere
from lamina.layers.lookup import EMPTY_DIFF, Lookup
from lamina.layers.readsets import Observing, difference, differences, values
from lamina.oci.digest import DiffID, sha256
from lamina.tree.entry import Entry, Kind
from lamina.tree.readset import Observed, listing_value, make, pack, unpack, value_of
from tests.db.making import a_diff

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.layers.context import Layers

DIGEST = "ab" * 32
NAMES = [b"a", b"b", b"b-", b"\xff\n"]
LEAVES = [Kind.FILE, Kind.FILE, Kind.SYMLINK, Kind.WHITEOUT, Kind.FIFO, Kind.CHAR]
XATTRS = [(), (), ((b"user.a", b""), (b"user.b", b"x"))]
Stack = list[list[Entry]]  # of layers, bottom first


@st.composite
def layer(draw: st.DrawFn) -> list[Entry]:
    """A layer in which every folder that an entry lies in has its own row; some files have two names."""
    entries: list[Entry] = []
    files: list[Entry] = []

    def leaf(path: bytes) -> Entry:
        kind = draw(st.sampled_from(LEAVES))
        small = st.integers(0, 1)
        made = Entry(path, kind, draw(st.sampled_from([0o644, 0o600])), draw(small), draw(small))
        if kind is Kind.FILE:
            if draw(st.booleans()) and files:
                file = draw(st.sampled_from(files))
                return file._replace(path=path, kind=Kind.HARDLINK, link=file.path)
            size = draw(st.integers(0, 2))
            made = made._replace(
                size=size,
                digest=DIGEST if size else "",
                mtime=draw(small),
                xattrs=draw(st.sampled_from(XATTRS)),
            )
            files.append(made)
        elif kind is Kind.SYMLINK:
            made = made._replace(link=draw(st.sampled_from([b"a", b"/b"])))
        elif kind is Kind.CHAR:
            made = made._replace(rdev=(1, draw(small)))
        return made

    def fill(folder: bytes, depth: int) -> None:
        for name in NAMES:
            path = folder + b"/" + name if folder else name
            choices = ["nothing", "nothing", "leaf", "folder"] if depth else ["nothing", "leaf"]
            what = draw(st.sampled_from(choices))
            if what == "leaf":
                entries.append(leaf(path))
            elif what == "folder":
                mode = draw(st.sampled_from([0o755, 0o700]))
                entries.append(Entry(path, Kind.DIR, mode, opaque=draw(st.integers(0, 3)) == 0))
                fill(path, depth - 1)

    if draw(st.integers(0, 9)) == 0:
        entries.append(Entry(b"", Kind.DIR, 0o700, opaque=draw(st.booleans())))
    fill(b"", 3)
    return entries


STACKS = st.lists(layer(), max_size=4)
LARGE = st.lists(st.booleans(), max_size=4)
SLOW = settings(
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
    max_examples=100,
    deadline=None,
)


class Stacked:
    """`with Stacked(store, stack) as chain:` puts layers in a store for a while; gives their IDs, top first.

    Those that are said to be `large` are not read: what is wanted of them is sought.
    """

    def __init__(self, store: Layers, stack: Sequence[Sequence[Entry]], large: Sequence[bool] = ()) -> None:
        self.store = store
        self.stack = stack
        self.large = large
        self.chain: list[DiffID] = []

    def __enter__(self) -> list[DiffID]:
        with self.store.db.write(durable=False) as tx:
            for entries, large in zip_longest(self.stack, self.large[: len(self.stack)], fillvalue=False):
                assert not isinstance(entries, bool)
                (count,) = tx.execute("SELECT count(*) FROM diffs").fetchone()
                diff = a_diff(str(count))._replace(entries=1 << 30 if large else len(entries))
                layerdb.put_diff(tx, diff)
                cachedb.put_files(tx, diff.diff_id, entries)
                self.chain.insert(0, diff.diff_id)
        return self.chain

    def __exit__(self, *_: object) -> None:
        with self.store.db.write(durable=False) as tx:
            for diff_id in self.chain:
                layerdb.delete_diff(tx, diff_id)


def every_path(*stacks: Stack) -> list[Observed]:
    """All paths of these layers and some more, looked up and listed."""
    paths = {entry.path for stack in stacks for layer in stack for entry in layer}
    paths |= {b"", b"none", b"a/none", b"a/none/x", b"b/b", b"a/b/b-/a/a/a"}
    return [Observed(path, listed) for path in sorted(paths) for listed in (False, True)]


def as_lookup_says(store: Layers, chain: Sequence[DiffID], observed: Observed) -> bytes:
    lookup = Lookup(store, chain)
    if observed.listed:
        children = lookup.children(observed.path)
        return listing_value([(child.path.rpartition(b"/")[2], child.kind) for child in children])
    entry = lookup.get(observed.path)
    found = cachedb.lookup(store.db.read(), chain, observed.path)
    names: list[bytes] = []
    if found is not None and found[1].kind in (Kind.FILE, Kind.HARDLINK):
        first = found[1].link or found[1].path
        rows = cachedb.files(store.db.read(), found[0])
        names = [row.path for row in rows if first in (row.path, row.link) and row.kind is not Kind.SYMLINK]
    return value_of(entry, names)


@given(STACKS, LARGE)
@SLOW
def test_values_are_what_lookup_says(store: Layers, stack: Stack, large: list[bool]) -> None:
    observed = every_path(stack)
    with Stacked(store, stack, large) as chain:
        expected = [as_lookup_says(store, chain, each) for each in observed]
        assert values(store, chain, observed) == expected
        for each, value in zip(observed, expected, strict=True):  # alone it is sought otherwise
            assert values(store, chain, [each]) == [value]


@given(STACKS, STACKS, LARGE, st.data())
@SLOW
def test_what_differs_is_what_has_another_value(
    store: Layers, stack: Stack, other: Stack, large: list[bool], data: st.DataObject
) -> None:
    observed = data.draw(st.lists(st.sampled_from(every_path(stack, other)), unique=True))
    shared = data.draw(st.integers(0, len(stack)))
    with Stacked(store, stack) as chain, Stacked(store, other, large) as more:
        new = [*more, *chain[len(chain) - shared :]]
        before, after = values(store, chain, observed), values(store, new, observed)
        read_set = unpack(pack(make(observed, before)))
        expected = sorted(o for o, a, b in zip(observed, before, after, strict=True) if a != b)
        assert differences(store, new, read_set) == expected
        assert difference(store, new, read_set) == (expected[0] if expected else None)
        for first in (*observed, Observed(b"never")):
            found = difference(store, new, read_set, first)
            assert found == first if first in expected else found == (expected[0] if expected else None)
        assert difference(store, chain, read_set) is None


@given(STACKS, STACKS, STACKS, LARGE, st.data())
@SLOW
def test_what_two_stacks_with_the_same_bottom_show_otherwise(
    store: Layers, shared: Stack, stack: Stack, other: Stack, large: list[bool], data: st.DataObject
) -> None:
    """Of two tops the second is the first with a layer more, or less, or is drawn by itself."""
    observed = data.draw(st.lists(st.sampled_from(every_path(shared, stack, other)), unique=True, min_size=1))
    observed += [Observed(b"none/%d" % number) for number in range(200)]  # worth a comparison
    more = data.draw(st.sampled_from([other, stack + other[:1], stack[1:], stack[:-1]]))
    with Stacked(store, shared) as base, Stacked(store, stack, large) as top, Stacked(store, more) as top2:
        one, two = [*top, *base], [*top2, *base]
        before, after = values(store, one, observed), values(store, two, observed)
        expected = sorted(o for o, a, b in zip(observed, before, after, strict=True) if a != b)
        found = readsets.differing(store.db.read(), one, two, sorted(observed))
        event("all" if found is None else "some" if found else "none")
        assert found is None or found == expected
        first = difference(store, two, make(observed, before), None, one)
        assert first == (expected[0] if expected else None)


# --- by hand: one thing each -------------------------------------------------------------------

FILE = Entry(b"etc/file", Kind.FILE, 0o644, size=3, digest=DIGEST)
ETC = Entry(b"etc", Kind.DIR)
BASE = [ETC, FILE, Entry(b"etc/link", Kind.SYMLINK, link=b"file")]
SEEN = [
    Observed(b"etc/file"),
    Observed(b"etc/none"),
    Observed(b"etc/link"),
    Observed(b"etc"),
    Observed(b"etc", True),
]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ([ETC, FILE._replace(mtime=9)], []),
        ([Entry(b"var", Kind.DIR), Entry(b"var/x", Kind.FILE)], []),
        ([ETC, FILE._replace(digest="cd" * 32)], [Observed(b"etc/file")]),
        ([ETC, FILE._replace(mode=0o600)], [Observed(b"etc/file")]),
        ([ETC._replace(uid=7)], [Observed(b"etc")]),
        ([ETC, Entry(b"etc/new", Kind.FILE)], [Observed(b"etc", True)]),
        ([ETC, Entry(b"etc/none", Kind.FILE)], [Observed(b"etc", True), Observed(b"etc/none")]),
        ([ETC, Entry(b"etc/file", Kind.WHITEOUT)], [Observed(b"etc", True), Observed(b"etc/file")]),
        ([ETC, Entry(b"etc/link", Kind.SYMLINK, link=b"x")], [Observed(b"etc/link")]),
        ([Entry(b"etc", Kind.SYMLINK, link=b"x")], [*sorted(SEEN)[:3], Observed(b"etc/link")]),
        ([ETC._replace(opaque=True)], [Observed(b"etc", True), Observed(b"etc/file"), Observed(b"etc/link")]),
        ([Entry(b"etc", Kind.WHITEOUT)], [*sorted(SEEN)[:3], Observed(b"etc/link")]),
    ],
)
def test_a_layer_on_top(store: Layers, layer: list[Entry], expected: list[Observed]) -> None:
    with Stacked(store, [BASE]) as old, Stacked(store, [layer]) as more:
        read_set = make(SEEN, values(store, old, SEEN))
        assert differences(store, [*more, *old], read_set) == expected
        assert difference(store, [*more, *old], read_set) == (expected[0] if expected else None)


def test_a_name_more_of_a_file_counts_and_one_in_another_layer_does_not(store: Layers) -> None:
    alone, linked = [ETC, FILE], [ETC, FILE, FILE._replace(path=b"z", kind=Kind.HARDLINK, link=FILE.path)]
    with Stacked(store, [alone, linked, [ETC, FILE], [ETC, FILE._replace(path=b"etc/x")]]) as chain:
        unlike, third, second, first = ([diff_id] for diff_id in chain)
        read_set = make(SEEN, values(store, first, SEEN))
        assert differences(store, second, read_set) == [Observed(b"etc/file")]
        assert differences(store, third + second, read_set) == []  # where `z` is another file
        assert values(store, second, [Observed(b"z")]) == values(store, second, [Observed(FILE.path)])
        assert values(store, unlike + second, [Observed(b"z")]) == values(store, second, [Observed(b"z")])


def test_values_that_begin_alike_are_told_apart_by_the_digest(store: Layers) -> None:
    with Stacked(store, [BASE]) as chain:
        whole = values(store, chain, SEEN)
        alike = make(SEEN, [value and value[:8] + bytes(24) for value in whole])
        assert make(SEEN, whole).values == alike.values
        assert difference(store, chain, alike) is not None
        assert difference(store, chain, alike, SEEN[0]) is not None
        assert difference(store, chain, make(SEEN, whole)) is None


def test_what_is_tried_first_is_told_at_once(store: Layers) -> None:
    """One query for each layer, whatever else the read set has."""
    many = [Observed(b"etc/%d" % number) for number in range(5000)]
    with Stacked(store, [BASE, [ETC, Entry(b"etc/4000", Kind.FILE)]], [True, True]) as chain:
        read_set = make(many, [b""] * len(many))
        asked: list[str] = []
        store.db.read().set_trace_callback(asked.append)
        assert difference(store, chain, read_set, many[4000]) == many[4000]
        store.db.read().set_trace_callback(None)
        assert len(asked) <= 4
        assert difference(store, chain, read_set, many[1]) == many[4000]
        assert difference(store, chain, read_set) == many[4000]


def test_a_layer_on_top_that_nobody_looked_into_is_all_that_is_read(store: Layers) -> None:
    app, newer = [Entry(b"app", Kind.DIR), Entry(b"app/x", Kind.FILE)], [Entry(b"app", Kind.DIR)]
    deeper = [ETC, FILE._replace(mode=0o600)]
    with Stacked(store, [BASE, app, newer, deeper]) as (top, second, first, base):
        many = [*SEEN, Observed(b"app"), *[Observed(b"none/%d" % number) for number in range(9)]]
        whole = values(store, [first, base], many)
        asked: list[str] = []
        store.db.read().set_trace_callback(asked.append)
        assert difference(store, [second, base], make(many, whole), None, [first, base]) is None
        store.db.read().set_trace_callback(None)
        (number,) = store.db.read().execute("SELECT num FROM diffs WHERE diff_id = ?", (base,)).fetchone()
        assert asked and not any(f"diff = {number}" in each for each in asked)
        changed = difference(store, [top, base], make(many, whole), None, [first, base])
        assert changed == Observed(b"app")  # that `top` lacks; its mode of etc/file comes after
        with pytest.raises(NotFound):
            readsets.differing(store.db.read(), [DiffID(sha256(b"gone")), base], [base], many)


@pytest.mark.parametrize(
    "top", [Entry(b"etc", Kind.WHITEOUT), ETC._replace(opaque=True), FILE._replace(path=b"etc")]
)
@pytest.mark.parametrize("seen", [Observed(b"etc/file"), Observed(b"etc", True)])
def test_a_layer_on_top_that_hides_what_was_seen(store: Layers, top: Entry, seen: Observed) -> None:
    """Though neither the path itself is in that layer, nor was its folder looked up."""
    many = [seen, *[Observed(b"none/%d" % number) for number in range(9)]]
    with Stacked(store, [BASE, [top], [Entry(b"app", Kind.FILE)]]) as (app, hides, base):
        for old, new in (([app, base], [hides, base]), ([hides, base], [app, base]), ([base], [hides, base])):
            assert readsets.differing(store.db.read(), old, new, many) == [seen]
            assert difference(store, new, make(many, values(store, old, many)), None, old) == seen
        assert readsets.differing(store.db.read(), [app, base], [base], many) == []
        assert readsets.differing(store.db.read(), [app, base], [app], many) is None  # nothing in common


def test_layers_that_change_nothing_and_layers_that_are_not_there(store: Layers) -> None:
    with Stacked(store, [BASE]) as chain:
        assert values(store, [DiffID(EMPTY_DIFF), *chain], SEEN) == values(store, chain, SEEN)
        assert values(store, [*chain, *chain], SEEN) == values(store, chain, SEEN)
        with pytest.raises(NotFound):
            values(store, [*chain, DiffID(sha256(b"gone"))], SEEN)
    nothing = values(store, [], [*SEEN, Observed(b""), Observed(b"", True)])
    assert nothing == [
        b"",
        b"",
        b"",
        b"",
        listing_value([]),
        value_of(Entry(b"", Kind.DIR)),
        listing_value([]),
    ]


def test_a_file_whose_digest_is_missing_is_equal_to_nothing(store: Layers) -> None:
    with Stacked(store, [[ETC, FILE._replace(digest="")]]) as chain:
        with pytest.raises(Corrupt):
            values(store, chain, SEEN)
        assert values(store, chain, [Observed(b"etc")]) == [value_of(ETC)]  # nobody asked for the file


def test_a_very_deep_folder(store: Layers) -> None:
    path = b"/".join([b"d"] * 2000)
    folders = [Entry(path[:end], Kind.DIR) for end in range(1, len(path) + 1, 2)]
    with Stacked(store, [folders, [Entry(b"d", Kind.DIR, opaque=True)]], [True, False]) as (top, base):
        assert values(store, [base], [Observed(path), Observed(path + b"/x")]) == [value_of(folders[0]), b""]
        assert values(store, [top, base], [Observed(path)]) == [b""]


def test_many_rows_are_sought_in_parts(store: Layers) -> None:
    files = [Entry(b"etc/%d" % number, Kind.FILE, number) for number in range(0o1000)]
    wanted = [Observed(entry.path) for entry in files] + [
        Observed(b"none/%d" % number) for number in range(400)
    ]
    with Stacked(store, [[ETC, *files]], [True]) as chain:
        assert values(store, chain, wanted) == [value_of(entry) for entry in files] + [b""] * 400


def test_only_the_rows_that_are_wanted_are_asked_for(store: Layers) -> None:
    plan = "EXPLAIN QUERY PLAN WITH want (parent, name) AS (VALUES (?, ?), (?, ?)) SELECT f.kind FROM want "
    plan += "CROSS JOIN files AS f WHERE f.diff = ? AND f.parent = want.parent AND f.name = want.name"
    text = " ".join(str(row) for row in store.db.read().execute(plan, (b"", b"", b"", b"", 1)))
    assert "SEARCH f USING PRIMARY KEY (diff=? AND parent=? AND name=?)" in text
    plan = "EXPLAIN QUERY PLAN SELECT link FROM files WHERE diff = 1 AND kind = 'h' AND link > x''"
    text = " ".join(str(row) for row in store.db.read().execute(plan))
    assert "files_links" in text


# --- Observing ---------------------------------------------------------------------------------


def test_observing_answers_as_lookup_does_and_notes_what_it_is_asked(store: Layers) -> None:
    with Stacked(store, [BASE]) as chain:
        plain, seen = Lookup(store, chain), Observing(store, chain)
        assert seen.read_set() == make((), ())
        assert seen.get(b"etc/none") is None
        assert seen.get(b"etc") == plain.get(b"etc")
        assert observed(seen) == [(b"etc", False), (b"etc/none", False)]
        assert seen.names(b"etc") == plain.names(b"etc")
        assert seen.names(b"etc/none") == ()
        assert observed(seen)[1:] == [
            (b"etc", True),
            (b"etc/none", False),
            (b"etc/none", True),
        ]


def observed(seen: Observing) -> list[tuple[bytes, bool]]:
    return [(each.path, each.listed) for each in seen.read_set().observed]


def test_observing_notes_what_others_ask_through_it(store: Layers) -> None:
    all_of_etc = [(b"etc", False), (b"etc", True), (b"etc/file", False), (b"etc/link", False)]
    with Stacked(store, [BASE]) as chain:
        seen = Observing(store, chain)
        assert seen.resolve(b"etc/link") == b"etc/file"
        assert observed(seen) == [(b"etc", False), (b"etc/file", False), (b"etc/link", False)]
        seen = Observing(store, chain)
        assert seen.children(b"etc") == Lookup(store, chain).children(b"etc")
        assert observed(seen) == all_of_etc[1:]
        seen = Observing(store, chain)
        assert list(seen.walk(b"etc")) == list(Lookup(store, chain).walk(b"etc"))
        assert observed(seen) == all_of_etc
        seen = Observing(store, chain)
        with pytest.raises(Elsewhere):  # these layers have rows only
            seen.open(b"etc/file")
        assert observed(seen) == [(b"etc/file", False)]
        seen = Observing(store, chain)
        assert seen.tree() == Lookup(store, chain).tree()
        assert set(observed(seen)) >= {(b"", False), (b"", True), *all_of_etc}


def test_what_was_fetched_before_it_was_asked_for_does_not_count(store: Layers) -> None:
    with Stacked(store, [BASE]) as chain:
        seen = Observing(store, chain)
        seen.prefetch(b"etc")
        assert observed(seen) == []
        assert seen.get(b"etc/file") is not None and seen.get(b"etc/none") is None
        assert observed(seen) == [(b"etc/file", False), (b"etc/none", False)]


@given(STACKS, STACKS, st.lists(st.sampled_from([b"", b"a", b"b", b"a/b", b"b/a/a", b"a/b-/b"]), max_size=4))
@SLOW
def test_what_observed_the_same_was_told_the_same(
    store: Layers, stack: Stack, other: Stack, paths: list[bytes]
) -> None:
    """Two stacks in which the read set finds the same give the same answers to the same questions."""

    def ask(lookup: Lookup) -> list[object]:
        answers: list[object] = []
        for path in paths:
            entry = lookup.get(path)
            answers += [entry and timeless(entry), lookup.names(path)]
            answers += [timeless(child) for child in lookup.children(path)]
            try:
                answers.append(lookup.resolve(path))
            except InvalidInput:
                answers.append("no folder, or a loop")
        return answers

    with Stacked(store, stack) as chain, Stacked(store, other) as more:
        seen = Observing(store, chain)
        answers = ask(seen)
        assert answers == ask(Lookup(store, chain))
        if difference(store, [*more, *chain], seen.read_set()) is None:
            assert ask(Lookup(store, [*more, *chain])) == answers


def timeless(entry: Entry) -> Entry:
    """What of an entry counts; which of a file's names is its first does not."""
    entry = entry._replace(mtime=0, opaque=False)
    if entry.kind is Kind.HARDLINK:
        return entry._replace(kind=Kind.FILE, link=b"")
    return entry._replace(mode=0o777) if entry.kind is Kind.SYMLINK else entry
