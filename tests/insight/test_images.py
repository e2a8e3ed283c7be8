"""Lists, histories, layers and inspect objects of images."""

from __future__ import annotations

import os

import pytest

from lamina.errors import LaminaError
from lamina.insight.history import history
from lamina.insight.image_json import image_json
from lamina.insight.images import images
from lamina.insight.info import counts
from lamina.insight.layers import layers
from lamina.oci.config import History
from lamina.oci.digest import DiffID, ImageID, sha256
from lamina.oci.history import pair
from tests.insight.conftest import MOMENT, Shelf

APP, BASE, OTHER = (f"docker.io/library/{name}:latest" for name in ("app", "base", "other"))


def _entry(text: str, *, empty: bool = False) -> dict[str, object]:
    entry: dict[str, object] = {"created": MOMENT, "created_by": text}
    return {**entry, "empty_layer": True} if empty else entry


def _app(shelf: Shelf) -> ImageID:
    entries = [
        _entry("FROM base"),
        _entry('CMD ["x"]', empty=True),
        {**_entry("RUN make"), "comment": "by hand"},
    ]
    return shelf.put(["base", "made"], entries, APP)


def test_images_are_listed_the_newest_first(shelf: Shelf) -> None:
    base = shelf.put(["base"], [_entry("FROM base")], BASE, "quay.io/x/base:v1")
    app = _app(shelf)
    first, second = images(shelf.rows)
    assert (first.image_id, first.tags, first.size, first.layers) == (app, ("app:latest",), 8, 2)
    assert (second.image_id, second.tags) == (base, ("base:latest", "quay.io/x/base:v1"))


def test_history_pairs_entries_with_layers(shelf: Shelf) -> None:
    app = _app(shelf)
    newest, middle, oldest = history(shelf.rows, app)
    assert (newest.image_id, newest.created_by, newest.size) == (app, "RUN make", 4)
    assert (newest.comment, newest.tags) == ("by hand", ("app:latest",))
    assert (middle.image_id, middle.size, middle.diff_id) == ("<missing>", 0, "")
    assert (oldest.created_by, oldest.diff_id) == ("FROM base", sha256(b"base"))


def test_an_image_without_history(shelf: Shelf) -> None:
    bare = shelf.put(["one", "two"], [])
    assert [item.diff_id for item in history(shelf.rows, bare)] == [sha256(b"two"), sha256(b"one")]
    empty = shelf.put([], [])
    assert [(item.image_id, item.size) for item in history(shelf.rows, empty)] == [(empty, 0)]


@pytest.mark.parametrize(
    ("entries", "layers", "texts"),
    [
        (["a", "-b", "c"], "xy", ["a:x", "b:", "c:y"]),
        (["a", "b"], "x", ["a:x", "b:"]),
        (["a"], "xy", ["a:x", ":y"]),
        (["-a"], "x", ["a:", ":x"]),
        ([], "", []),
    ],
)
def test_malformed_histories(entries: list[str], layers: str, texts: list[str]) -> None:
    history = [History(created_by=text.lstrip("-"), empty_layer=text.startswith("-")) for text in entries]
    found = pair(history, [DiffID(letter) for letter in layers])
    assert [f"{entry.created_by}:{diff_id or ''}" for entry, diff_id in found] == texts


def test_layers_say_who_shares_them(shelf: Shelf) -> None:
    app = _app(shelf)
    shelf.put(["base"], [_entry("FROM base")], BASE)
    bare = shelf.put(["first", "made"], [])  # the same changes upon another layer
    folder = f"{shelf.layout.diff}/{sha256(b'made')[7:]}"
    os.makedirs(folder)
    bottom, top = layers(shelf.rows, app)
    assert (bottom.number, bottom.created_by, bottom.size) == (1, "FROM base", 4)
    assert bottom.shared_with == ("base:latest",)
    assert top.shared_with == (bare[7:19],)
    assert top.created_by == "RUN make"
    assert (bottom.folder, top.folder) == ("", folder)  # of the other one there are only rows
    assert bottom.chain_id == bottom.diff_id != top.chain_id


def test_the_same_changes_twice_in_one_image(shelf: Shelf) -> None:
    image = shelf.put(["a", "a"], [_entry("one"), _entry("two")])
    assert [(item.created_by, item.shared_with) for item in layers(shelf.rows, image)] == [
        ("one", ()),
        ("two", ()),
    ]


def test_inspect(shelf: Shelf) -> None:
    config = {"Env": ["A=1"], "Cmd": ["x"], "Labels": {"l": "v"}, "Unknown": 1}
    image = shelf.put(["base", "made"], [_entry("FROM base")], APP, config=config, variant="v8", author="Ada")
    found = image_json(shelf.rows, image)
    assert found["Id"] == image
    assert found["RepoTags"] == ["app:latest"]
    assert found["Config"] == config
    assert (found["Size"], found["Variant"], found["Author"]) == (8, "v8", "Ada")
    assert found["RootFS"] == {"Type": "layers", "Layers": [sha256(b"base"), sha256(b"made")]}
    driver = found["GraphDriver"]
    assert isinstance(driver, dict) and driver["Name"] == "overlay"
    assert driver["Data"]["UpperDir"].endswith(sha256(b"made")[7:])
    assert driver["Data"]["LowerDir"].endswith(sha256(b"base")[7:])


def test_inspect_of_an_image_with_nothing(shelf: Shelf) -> None:
    image = shelf.put([], [])
    found = image_json(shelf.rows, image)
    assert found["GraphDriver"] == {"Name": "overlay", "Data": {}}
    assert found["Config"] == {}
    assert "Variant" not in found


def test_a_config_that_is_gone_is_an_error(shelf: Shelf) -> None:
    with pytest.raises(LaminaError):
        history(shelf.rows, ImageID("sha256:" + "0" * 64))


def test_counts(shelf: Shelf) -> None:
    _app(shelf)
    assert counts(shelf.rows)._asdict() == {"images": 1, "containers": 0, "running": 0, "layers": 2}
