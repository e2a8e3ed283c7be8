"""pull through a proxy that spoils one phase: it ends well, or with a clear error and the store as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.db import imagedb, layerdb
from lamina.errors import LaminaError
from lamina.layers.context import Layers
from lamina.oci import reference as references
from lamina.oci.digest import Digest
from lamina.oci.validate import validate
from lamina.registry.settings import Settings
from lamina.transfer.image_view import image_view
from lamina.transfer.pull import pull
from tests.faults.proxy import FAULTS, Phase, Proxy
from tests.layers.stores import open_store
from tests.machine import THOROUGH
from tests.registry.images import image, noise

MADE = image({"a": noise(9000)}, {"b": noise(70000), ".wh.a": b""})
CONFIG, LOW, TOP = MADE.image_id, *MADE.layers

TAG = Phase("the tag", "HEAD", r"/v2/app/manifests/1$")
MANIFEST = Phase("the manifest", "GET", r"/v2/app/manifests/")
CONFIG_BLOB = Phase("the config", "GET", f"/v2/app/blobs/{CONFIG}")
LAYER = Phase("a layer", "GET", f"/v2/app/blobs/{TOP}")
PHASES = (TAG, MANIFEST, CONFIG_BLOB, LAYER)

# What a second try mends: these must end well when they happen once.
PASSING = {
    *("cut at once", "cut when done", "cut in the head", "reset", "late", "stall", "drip", "twice"),
    *("answered twice", "500", "502 in HTML", "503 and when", "429 and when", "408", "garbage"),
}
BODIES = {"cut in the body", "stall in the body", "flip", "short", "long", "empty", "endless"}
WORDS = {
    *("400", "401", "403", "404", "405", "416", "204"),
    *("HTML", "elsewhere", "loop", "wrong type", "wrong digest"),
}
ALWAYS = {
    *("cut at once", "cut in the body", "reset", "500", "429 and when"),
    *("HTML", "flip", "garbage", "short"),
}


def some(found: Iterable[Any]) -> list[Any]:
    """A sixth of them, of each phase others; all with `./test --peers`."""
    every = list(found)
    return every if THOROUGH else every[::6]


def cases() -> Iterator[Any]:
    for phase in PHASES:
        possible = [name for name in FAULTS if phase is not TAG or name not in BODIES]  # a HEAD has no body
        for name in possible:
            if name in PASSING or name in BODIES or name in WORDS:
                yield pytest.param(phase, name, False, id=f"{phase.name}-{name}-once")
            if name in ALWAYS:
                yield pytest.param(phase, name, True, id=f"{phase.name}-{name}-always")


@pytest.fixture
def store(place: Path) -> Iterator[Layers]:
    made = open_store(str(place / "store"))
    yield made
    made.db.close()
    made.lease.release()


def get(store: Layers, proxy: Proxy) -> str:
    return pull(store, references.parse(f"{proxy.host}/app:1"), Settings()).image_id


@pytest.mark.parametrize(("phase", "name", "lasting"), some(cases()))
def test_a_fault(proxy: Proxy, store: Layers, phase: Phase, name: str, lasting: bool) -> None:
    proxy.spoil(phase, FAULTS[name], lasting=lasting)
    try:
        found = get(store, proxy)
    except LaminaError as error:
        assert lasting or name not in PASSING, error.message
        assert_clear(error, proxy)
        assert_unchanged(store)
        proxy.mend()
        found = get(store, proxy)
    assert proxy.hits, "the fault never happened"
    assert found == MADE.image_id
    assert validate(image_view(store, imagedb.images(store.db.read())[0].image_id)) is None


def assert_clear(error: LaminaError, proxy: Proxy) -> None:
    """One line that names the host and the repository, or the image whose name has both."""
    assert "\n" not in error.message
    assert proxy.host in error.message or "localhost" in error.message, error.message
    assert "app" in error.message, error.message


def assert_unchanged(store: Layers) -> None:
    """No image, no name, no leftover; of blobs only such as are what their names say."""
    c = store.db.read()
    assert not imagedb.images(c)
    assert not imagedb.all_tags(c)
    assert not store.layout.temps()
    for blob in store.blobs.walk():
        store.blobs.read(Digest(blob.digest), 1 << 20)
    assert len(layerdb.diffs(c)) <= 2
