"""copy into the store and out of it, and of what Docker saved."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.db import imagedb, indexdb
from lamina.errors import NotFound, Unsupported
from lamina.layers.context import Layers
from lamina.oci.digest import sha256
from lamina.transfer.image_view import image_view
from lamina.transfer.load import load
from lamina.transfer.save import save
from tests.registry.conftest import liar, place
from tests.registry.distribution import need
from tests.registry.images import image
from tests.registry.liar import Liar
from tests.transfer.copying import ONE, OTHER, TWO, layout, put, rows, seen
from tests.transfer.faraway import fetching, send_away
from tests.transfer.images import config_of, make_image, old_docker_archive, tar

__all__ = ["liar", "place"]
OURS = "docker.io/library/app:1"


def digest_of(store: Layers, name: str) -> str:
    """What a name of a store stands for."""
    found = imagedb.find_tag(store.db.read(), name)
    assert found is not None
    return found.index_digest or imagedb.need_image(store.db.read(), found.image_id).manifest


def test_into_the_store_and_out(place: Path, make_store: Callable[[], Layers]) -> None:
    store = make_store()
    source = layout(place / "layout")
    assert put(source, "app:1", store, whole=True).digest == digest_of(store, OURS) == TWO.digest
    assert len(indexdb.members(store.db.read(), TWO.digest)) == 2  # type: ignore[arg-type]
    put(source, "store:one", store)
    put(source, "other", store, platform=OTHER)
    assert digest_of(store, "docker.io/library/one:latest") == ONE.digest
    for name, digest in (("app:1", TWO.digest), ("one", ONE.digest)):
        assert put(name, f"oci:{place}/out:x", store, whole=True).digest == digest
        assert put(name, f"docker-archive:{place}/out.tar:y", store).digest == ONE.digest
    other = make_store()
    assert put(f"docker-archive:{place}/out.tar:y", "z", other).digest == ONE.digest
    assert put("app:1", "copied", store).digest == TWO.digest  # a name beside it
    with pytest.raises(NotFound, match="No such image"):
        put("nothing", "x", store)
    with pytest.raises(Unsupported, match="keeps no referrers"):
        put("app:1", f"oci:{place}/out", store, referrers=True)


def test_a_layer_that_was_built_here(place: Path, store: Layers) -> None:
    image_id = make_image(store, "app:1")
    made = put("app:1", f"oci:{place}/out:x", store)
    assert made.digest == imagedb.need_image(store.db.read(), image_id).manifest
    if os.geteuid() == 0:
        need("umoci", "skopeo")
        assert seen(f"oci:{place}/out:x") == made.digest


def test_a_layer_that_is_elsewhere_comes_for_it(place: Path, store: Layers, liar: Liar) -> None:
    image_id = make_image(store, "app:1")
    diff_ids = {layer.diff_id for layer in image_view(store, image_id).layers}
    send_away(store, liar, *diff_ids)
    made = put("app:1", f"oci:{place}/out:x", fetching(store))
    assert made.digest == imagedb.need_image(store.db.read(), image_id).manifest == seen(f"oci:{place}/out:x")
    assert len(liar.asked()) >= len(diff_ids) - 1  # the empty layer is never elsewhere


def test_an_index_of_which_the_store_has_one_image(place: Path, store: Layers) -> None:
    source = layout(place / "layout")
    for name in TWO.manifests:
        if name != ONE.digest:
            (place / "layout/blobs/sha256" / name[7:]).unlink()
    with pytest.raises(NotFound):
        put(source, f"oci:{place}/out", whole=True)
    assert put(source, f"oci:{place}/out").digest == ONE.digest
    put(source, "app:1", store, whole=True)  # as `load` takes it
    assert put("app:1", f"oci:{place}/out:y", store).digest == ONE.digest


# --- archives of Docker's


def test_what_docker_20_10_saved(place: Path, store: Layers) -> None:
    layers = [b"".join(_tar(name)) for name in ("a", "b")]
    config = config_of(*layers)
    (place / "old.tar").write_bytes(tar(old_docker_archive(config, layers, "app:1", "app:2")))
    made = put(f"docker-archive:{place}/old.tar:app:2", f"oci:{place}/out:x")
    document = json.loads((place / "out/blobs/sha256" / made.digest[7:]).read_bytes())
    assert document["config"]["digest"] == sha256(config)
    assert [each["digest"] for each in document["layers"]] == [sha256(layer) for layer in layers]
    with pytest.raises(NotFound, match="no image 'app:3'"):
        put(f"docker-archive:{place}/old.tar:app:3", f"oci:{place}/out:y")
    put(f"docker-archive:{place}/old.tar", "renamed", store)
    assert imagedb.get_tag(store.db.read(), "docker.io/library/renamed:latest") == sha256(config)


def _tar(name: str) -> list[bytes]:
    from tests.registry.images import layer

    return [layer({name: name.encode()})]


@pytest.mark.peers
def test_skopeo_and_load_read_dockers_archive(place: Path, store: Layers) -> None:
    need("skopeo")
    put(layout(place / "layout"), f"docker-archive:{place}/a.tar:app:1", whole=True)
    with tarfile.open(place / "a.tar") as found:
        (row,) = json.load(found.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert (row["Config"][13:], row["RepoTags"]) == (ONE.image_id[7:], ["app:1"])
    from tests.transfer.copying import skopeo

    config = skopeo("inspect", "--config", "--raw", f"docker-archive:{place}/a.tar:app:1")
    assert sha256(config) == ONE.image_id
    (loaded,) = load(store, str(place / "a.tar"))
    assert loaded == (ONE.image_id, ("app:1",))
    assert digest_of(store, OURS) == TWO.digest


def test_since_an_image(place: Path, make_store: Callable[[], Layers]) -> None:
    """What `save --since` leaves out, a target that has it does not need."""
    store = make_store()
    new = image({"a": b"1" * 500}, {"new": b"new"})
    for name, made in (("old", ONE), ("new", new)):
        put(layout(place / name, made), f"app:{name}", store)
    with open(place / "since.tar", "wb") as out:
        save(store, ["app:new"], out.write, "oci-archive", since=["app:old"])
    with pytest.raises(NotFound, match=ONE.layers[0][7:]) as caught:
        put(f"oci-archive:{place}/since.tar:new", f"oci:{place}/empty:x")
    assert caught.value.hint and "app:old" in caught.value.hint
    put(f"oci-archive:{place}/since.tar:new", f"oci:{place}/old:x")
    assert rows(place / "old")["x"] == new.digest
    other = make_store()
    with pytest.raises(NotFound, match="leaves out layers that the store lacks"):
        put(f"oci-archive:{place}/since.tar:new", "app:new", other)
    put(f"oci:{place}/old:it", "whatever", other)
    assert put(f"oci-archive:{place}/since.tar:new", "app:new", other).digest == new.digest
