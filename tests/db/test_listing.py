"""listing: the rows of a diff in the order of their paths, as cachedb.files has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.db import cachedb, layerdb
from lamina.db import listing as listings
from lamina.db.layerdb import Diff
from lamina.db.listing import listing
from lamina.oci.digest import DiffID, sha256
from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import parent_of

if TYPE_CHECKING:
    from lamina.db.connect import Database

NAMES = st.sampled_from([b"a", b"a!", b"a!b", b"a-b", b"a0", b"ab", b"b", b"\xff", b"\x01"])
PATHS = st.lists(st.lists(NAMES, min_size=1, max_size=4).map(b"/".join), max_size=25)


def put(db: Database, paths: list[bytes], root: bool) -> DiffID:
    """A diff with these paths, and with the folders that they lie in; whiteouts where nothing lies below."""
    folders = {b""} if root else set()
    for path in paths:
        while path := parent_of(path):
            folders.add(path)
    entries = [Entry(path, Kind.DIR if path in folders else Kind.WHITEOUT) for path in {*paths, *folders}]
    diff_id = DiffID(sha256(repr((sorted(paths), root)).encode()))
    with db.write() as c:
        layerdb.delete_diff(c, diff_id)
        layerdb.put_diff(c, Diff(diff_id, "", 0, 0, len(entries), None, ""))
        cachedb.put_files(c, diff_id, entries)
    return diff_id


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PATHS, st.booleans(), st.sampled_from([1, 2, 100]))
def test_the_order_of_paths(db: Database, paths: list[bytes], root: bool, page: int) -> None:
    diff_id = put(db, paths, root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listings, "_PAGE", page)
        found = list(listing(db.read(), diff_id))
    assert found == cachedb.files(db.read(), diff_id)
    assert [entry.path for entry in found] == sorted(entry.path for entry in found)


def test_a_diff_that_is_not_there(db: Database) -> None:
    assert not list(listing(db.read(), DiffID(sha256(b"none"))))


def test_nothing_is_under_way_between_two_rows(db: Database) -> None:
    diff_id = put(db, [b"a/b", b"a/c", b"d"], True)
    rows = listing(db.read(), diff_id)
    next(rows)
    with db.write() as c:  # would be refused while a query is read, once another process has written
        c.execute("DELETE FROM leases")
    assert len(list(rows)) == 4
