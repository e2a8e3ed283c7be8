"""Operations from registry to registry: what the store lacks is pulled, only new layers are sent."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.request import Request as Get
from urllib.request import urlopen

import pytest

from lamina.engine.engine import Engine
from lamina.engine.operating import Target
from lamina.engine.pushing import PushRequest
from lamina.errors import Conflict
from lamina.events import Event, Notice
from lamina.oci import media
from tests.engine.test_operating import APP, HOST, NEW, OLD, OTHER, image, index
from tests.layers.conftest import folder, make_store, store
from tests.registry.distribution import Registry, own_registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lamina.layers.context import Layers

__all__ = ["folder", "make_store", "store"]


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with own_registry(count=True) as made:
        yield made


def engine_on(ctx: Layers) -> Engine:
    return Engine.open(ctx.layout.root, environ={})


def document(registry: Registry, path: str, name: str) -> dict[str, Any]:
    accept = ", ".join((media.MANIFEST, media.INDEX))
    url = f"http://{registry.host}/v2/{path}/manifests/{name}"
    with urlopen(Get(url, headers={"Accept": accept}), timeout=10) as answer:
        found = json.loads(answer.read())
    assert isinstance(found, dict)
    return found


@pytest.fixture
def filled(registry: Registry, store: Layers) -> Registry:
    """With two bases and an application, each for two platforms."""
    big = {"app/big": os.urandom(200_000)}
    names = {"base:1": (OLD,), "base:2": (NEW,), "app:1": (OLD, APP, big)}
    with engine_on(store) as engine:
        for name, layers in names.items():
            index(store, registry.name(name), *layers)
            engine.push(PushRequest(registry.name(name)))
    return registry


def test_from_a_registry_to_a_registry(filled: Registry, make_store: Callable[[], Layers]) -> None:
    old, new, name = (filled.name(each) for each in ("app:1", "base:2", "app:2"))
    base = filled.name("base:1")
    told: list[Event] = []
    with engine_on(make_store()) as engine:
        with pytest.raises(Conflict, match=f"would be left out of what is pushed: {OTHER}"):
            engine.surgery.rebase(old, new, Target((name,), push=True), old_base=base)
        engine.surgery.rebase(old, new, Target(("here",)), told.append, old_base=base)
        assert any(isinstance(event, Notice) and f"left out: {OTHER}" in event.text for event in told)
        engine.pull(old, platform=str(OTHER))
        filled.requests.clear()
        done = engine.surgery.rebase(old, new, Target((name,), push=True), old_base=base)
    assert [image.platform for image in done.images] == [str(OTHER), str(HOST)]
    assert all(image.new_base.name == new for image in done.images), "its other platform was pulled, too"
    pushed = document(filled, "app", "2")
    assert done.made is not None and done.made.pushed[0].reference.familiar() == name
    assert len(pushed["manifests"]) == 2
    sent = sum(row.up for row in filled.requests.rows)
    assert 0 < sent < 20_000, "configs, manifests and an index: the layers are there, or are mounted"
    for each in pushed["manifests"]:
        image = document(filled, "app", each["digest"])
        config = filled.blob(image["config"]["digest"]).read_text()
        assert "lamina rebase --onto" in config and len(image["layers"]) == 3


def test_a_base_whose_name_has_moved_on(
    registry: Registry, store: Layers, make_store: Callable[[], Layers]
) -> None:
    """As usual: `pull debian` brought a newer one, and what the image stands on has lost its name."""
    ctx, name = make_store(), registry.name("debian")
    with engine_on(store) as source, engine_on(ctx) as engine:
        for layers in (OLD, NEW):
            image(store, layers, tag=name)
            source.push(PushRequest(name))
            if layers is OLD:
                engine.pull(name)
        image(ctx, OLD, {"in": b"between"}, tag="middle")
        image(ctx, OLD, {"in": b"between"}, APP, tag="app")
        same = engine.surgery.rebase("app", name, dry_run=True).images[0]
        assert same.old_base == same.new_base, "what is here will do, unless it is to be pulled"
        (told,) = engine.surgery.rebase("app", name, dry_run=True, pull=True).images
    assert (told.old_base.layers, told.layers, told.found_by) == (1, 2, "layers")
    assert told.old_base.name == told.old_base.image_id[7:19], "it has no name"
