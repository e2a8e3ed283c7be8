"""The rows of cache mounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.db import cachemounts
from lamina.db.cachemounts import CacheMount
from lamina.errors import Conflict

if TYPE_CHECKING:
    from lamina.db.connect import Database

WHEN, LATER = "2026-11-23T06:00:00Z", "2026-11-23T07:00:00Z"


def a_mount(name: str, key: str = "k", mount_id: str = "/cache") -> CacheMount:
    return CacheMount(
        name, key, mount_id, "shared", 0o755, 0, 0, "", "RUN make", WHEN, WHEN, 0, None, False
    )  # fmt: skip


def put(db: Database, *mounts: CacheMount) -> None:
    with db.write() as tx:
        for mount in mounts:
            cachemounts.put(tx, mount)


def test_rows_come_back_as_they_were(db: Database) -> None:
    mount = a_mount("ab12")._replace(size=5, detached=True, seed="content", uses=3)
    put(db, mount)
    assert cachemounts.get(db.read(), "ab12") == mount
    assert cachemounts.get(db.read(), "ab1") is None


def test_the_oldest_comes_first_and_detached_ones_are_not_found(db: Database) -> None:
    put(db, a_mount("ff"), a_mount("aa"), a_mount("bb", key="other"), a_mount("cc")._replace(detached=True))
    c = db.read()
    assert [row.name for row in cachemounts.with_key(c, "k")] == ["ff", "aa"]
    assert [row.name for row in cachemounts.with_id(c, "/cache")] == ["ff", "aa", "bb"]
    assert [row.name for row in cachemounts.mounts(c)] == ["ff", "aa", "bb", "cc"]


def test_two_objects_never_have_one_name(db: Database) -> None:
    put(db, a_mount("ff"))
    with pytest.raises(Conflict):
        put(db, a_mount("ff", key="other"))


@pytest.mark.parametrize(
    ("digits", "names"), [("a", ["ab", "ac"]), ("ab", ["ab"]), ("", []), ("/c", []), ("%", [])]
)
def test_prefixes(db: Database, digits: str, names: list[str]) -> None:
    put(db, a_mount("ab"), a_mount("ac"), a_mount("bb"))
    assert [row.name for row in cachemounts.with_prefix(db.read(), digits)] == names


def test_a_size_that_was_measured_before_a_use_is_not_noted(db: Database) -> None:
    mount = a_mount("aa")
    put(db, mount)
    with db.write() as tx:
        cachemounts.note_size(tx, mount, 7)
    measured = cachemounts.get(db.read(), "aa")
    assert measured is not None and measured.size == 7
    with db.write() as tx:
        cachemounts.note_use(tx, "aa", "locked", LATER)
        cachemounts.note_size(tx, measured, 9)
    used = cachemounts.get(db.read(), "aa")
    assert used == mount._replace(sharing="locked", last_used=LATER, uses=1)


def test_detach_and_delete(db: Database) -> None:
    put(db, a_mount("aa"), a_mount("bb"))
    with db.write() as tx:
        cachemounts.detach(tx, "aa")
        cachemounts.delete(tx, "bb")
    assert cachemounts.mounts(db.read()) == [a_mount("aa")._replace(detached=True)]
    assert cachemounts.with_id(db.read(), "/cache") == []
