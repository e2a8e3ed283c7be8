"""blame: who wrote and who deleted each path, checked against the oracle's walk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lamina.errors import InvalidInput, NotFound
from lamina.insight.blame import Blame, Wanted, answers
from lamina.insight.layers import layers
from lamina.insight.rows import Rows
from tests.insight.archiving import TRICKY, asked, file, folder, gone, hard, link, opaque, random_layers

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.layers.context import Layers
    from tests.insight.archiving import Asked, Stack

ALL = Wanted(deleted=True, folders=True)
ITSELF = Wanted(depth=0)


def ask(found: Asked, *paths: str, wanted: Wanted | None = None) -> list[Blame]:
    rows = Rows(found.ctx.db.read(), found.ctx.blobs, found.ctx.layout)
    return list(answers(rows, found.image_id, paths, wanted or Wanted()))


def deeds(blame: Blame) -> list[tuple[int, str, str]]:
    return [(deed.layer, deed.what, ", ".join(deed.how)) for deed in blame.deeds]


@pytest.mark.parametrize("seed", [None, *range(10)])
def test_every_path_as_the_oracle_has_it(store: Layers, tmp_path: Path, seed: int | None) -> None:
    found = asked(store, tmp_path / "a.tar", TRICKY if seed is None else random_layers(seed, 6))
    image, state = found.image, found.image.state
    paths = {path for layer in image.layers for path in layer.entries}
    for path in paths:
        if any(entry.type == "link" for above in _above(path) if (entry := state.get(above))):
            continue
        first = ask(found, "/" + os.fsdecode(path), wanted=ITSELF)[0]
        events = [(number + 1, what) for number, what in image.events(path)]
        assert [(deed.layer, deed.what) for deed in first.deeds] == events, path
        seen = state.get(path)
        assert first.layer == (image.owner(path) + 1 if seen else 0)
        if seen is not None:
            last = first.deeds[-1]
            now = (last.mode, last.uid, last.gid, last.size, last.mtime, last.digest)
            assert now == (seen.mode, seen.uid, seen.gid, seen.size, seen.mtime, seen.sha256), path
    listed = {os.fsencode(each.path).strip(b"/"): each.layer for each in ask(found, "/", wanted=ALL)}
    assert listed == {path: image.owner(path) + 1 if path in state else 0 for path in paths if path}
    files = {os.fsencode(each.path).strip(b"/") for each in ask(found, "/")}
    assert files == {path for path, entry in state.items() if entry.type != "dir"}


def _above(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[:end]) for end in range(1, len(parts))]


def test_what_changed(store: Layers, tmp_path: Path) -> None:
    found = asked(store, tmp_path / "a.tar", TRICKY)
    by_path = {each.path: each for each in ask(found, *PATHS, wanted=ITSELF)}
    assert {path: deeds(by_path[path]) for path in PATHS} == PATHS
    assert by_path["/srv/data/b"].deeds[1].uid == 7


PATHS = {
    "/etc/passwd": [(1, "added", ""), (3, "changed", "mode 0644 -> 0600"), (5, "changed", "time")],
    "/etc/gone": [(1, "added", ""), (3, "deleted", ""), (4, "added", "")],
    "/srv/data/b": [
        (1, "added", ""),
        (3, "changed", "content, owner 0:0 -> 7:8"),
        (4, "deleted", "with /srv/data"),
    ],
    "/srv/data/deep/x": [(1, "added", ""), (4, "deleted", "with /srv/data")],
    "/was-folder": [(1, "added", ""), (4, "changed", "type folder -> file")],
    "/was-folder/in": [(1, "added", ""), (4, "deleted", "with /was-folder")],
    "/was-file": [(1, "added", ""), (4, "changed", "type file -> folder")],
    "/usr/bin/tool": [(1, "added", ""), (4, "changed", "content, mode 0755 -> 4755, xattr user.who")],
    "/odd/naïve ü": [(3, "added", ""), (5, "deleted", "with /odd")],
    "/pipe": [(1, "added", ""), (5, "deleted", "")],
    "/var/log/big": [(1, "added", ""), (5, "deleted", "with /var")],
}


def test_links_on_the_way_and_at_the_end(store: Layers, tmp_path: Path) -> None:
    stacked: Stack = [
        [file("usr/bin/tool", "1", 0o755), link("bin", "usr/bin"), link("usr/bin/t", "tool")],
        [link("loop", "loop"), link("lost", "/no/where"), link("up", "../../bin/t")],
    ]
    found = asked(store, tmp_path / "a.tar", stacked)
    (tool,) = ask(found, "bin/tool")
    assert (tool.path, tool.asked, tool.layer) == ("/usr/bin/tool", "/bin/tool", 1)
    first, second = ask(found, "/up")
    assert (first.path, first.target, first.deeds[-1].link) == ("/up", "/usr/bin/tool", "../../bin/t")
    assert (second.path, second.deeds[-1].kind) == ("/usr/bin/tool", "file")
    assert [each.target for each in ask(found, "/loop", "/lost")] == ["", ""]
    assert [each.path for each in ask(found, "/bin/")] == ["/usr/bin/t", "/usr/bin/tool"]
    with pytest.raises(InvalidInput):
        ask(found, "/loop/x")


def test_a_path_that_links_led_to_once(store: Layers, tmp_path: Path) -> None:
    stacked: Stack = [
        [file("real/x", "1"), link("way", "real")],
        [gone("way"), file("real/x", "2")],
        [gone("real")],
    ]
    (blame,) = ask(asked(store, tmp_path / "a.tar", stacked), "/way/x")
    assert (blame.path, blame.asked, blame.layer) == ("/real/x", "/way/x", 0)
    assert [each[:2] for each in deeds(blame)] == [(1, "added"), (2, "changed"), (3, "deleted")]


def test_a_path_below_what_is_a_file_now(store: Layers, tmp_path: Path) -> None:
    found = asked(store, tmp_path / "a.tar", [[file("a/b/c", "1")], [file("a", "2")]])
    (blame,) = ask(found, "/a/b/c")
    assert deeds(blame) == [(1, "added", ""), (2, "deleted", "with /a")]


def test_hard_links_are_files(store: Layers, tmp_path: Path) -> None:
    stacked: Stack = [[file("a", "1"), hard("b", "a")], [file("b", "1")]]
    found = asked(store, tmp_path / "a.tar", stacked)
    (blame,) = ask(found, "/b")
    assert [(deed.kind, deed.link, deed.size, deed.how) for deed in blame.deeds] == [
        ("file", "/a", 1, ()),
        ("file", "", 1, ()),
    ]


def test_folders(store: Layers, tmp_path: Path) -> None:
    stacked: Stack = [
        [folder("a"), file("a/x", ""), file("a/b/y", ""), file("ab/z", "")],
        [folder("a", 0o700), opaque("a"), file("a/c/d/new", "")],
    ]
    found = asked(store, tmp_path / "a.tar", stacked)

    def paths(*asked: str, **wanted: object) -> list[str]:
        return [each.path for each in ask(found, *asked, wanted=Wanted(**wanted))]  # type: ignore[arg-type]

    assert paths("/a") == ["/a/c/d/new"]
    assert paths("/a", depth=1) == []
    assert paths("/a", depth=1, folders=True, deleted=True) == ["/a/b", "/a/c", "/a/x"]
    assert paths("/a", depth=3) == ["/a/c/d/new"]
    assert paths("/", depth=2, deleted=True) == ["/a/x", "/ab/z"]
    assert paths("/a", "/ab") == ["/a/c/d/new", "/ab/z"]
    (itself,) = ask(found, "/a", wanted=ITSELF)
    assert deeds(itself) == [(1, "added", ""), (2, "changed", "emptied, mode 0755 -> 0700")]
    assert ask(found, "/a")[0].folder == "/a" and itself.folder == ""


@pytest.mark.parametrize("path", ["/nope", "/etc/nope", "/etc/passwd/x", "/never/there", ""])
def test_paths_that_never_were(store: Layers, tmp_path: Path, path: str) -> None:
    found = asked(store, tmp_path / "a.tar", TRICKY)
    if not path:
        assert ask(found, "")  # the root
        return
    with pytest.raises((NotFound, InvalidInput)):
        ask(found, path)


def test_an_image_without_layers(store: Layers, tmp_path: Path) -> None:
    found = asked(store, tmp_path / "a.tar", [])
    assert ask(found, "/") == []
    with pytest.raises(NotFound):
        ask(found, "/x")


def test_hundreds_of_layers(store: Layers, tmp_path: Path) -> None:
    many = [[file("f", str(number))] if number % 2 else [gone("f")] for number in range(1, 201)]
    found = asked(store, tmp_path / "a.tar", many)
    (blame,) = ask(found, "/f")
    assert [deed.layer for deed in blame.deeds] == list(range(1, 201))
    assert blame.layer == 0
    items = layers(Rows(store.db.read(), store.blobs, store.layout), found.image_id)
    assert [(item.added, item.deleted, item.size) for item in items[-2:]] == [(1, 0, 3), (0, 1, 0)]
