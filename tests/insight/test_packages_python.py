"""Python distributions: dist-info, egg-info, wherever they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.insight.packages.packages import files_of, packages
from tests.insight.imaging import GONE, image

if TYPE_CHECKING:
    from lamina.events import Event
    from lamina.layers.context import Layers

SITE = "usr/lib/python3.11/site-packages"


def metadata(name: str, version: str, *more: str) -> str:
    return "\n".join(
        ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *more, "", "Version: 0\n"]
    )


def test_dist_info_is_of_the_layer_that_has_it(store: Layers) -> None:
    made = image(
        store,
        {f"{SITE}/Flask_Login-0.6.dist-info/METADATA": metadata("Flask_Login", "0.6", "License: MIT")},
        {"opt/app/lib/click-8.1.dist-info/METADATA": metadata("click", "8.1")},
    )
    found = packages(store, made)
    assert [(each.name, each.version, each.licence, each.created_by) for each in found] == [
        ("Flask_Login", "0.6", "MIT", "step 1"),
        ("click", "8.1", "", "step 2"),
    ]
    assert found[0].purl == "pkg:pypi/flask-login@0.6"
    assert found[1].path == "/opt/app/lib/click-8.1.dist-info/METADATA"


@pytest.mark.parametrize(
    "place",
    [
        f"{SITE}/six-1.16.egg-info/PKG-INFO",
        f"{SITE}/six-1.16.egg-info",
        f"{SITE}/six-1.16.egg/EGG-INFO/PKG-INFO",
    ],
)
def test_eggs(store: Layers, place: str) -> None:
    (found,) = packages(store, image(store, {place: metadata("six", "1.16")}))
    assert (found.name, found.version, found.path) == ("six", "1.16", "/" + place)


def test_other_files_of_these_names_are_none(store: Layers) -> None:
    files = {"srv/METADATA": metadata("x", "1"), "srv/PKG-INFO": metadata("y", "1")}
    assert packages(store, image(store, files)) == ()


def test_a_chown_of_all_files_takes_no_package_from_its_layer(store: Layers) -> None:
    files = {f"{SITE}/six-1.dist-info/METADATA": metadata("six", "1")}
    (found,) = packages(store, image(store, files, {"a": "b"}, files))
    assert found.created_by == "step 1"


def test_what_a_later_layer_removed_or_replaced(store: Layers) -> None:
    one, two = f"{SITE}/six-1.dist-info/METADATA", f"{SITE}/toml-1.dist-info/METADATA"
    files = {one: metadata("six", "1"), two: metadata("toml", "1")}
    made = image(store, files, {one: GONE, two: metadata("toml", "1", "License: MIT")}, files | {"a": "b"})
    assert [(each.name, each.created_by) for each in packages(store, made)] == [
        ("six", "step 3"),
        ("toml", "step 3"),
    ]
    assert packages(store, image(store, files, {SITE: GONE})) == ()


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        (("License-Expression: MIT OR Apache-2.0", "License: other"), "MIT OR Apache-2.0"),
        (("License: UNKNOWN", "Classifier: License :: OSI Approved :: MIT License"), "MIT License"),
        (("License: " + "all of its text " * 20, "Classifier: License :: OSI Approved :: ISC"), "ISC"),
        (("Classifier: License :: OSI Approved", "Classifier: Topic :: Software"), ""),
    ],
)
def test_licences(store: Layers, fields: tuple[str, ...], licence: str) -> None:
    (found,) = packages(store, image(store, {f"{SITE}/x-1.dist-info/METADATA": metadata("x", "1", *fields)}))
    assert found.licence == licence


def test_metadata_without_a_name_is_told(store: Layers) -> None:
    told: list[Event] = []
    files = {
        f"{SITE}/x-1.dist-info/METADATA": b"\xff\xfe",
        f"{SITE}/y-1.dist-info/METADATA": metadata("y", "1"),
    }
    assert [each.name for each in packages(store, image(store, files), told.append)] == ["y"]
    assert "x-1.dist-info/METADATA cannot be read" in str(told)


def test_the_files_of_a_package(store: Layers) -> None:
    folder = f"{SITE}/x-1.dist-info"
    record = 'x/__init__.py,sha256=a,1\n../../../bin/x,,\n"x/a,b.py",,\n'
    made = image(store, {f"{folder}/METADATA": metadata("x", "1"), f"{folder}/RECORD": record})
    (package,) = packages(store, made)
    assert files_of(store, made, package) == [
        f"{SITE}/x/__init__.py".encode(),
        b"usr/bin/x",
        f"{SITE}/x/a,b.py".encode(),
    ]
