"""lamina squash, flatten, fold, split, normalise: what they print, and what they refuse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.lamina_command import Lamina

DOCKERFILE = """FROM scratch
COPY one two /d/
COPY --chown=5:6 one /d/
COPY three /
"""


@pytest.fixture
def image(program: Lamina, tmp_path: Path) -> str:
    """An image of three layers."""
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    for name in ("one", "two", "three"):
        (tmp_path / name).write_text(name)
    program("build", "-t", "app", tmp_path)
    return "app"


def test_what_they_print(program: Lamina, image: str) -> None:
    out = program("fold", image, "-t", "folded").splitlines()
    assert out[0].startswith("Made folded:latest: ")
    assert out[1:] == ["2 layers, 11B; before: 3 layers, 14B"]
    assert program("fold", "folded").splitlines()[0] == "There is nothing to change"
    short = program("squash", "-q", image, "1..2").strip()
    same = [
        program("squash", "-q", *w, SOURCE_DATE_EPOCH="1") for w in ((f"{image}#1..2",), (image, "-3..2"))
    ]
    assert same[0] == same[1]
    assert len(json.loads(program("layers", "--json", short))) == 2
    done = json.loads(program("flatten", image, "--json", "-t", "flat"))
    assert done["names"] == ["flat:latest"] and len(done["images"]) == 1
    assert "1 layer, 11B; before: 3 layers, 14B" in program("flatten", image)
    assert "4 layers, 14B" in program("split", image, "1", "--by", "size=3")
    with_epoch = [program("normalise", "-q", image, SOURCE_DATE_EPOCH="5") for _ in range(2)]
    assert with_epoch[0] == with_epoch[1] != program("normalise", "-q", image)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["split", "app", "1", "--by", "size=0"], "invalid --by: size=0"),
        (["split", "app", "1", "--by", "size=x"], "invalid size for --by: 'x'"),
        (["split", "app", "1", "--by", "change-rate=2"], "invalid --by: change-rate=2"),
        (["split", "app", "1", "--by", "package=1"], "one part is what there is already"),
        (["split", "app", "9"], "no layer 9: the image has 3 layers"),
        (["normalise", "app", "--owner", "me"], "invalid owner: 'me'"),
        (["normalise", "app", "--owner", "0:4294967296"], "invalid owner: '0:4294967296'"),
        (["squash", "app", "x"], "invalid layer: 'x'"),
        (["squash", "app#1..2", "3"], "1..2 or 3?"),
        (["squash", "app", "3..1"], "invalid range of layers: 3..1"),
        (["split", "app"], "which layer of app?"),
        (["fold", "--push", "app"], "a name is needed to push to a registry"),
    ],
)
def test_refusals(program: Lamina, image: str, args: list[str], text: str) -> None:
    out, err = program.both(*args, status=1)
    assert out == ""
    assert err.splitlines()[0] == f"lamina: {text}"
