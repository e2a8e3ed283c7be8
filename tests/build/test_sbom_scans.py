"""BUILDKIT_SBOM_SCAN_STAGE and _CONTEXT: which stages a bill of materials is to have beside the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.events import Notice

if TYPE_CHECKING:
    from .kitchen import Kitchen

DOCKERFILE = """FROM busybox AS one
{one}
RUN echo one > /one
FROM busybox AS two
{two}
RUN echo two > /two
FROM busybox AS unused
{unused}
FROM busybox
COPY --from=one /one /
COPY --from=two /two /
"""
ARG = "ARG BUILDKIT_SBOM_SCAN_STAGE"


def scanned(kitchen: Kitchen, text: str, **options: object) -> list[str]:
    result = kitchen.build(text, sbom=True, **options)
    return [scan.name for scan in result.images[0].scans]


def written(one: str = "", two: str = "", unused: str = "", first: str = "") -> str:
    return first + DOCKERFILE.format(one=one, two=two, unused=unused)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (written(), []),
        (written(one=ARG), []),
        (written(one=f"{ARG}=true"), ["one"]),
        (written(one=f"{ARG}=false", two=f"{ARG}=1"), ["two"]),
        (written(one=f"{ARG}=two", two=f"{ARG}=one,two"), ["two"]),
        (written(unused=f"{ARG}=true"), []),
        (written(first=f"{ARG}=true\n"), ["one", "two"]),
        (written(first=f"{ARG}=one\n"), ["one"]),
        (written(first=f"{ARG}=true\n", one=f"{ARG}=false"), ["two"]),
    ],
)
def test_the_stages_that_are_scanned(kitchen: Kitchen, text: str, names: list[str]) -> None:
    assert scanned(kitchen, text) == names


def test_a_build_argument_counts_only_where_it_is_declared(kitchen: Kitchen) -> None:
    given = {"build_args": {"BUILDKIT_SBOM_SCAN_STAGE": "true"}}
    assert scanned(kitchen, written(), **given) == []
    assert scanned(kitchen, written(two=ARG), **given) == ["two"]


def test_a_scanned_stage_has_its_layers(kitchen: Kitchen) -> None:
    result = kitchen.build(written(one=f"{ARG}=true"), sbom=True)
    (scan,) = result.images[0].scans
    assert scan.diff_ids[-1] == result.steps[0].diff_id
    assert scan.history[-1].created_by.startswith("RUN ")


def test_nothing_is_scanned_that_nobody_asked_for(kitchen: Kitchen) -> None:
    assert kitchen.build(written(one=f"{ARG}=true")).images[0].scans == ()


def test_the_arguments_are_no_variables(kitchen: Kitchen) -> None:
    text = f"FROM busybox\n{ARG}=true\nENV COPY=$BUILDKIT_SBOM_SCAN_STAGE.\nRUN env > /env\n"
    result = kitchen.build(text)
    assert "BUILDKIT_SBOM" not in kitchen.read(result.image_id, "env")
    assert "COPY=." in kitchen.config(result.image_id).config.env


def test_scanning_the_context_is_refused_aloud(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nARG BUILDKIT_SBOM_SCAN_CONTEXT=true\n", sbom=True)
    notices = [event.text for event in kitchen.events if isinstance(event, Notice)]
    assert any("BUILDKIT_SBOM_SCAN_CONTEXT" in text for text in notices)
