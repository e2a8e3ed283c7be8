"""lamina who and lamina sql: tables, JSON, CSV, exit codes; and what containers wrote."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from typing import TYPE_CHECKING

import pytest

from lamina import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.lamina_command import Lamina

STATUS = (
    "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.11\n"
    "Source: openssl\n\n"
)


@pytest.fixture(scope="module")
def images(program: Lamina, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lamina]:
    """`app` has a package and a bad file, which `fixed` deletes; two containers of `app`, one changed."""
    folder: Path = tmp_path_factory.mktemp("who")
    (folder / "status").write_text(STATUS)
    (folder / "bad").write_text("bad\n")
    (folder / "Dockerfile").write_text(
        "FROM busybox AS app\nCOPY status /var/lib/dpkg/status\nCOPY bad /opt/bad\n"
        "FROM app AS fixed\nRUN rm /opt/bad\n"
    )
    program("build", "-q", "-t", "app", "--target", "app", folder)
    program("build", "-q", "-t", "fixed", folder)
    script = "cp /opt/bad /tmp/again; rm /opt/bad; sed -i s/3.0.11/3.0.13/ /var/lib/dpkg/status"
    program("run", "--name", "changed", "app", "sh", "-c", script)
    program("run", "--name", "plain", "app", "true")
    yield program


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_file_by_its_digest(images: Lamina) -> None:
    digest = hashlib.sha256(b"bad\n").hexdigest()
    out = images("who", "--format", "{{.Holder}} {{.Layer}} {{.What}} {{.State}} {{.Where}}", digest[:12])
    assert sorted(out.splitlines()) == [
        "app:latest #7 /opt/bad visible Dockerfile:3",
        "container changed #7 /opt/bad deleted by layer 8 Dockerfile:3",
        "container changed writable /tmp/again visible ",
        "container plain #7 /opt/bad visible Dockerfile:3",
        "fixed:latest #7 /opt/bad deleted by layer 8 Dockerfile:3",
    ]
    assert images("who", "-q", "--visible", f"sha256:{digest}").splitlines() == [
        "app:latest",
        "container changed",
        "container plain",
    ]


def test_a_package(images: Lamina) -> None:
    heading, *rest = lines(images("who", "libssl3@3.0.11"))
    assert heading == ["IMAGE", "LAYER", "WHAT", "STATE", "WHERE", "INSTRUCTION"]
    assert [line[:5] for line in rest if line[0] != "container"] == [
        ["app:latest", "#6", "libssl3", "3.0.11", "visible"],
        ["fixed:latest", "#6", "libssl3", "3.0.11", "visible"],
    ]
    out = images("who", "--format", "{{.Holder}} {{.Layer}} {{.Version}} {{.State}}", "openssl")
    assert [line for line in out.splitlines() if line.startswith("container")] == [
        "container changed #6 3.0.11 replaced by layer 8",
        "container changed writable 3.0.13 visible",
        "container plain #6 3.0.11 visible",
    ]


def test_json_is_what_the_library_gives(images: Lamina) -> None:
    found = json.loads(images("who", "--json", "/opt/bad"))
    with Engine.open(str(images.root)) as engine:
        answer = engine.who("/opt/bad")
    assert found["kind"] == answer.kind == "path"
    assert [each["names"] for each in found["images"]] == [list(each.names) for each in answer.images]
    assert [each["visible"] for each in found["images"]] == [True, False]
    assert [each["name"] for each in found["containers"]] == ["changed", "plain"]
    assert found["places"][0]["digest"] == hashlib.sha256(b"bad\n").hexdigest()


def test_what_only_a_container_has(images: Lamina) -> None:
    out = images("who", "--format", "{{.Holder}} {{.State}}", "again", "--name")
    assert out.splitlines() == ["container changed visible"]


def test_nothing_holds_it(images: Lamina) -> None:
    out, err = images.both("who", "no-such-thing", status=1)
    assert (out, err) == ("", "nothing in the store holds no-such-thing\n")
    assert not json.loads(images("who", "--json", "sha256:" + "0" * 64, status=1))["found"]
    assert "contradict" in images.both("who", "--hash", "--name", "x", status=1)[1]
    assert "invalid digest" in images.both("who", "--hash", "xyz", status=1)[1]


def test_a_query_in_each_form(images: Lamina) -> None:
    sql = "SELECT name, layers, NULL AS none FROM images WHERE name LIKE ? ORDER BY name"
    like = "%/fixed:%"
    assert lines(images("sql", sql, "--value", like)) == [
        ["name", "layers", "none"],
        ["docker.io/library/fixed:latest", "8"],
    ]
    assert json.loads(images("sql", "--json", sql, "--value", like)) == [
        {"name": "docker.io/library/fixed:latest", "layers": 8, "none": None}
    ]
    found = list(csv.reader(io.StringIO(images("sql", "--csv", sql, "--value", like))))
    assert found == [["name", "layers", "none"], ["docker.io/library/fixed:latest", "8", ""]]
    assert images(
        "sql", "--no-heading", "SELECT 1.5, x'ff00', 'a' || char(10) || char(27) || 'b'"
    ).split() == [
        "1.5",
        "ff00",
        "a\\n\\x1bb",
    ]


def test_packages_are_read_for_a_query(images: Lamina) -> None:
    sql = "SELECT name, version, source FROM packages WHERE manager = 'deb'"
    assert ["libssl3", "3.0.11", "openssl"] in lines(images("sql", sql))


def test_bounds_and_mistakes(images: Lamina) -> None:
    endless = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT {} FROM n"
    assert lines(images("sql", "--limit", "2", endless.format("i"))) == [["i"], ["1"], ["2"]]
    assert "stopped" in images.both("sql", "--timeout", "0.1", endless.format("count(*)"), status=1)[1]
    for query, told in (
        ("DROP TABLE images", "it can only read"),
        ("SELEC", "syntax error"),
        ("", "no query"),
    ):
        err = images.both("sql", query, status=1)[1]
        assert told in err
        assert "Traceback" not in err
    images("sql", status=1)
    assert lines(images("sql", "--schema"))[1][0] == "images"
