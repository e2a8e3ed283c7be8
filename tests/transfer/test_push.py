"""push: what a registry has afterwards, how it came there, and what is not sent again."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from lamina.archive.compression import decompressed
from lamina.db import imagedb, repodigests
from lamina.db import packed as forms
from lamina.db.names import resolve_image
from lamina.errors import Cancelled, Corrupt, InvalidInput, LaminaError, NotFound
from lamina.events import Event, Notice, Progress
from lamina.fetch.stopping import NeverStops
from lamina.layers.context import Layers
from lamina.layers.write import write_layer
from lamina.oci import media
from lamina.oci import platform as platforms
from lamina.oci import reference as references
from lamina.oci.config import ImageConfig, RootFS
from lamina.oci.config import parse as parse_config
from lamina.oci.digest import Digest, ImageID, sha256
from lamina.oci.manifest import parse_manifest
from lamina.oci.validate import validate
from lamina.registry.failures import ManifestRefused
from lamina.registry.repository import Repository
from lamina.registry.settings import Settings
from lamina.transfer.image_view import image_view, read_config
from lamina.transfer.packing import KINDS, Packing, pack_into
from lamina.transfer.pull import Pulled, pull, pull_all
from lamina.transfer.push import Pushed, Pushes, push
from lamina.transfer.register import register_image
from tests.faults.proxy import Fault, Phase, Spoiled, before, status
from tests.layers.stores import packed_bytes, state
from tests.machine import quick_place
from tests.registry.distribution import Registry, running
from tests.registry.images import image, index, manifest, noise
from tests.transfer.images import CREATED, entry, make_image
from tests.transfer.test_pull import HOST, OTHER, config_for, two

MADE = image({"a": b"1", "b": b"1"}, {".wh.a": b"", "c": noise(3000)}, env=["A=b"])


@contextmanager
def registry_of_all() -> Iterator[Registry]:
    """Debian's docker-registry, whose requests are written down."""
    folder = Path(tempfile.mkdtemp(prefix="lamina-push-", dir=quick_place()))
    try:
        with running(folder, count=True) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def first() -> Iterator[Registry]:
    with registry_of_all() as made:
        yield made


@pytest.fixture(scope="module")
def second() -> Iterator[Registry]:
    with registry_of_all() as made:
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


def document_digest(name: str) -> Digest:
    with Repository(references.parse(name), Settings()) as repository:
        return repository.resolve()


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


def test_every_form_of_a_layer_unpacks_to_it(store: Layers) -> None:
    """Also what is sent only when the plain tar is nowhere, and has to be made."""
    diff_id = _first_diff(store)
    for kind in KINDS:
        out = io.BytesIO()
        told: list[int] = []
        pack_into(store, diff_id, Packing(kind), out.write, told.append)
        out.seek(0)
        assert sha256(decompressed(out)[0].read()) == diff_id
        assert told[-1] == len(packed_bytes(store, diff_id))


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
    tar = packed_bytes(store, _first_diff(store))
    evil = manifest(config_for(tar), [gzip.compress(b"evil" * 300)])
    name = registry.push(evil.layout(Path(store.layout.root) / "layout"), path, "--preserve-digests")
    with pytest.raises((Corrupt, InvalidInput), match=r"layer .* of .*"):
        get(store, name)
    assert not forms.forms(store.db.read(), _first_diff(store))
    good = manifest(config_for(tar), [gzip.compress(tar, 3)])
    name = registry.push(good.layout(Path(store.layout.root) / "layout2"), path, "--preserve-digests")
    get(store, name)
    assert len(forms.forms(store.db.read(), _first_diff(store))) == 1


def _first_diff(store: Layers) -> Any:
    found = store.db.read().execute("SELECT diff_id FROM diffs ORDER BY entries DESC").fetchone()
    if found is None:
        make_image(store, "base:1")
        return _first_diff(store)
    return found[0]


def test_what_is_here_in_a_known_form_is_not_fetched(registry: Registry, store: Layers, path: str) -> None:
    make_image(store, "app:1")
    send(store, "app:1", registry.name(path))
    registry.requests.clear()
    pulled = get(store, registry.name(path))
    assert not registry.requests.of("GET", "/blobs/")
    assert send(store, registry.name(path), registry.name(f"{path}-2")).descriptor.digest == pulled.digest
    assert parse_manifest(store.blobs.read(pulled.digest)).layers[0].media_type == media.LAYER_GZIP


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
