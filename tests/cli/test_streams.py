"""Output files appear whole or not at all; environment files are read as Docker reads them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lamina.cli import environment, filters
from lamina.cli.streams import input_file, output, read_file
from lamina.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from pathlib import Path


def test_an_output_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    with output(str(path), "save") as sink:
        sink.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"
    assert os.listdir(tmp_path) == ["image.tar"]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), output(str(path), "save") as sink:
        sink.write(b"half")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["image.tar"]


def test_output_needs_its_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not exist"), output(str(tmp_path / "no" / "x"), "save"):
        pass
    with pytest.raises(InvalidInput, match="is a directory"), output(str(tmp_path), "save"):
        pass


def test_a_device_is_written_in_place() -> None:
    with output("/dev/null", "save") as sink:
        sink.write(b"x")
    assert not os.path.isfile("/dev/null")


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "none")
    with pytest.raises(NotFound, match="none: no such file"):
        read_file(path)
    with pytest.raises(NotFound, match="none: no such file"), input_file(path):
        pass


def test_environment(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text('# comment\n\n  A=1 2 \nHOME\nUNSET\nB="q"\r\n')
    found = environment.collect([str(path)], ["A=3", "SHELL", "NONE"], {"HOME": "/h", "SHELL": "/s"})
    assert found == ["A=1 2 ", "HOME=/h", 'B="q"', "A=3", "SHELL=/s", "NONE"]


@pytest.mark.parametrize(
    ("line", "message"), [("=x", "no variable name on line 1"), ("A B=1", "whitespaces")]
)
def test_bad_environment_files(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "env"
    path.write_text(line)
    with pytest.raises(InvalidInput, match=message):
        environment.from_file(str(path), {})


def test_bad_environment_flags() -> None:
    with pytest.raises(InvalidInput, match="invalid environment variable: =x"):
        environment.collect([], ["=x"], {})


def test_filters() -> None:
    assert filters.parse(["name=a", "name=b"], ("name",)) == {"name": ["a", "b"]}
    with pytest.raises(InvalidInput, match="invalid filter 'foo'"):
        filters.parse(["foo=1"], ("name",))
    with pytest.raises(InvalidInput, match="invalid filter 'name'"):
        filters.parse(["name"], ("name",))
    assert filters.truth("True", "dangling") is True
    with pytest.raises(InvalidInput):
        filters.truth("maybe", "dangling")


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("app", "app:latest", True),
        ("app:latest", "app:latest", True),
        ("app:v*", "app:latest", False),
        ("a*", "app:latest", True),
        ("a*", "a/app:latest", False),
        ("*/app", "a/app:latest", True),
        ("app", "app2:latest", False),
    ],
)
def test_reference_filters(pattern: str, name: str, matches: bool) -> None:
    assert filters.name_matches(pattern, name) is matches
