"""Waste: what each layer carries for nothing, by small stacks and against an independent walk of the tars."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from lamina.insight.rows import Rows
from lamina.insight.waste import HIDDEN, waste
from tests.insight.archiving import (
    TRICKY,
    asked,
    file,
    folder,
    gone,
    hard,
    opaque,
    random_layers,
)

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.insight.waste import Finding, Waste
    from lamina.layers.context import Layers
    from tests.insight import oracle
    from tests.insight.archiving import Asked, Stack


def wasted(found: Asked) -> Waste:
    ctx = found.ctx
    return waste(Rows(ctx.db.read(), ctx.blobs, ctx.layout), found.image_id)


def rows(found: Waste) -> list[tuple[str, int, int, int, str]]:
    return [(each.kind, each.layer, each.by, each.size, each.what) for each in found.findings]


def ask(store: Layers, tmp_path: Path, *layers: list[object], **more: object) -> Waste:
    return wasted(asked(store, tmp_path / "image.tar", layers, **more))  # type: ignore[arg-type]


# -- each kind


def test_overwritten_and_deleted(store: Layers, tmp_path: Path) -> None:
    found = ask(
        store,
        tmp_path,
        [file("a", "1234567890"), file("b", "12345"), file("c/d", "123"), file("keep", "x"), file("e", "")],
        [file("a", "ABC"), gone("b"), gone("c"), gone("e"), gone("never")],
    )
    assert rows(found) == [("overwritten", 1, 2, 10, ""), ("deleted", 1, 2, 8, "")]
    assert (found.size, found.wasted, found.hidden) == (22, 18, 18)
    assert [(each.size, each.wasted) for each in found.layers] == [(19, 18), (3, 0)]
    assert [(each.path, each.size) for each in found.findings[1].biggest] == [("/b", 5), ("/c/d", 3)]
    assert found.efficiency == pytest.approx(4 / 22)


def test_copies_of_the_same_content_are_the_later_ones_fault(store: Layers, tmp_path: Path) -> None:
    """N copies are N-1 too many: dive counts all three."""
    found = ask(
        store,
        tmp_path,
        [file("a", "1234", mtime=1)],
        [file("a", "1234", uid=7, mtime=1)],
        [file("a", "1234", 0o600, uid=7, mtime=2)],
        [file("a", "1234", 0o600, uid=7, mtime=3)],
        [file("a", "1234", 0o600, uid=7, mtime=3), file("new", "1")],
        [file("a", "1234", 0o600, uid=7, mtime=3, xattrs={"user.x": "1"})],
    )
    assert [(each.layer, each.by, each.size, each.what) for each in found.findings] == [
        (2, 1, 4, "owner"),
        (3, 1, 4, "mode, time"),
        (4, 1, 4, "time"),
        (5, 1, 4, "nothing"),
        (6, 1, 4, "xattrs"),
    ]
    assert {each.kind for each in found.findings} == {"metadata"}


def test_a_chain_that_ends(store: Layers, tmp_path: Path) -> None:
    """The copy for a new owner is one fault, that all of it was overwritten another; no byte is in both."""
    found = ask(store, tmp_path, [file("a", "1234")], [file("a", "1234", uid=7)], [file("a", "other")])
    assert rows(found) == [("overwritten", 1, 3, 4, ""), ("metadata", 2, 1, 4, "owner")]


def test_what_comes_back_is_needed(store: Layers, tmp_path: Path) -> None:
    found = ask(store, tmp_path, [file("a", "1234")], [gone("a")], [file("a", "1234")])
    assert rows(found) == [("deleted", 1, 2, 4, "")]


def test_a_file_is_one_whatever_its_names(store: Layers, tmp_path: Path) -> None:
    found = ask(
        store,
        tmp_path,
        [file("a", "1234"), hard("b", "a"), hard("c", "a"), file("x", "12"), hard("y", "x")],
        [gone("a"), gone("x")],
        [gone("c"), file("y", "")],
    )
    assert found.size == 6
    assert rows(found) == [("overwritten", 1, 3, 2, "")]  # b is there still; y was the last name to go


def test_hard_links_that_are_copied_up_alone(store: Layers, tmp_path: Path) -> None:
    found = ask(store, tmp_path, [file("a", "1234"), hard("b", "a")], [file("b", "1234", uid=7)])
    assert rows(found) == [("metadata", 2, 1, 4, "owner")]
    found = ask(store, tmp_path, [file("a", "1234")], [file("a", "1234", uid=7), hard("b", "a")], [gone("a")])
    assert rows(found) == [("deleted", 1, 3, 4, "")]  # b needs the copy


def test_duplicates(store: Layers, tmp_path: Path) -> None:
    found = ask(
        store,
        tmp_path,
        [file("one", "1234"), file("two", "1234"), hard("three", "one"), file("hidden", "12345678")],
        [file("four", "1234"), gone("hidden"), file("alone", "12345678")],
    )
    assert rows(found) == [
        ("deleted", 1, 2, 8, "moved"),
        ("duplicate", 1, 1, 4, ""),
        ("duplicate", 2, 1, 4, ""),
    ]
    assert [(each.path, each.other) for each in found.findings[2].biggest] == [("/four", "/one")]
    assert [(each.path, each.other) for each in found.findings[0].biggest] == [("/hidden", "/alone")]
    assert found.hidden == 8


def test_caches_are_no_duplicates(store: Layers, tmp_path: Path) -> None:
    found = ask(
        store,
        tmp_path,
        [
            file("var/lib/apt/lists/a", "1234"),
            file("var/lib/apt/lists/partial/b", "12"),
            file("opt/a", "1234"),
            file("root/.cache/pip/http/x", "123"),
            file("home/me/.npm/_cacache/y", "1234567"),
            file("usr/lib/python3/__pycache__/z.pyc", "12345"),
            file("var/lib/dpkg/status-old", "1"),
            file("var/lib/dpkg/status", "5"),
            file("home/.cache/pipes", "12345678"),
        ],
    )
    assert [(each.what, each.size, each.folder) for each in found.findings] == [
        ("npm", 7, "/home/me/.npm/_cacache"),
        ("apt lists", 6, "/var/lib/apt/lists"),
        ("pip", 3, "/root/.cache/pip/http"),
        ("debconf and dpkg backups", 1, "/var/lib/dpkg"),
    ]
    assert {each.kind for each in found.findings} == {"cache"}
    assert found.hidden == 0 and found.efficiency == 1


def test_a_cache_whose_files_are_used_by_hard_links(store: Layers, tmp_path: Path) -> None:
    """As pnpm and conda do; whichever name sorts first."""
    members = [
        file("opt/conda/pkgs/x/lib", "1234"),
        hard("opt/conda/lib", "opt/conda/pkgs/x/lib"),
        file("root/.npm/x", "12"),
        hard("srv/x", "root/.npm/x"),
    ]
    assert ask(store, tmp_path, members).findings == ()


def test_hundreds_of_layers_without_a_history(store: Layers, tmp_path: Path) -> None:
    found = ask(store, tmp_path, *[[file("a", "x" * 10, uid=n)] for n in range(150)], history=[])
    assert (found.wasted, len(found.findings), found.layers[149].created_by) == (1490, 149, "")
    assert (
        found.findings[-1].change.text
        == "give them their owner in layer 1, not in layer 150, which copies them"
    )


def test_a_history_that_lies(store: Layers, tmp_path: Path) -> None:
    lies = [{"created_by": "RUN a", "empty_layer": True}] * 5 + [{"created_by": "\x1b[31mRUN b\n"}]
    found = ask(store, tmp_path, [file("a", "1")], [gone("a")], history=lies)
    assert [each.created_by for each in found.layers] == ["\x1b[31mRUN b", ""]
    assert rows(found) == [("deleted", 1, 2, 1, "")]


def test_opaque_and_replaced_folders(store: Layers, tmp_path: Path) -> None:
    found = ask(
        store,
        tmp_path,
        [folder("d"), file("d/a", "12"), file("d/b", "123"), folder("e"), file("e/x", "1234")],
        [folder("d"), opaque("d"), file("d/b", "ABC"), file("e", "file")],
    )
    # what an opaque folder hides and has anew was overwritten
    assert rows(found) == [("deleted", 1, 2, 6, ""), ("overwritten", 1, 2, 3, "")]


def test_nothing(store: Layers, tmp_path: Path) -> None:
    found = ask(store, tmp_path, [folder("a")], [])
    assert (found.size, found.wasted, found.findings, found.efficiency) == (0, 0, (), 1)
    assert found.user_wasted_percent == 0


def test_names_that_are_no_text(store: Layers, tmp_path: Path) -> None:
    found = ask(store, tmp_path, [file("a/\udcff\x1b[31m", "1234")], [gone("a")])
    assert found.findings[0].biggest[0].path == "/a/\udcff\x1b[31m"
    assert "\x1b" not in found.findings[0].change.text


# -- against the oracle


def _linked(layers: Stack, seed: int) -> Stack:
    """The same with a hard link to a random file of each layer."""
    rng = random.Random(seed)
    for members in layers:
        files = [each.info.name for each in members if each.info.isreg() and ".wh." not in each.info.name]
        if files and not any(each.info.name == "linked" for each in members):
            members += [hard(f"linked{rng.randrange(2)}", rng.choice(files))]
    return layers


def needed_files(image: oracle.Image) -> dict[tuple[int, bytes], oracle.Entry]:
    """By layer and path the files that visible paths need: the lowest that has had the content since."""
    needed = {}
    for path in image.state:
        best: tuple[int, oracle.Entry] | None = None
        for number in reversed(range(len(image.layers))):
            layer = image.layers[number]
            entry = layer.entries.get(path)
            if entry is not None:
                if entry.type != "file" or (best is not None and entry.sha256 != best[1].sha256):
                    break
                best = (number, entry)
            elif layer.clears(path):
                break
        if best is not None and best[1].size:
            needed[best[0], best[1].inode] = best[1]
    return needed


@pytest.mark.parametrize("seed", [None, *range(12)])
def test_sums_by_an_independent_walk(store: Layers, tmp_path: Path, seed: int | None) -> None:
    layers = TRICKY if seed is None else _linked(random_layers(seed, layers=6), seed)
    one = asked(store, tmp_path / "image.tar", layers)
    found = wasted(one)
    needed = needed_files(one.image)
    assert [layer.size for layer in found.layers] == [layer.size for layer in one.image.layers]
    assert found.size - found.hidden == sum(entry.size for entry in needed.values())
    distinct = {entry.sha256: entry.size for entry in needed.values()}
    duplicates = sum(each.size for each in found.findings if each.kind == "duplicate")
    caches = sum(each.size for each in found.findings if each.kind == "cache")
    assert caches == 0
    assert found.size - found.hidden - duplicates == sum(distinct.values())
    assert sum(each.wasted for each in found.layers) == found.wasted == sum(e.size for e in found.findings)
    for each in found.findings:
        _check(each, one.image)


def _check(each: Finding, image: oracle.Image) -> None:
    """What a finding says of its files is so."""
    carrier, other = image.layers[each.layer - 1], image.layers[each.by - 1]
    assert sum(one.size for one in each.biggest) == each.size or each.files > len(each.biggest)
    for one in each.biggest:
        path = one.path[1:].encode("utf-8", "surrogateescape")
        entry = carrier.entries[path]
        assert (entry.type, entry.size) == ("file", one.size)
        if each.kind == "metadata":
            original = other.entries[path]
            assert original.sha256 == entry.sha256 and each.by < each.layer
            continue
        if each.kind in HIDDEN:
            assert other.clears(path) or path in other.entries
            assert each.by > each.layer
            assert (path in other.entries) == (each.kind == "overwritten")
        else:
            assert image.owner(path) >= each.layer - 1
