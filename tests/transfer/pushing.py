"""What the tests of push share: registries, repositories of their own in them, and what is there then."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from lamina.archive.compression import decompressed
from lamina.db.names import resolve_image
from lamina.layers.context import Layers
from lamina.oci import platform as platforms
from lamina.oci import reference as references
from lamina.oci.digest import DiffID, Digest, ImageID
from lamina.oci.validate import validate
from lamina.registry.repository import Repository
from lamina.registry.settings import Settings
from lamina.transfer.image_view import image_view
from lamina.transfer.packing import Packing
from lamina.transfer.pull import Pulled, pull
from lamina.transfer.push import Pushed, push
from tests.registry.distribution import Registry, own_registry
from tests.registry.images import image, noise
from tests.transfer.images import make_image

MADE = image({"a": b"1", "b": b"1"}, {".wh.a": b"", "c": noise(3000)}, env=["A=b"])


@pytest.fixture(scope="module")
def first() -> Iterator[Registry]:
    """Debian's docker-registry, whose requests are written down."""
    with own_registry(count=True) as made:
        yield made


@pytest.fixture(scope="module")
def second() -> Iterator[Registry]:
    with own_registry(count=True) as made:
        yield made


@pytest.fixture
def registry(first: Registry) -> Registry:
    """One registry; nothing was asked of it yet. Each test has repositories of its own there."""
    first.requests.clear()
    return first


@pytest.fixture
def other(second: Registry) -> Registry:
    """Another one."""
    second.requests.clear()
    return second


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """A repository of the test's own."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name.lower().removeprefix("test_"))
    return name.strip("-").replace("--", "-")[:100].strip("-")


def send(store: Layers, source: str, target: str, packing: Packing | None = None, **more: object) -> Pushed:
    found = resolve_image(store.db.read(), source)
    return push(store, found, references.parse(target), Settings(), packing, **more)  # type: ignore[arg-type]


def get(store: Layers, name: str, platform: platforms.Platform | None = None) -> Pulled:
    return pull(store, references.parse(name), Settings(), platform)


def document(name: str, digest: str = "") -> dict[str, Any]:
    """A manifest as the registry has it."""
    with Repository(references.parse(name), Settings()) as repository:
        found = repository.document(Digest(digest) if digest else repository.resolve())
        return cast("dict[str, Any]", json.loads(found.data))


def check(store: Layers, image_id: ImageID, digest: Digest) -> None:
    """The image with this manifest is sound, by the oracle of the image-spec."""
    validate(image_view(store, image_id, digest), decompress=lambda blob, _: decompressed(blob)[0])


def settle(registry: Registry, count: int) -> None:
    """A request is written down a moment after its answer was sent."""
    deadline = time.monotonic() + 5
    while len(registry.requests.rows) < count and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.02)
    assert len(registry.requests.rows) == count


def document_digest(name: str) -> Digest:
    with Repository(references.parse(name), Settings()) as repository:
        return repository.resolve()


def first_diff(store: Layers) -> DiffID:
    """The layer with the most files; of a new image where there is none."""
    found = store.db.read().execute("SELECT diff_id FROM diffs ORDER BY entries DESC").fetchone()
    if found is None:
        make_image(store, "base:1")
        return first_diff(store)
    return DiffID(found[0])
