"""Indexes in the store: made, named, saved, loaded, removed; what is in them stays whole."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING, cast

import pytest

from lamina.archive.compression import decompressed
from lamina.archive.opening import Spools
from lamina.db import imagedb, indexdb, leases
from lamina.db.names import for_platform, resolve_image
from lamina.errors import Corrupt, InvalidInput, NotFound
from lamina.gc.context import Context
from lamina.gc.images import remove_image
from lamina.gc.sweep import sweep
from lamina.layers.write import write_layer
from lamina.oci import annotations, media
from lamina.oci import manifest as manifests
from lamina.oci import platform as platforms
from lamina.oci.config import History, ImageConfig, RootFS
from lamina.oci.digest import sha256
from lamina.oci.validate import validate_index
from lamina.transfer.attest import attestation_manifest, statement
from lamina.transfer.compose import compose, keep
from lamina.transfer.form import Form
from lamina.transfer.index import index_view, make_index, part_of, register_index
from lamina.transfer.load import load
from lamina.transfer.register import register_image
from lamina.transfer.save import save
from tests.transfer.images import entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.layers.context import Layers
    from lamina.oci.digest import Digest, ImageID
    from lamina.oci.platform import Platform

HOST = platforms.host(os.uname().machine)
OTHER = platforms.parse("linux/arm64" if HOST.architecture != "arm64" else "linux/amd64")
NAME = "docker.io/library/multi:latest"
WHEN = "2026-01-02T03:04:05Z"


def an_image(ctx: Layers, platform: Platform, *tags: str, word: str = "") -> ImageID:
    """An image of one layer, which says what it is for."""
    diff = write_layer(ctx, [entry(b"platform", data=f"{platform}{word}".encode())])
    config = ImageConfig(
        platform.architecture, platform.os, RootFS((diff.diff_id,)), history=(History(WHEN, "test"),),
        created=WHEN, variant=platform.variant,
    )  # fmt: skip
    return register_image(ctx, config, [diff.diff_id], tags).image_id


def put(ctx: Layers, *tags: str, attested: bool = False) -> Digest:
    """An index of this machine's image, second, and another's; with attestations of both if wanted."""
    parts = [part_of(ctx, an_image(ctx, platform)) for platform in (OTHER, HOST)]
    notes = []
    if attested:
        for part in parts:
            text = statement("https://example.org/p", {"a": "b"}, tags, "", part.descriptor.digest)
            notes.append(attestation_manifest(ctx, part.descriptor, [text]))
    return register_index(ctx, make_index(parts, notes), parts, tags, HOST).digest


def saved(ctx: Layers, *names: str, form: str = "docker-archive", platform: Platform | None = None) -> bytes:
    out = io.BytesIO()
    save(ctx, names, out.write, form, platform)
    return out.getvalue()


def files_of(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name: cast("io.BufferedReader", tar.extractfile(m)).read() for m in tar if m.isfile()}


def check(ctx: Layers, digest: Digest) -> None:
    """The index and all of its images are sound."""
    view = index_view(ctx, digest)
    validate_index(view.data, view.images, decompress=lambda blob, _: decompressed(blob)[0])


def let_go(ctx: Layers) -> None:
    with ctx.db.write() as tx:
        leases.drop(tx, [ctx.lease.id])


def test_a_name_shows_the_image_for_this_machine(store: Layers) -> None:
    digest = put(store, "multi")
    c = store.db.read()
    found = resolve_image(c, "multi")
    assert found.index_digest == digest == indexdb.index_of(c, NAME)
    assert imagedb.need_image(c, found.image_id).architecture == HOST.architecture
    other = for_platform(c, found, OTHER)
    assert imagedb.need_image(c, other.image_id).architecture == OTHER.architecture
    with pytest.raises(NotFound, match="multi:latest was found but does not match the specified platform"):
        for_platform(c, found, platforms.parse("linux/s390x"))
    check(store, digest)


def test_an_index_is_found_by_its_digest(store: Layers) -> None:
    digest = put(store)
    c = store.db.read()
    for text in (digest, digest[7:], digest[7:19]):
        assert resolve_image(c, text).index_digest == digest
    assert indexdb.tags(c, digest) == []


def test_registering_again_changes_nothing(store: Layers) -> None:
    digest = put(store, "multi")
    before = indexdb.get_index(store.db.read(), digest)
    assert put(store, "multi") == digest
    assert indexdb.get_index(store.db.read(), digest) == before
    assert len(indexdb.members(store.db.read(), digest)) == 2


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
@pytest.mark.parametrize("attested", [False, True])
def test_save_and_load_keep_the_whole_index(
    make_store: Callable[[], Layers], form: str, attested: bool
) -> None:
    first, second = make_store(), make_store()
    digest = put(first, "multi", attested=attested)
    data = saved(first, "multi", form=form)
    (loaded,) = load(second, io.BytesIO(data))
    assert loaded.tags == ("multi:latest",)
    assert resolve_image(second.db.read(), "multi").index_digest == digest
    assert imagedb.need_image(second.db.read(), loaded.image_id).architecture == HOST.architecture
    check(second, digest)
    assert saved(second, "multi", form=form) == data
    index = json.loads(files_of(data)["index.json"])
    assert [each["digest"] for each in index["manifests"]] == [digest]
    blobs = files_of(data)
    inner = json.loads(blobs[f"blobs/sha256/{digest[7:]}"])
    assert len(inner["manifests"]) == (4 if attested else 2)
    assert ("manifest.json" in blobs) == (form == "docker-archive")


def test_save_one_platform(make_store: Callable[[], Layers]) -> None:
    first, second = make_store(), make_store()
    put(first, "multi", attested=True)
    data = saved(first, "multi", platform=OTHER)
    (loaded,) = load(second, io.BytesIO(data))
    assert imagedb.need_image(second.db.read(), loaded.image_id).architecture == OTHER.architecture
    assert resolve_image(second.db.read(), "multi").index_digest is None


def test_load_one_platform(make_store: Callable[[], Layers]) -> None:
    first, second = make_store(), make_store()
    put(first, "multi", attested=True)
    data = saved(first, "multi")
    (loaded,) = load(second, io.BytesIO(data), platform=OTHER)
    assert imagedb.need_image(second.db.read(), loaded.image_id).architecture == OTHER.architecture
    assert len(imagedb.images(second.db.read())) == 1
    with pytest.raises(NotFound, match="no image for linux/s390x"):
        load(second, io.BytesIO(data), platform=platforms.parse("linux/s390x"))


def test_an_index_that_is_not_all_there_gives_the_image_that_is(make_store: Callable[[], Layers]) -> None:
    """As Docker saves one platform: the whole index, and the blobs of one image."""
    first, second = make_store(), make_store()
    digest = put(first, "multi")
    files = files_of(saved(first, "multi", form="oci-archive"))
    members = indexdb.members(first.db.read(), digest)
    gone = next(m for m in members if imagedb.need_image(first.db.read(), m.image_id).architecture != HOST[1])
    del files[f"blobs/sha256/{gone.manifest[7:]}"]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    (loaded,) = load(second, io.BytesIO(out.getvalue()))
    assert imagedb.need_image(second.db.read(), loaded.image_id).architecture == HOST.architecture
    assert indexdb.indexes(second.db.read()) == []


def test_rmi_takes_all_images_with_the_last_name(store: Layers) -> None:
    put(store, "multi", "more")
    let_go(store)
    ctx = Context(*store)
    assert [str(each[0]) for each in remove_image(ctx, "more")] == ["more:latest"]
    assert len(imagedb.images(store.db.read())) == 2
    remove_image(ctx, "multi")
    c = store.db.read()
    assert imagedb.images(c) == [] and indexdb.indexes(c) == []


def test_rmi_leaves_an_image_that_has_a_name_of_its_own(store: Layers) -> None:
    other = an_image(store, OTHER, "alone")
    put(store, "multi")
    let_go(store)
    remove_image(Context(*store), "multi")
    assert [image.image_id for image in imagedb.images(store.db.read())] == [other]


def test_rmi_of_a_part_needs_force(store: Layers) -> None:
    digest = put(store, "multi")
    let_go(store)
    part = indexdb.members(store.db.read(), digest)[0].image_id
    with pytest.raises(Exception, match=r"must be forced.*part of what multi:latest stands for"):
        remove_image(Context(*store), part)
    assert len(imagedb.images(store.db.read())) == 2
    remove_image(Context(*store), part, force=True)
    assert imagedb.all_tags(store.db.read()) == []


def test_rmi_of_an_index_by_its_digest(store: Layers) -> None:
    digest = put(store, "multi")
    let_go(store)
    remove_image(Context(*store), digest)
    assert imagedb.images(store.db.read()) == [] and imagedb.all_tags(store.db.read()) == []


def test_prune_keeps_an_index_whole_and_takes_one_without_a_name(store: Layers) -> None:
    digest = put(store, "multi", attested=True)
    let_go(store)
    ctx = Context(*store)
    sweep(ctx, cache=True, all_images=False, dangling=True)
    assert len(imagedb.images(store.db.read())) == 2
    check(store, digest)
    saved(store, "multi")  # attestations are there, too
    newer = an_image(store, HOST, word="newer")
    with store.db.write() as tx:
        imagedb.put_tag(tx, NAME, newer)
    let_go(store)
    sweep(ctx, cache=True, all_images=False, dangling=True)
    assert len(imagedb.images(store.db.read())) == 1
    assert indexdb.indexes(store.db.read()) == []
    assert not store.blobs.has(digest)


def test_two_names_may_have_other_annotations_of_one_image(store: Layers) -> None:
    image_id = an_image(store, HOST)
    for name in ("one", "two"):
        form = Form(annotations=tuple(annotations.parse_flag(f"name={name}")))
        with Spools(store.layout.root) as spools:
            made = compose(store, [image_id], form, spools, lambda *_: ())
            assert keep(store, made, [name], HOST) == made.descriptor.digest
    for name in ("one", "two"):
        files = files_of(saved(store, name))
        (top,) = json.loads(files["index.json"])["manifests"]
        assert json.loads(files[f"blobs/sha256/{top['digest'][7:]}"])["annotations"] == {"name": name}
    let_go(store)
    remove_image(Context(*store), "one")
    saved(store, "two")


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_the_store_keeps_a_compressed_manifest(store: Layers, compression: str) -> None:
    image_id = an_image(store, HOST)
    with Spools(store.layout.root) as spools:
        digest = keep(
            store,
            compose(store, [image_id], Form(compression=compression), spools, lambda *_: ()),
            ["t"],
            HOST,
        )
    assert digest is not None
    let_go(store)
    sweep(Context(*store), cache=True, all_images=False, dangling=True)
    (view,) = index_view(store, digest).images
    assert media.compression(view.layers[0].media_type) == compression
    with view.layers[0].open() as stream:
        plain = decompressed(stream)[0].read()
    assert sha256(plain) == view.layers[0].diff_id


def test_docker_media_types(store: Layers) -> None:
    ids = [an_image(store, platform) for platform in (HOST, OTHER)]
    with Spools(store.layout.root) as spools:
        made = compose(store, ids, Form(compression="gzip", oci=False), spools, lambda *_: ())
    assert made.whole is not None
    index = manifests.parse_index(made.whole.data)
    assert index.media_type == media.DOCKER_INDEX
    manifest = manifests.parse_manifest(made.views[0].manifest_bytes)
    assert (manifest.media_type, manifest.config.media_type) == (media.DOCKER_MANIFEST, media.DOCKER_CONFIG)
    assert {layer.media_type for layer in manifest.layers} == {media.DOCKER_LAYER_GZIP}


def test_validate_index_finds_what_does_not_fit(store: Layers) -> None:
    view = index_view(store, put(store, "multi", attested=True))
    document = json.loads(view.data)
    validate_index(view.data, view.images)
    broken = []
    for change in (
        lambda d: d["manifests"][0].update(size=1),
        lambda d: d["manifests"][0]["platform"].update(architecture="s390x"),
        lambda d: d["manifests"].pop(0),
        lambda d: d["manifests"][2]["platform"].update(os="linux"),
        lambda d: d["manifests"][2]["annotations"].update(
            {"vnd.docker.reference.digest": "sha256:" + "0" * 64}
        ),
        lambda d: d["manifests"].append(d["manifests"][0]),
    ):
        copy = json.loads(json.dumps(document))
        change(copy)  # type: ignore[no-untyped-call]
        broken.append(json.dumps(copy).encode())
    for data in broken:
        with pytest.raises(Corrupt):
            validate_index(data, view.images)


def test_index_annotations_need_an_index(store: Layers) -> None:
    image_id = an_image(store, HOST)
    form = Form(annotations=tuple(annotations.parse_flag("index:a=b")))
    with Spools(store.layout.root) as spools, pytest.raises(InvalidInput, match="not supported for single"):
        compose(store, [image_id], form, spools, lambda *_: ())


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_skopeo_reads_the_index_and_every_platform(store: Layers, tmp_path: object) -> None:
    put(store, "multi", attested=True)
    path = f"{tmp_path}/multi.tar"
    with open(path, "wb") as file:
        file.write(saved(store, "multi", form="oci-archive"))
    raw = subprocess.run(
        ["skopeo", "inspect", "--raw", f"oci-archive:{path}"], capture_output=True, check=True
    )
    assert len(json.loads(raw.stdout)["manifests"]) == 4
    for platform in (HOST, OTHER):
        command = ["skopeo", "--override-arch", platform.architecture, "inspect", f"oci-archive:{path}"]
        told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        assert told["Architecture"] == platform.architecture
    subprocess.run(
        ["skopeo", "copy", "-q", "--all", f"oci-archive:{path}", f"oci:{tmp_path}/layout:again"], check=True
    )


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_what_skopeo_copies_is_loaded_whole(make_store: Callable[[], Layers], tmp_path: object) -> None:
    first, second = make_store(), make_store()
    digest = put(first, "multi", attested=True)
    with open(f"{tmp_path}/multi.tar", "wb") as file:
        file.write(saved(first, "multi", form="oci-archive"))
    source, target = f"oci-archive:{tmp_path}/multi.tar", f"oci:{tmp_path}/layout:docker.io/library/copied:1"
    # Without the flag skopeo writes the index anew, with other fields.
    subprocess.run(["skopeo", "copy", "-q", "--all", "--preserve-digests", source, target], check=True)
    (loaded,) = load(second, f"{tmp_path}/layout")
    assert loaded.tags == ("copied:1",)
    assert resolve_image(second.db.read(), "copied:1").index_digest == digest
    check(second, digest)
