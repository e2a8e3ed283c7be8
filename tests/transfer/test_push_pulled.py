"""push of what came from elsewhere: the same bytes and digests; indexes with all that is in them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.db import imagedb
from lamina.db.names import resolve_image
from lamina.errors import InvalidInput, LaminaError, NotFound
from lamina.events import Event, Notice
from lamina.layers.context import Layers
from lamina.oci import media
from lamina.oci import platform as platforms
from lamina.oci import reference as references
from lamina.oci.config import parse as parse_config
from lamina.oci.digest import Digest, ImageID
from lamina.registry.settings import Settings
from lamina.transfer.image_view import read_config
from lamina.transfer.packing import Packing
from lamina.transfer.pull import pull_all
from lamina.transfer.push import Pushes
from lamina.transfer.register import register_image
from tests.registry.distribution import Registry
from tests.registry.images import image, index, manifest, noise
from tests.transfer.images import make_image
from tests.transfer.pushing import (
    MADE,
    check,
    document,
    document_digest,
    first,
    get,
    other,
    path,
    registry,
    second,
    send,
)
from tests.transfer.test_pull import HOST, OTHER, two

__all__ = ["first", "other", "path", "registry", "second"]


# --- what came from a registry


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
def test_a_pulled_image_has_the_same_digests_elsewhere(
    registry: Registry, other: Registry, make_store: Callable[[], Layers], path: str, docker: bool
) -> None:
    store, there = make_store(), make_store()
    made = image({"a": b"1"}, {"b": noise(2000)})
    flags = ("--format", "v2s2") if docker else ("--preserve-digests",)
    name = registry.push(made.layout(Path(store.layout.root) / "layout"), path, *flags)
    pulled = get(store, name)
    pushed = send(store, name, other.name(path)).descriptor
    assert pushed.digest == pulled.digest == document_digest(name)
    assert pushed.media_type == (media.DOCKER_MANIFEST if docker else media.MANIFEST)
    assert get(there, other.name(path)) == pulled._replace(
        reference=references.parse(other.name(f"{path}:latest"))
    )
    check(there, pulled.image_id, pulled.digest)
    registry.requests.clear()
    send(store, name, name)  # back to where it came from
    send(store, name, registry.name(f"{path}-2"))
    assert len(registry.requests.of("POST", "mount=")) == 2 and not registry.requests.of("PATCH")


def test_a_blob_that_is_not_here_goes_from_registry_to_registry(
    registry: Registry, other: Registry, store: Layers, path: str
) -> None:
    name = registry.push(MADE.layout(Path(store.layout.root) / "layout"), path, "--preserve-digests")
    get(store, name)
    for digest in MADE.layers:
        store.blobs.delete(Digest(digest))
    assert send(store, name, other.name(path)).descriptor.digest == MADE.digest


def test_layers_that_are_not_here_go_without_being_fetched(
    registry: Registry, other: Registry, store: Layers, path: str
) -> None:
    """Absent layers: of them there are rows, and it is known who has the bytes."""
    make_image(store, "app:1")
    first = send(store, "app:1", registry.name(path)).descriptor
    shutil.rmtree(store.layout.diff)
    registry.requests.clear()
    assert send(store, "app:1", registry.name(f"{path}-2")).descriptor == first
    assert not registry.requests.of("GET", "/blobs/") and not registry.requests.of("PATCH")
    assert send(store, "app:1", other.name(path)).descriptor == first
    assert not Path(store.layout.diff).exists()
    with pytest.raises(LaminaError, match="not in the store, only known"):
        send(store, "app:1", other.name(path), Packing("zstd"))


def test_a_blob_that_nobody_has_is_packed_anew(
    registry: Registry, other: Registry, make_store: Callable[[], Layers], path: str
) -> None:
    """As after a delta transfer: of the layer there are the files, and its place is gone since."""
    store, there = make_store(), make_store()
    image_id = make_image(there, "app:1")
    zstd = send(there, "app:1", registry.name(path), Packing("zstd")).descriptor
    get(store, registry.name(path))
    with store.db.write() as tx:
        tx.execute("UPDATE diffs SET blob = NULL, media_type = ?", (media.LAYER,))
    for layer in document(registry.name(path))["layers"]:
        store.blobs.delete(layer["digest"])
    shutil.rmtree(registry.folder / "data/docker/registry/v2/repositories" / path)
    told: list[Event] = []
    pushed = send(store, registry.name(path), other.name(path), observer=told.append).descriptor
    assert pushed != zstd and pushed.media_type == media.MANIFEST
    assert any("packed anew" in event.text for event in told if isinstance(event, Notice))
    assert get(there, other.name(path)).image_id == image_id
    check(there, image_id, pushed.digest)


def test_force_compression(registry: Registry, store: Layers, path: str) -> None:
    name = registry.push(MADE.layout(Path(store.layout.root) / "layout"), path, "--preserve-digests")
    get(store, name)
    kept = send(store, name, registry.name(f"{path}:kept"), Packing("zstd"))
    assert kept.descriptor.digest == MADE.digest
    send(store, name, registry.name(f"{path}:forced"), Packing("zstd", force=True))
    layers = document(registry.name(f"{path}:forced"))["layers"]
    assert {layer["mediaType"] for layer in layers} == {media.LAYER_ZSTD}
    # What was packed so once is not the usual form from now on.
    assert send(store, name, registry.name(f"{path}:again")).descriptor.digest == MADE.digest


def test_plain_layers_that_came_so_stay_plain(
    registry: Registry, other: Registry, make_store: Callable[[], Layers], path: str
) -> None:
    store, there = make_store(), make_store()
    make_image(store, "app:1")
    plain = send(store, "app:1", registry.name(path), Packing("uncompressed"))
    get(there, registry.name(path))
    assert send(there, registry.name(path), other.name(path)).descriptor == plain.descriptor
    assert send(store, "app:1", other.name(f"{path}:own")).descriptor != plain.descriptor


def test_zstd_has_no_type_of_docker(registry: Registry, store: Layers, path: str) -> None:
    make_image(store, "app:1")
    send(store, "app:1", registry.name(path), Packing("zstd"))
    with store.db.write() as tx:
        imagedb.delete_tag(tx, "docker.io/library/app:1")
    name = registry.name(path)
    get(store, name)
    with pytest.raises(InvalidInput, match="Docker's media types have no name for that"):
        send(store, name, registry.name(f"{path}:docker"), Packing(types="docker"))
    send(store, name, registry.name(f"{path}:docker"), Packing("gzip", force=True, types="docker"))


def test_types(registry: Registry, store: Layers, path: str) -> None:
    make_image(store, "app:1")
    send(store, "app:1", registry.name(path), Packing(types="docker"))
    found = document(registry.name(path))
    assert found["mediaType"] == media.DOCKER_MANIFEST
    assert found["config"]["mediaType"] == media.DOCKER_CONFIG
    assert {layer["mediaType"] for layer in found["layers"]} == {media.DOCKER_LAYER_GZIP}
    name = registry.name(path)
    get(store, name)
    send(store, name, registry.name(f"{path}:oci"), Packing(types="oci"))
    found = document(registry.name(f"{path}:oci"))
    assert found["mediaType"] == media.MANIFEST
    assert {layer["mediaType"] for layer in found["layers"]} == {media.LAYER_GZIP}
    assert send(
        store, name, registry.name(f"{path}:zstd"), Packing("zstd", force=True)
    ).descriptor.media_type == (media.MANIFEST)  # Docker's types have no zstd


def test_an_image_on_a_base_of_docker_has_types_of_one_kind(
    registry: Registry, store: Layers, path: str
) -> None:
    made = image({"a": b"1"}, {"b": b"2"})
    base = registry.push(made.layout(Path(store.layout.root) / "layout"), path, "--format", "v2s2")
    config = parse_config(read_config(store, get(store, base).image_id))
    register_image(store, config._replace(author="me"), config.diff_ids, ["mine:1"])
    send(store, "mine:1", registry.name(f"{path}-mine"))
    found = document(registry.name(f"{path}-mine"))
    assert found["mediaType"] == media.MANIFEST and found["config"]["mediaType"] == media.CONFIG
    assert {layer["mediaType"] for layer in found["layers"]} == {media.LAYER_GZIP}


# --- indexes


def test_an_index_goes_with_the_images_that_were_never_pulled(
    registry: Registry, other: Registry, make_store: Callable[[], Layers], path: str
) -> None:
    store, there = make_store(), make_store()
    made = two()
    name = registry.push(made.layout(Path(store.layout.root) / "layout"), path, "--all", "--preserve-digests")
    get(store, name)
    assert len(imagedb.images(store.db.read())) == 1
    assert send(store, name, other.name(path)).descriptor.digest == made.digest
    for platform in (HOST, OTHER):
        check(there, *_member(there, other.name(path), platform))


def _member(store: Layers, name: str, platform: platforms.Platform) -> tuple[ImageID, Digest]:
    """An image of an index that is pulled for a platform, and its manifest."""
    found = get(store, name, platform)
    rows = document(name)["manifests"]
    (own,) = [row["digest"] for row in rows if row["platform"]["architecture"] == platform.architecture]
    wanted = next(
        image.image_id
        for image in imagedb.images(store.db.read())
        if image.architecture == platform.architecture
    )
    assert found.digest == document_digest(name)
    return wanted, Digest(own)


def test_one_image_of_an_index(registry: Registry, other: Registry, store: Layers, path: str) -> None:
    made = two()
    name = registry.push(made.layout(Path(store.layout.root) / "layout"), path, "--all", "--preserve-digests")
    get(store, name)
    (own,) = [
        row["digest"]
        for row in json.loads(made.data)["manifests"]
        if row["platform"]["architecture"] == HOST.architecture
    ]
    assert send(store, name, other.name(path), platform=HOST).descriptor.digest == own
    with pytest.raises(NotFound, match="does not match the specified platform"):
        send(store, name, other.name(path), platform=OTHER)


def test_an_index_of_which_nobody_has_the_rest(registry: Registry, store: Layers, path: str) -> None:
    made = two()
    name = registry.push(made.layout(Path(store.layout.root) / "layout"), path, "--all", "--preserve-digests")
    get(store, name)
    with store.db.write() as tx:
        tx.execute("DELETE FROM places")
    with pytest.raises(NotFound, match="does not have all of the index") as caught:
        send(store, name, registry.name(f"{path}-2"))
    assert "--platform" in (caught.value.hint or "")
    with pytest.raises(NotFound):
        document(registry.name(f"{path}-2"))


def test_all_tags(registry: Registry, make_store: Callable[[], Layers], path: str) -> None:
    store, there = make_store(), make_store()
    first, second = make_image(store, "app:1"), make_image(store, "app:2", label="x")
    target = references.parse(registry.name(path))
    with Pushes(store, target, Settings()) as pushes:
        for tag in ("1", "2"):
            pushes.push(resolve_image(store.db.read(), f"app:{tag}"), tag)
    assert len(registry.requests.of("HEAD", "/blobs/")) == 3 + 2  # layers are not asked for twice
    told: list[str] = []
    found = pull_all(
        there,
        target,
        Settings(),
        observer=lambda event: told.append(event.text) if isinstance(event, Notice) else None,
    )
    assert [each.image_id for each in found] == [first, second]
    assert [text for text in told if "Pulling from" in text] == [
        f"{tag}: Pulling from {path}" for tag in ("1", "2")
    ]
    with pytest.raises(InvalidInput, match="tag can't be used with --all-tags"):
        pull_all(there, references.parse(registry.name(f"{path}:1")), Settings())
    with pytest.raises(LaminaError, match="nosuch"):
        pull_all(there, references.parse(registry.name("nosuch")), Settings())


def test_all_tags_but_what_is_no_image(
    registry: Registry, make_store: Callable[[], Layers], path: str
) -> None:
    store, there = make_store(), make_store()
    make_image(store, "app:1")
    send(store, "app:1", registry.name(f"{path}:1"))
    chart = manifest(b"{}", [], (media.MANIFEST, "application/vnd.cncf.helm.config.v1+json", ""))
    registry.push(chart.layout(Path(store.layout.root) / "layout"), f"{path}:chart", "--preserve-digests")
    told: list[str] = []
    found = pull_all(
        there,
        references.parse(registry.name(path)),
        Settings(),
        observer=lambda event: told.append(event.text) if isinstance(event, Notice) else None,
    )
    assert [each.reference.tag for each in found] == ["1"]
    assert any(text.startswith("chart: left out: ") for text in told)


def test_a_whole_index_of_ours_is_pushed(
    registry: Registry, make_store: Callable[[], Layers], path: str
) -> None:
    """Loaded from an archive, so that all of it is here."""
    from lamina.transfer.load import load

    store, there = make_store(), make_store()
    made = index({str(HOST): MADE, str(OTHER): image({"o": b"x"}, platform=str(OTHER))})
    folder = Path(store.layout.root) / "layout"
    made.layout(folder)
    (loaded,) = load(store, str(folder))
    with store.db.write() as tx:
        imagedb.put_tag(tx, "docker.io/library/all:1", loaded.image_id, Digest(made.digest))
    assert send(store, "all:1", registry.name(path)).descriptor.digest == made.digest
    forced = send(store, "all:1", registry.name(f"{path}:z"), Packing("zstd", force=True))
    assert forced.descriptor.media_type == media.INDEX
    for platform in (HOST, OTHER):
        check(there, *_member(there, registry.name(f"{path}:z"), platform))
