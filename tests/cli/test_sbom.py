"""lamina sbom: packages as a table, by a template, and as an SPDX document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lamina import Engine
from tests.insight.spdx import check

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.lamina_command import Lamina

DOCKERFILE = """FROM scratch
COPY status /var/lib/dpkg/status
COPY METADATA /usr/lib/python3/site-packages/flask-3.0.dist-info/METADATA
COPY bad /lib/apk/db/installed
"""


@pytest.fixture
def image(program: Lamina, tmp_path: Path) -> str:
    """An image with a package of dpkg, one of Python, and a database that is none."""
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "status").write_text(
        "Package: curl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 7.88\n\n"
    )
    (tmp_path / "METADATA").write_text("Name: flask\nVersion: 3.0\nLicense: BSD-3-Clause\n")
    (tmp_path / "bad").write_text("rubbish\n")
    program("build", "-t", "packed", tmp_path)
    return "packed"


def test_the_table(program: Lamina, image: str) -> None:
    out, err = program.both("sbom", image)
    heading, *lines = [line.split(maxsplit=4) for line in out.splitlines()]
    assert heading == ["PACKAGE", "VERSION", "KIND", "LAYER", "INSTRUCTION"]
    assert [(*line[:3], line[4]) for line in lines] == [
        ("curl", "7.88", "deb", "COPY status /var/lib/dpkg/status"),
        ("flask", "3.0", "pypi", "COPY METADATA /usr/lib/python3/site-packages/flask-3.0.dist…"),
    ]
    assert "[Warning] the package database /lib/apk/db/installed cannot be read" in err


def test_a_template_and_json(program: Lamina, image: str) -> None:
    assert program("sbom", "--format", "{{.Purl}} {{.Licence}}", image).splitlines() == [
        "pkg:deb/debian/curl@7.88?arch=amd64 ",
        "pkg:pypi/flask@3.0 BSD-3-Clause",
    ]
    rows = [json.loads(line) for line in program("sbom", "--format", "json", image).splitlines()]
    layers = program("layers", "--format", "{{.DiffID}}", image).splitlines()
    assert [row["Layer"] for row in rows] == layers[:2]


def test_the_document(program: Lamina, image: str) -> None:
    document = json.loads(program("sbom", "--format", "spdx-json", image))
    check(document)
    assert [each["name"] for each in document["packages"]] == [
        "docker.io/library/packed:latest",
        "curl",
        "flask",
    ]


def test_the_same_image_gives_the_same_bytes_with_source_date_epoch(program: Lamina, image: str) -> None:
    one, two = (program("sbom", "--format=spdx-json", image, SOURCE_DATE_EPOCH="7") for _ in range(2))
    assert one == two
    assert json.loads(one)["creationInfo"]["created"] == "1970-01-01T00:00:07Z"


def test_output_goes_to_a_file(program: Lamina, image: str, tmp_path: Path) -> None:
    path = tmp_path / "sbom.json"
    assert program("sbom", "--format=spdx-json", "-o", path, image) == ""
    check(json.loads(path.read_text()))


def test_an_image_that_is_not_there(program: Lamina) -> None:
    assert "No such image: nowhere:latest" in program.both("sbom", "nowhere", status=1)[1]


def test_a_bad_source_date_epoch_is_refused(program: Lamina, image: str) -> None:
    assert "invalid SOURCE_DATE_EPOCH" in program.both("sbom", image, status=1, SOURCE_DATE_EPOCH="x")[1]


def test_from_python(program: Lamina, image: str) -> None:
    with Engine.open(str(program.root)) as engine:
        found = engine.sbom(image)
    assert [package.name for package in found.packages] == ["curl", "flask"]
    check(dict(found.document))
