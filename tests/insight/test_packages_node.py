"""Node packages: every package.json below a node_modules folder, nested ones too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lamina.insight.packages.packages import files_of, packages
from tests.insight.imaging import image

if TYPE_CHECKING:
    from lamina.events import Event
    from lamina.layers.context import Layers

TOP = "usr/src/app/node_modules"


def described(name: str, version: str, **more: object) -> str:
    return json.dumps({"name": name, "version": version, **more})


def test_nested_and_scoped_packages_are_of_their_layers(store: Layers) -> None:
    made = image(
        store,
        {f"{TOP}/express/package.json": described("express", "4.19.2", license="MIT")},
        {
            f"{TOP}/express/node_modules/debug/package.json": described("debug", "2.6.9"),
            f"{TOP}/@babel/core/package.json": described("@babel/core", "7.24.0"),
            f"{TOP}/express/package.json": described("express", "4.19.2", license="MIT"),
        },
    )
    found = packages(store, made)
    assert [(each.name, each.version, each.created_by) for each in found] == [
        ("@babel/core", "7.24.0", "step 2"),
        ("debug", "2.6.9", "step 2"),
        ("express", "4.19.2", "step 1"),
    ]
    assert [each.purl for each in found] == [
        "pkg:npm/%40babel/core@7.24.0",
        "pkg:npm/debug@2.6.9",
        "pkg:npm/express@4.19.2",
    ]
    assert found[1].path == f"/{TOP}/express/node_modules/debug/package.json"


def test_the_same_version_in_two_places_is_there_twice(store: Layers) -> None:
    files = {f"{TOP}/{place}ms/package.json": described("ms", "2.0.0") for place in ("", "a/node_modules/")}
    assert [each.name for each in packages(store, image(store, files))] == ["ms", "ms"]


def test_what_is_no_package_of_node_modules(store: Layers) -> None:
    files = {
        "usr/src/app/package.json": described("app", "1.0.0"),
        f"{TOP}/express/lib/package.json": described("inner", "1.0.0"),
        f"{TOP}/esm/package.json": '{"type": "module"}',
        f"{TOP}/.cache/package.json": described("cache", "1.0.0"),
    }
    assert packages(store, image(store, files)) == ()


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"license": "(MIT OR Apache-2.0)"}, "(MIT OR Apache-2.0)"),
        ({"license": {"type": "ISC", "url": "x"}}, "ISC"),
        ({"licenses": [{"type": "MIT"}, {"type": "BSD"}]}, "BSD AND MIT"),
        ({"license": 7}, ""),
        ({}, ""),
    ],
)
def test_licences(store: Layers, fields: dict[str, object], licence: str) -> None:
    (found,) = packages(store, image(store, {f"{TOP}/x/package.json": described("x", "1", **fields)}))
    assert found.licence == licence


@pytest.mark.parametrize("content", ["{", "[1]", b"\xff", "[" * 100_000, '{"version": 1' + "0" * 5000 + "}"])
def test_a_broken_package_is_told(store: Layers, content: str | bytes) -> None:
    told: list[Event] = []
    files = {f"{TOP}/bad/package.json": content, f"{TOP}/good/package.json": described("good", "1")}
    assert [each.name for each in packages(store, image(store, files), told.append)] == ["good"]
    assert "/bad/package.json cannot be read" in str(told)


def test_half_a_character_becomes_one_that_can_be_written(store: Layers) -> None:
    text = '{"name": "a\\ud800b", "version": "1\\udfff", "license": "\\ud83d\\ude00 \\ud83d"}'
    (found,) = packages(store, image(store, {f"{TOP}/x/package.json": text}))
    assert (found.name, found.version, found.licence) == ("a\ufffdb", "1\ufffd", "\U0001f600 \ufffd")


def test_the_files_of_a_package(store: Layers) -> None:
    files = {
        f"{TOP}/a/package.json": described("a", "1"),
        f"{TOP}/a/lib/index.js": "1",
        f"{TOP}/a/node_modules/b/package.json": described("b", "1"),
        f"{TOP}/c/index.js": "2",
    }
    made = image(store, files)
    found = files_of(store, made, packages(store, made)[0])
    assert found == [f"{TOP}/a/lib/index.js".encode(), f"{TOP}/a/package.json".encode()]
