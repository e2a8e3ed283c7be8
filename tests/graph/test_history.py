"""fill_times: which time the instructions without a layer get; rfc3339."""

from __future__ import annotations

import datetime

import pytest

from lamina.graph.history import fill_times
from lamina.graph.state import join_path
from lamina.oci.timestamp import rfc3339


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        ([], []),
        (["a"], ["a"]),
        (["", ""], ["", ""]),
        (["a", ""], ["a", "a"]),
        (["a", "", "b", ""], ["a", "b", "b", "b"]),  # those before the first new layer get its time
        (["a", "b", "", "", "c", "", "d"], ["a", "b", "c", "c", "c", "c", "d"]),
        (["", "b"], ["b", "b"]),
    ],
)
def test_fill_times(given: list[str], filled: list[str]) -> None:
    assert fill_times(given) == filled


@pytest.mark.parametrize("seconds", [0, 1, 951782400, 1709164800, 1700000000, 4102444799, 253402300799])
def test_rfc3339(seconds: int) -> None:
    then = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    assert rfc3339(seconds) == then.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("folder", "path", "joined"),
    [
        ("/", "", "/"),
        ("/a", "b", "/a/b"),
        ("/a", "/b", "/b"),
        ("/a/b", "../c", "/a/c"),
        ("/", "../..", "/"),
        ("/a", "./b//c/.", "/a/b/c"),
    ],
)
def test_join_path(folder: str, path: str, joined: str) -> None:
    assert join_path(folder, path) == joined
