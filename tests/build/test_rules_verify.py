"""--cache-rule verify: what the rules independent and untouched would reuse is done, and compared."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

import pytest

from lamina.build.noise import noise
from lamina.build.verifying import compare
from lamina.layers.write import LayerItem, write_layer
from lamina.oci.digest import DiffID
from lamina.tree.entry import Entry, Kind
from tests.build.ruled import all_traces, as_if_read, check_sound, notices, row, rules

if TYPE_CHECKING:
    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)

TEXT = "FROM busybox\nRUN echo {} > /x\nRUN cat /x > /out; mkdir /var/log; date > /var/log/made\n"
HONEST = "FROM busybox\nRUN echo {} > /x\nRUN echo same > /out\n"


def prepared(kitchen: Kitchen, text: str, *paths: str) -> DiffID:
    """A kitchen in which the last step of `text` is known to have read `paths` only; its layer."""
    first = text.splitlines(keepends=True)
    stood_on = kitchen.build("".join(first[:2]).format(1))
    result = kitchen.build(text.format(1))
    as_if_read(kitchen, stood_on.image_id, row_text(text), *paths)
    return DiffID(result.steps[-1].diff_id)


def row_text(text: str) -> str:
    return text.splitlines()[-1].removeprefix("RUN ")


def test_the_same_but_for_times(kitchen: Kitchen) -> None:
    recorded = prepared(kitchen, HONEST, "etc/none")
    time.sleep(1.1)  # the layer that is made now has other times
    result = kitchen.build(HONEST.format(2), verify=True)
    assert rules(result) == ["ran", "ran"]
    assert result.steps[-1].diff_id == recorded, "the build goes on with what the rule would reuse"
    assert notices(kitchen) == ["verify: step 3, RUN echo same > /out: the same as untouched would reuse"]
    assert row(kitchen, "echo same").rule == ""
    check_sound(kitchen, result.image_id)
    assert rules(kitchen.build(HONEST.format(2))) == ["exact", "exact"]


def test_verified_each_time(kitchen: Kitchen) -> None:
    """A row that a rule brought does not count as exact while the rule is in doubt."""
    prepared(kitchen, HONEST, "etc/none")
    assert rules(kitchen.build(HONEST.format(2))) == ["ran", "untouched"]
    for _ in range(2):
        assert rules(kitchen.build(HONEST.format(2), verify=True)) == ["exact", "ran"]
        assert len(notices(kitchen)) == 1
    assert rules(kitchen.build(HONEST.format(1), verify=True)) == ["exact", "exact"], "nothing was reused"
    assert notices(kitchen) == []


def test_known_noise_is_listed(kitchen: Kitchen) -> None:
    text = TEXT.replace("cat /x", "echo same")
    recorded = prepared(kitchen, text, "etc/none")
    time.sleep(1.1)
    result = kitchen.build(text.format(2), verify=True)
    assert result.steps[-1].diff_id == recorded
    (told,) = notices(kitchen)
    assert told.startswith("verify: step 3, RUN echo same")
    assert told.endswith(
        "the same as untouched would reuse, but for known noise: /var/log/made (a log with times in it)"
    )


def test_a_real_difference(kitchen: Kitchen) -> None:
    """The step did read what its read set does not have: it is told, and the read set is forgotten."""
    recorded = prepared(kitchen, TEXT, "etc/none")
    recipe = row(kitchen, "cat /x").recipe
    assert [trace.recipe for trace in all_traces(kitchen) if trace.read_set].count(recipe) == 1
    result = kitchen.build(TEXT.format(2), verify=True)
    assert result.steps[-1].diff_id != recorded
    assert kitchen.read(result.image_id, "out") == "2\n", "the true one"
    (told,) = notices(kitchen)
    assert told.startswith("[Warning] verify: step 3, RUN cat /x")
    assert told.endswith("untouched would have reused another layer: /out (content)")
    left = [trace for trace in all_traces(kitchen) if trace.recipe == recipe]
    assert [trace.read_set for trace in left] == [None]
    assert rules(kitchen.build(TEXT.format(2))) == ["exact", "exact"]
    assert rules(kitchen.build(TEXT.format(3))) == ["ran", "ran"]
    check_sound(kitchen, result.image_id)


def test_independent_is_verified(kitchen: Kitchen) -> None:
    kitchen.write({"a": "x", "d/f": "1"})
    text = "FROM busybox\nRUN echo {} > /x\nCOPY a /app/a\nWORKDIR /w\nADD d /etc/d\n"
    first = kitchen.build(text.format(1))
    result = kitchen.build(text.format(2), verify=True)
    assert rules(result) == ["ran"] * 4
    assert [step.diff_id for step in result.steps[1:]] == [step.diff_id for step in first.steps[1:]]
    assert [told.rpartition(": ")[2] for told in notices(kitchen)] == [
        "the same as independent would reuse"
    ] * 3


def test_independent_of_what_somebody_forged(kitchen: Kitchen) -> None:
    """A read set that lacks what COPY looked at is found out."""
    kitchen.write({"a": "x"})
    text = "FROM busybox\nRUN mkdir -m {} /app\nCOPY a /app/a\n"
    kitchen.build(text.format(755))
    stood_on = kitchen.build("FROM busybox\nRUN mkdir -m 755 /app\n")
    as_if_read(kitchen, stood_on.image_id, "COPY a /app/a", "etc")
    result = kitchen.build(text.format(700), verify=True)
    assert notices(kitchen) == [
        "[Warning] verify: step 3, COPY a /app/a: independent would have reused another layer: /app (mode)"
    ]
    assert kitchen.listing(result.image_id, "")["app"] == "d 700 0:0"


def test_with_a_rule_off_nothing_of_it_is_verified(kitchen: Kitchen) -> None:
    prepared(kitchen, HONEST, "etc/none")
    kitchen.build(HONEST.format(2), verify=True, rules_off=frozenset(["untouched"]))
    assert notices(kitchen) == []


def test_no_cache_verifies_nothing(kitchen: Kitchen) -> None:
    prepared(kitchen, HONEST, "etc/none")
    kitchen.build(HONEST.format(2), verify=True, no_cache=True)
    assert notices(kitchen) == []


def layer(kitchen: Kitchen, *items: LayerItem) -> DiffID:
    return write_layer(kitchen.ctx, items).diff_id


def file(path: str, content: bytes = b"x", **parts: object) -> LayerItem:
    entry = Entry(path.encode(), Kind.FILE, 0o644, size=len(content))
    return LayerItem(entry._replace(**parts), content)  # type: ignore[arg-type]


def test_each_kind_of_difference(kitchen: Kitchen) -> None:
    def link(target: bytes) -> LayerItem:
        return LayerItem(Entry(b"l", Kind.SYMLINK, 0o777, link=target))

    old = layer(
        kitchen, file("a"), file("b"), file("c"), file("d"), file("e"), file("f"), file("g", mtime=10**18),
        link(b"1"), LayerItem(Entry(b"t", Kind.WHITEOUT)),
    )  # fmt: skip
    new = layer(
        kitchen, file("a", b"y"), file("b", mode=0o600), file("c", uid=5),
        file("e", xattrs=((b"user.a", b"1"),)), file("f", b"yy", mode=0o755), file("g", mtime=2 * 10**18),
        link(b"2"), file("n"), file("t"),
    )  # fmt: skip
    assert [(each.path.decode(), each.what) for each in compare(kitchen.ctx, old, new)] == [
        ("a", "content"), ("b", "mode"), ("c", "owner"), ("d", "removed"), ("e", "xattrs"),
        ("f", "mode, content"), ("l", "target"), ("n", "added"), ("t", "type"),
    ]  # fmt: skip


def pyc(flags: int, mtime: int, size: int, code: bytes) -> bytes:
    return struct.pack("<4sIII", b"\xa7\r\r\n", flags, mtime, size) + code


@pytest.mark.parametrize(
    ("path", "old", "new", "is_noise"),
    [
        ("usr/lib/__pycache__/m.cpython-311.pyc", pyc(0, 1, 9, b"code"), pyc(0, 2, 9, b"code"), True),
        ("usr/lib/__pycache__/m.cpython-311.pyc", pyc(0, 1, 9, b"code"), pyc(0, 2, 9, b"CODE"), False),
        ("usr/lib/__pycache__/m.cpython-311.pyc", pyc(1, 1, 9, b"code"), pyc(1, 2, 9, b"code"), False),
        ("etc/shadow", b"root:*:1:0:::::\na:!:2::::::\n", b"root:*:3:0:::::\na:!:4::::::\n", True),
        ("etc/shadow", b"root:*:1:0:::::\n", b"root::1:0:::::\n", False),
        ("var/log/dpkg.log", b"1", b"2", True),
        ("var/cache/ldconfig/aux-cache", b"1", b"2", True),
        ("srv/var/log/mine", b"1", b"2", False),
        ("var/lib/dpkg/status", b"1", b"2", False),
        ("root/.npm/_logs/2026-01-01T00-debug-0.log", b"1", b"2", True),
    ],
)
def test_noise_is_no_more_than_noise(
    kitchen: Kitchen, path: str, old: bytes, new: bytes, is_noise: bool
) -> None:
    pair = layer(kitchen, file(path, old)), layer(kitchen, file(path, new))
    (found,) = compare(kitchen.ctx, *pair)
    assert found.what == "content"
    assert bool(found.reason) == is_noise
    assert noise(kitchen.ctx, pair, path.encode(), "mode") == "", "who may read a file is never noise"
