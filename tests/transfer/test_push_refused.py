"""push and pull that cannot be, that are stopped, and that somebody lies to."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.db import packed as forms
from lamina.errors import Cancelled, Corrupt, InvalidInput, NotFound
from lamina.fetch.stopping import NeverStops
from lamina.layers.context import Layers
from lamina.oci import media
from lamina.oci.manifest import parse_manifest
from lamina.registry.failures import ManifestRefused
from lamina.transfer.packing import Packing
from tests.faults.proxy import Phase, before, status
from tests.layers.stores import packed_bytes, state
from tests.registry.distribution import Registry
from tests.registry.images import manifest
from tests.transfer.images import make_image
from tests.transfer.pushing import (
    MADE,
    document,
    first,
    first_diff,
    get,
    other,
    path,
    registry,
    second,
    send,
)
from tests.transfer.test_pull import config_for

__all__ = ["first", "other", "path", "registry", "second"]


# --- what cannot be, and what breaks off


@pytest.mark.parametrize(
    ("packing", "words"),
    [
        (Packing("lzma"), "unknown compression 'lzma'"),
        (Packing("gzip", 10), "invalid compression level 10"),
        (Packing("uncompressed", 1), "invalid compression level 1"),
        (Packing(force=True), "needs a compression"),
        (Packing("zstd", types="docker"), "Docker's media types have no zstd"),
    ],
)
def test_packings_that_make_no_sense(store: Layers, packing: Packing, words: str) -> None:
    make_image(store, "app:1")
    with pytest.raises(InvalidInput, match=words):
        send(store, "app:1", "localhost:1/app", packing)


def test_a_digest_is_nothing_to_push_to(store: Layers) -> None:
    make_image(store, "app:1")
    with pytest.raises(InvalidInput, match="cannot push a digest reference"):
        send(store, "app:1", f"localhost:1/app@{MADE.digest}")


@pytest.mark.parametrize(
    ("packing", "hint"), [(None, "--format docker"), (Packing("zstd"), "--compression gzip")], ids=str
)
def test_a_registry_that_does_not_want_the_types(
    registry: Registry, store: Layers, path: str, packing: Packing | None, hint: str
) -> None:
    make_image(store, "app:1")
    refusal = b'{"errors": [{"code": "MANIFEST_INVALID", "message": "unknown media type"}]}'
    with before(registry.port) as proxy:
        proxy.spoil(Phase("the manifest", "PUT", ".*/manifests/"), status(400, refusal), lasting=True)
        with pytest.raises(ManifestRefused, match="unknown media type") as caught:
            send(store, "app:1", f"{proxy.host}/{path}", packing)
        assert hint in (caught.value.hint or "")
        shutil.rmtree(store.layout.diff)  # so that nothing could be packed again
        proxy.mend()
        proxy.asked.clear()
        send(store, "app:1", f"{proxy.host}/{path}", packing)  # what was sent is known
        assert [method for method, _ in proxy.asked if method not in ("HEAD", "GET")] == ["PUT"]


class After(NeverStops):
    """Says that it is over once something was seen."""

    def __init__(self, over: Callable[[], bool]) -> None:
        self.over = over

    def check(self) -> None:
        if self.over():
            raise Cancelled("over")


def test_a_push_that_is_stopped_leaves_no_tag(registry: Registry, store: Layers, path: str) -> None:
    make_image(store, "app:1")
    earlier = state(store)
    with pytest.raises(Cancelled):
        send(
            store,
            "app:1",
            registry.name(path),
            stopper=After(lambda: bool(registry.requests.of("POST"))),
        )
    assert state(store) == earlier
    with pytest.raises(NotFound):
        document(registry.name(path))
    send(store, "app:1", registry.name(path))


def test_a_damaged_layer_is_not_pushed(registry: Registry, store: Layers, path: str) -> None:
    make_image(store, "app:1")
    (found,) = Path(store.layout.diff).glob("*/etc/shadow")
    found.write_bytes(b"Secret")
    with pytest.raises(Corrupt, match="is damaged"):
        send(store, "app:1", registry.name(path))
    with pytest.raises(NotFound):
        document(registry.name(path))


def test_a_manifest_that_lies_about_a_layer_is_refused(
    registry: Registry, make_store: Callable[[], Layers], path: str
) -> None:
    """A blob that is said to be a layer which is here is looked at: a later push would send it as that."""
    store = make_store()
    tar = packed_bytes(store, first_diff(store))
    evil = manifest(config_for(tar), [gzip.compress(b"evil" * 300)])
    name = registry.push(evil.layout(Path(store.layout.root) / "layout"), path, "--preserve-digests")
    with pytest.raises((Corrupt, InvalidInput), match=r"layer .* of .*"):
        get(store, name)
    assert not forms.forms(store.db.read(), first_diff(store))
    good = manifest(config_for(tar), [gzip.compress(tar, 3)])
    name = registry.push(good.layout(Path(store.layout.root) / "layout2"), path, "--preserve-digests")
    get(store, name)
    assert len(forms.forms(store.db.read(), first_diff(store))) == 1


def test_what_is_here_in_a_known_form_is_not_fetched(registry: Registry, store: Layers, path: str) -> None:
    make_image(store, "app:1")
    send(store, "app:1", registry.name(path))
    registry.requests.clear()
    pulled = get(store, registry.name(path))
    assert not registry.requests.of("GET", "/blobs/")
    assert send(store, registry.name(path), registry.name(f"{path}-2")).descriptor.digest == pulled.digest
    assert parse_manifest(store.blobs.read(pulled.digest)).layers[0].media_type == media.LAYER_GZIP
