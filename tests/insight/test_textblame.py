"""Lines of text files and the layers that they are of."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from lamina.errors import InvalidInput, NotFound
from lamina.insight import textblame
from lamina.insight.rows import Rows
from lamina.insight.stack import stack
from lamina.insight.textblame import blame_lines
from tests.insight.archiving import TRICKY, asked, file, gone, link

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.layers.context import Layers
    from tests.insight.archiving import Stack


def lines(store: Layers, tmp_path: Path, stacked: Stack, path: str = "/f") -> list[tuple[int, str]]:
    found = asked(store, tmp_path / "a.tar", stacked)
    image = stack(Rows(store.db.read(), store.blobs, store.layout), found.image_id)
    told = blame_lines(store, image, path)
    assert [each.number for each in told] == list(range(1, len(told) + 1))
    assert all(each.created_by == f"step {each.layer}" for each in told)
    return [(each.layer, each.text) for each in told]


def test_lines_are_of_the_layer_that_brought_them(store: Layers, tmp_path: Path) -> None:
    stacked: Stack = [
        [file("f", "a\nb\nc\n")],
        [file("f", "a\nb\nc\n", 0o600)],
        [file("f", "a\nnew\nc\nd\n")],
        [file("other", "")],
        [file("f", "0\na\nnew\nc\nd")],
    ]
    assert lines(store, tmp_path, stacked) == [(5, "0"), (1, "a"), (3, "new"), (1, "c"), (3, "d")]


def test_a_file_that_was_gone_begins_again(store: Layers, tmp_path: Path) -> None:
    stacked: Stack = [[file("f", "a\nb\n")], [gone("f")], [file("f", "a\n")]]
    assert lines(store, tmp_path, stacked) == [(3, "a")]


def test_links_are_followed_and_bytes_kept(store: Layers, tmp_path: Path) -> None:
    stacked: Stack = [[file("real/f", b"\xff\r\n\n"), link("way", "real")], [link("f", "/way/f")]]
    assert lines(store, tmp_path, stacked) == [(1, "\udcff\r"), (1, "")]


@pytest.mark.parametrize("seed", range(5))
def test_each_line_was_in_its_layer_and_in_all_above(store: Layers, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    texts = [[rng.choice("abcdef") for _ in range(rng.randrange(30))] for _ in range(5)]
    stacked: Stack = [[file("f", "".join(f"{line}\n" for line in text))] for text in texts]
    found = lines(store, tmp_path, stacked)
    assert [text for _, text in found] == texts[-1]
    for layer, text in found:
        assert all(text in texts[above] for above in range(layer - 1, 5))


def test_an_empty_file(store: Layers, tmp_path: Path) -> None:
    assert lines(store, tmp_path, [[file("f", "a\n")], [file("f", "")]]) == []


@pytest.mark.parametrize("path", ["/was-file", "/var/log/big", "/nope", "/pipe", "/odd/naïve ü", "/", "/bin"])
def test_what_is_no_text(store: Layers, tmp_path: Path, path: str) -> None:
    with pytest.raises((InvalidInput, NotFound)):
        lines(store, tmp_path, TRICKY, path)


def test_binary_and_long_files(store: Layers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="not text"):
        lines(store, tmp_path, [[file("f", b"\0")]])
    monkeypatch.setattr(textblame, "MOST", 3)
    with pytest.raises(InvalidInput, match="too long: 4 bytes in layer 1"):
        lines(store, tmp_path, [[file("f", "abcd")]])
