"""docs/database.md: its queries give what they promise on a store with known images; its views are all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from lamina import BuildRequest, Engine
from tests.e2e.lamina_command import REPOSITORY
from tests.insight.test_packages_dpkg import paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = (REPOSITORY / "docs" / "database.md").read_text()
QUERIES = re.findall(r"^### (\d+)\. [^\n]*\n```sql\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
BASE = "docker.io/library/base:latest"
APP, OTHER = BASE.replace("base", "app"), BASE.replace("base", "other")
COPY = "COPY status /var/lib/dpkg/status"
STATUS = paragraph("libssl3", "3.0.11", Source="openssl")
SIZE = len(STATUS)

EXPECTED: dict[str, list[tuple[object, ...]]] = {
    "1": [(APP, SIZE + 7001, 3), (OTHER, SIZE + 3001, 2), (BASE, SIZE, 1)],
    "2": [(COPY, SIZE, 3, 2 * SIZE)],
    "3": [(APP,), (OTHER,)],
    "4": [
        ("/tool", 4001, 3, "COPY big /tool"),
        ("/tool", 3000, 2, "COPY --chmod=4755 small /tool"),
        ("/var/lib/dpkg/status", SIZE, 1, COPY),
    ],
    "5": [("/tool", 2, 7001)],
    "6": [(APP, "/tool", "4755", 0)],
    "7": [("/srv/small", 3, 6000)],
    "8": [("libssl3", "3.0.11", 3)],
    "9": [
        ("COPY --chmod=4755 small /tool", 1, 0),
        ("COPY big /tool", 1, 0),
        ("COPY small more /srv/", 2, 0),
        (COPY, 1, 1),
    ],
    "10": [("COPY small more /srv/", "file more: more", 2), ("COPY small more /srv/", "source 2", 2)],
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Three images: a base, and two that stand on it."""
    context: Path = tmp_path_factory.mktemp("context")
    (context / "status").write_text(STATUS)
    (context / "small").write_text("s" * 3000)
    (context / "big").write_text("b" * 4001)
    (context / "more").write_text("m")
    with Engine.open(str(tmp_path_factory.mktemp("root") / "store")) as made:
        for name, text in (
            ("base", f"FROM scratch\n{COPY}\n"),
            ("base", f"FROM scratch\n{COPY}\n"),
            ("old", "FROM base\nCOPY small more /srv/\n"),
            ("app", "FROM base\nCOPY --chmod=4755 small /tool\nCOPY big /tool\n"),
            ("other", "FROM base\nCOPY small more /srv/\n"),
        ):
            made.build(BuildRequest(str(context), text.encode(), tags=(name,)))
            (context / "more").write_text(name[0])
        made.rmi("old")
        yield made


def test_there_are_ten() -> None:
    assert [number for number, _ in QUERIES] == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize(("number", "query"), QUERIES)
def test_each_query(engine: Engine, number: str, query: str) -> None:
    found = list(engine.sql(query).rows)
    if number == "9":
        assert [row[3] for row in found] == sorted([row[3] for row in found], reverse=True)
        found = sorted(row[:3] for row in found)
    assert found == EXPECTED[number]


def test_the_views_and_their_columns(engine: Engine) -> None:
    sections = re.findall(r"^### `(\w+)`\n(.*?)(?=^### |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    described = {name: tuple(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) for name, text in sections}
    assert described == engine.views()
