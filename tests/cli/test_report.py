"""lamina report: the page in a file, as JSON, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import lamina
from lamina import Engine
from lamina.insight.report.page import page

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.lamina_command import Lamina


@pytest.fixture(scope="module")
def image(program: Lamina, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image on busybox whose last layer deletes what the one below it brought."""
    context = tmp_path_factory.mktemp("context")
    (context / "Dockerfile").write_text('FROM busybox\nCOPY big /big\nRUN rm /big\nLABEL a="<b>"\n')
    (context / "big").write_bytes(b"x" * 12345)
    program("build", "-t", "reported", context)
    return "reported"


def test_the_page_goes_to_a_file_or_to_standard_output(program: Lamina, image: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    assert program.both("report", image, "-o", path) == ("", "")
    text = path.read_text("utf-8")
    assert program("report", image) == program("image", "report", image) == text
    for word in ("reported:latest", "Dockerfile:2", "Dockerfile:3", "from busybox:latest", "12.3kB wasted"):
        assert word in text
    assert "LABEL a=&lt;b&gt;" in text and "<b>" not in text


def test_json_is_what_the_library_gives(program: Lamina, image: str) -> None:
    found = json.loads(program("report", "--json", image))
    with Engine.open(str(program.root)) as engine:
        report = engine.report(image)
        assert page(report, lamina.__version__) == program("report", image)
    assert [layer["size"] for layer in found["layers"]] == [layer.size for layer in report.layers]
    assert found["layers"][-2]["wasted"] == found["waste"]["wasted"] == 12345
    files = [file for folder in found["files"]["folders"] for file in folder["files"]]
    count = len(report.layers)
    assert {"name": "big", "size": 12345, "layer": count - 1, "gone": count, "is_seen": False} in files


def test_what_is_refused_leaves_nothing(program: Lamina, image: str, tmp_path: Path) -> None:
    assert (
        "No such image: nowhere:latest"
        in program.both("report", "nowhere", "-o", tmp_path / "x", status=1)[1]
    )
    assert "does not exist" in program.both("report", image, "-o", tmp_path / "no/x", status=1)[1]
    assert "wanted linux/arm64" in program.both("report", image, "--platform=linux/arm64", status=1)[1]
    assert list(tmp_path.iterdir()) == []
