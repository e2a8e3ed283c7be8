"""content_id: equal for equal contents, different for every difference but times."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.tree.content import EMPTY_CONTENT, content_id
from lamina.tree.entry import Entry, Kind
from tests.tree.strategies import entries

if TYPE_CHECKING:
    import random

BASE = Entry(b"p", Kind.FILE, 0o644, 1, 2, 3, digest="ab", xattrs=((b"user.a", b"v"),))


def test_nothing() -> None:
    assert content_id(()) == EMPTY_CONTENT == hashlib.sha256().hexdigest()


def test_is_fixed() -> None:
    """Cache keys are made of these: a change here makes every cache cold."""
    assert content_id([BASE]) == hashlib.sha256(b"p\0f\x00644 1 2 3 0 0 0 1 ab\0\0user.a\x001:v").hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"path": b"q"},
        {"kind": Kind.HARDLINK, "link": b"x"},
        {"mode": 0o600},
        {"uid": 9},
        {"gid": 9},
        {"size": 9},
        {"link": b"l"},
        {"rdev": (1, 0)},
        {"rdev": (0, 1)},
        {"digest": "cd"},
        {"opaque": True},
        {"xattrs": ()},
        {"xattrs": ((b"user.a", b"w"),)},
        {"xattrs": ((b"user.a", b"v"), (b"user.b", b""))},
    ],
)
def test_everything_counts(change: dict[str, object]) -> None:
    assert content_id([BASE._replace(**change)]) != content_id([BASE])  # type: ignore[arg-type]


def test_times_order_and_the_digest_of_nothing_do_not_count() -> None:
    assert content_id([BASE._replace(mtime=5)]) == content_id([BASE])
    other = BASE._replace(path=b"o")
    assert content_id([BASE, other]) == content_id([other, BASE])
    empty = BASE._replace(size=0, digest="")
    assert content_id([empty]) == content_id([empty._replace(digest=hashlib.sha256().hexdigest())])


def test_an_unknown_digest_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="not known"):
        content_id([BASE._replace(digest="")])


@given(st.lists(entries(), unique_by=lambda entry: entry.path, max_size=6), st.randoms(use_true_random=False))
def test_any_order_gives_the_same(found: list[Entry], order: random.Random) -> None:
    shuffled = found[:]
    order.shuffle(shuffled)
    assert content_id(shuffled) == content_id(found)


def test_values_cannot_run_into_each_other() -> None:
    a = BASE._replace(xattrs=((b"user.a", b"v"), (b"user.b", b"")))
    b = BASE._replace(xattrs=((b"user.a", b"vuser.b\x000:"), (b"user.c", b"")))
    assert content_id([a]) != content_id([b])
