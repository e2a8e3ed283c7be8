"""push of what is built here: what a registry has then, how it came there, and what is not sent again."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable

import pytest

from lamina.archive.compression import decompressed
from lamina.db import imagedb, repodigests
from lamina.db.names import resolve_image
from lamina.errors import NotFound
from lamina.events import Event, Notice, Progress
from lamina.layers.context import Layers
from lamina.layers.write import write_layer
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.config import ImageConfig, RootFS
from lamina.oci.digest import ImageID, sha256
from lamina.transfer.packing import KINDS, Packing, pack_into
from lamina.transfer.register import register_image
from tests.faults.proxy import Fault, Phase, Spoiled, before, status
from tests.layers.stores import packed_bytes
from tests.registry.distribution import Registry
from tests.transfer.images import CREATED, entry, make_image
from tests.transfer.pushing import (
    check,
    document,
    first,
    first_diff,
    get,
    other,
    path,
    registry,
    second,
    send,
    settle,
)

__all__ = ["first", "other", "path", "registry", "second"]


# --- what is built here


TYPES = {
    "": media.LAYER_GZIP,
    "gzip": media.LAYER_GZIP,
    "zstd": media.LAYER_ZSTD,
    "zstd:chunked": media.LAYER_ZSTD,
    "uncompressed": media.LAYER,
}


@pytest.mark.parametrize("compression", TYPES)
def test_built_layers_are_packed_while_they_are_sent(
    registry: Registry, make_store: Callable[[], Layers], path: str, compression: str
) -> None:
    store, there = make_store(), make_store()
    image_id = make_image(store, "app:1")
    pushed = send(store, "app:1", registry.name(path), Packing(compression))
    assert pushed.descriptor.media_type == media.MANIFEST and pushed.reference.tag == "latest"
    found = document(registry.name(path))
    assert [layer["mediaType"] for layer in found["layers"]] == [TYPES[compression]] * 4
    assert sha256(json.dumps(found, separators=(",", ":")).encode()) == pushed.descriptor.digest
    pulled = get(there, registry.name(path))
    assert (pulled.image_id, pulled.digest) == (image_id, pushed.descriptor.digest)
    check(there, pulled.image_id, pulled.digest)
    for chain_id in imagedb.layers_of(there.db.read(), image_id):
        assert chain_id in imagedb.layers_of(store.db.read(), image_id)


@pytest.mark.parametrize("packing", [Packing("gzip", 0), Packing("gzip", 9), Packing("zstd", 19)], ids=str)
def test_levels(registry: Registry, store: Layers, path: str, packing: Packing) -> None:
    make_image(store, "app:1")
    send(store, "app:1", registry.name(path))
    send(store, "app:1", registry.name(path + ":level"), packing)
    usual, own = document(registry.name(path)), document(registry.name(path + ":level"))
    assert usual["config"] == own["config"] and usual["layers"] != own["layers"]


def test_a_second_push_sends_and_packs_nothing(registry: Registry, store: Layers, path: str) -> None:
    make_image(store, "app:1")
    first = send(store, "app:1", registry.name(path))
    assert len(registry.requests.of("PUT", "/blobs/")) == 3 + 1
    shutil.rmtree(store.layout.diff)  # so that nothing could be packed
    registry.requests.clear()
    assert send(store, "app:1", registry.name(path)) == first
    settle(registry, 3 + 1 + 1)  # different layers, the config, the tag
    assert {row.method for row in registry.requests.rows} == {"HEAD"}
    assert registry.requests.up == registry.requests.down == 0


def test_another_repository_of_the_registry_mounts(registry: Registry, store: Layers, path: str) -> None:
    make_image(store, "app:1")
    first = send(store, "app:1", registry.name(path))
    registry.requests.clear()
    told: list[Event] = []
    assert send(store, "app:1", registry.name(f"{path}-2"), observer=told.append) == first._replace(
        reference=references.parse(registry.name(f"{path}-2:latest"))
    )
    assert len(registry.requests.of("POST", "?mount=")) == 3 and not registry.requests.of("PATCH")
    assert registry.requests.up < 3000  # the config and the manifest
    states = [event.text.partition(": ")[2] for event in told if isinstance(event, Notice)]
    assert states == ["Preparing"] * 3 + [f"Mounted from {path}"] * 3


def test_another_registry_gets_the_same_bytes(
    registry: Registry, other: Registry, store: Layers, path: str
) -> None:
    make_image(store, "app:1")
    first = send(store, "app:1", registry.name(path))
    assert send(store, "app:1", other.name(path)).descriptor == first.descriptor
    assert not other.requests.of("POST", "mount=")  # it has nothing to mount from


def test_what_the_registry_lost_is_sent_again(registry: Registry, store: Layers, path: str) -> None:
    make_image(store, "app:1")
    send(store, "app:1", registry.name(path))
    lost = document(registry.name(path))["layers"][0]["digest"]
    folder = registry.folder / f"data/docker/registry/v2/repositories/{path}/_layers/sha256"
    shutil.rmtree(folder / lost.removeprefix("sha256:"))
    send(store, "app:1", registry.name(path))
    assert (folder / lost.removeprefix("sha256:")).exists()


def test_progress_is_told_of_each_layer(registry: Registry, store: Layers, path: str) -> None:
    make_image(store, "app:1")
    told: list[Event] = []
    send(store, "app:1", registry.name(path), observer=told.append)
    diffs = {name[7:19] for (name,) in store.db.read().execute("SELECT diff_id FROM diffs")}
    moved = {event.what: event for event in told if isinstance(event, Progress)}
    assert moved.keys() == diffs
    assert all(event.done == event.total > 0 for event in moved.values())
    said = [event.text for event in told if isinstance(event, Notice)]
    assert sorted(said) == sorted(f"{each}: {word}" for each in diffs for word in ("Preparing", "Pushed"))


def test_what_registries_have_an_image_as(registry: Registry, store: Layers, path: str) -> None:
    image_id = make_image(store, "app:1")
    pushed = send(store, "app:1", registry.name(path))
    digest = pushed.descriptor.digest
    assert repodigests.of_image(store.db.read(), image_id) == [(registry.name(path), digest)]
    assert resolve_image(store.db.read(), f"{registry.name(path)}@{digest}").image_id == image_id
    with pytest.raises(NotFound):
        resolve_image(store.db.read(), f"{registry.name(path)}@{sha256(b'')}")


def large_image(store: Layers, *tags: str) -> ImageID:
    """An image of one layer that is not packed in memory, and does not become smaller."""
    diff = write_layer(store, [entry(b"large", data=os.urandom(12 << 20))])
    config = ImageConfig("amd64", "linux", rootfs=RootFS((diff.diff_id,)), created=CREATED)
    return register_image(store, config, [diff.diff_id], tags).image_id


def test_a_large_layer_goes_in_pieces(
    registry: Registry, make_store: Callable[[], Layers], path: str
) -> None:
    store, there = make_store(), make_store()
    image_id = large_image(store, "large:1")
    told: list[Event] = []
    pushed = send(store, "large:1", registry.name(path), observer=told.append).descriptor
    assert len(registry.requests.of("PATCH")) == 3
    assert get(there, registry.name(path)).image_id == image_id
    check(there, image_id, pushed.digest)
    assert len([event for event in told if isinstance(event, Progress)]) > 3


def stuck(it: Spoiled) -> None:
    """As Amazon's registry: it has all, and always says that it has the first piece."""
    it.answer(it.forward().raw(Range=f"0-{(5 << 20) - 1}"))


@pytest.mark.parametrize(
    "fault", [pytest.param(status(416, b"too large"), id="GitHub"), pytest.param(stuck, id="Amazon")]
)
def test_a_registry_that_takes_no_pieces(
    registry: Registry,
    make_store: Callable[[], Layers],
    path: str,
    fault: Fault,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lamina.fetch.retrying._FIRST_PAUSE", 0.01)
    store, there = make_store(), make_store()
    image_id = large_image(store, "large:1")
    with before(registry.port) as proxy:
        proxy.spoil(Phase("a piece", "PATCH", ".*/uploads/"), fault, lasting=True)
        pushed = send(store, "large:1", f"{proxy.host}/{path}").descriptor
        assert ("PUT", 2) in Counter(method for method, where in proxy.asked if "/blobs/" in where).items()
    assert get(there, registry.name(path)).image_id == image_id
    check(there, image_id, pushed.digest)


def test_the_same_layers_made_elsewhere_are_not_sent(
    registry: Registry, make_store: Callable[[], Layers], path: str
) -> None:
    """Two machines pack alike, and ask first."""
    one, two = make_store(), make_store()
    for store in (one, two):
        make_image(store, "app:1")
    first = send(one, "app:1", registry.name(path))
    registry.requests.clear()
    assert send(two, "app:1", registry.name(path)) == first
    assert not [row for row in registry.requests.rows if row.method not in ("HEAD", "GET")]


def test_every_form_of_a_layer_unpacks_to_it(store: Layers) -> None:
    """Also what is sent only when the plain tar is nowhere, and has to be made."""
    diff_id = first_diff(store)
    for kind in KINDS:
        out = io.BytesIO()
        told: list[int] = []
        pack_into(store, diff_id, Packing(kind), out.write, told.append)
        out.seek(0)
        assert sha256(decompressed(out)[0].read()) == diff_id
        assert told[-1] == len(packed_bytes(store, diff_id))
