"""Deletes, and what a sweep keeps of what is hosted: also by other processes, while clients push and pull."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from lamina.db import imagedb
from lamina.db.names import resolve_image
from lamina.engine.engine import Engine
from lamina.errors import NotFound
from lamina.gc.collect import collect
from lamina.gc.context import Context
from lamina.gc.images import remove_image
from lamina.gc.sweep import sweep
from lamina.layers.context import Layers
from lamina.oci.digest import Digest, sha256
from lamina.serving import expiry
from tests.layers.stores import open_store
from tests.registry.images import image, index
from tests.serving.site import Site, eventually, running
from tests.serving.test_listing import referring
from tests.serving.test_pull import blobs_of, built
from tests.serving.test_push import DATA, DIGEST, MADE, artifact, begun, is_there


@pytest.fixture
def other(site: Site) -> Iterator[Layers]:
    """Another process on the same store."""
    made = open_store(site.store.layout.root)
    yield made
    made.db.close()
    made.lease.release()


def pruned(other: Layers, *, all_images: bool = False) -> None:
    sweep(Context(*other), cache=True, all_images=all_images, dangling=True)


# --- deletes


def test_a_tag_is_deleted(site: Site) -> None:
    site.push(MADE, tag="1")
    site.put(MADE, "2", "app")
    assert site.ask("DELETE", "/v2/app/manifests/1").status == 202
    assert site.ask("GET", "/v2/app/manifests/1").status == 404
    assert site.ask("GET", "/v2/app/tags/list").json["tags"] == ["2"]
    assert site.ask("GET", f"/v2/app/manifests/{MADE.digest}").status == 200
    assert site.ask("DELETE", "/v2/app/manifests/1").code == "MANIFEST_UNKNOWN"


def test_a_manifest_is_deleted_with_its_tags_and_its_image(site: Site) -> None:
    site.push(MADE, tag="1")
    site.put(MADE, "2", "app")
    assert site.ask("DELETE", f"/v2/app/manifests/{MADE.digest}").status == 202
    for reference in ("1", "2", MADE.digest):
        assert site.ask("GET", f"/v2/app/manifests/{reference}").status == 404
    assert not imagedb.images(site.store.db.read())
    assert site.ask("DELETE", f"/v2/app/manifests/{MADE.digest}").status == 404
    assert site.ask("GET", "/v2/_catalog").json == {"repositories": []}


def test_what_was_handed_out_is_deleted_too(site: Site) -> None:
    site.push(MADE)
    for reference in ("1", MADE.digest):
        assert site.ask("GET", f"/v2/app/manifests/{reference}").status == 200
    site.ask("DELETE", f"/v2/app/manifests/{MADE.digest}")
    assert site.ask("GET", f"/v2/app/manifests/{MADE.digest}").status == 404


def test_what_another_repository_has_stays(site: Site) -> None:
    site.push(MADE, "app")
    site.push(MADE, "other")
    site.ask("DELETE", f"/v2/app/manifests/{MADE.digest}")
    assert set(blobs_of(site, "other")) == set(MADE.blobs)
    assert resolve_image(site.store.db.read(), "other:1").image_id == MADE.image_id


def test_a_blob_is_deleted(site: Site) -> None:
    site.upload(DATA, "app")
    assert site.ask("DELETE", f"/v2/app/blobs/{DIGEST}").status == 202
    assert not is_there(site)
    assert site.ask("DELETE", f"/v2/app/blobs/{DIGEST}").code == "BLOB_UNKNOWN"


def test_an_artifact_is_deleted(site: Site) -> None:
    site.push(MADE)
    made = referring("application/x.sbom")
    site.push(made, tag="sbom")
    assert site.ask("DELETE", f"/v2/app/manifests/{made.digest}").status == 202
    assert site.ask("GET", f"/v2/app/referrers/{MADE.digest}").json["manifests"] == []
    assert site.ask("GET", "/v2/app/tags/list").json["tags"] == ["1"]


def test_an_index_is_deleted_and_its_images_stay_by_their_digests(site: Site) -> None:
    made = index({"linux/amd64": MADE})
    site.push(made)
    assert site.ask("DELETE", f"/v2/app/manifests/{made.digest}").status == 202
    assert site.ask("GET", "/v2/app/manifests/1").status == 404
    assert site.ask("GET", f"/v2/app/manifests/{MADE.digest}").status == 200


def test_an_image_that_was_built_here_loses_its_name(site: Site) -> None:
    image_id = built(site.store)
    digest = site.ask("HEAD", "/v2/built/manifests/1").headers["Docker-Content-Digest"]
    assert site.ask("DELETE", f"/v2/built/manifests/{digest}").status == 202
    assert imagedb.get_image(site.store.db.read(), image_id) is None


def test_what_was_deleted_leaves_the_disk(store: Layers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.serving.serve._TICK", 0.05)
    with running(store) as site:
        site.push(MADE)
        site.ask("DELETE", f"/v2/app/manifests/{MADE.digest}")
        eventually(lambda: not list(store.blobs.walk()) and not os.listdir(store.layout.diff))


# --- sweeps


def test_a_prune_keeps_what_is_hosted(site: Site, other: Layers) -> None:
    made = index({"linux/amd64": MADE, "linux/arm64": image({"o": b"x"}, platform="linux/arm64")})
    thing = referring("application/x.sbom")
    site.push(made, "app")
    site.push(thing, "app", thing.digest)
    site.push(artifact(b"tagged"), "things", "t")
    site.upload(DATA, "coming")
    pruned(other, all_images=True)
    assert site.ask("GET", "/v2/app/manifests/1").body == made.data
    for digest in made.manifests:
        assert blobs_of(site, "app", digest)
    assert blobs_of(site, "app", thing.digest)
    assert blobs_of(site, "things", "t")
    assert is_there(site, repository="coming")


def test_a_tag_that_moved_leaves_the_image_by_its_digest(site: Site, other: Layers) -> None:
    site.push(MADE)
    site.push(image({"n": b"new"}))
    pruned(other)
    assert set(blobs_of(site, "app", MADE.digest)) == set(MADE.blobs)


def test_a_name_that_is_removed_here_is_not_hosted(site: Site, other: Layers) -> None:
    site.push(MADE)
    assert site.ask("GET", "/v2/app/manifests/1").status == 200
    remove_image(Context(*other), "app:1")
    assert site.ask("GET", "/v2/app/manifests/1").status == 404
    assert site.ask("GET", f"/v2/app/manifests/{MADE.digest}").status == 404
    expiry.expire(other)
    collect(Context(*other))
    assert not list(other.blobs.walk())


def test_the_space_of_a_name_that_is_removed_comes_back(site: Site) -> None:
    site.push(MADE)
    site.push(image({"n": b"new"}), tag="2")
    with Engine.open(site.store.layout.root, environ={}) as engine:
        engine.rmi("app:1")
        assert not any(site.store.blobs.has(Digest(digest)) for digest in MADE.layers)
        engine.rmi("app:2")
    assert not list(site.store.blobs.walk())


def test_two_servers_of_one_store(site: Site, other: Layers) -> None:
    with running(other) as second:
        site.push(MADE)
        assert set(blobs_of(second, "app")) == set(MADE.blobs)
        newer = image({"n": b"new"})
        second.push(newer)
        assert site.ask("GET", "/v2/app/manifests/1").body == newer.data
        second.ask("DELETE", f"/v2/app/manifests/{newer.digest}")
        assert site.ask("GET", "/v2/app/manifests/1").status == 404


def test_an_upload_under_way_survives_a_sweep(site: Site, other: Layers) -> None:
    place = begun(site)
    site.ask("PATCH", place, DATA[:50_000])
    pruned(other)
    assert site.ask("PUT", f"{place}?digest={DIGEST}", DATA[50_000:]).status == 201
    pruned(other)
    assert is_there(site)


def test_sweeps_while_clients_push(site: Site, other: Layers) -> None:
    over = threading.Event()

    def sweeping() -> None:
        while not over.is_set():
            pruned(other, all_images=True)
        other.db.close()

    thread = threading.Thread(target=sweeping)
    thread.start()
    try:
        for number in range(8):
            made = image({"f": b"%d" % number}, {"g": b"%d" % number})
            assert site.push(made, "app", f"t{number}").status == 201
            assert set(blobs_of(site, "app", f"t{number}")) == set(made.blobs)
    finally:
        over.set()
        thread.join()


def test_a_server_that_does_nothing_keeps_nothing_from_a_sweep(site: Site, other: Layers) -> None:
    other.blobs.put(b"of nobody")
    site.push(MADE)
    other.lease.release()
    third = open_store(site.store.layout.root)
    try:
        collect(Context(*third))
        assert not third.blobs.has(sha256(b"of nobody"))
    finally:
        third.db.close()
        third.lease.release()


def test_a_blob_that_nobody_names_goes_after_a_day(
    site: Site, other: Layers, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.push(MADE)
    site.upload(DATA, "app")
    expiry.expire(other)
    assert is_there(site)
    monkeypatch.setattr(expiry, "LIFE", -1.0)
    expiry.expire(other)
    assert not is_there(site)
    assert set(blobs_of(site, "app")) == set(MADE.blobs)


def test_an_upload_of_which_nothing_is_heard_goes(store: Layers) -> None:
    with running(store, expiry=0.05) as site:
        place = begun(site)
        eventually(lambda: not store.layout.temps())
        assert site.ask("PATCH", place, DATA).code == "BLOB_UPLOAD_UNKNOWN"


def test_what_is_under_way_at_the_end_leaves_nothing(store: Layers) -> None:
    with running(store) as site:
        site.ask("PATCH", begun(site), DATA)
        assert store.layout.temps()
    assert not store.layout.temps()
    assert len(os.listdir(store.layout.leases)) == 1  # ours


def test_pulled_while_it_is_removed(site: Site, other: Layers) -> None:
    """It is whole, or it is not there; nothing in between is taken for whole."""
    import http.client

    for _ in range(5):
        built(site.store)
        digest = site.ask("GET", "/v2/built/manifests/1").json["layers"][0]["digest"]
        thread = threading.Thread(
            target=lambda: remove_image(Context(*other), "built:1") and other.db.close()
        )
        thread.start()
        try:
            answer = site.ask("GET", f"/v2/built/blobs/{digest}")
            assert answer.status == 404 or sha256(answer.body) == digest
        except (http.client.IncompleteRead, ConnectionError):
            pass
        thread.join()
        with pytest.raises(NotFound):
            resolve_image(other.db.read(), "built:1")
