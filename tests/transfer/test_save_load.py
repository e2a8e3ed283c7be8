"""save and load: the same image everywhere, whoever wrote the archive."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
import zstandard

from lamina.archive.compression import decompressed
from lamina.archive.opening import Spools
from lamina.archive.writing import Named, write_archive
from lamina.db import imagedb
from lamina.errors import Conflict, InvalidInput, NotFound
from lamina.layers.lookup import Lookup
from lamina.oci import manifest as manifests
from lamina.oci.validate import validate
from lamina.transfer.files import FileSet, write_folder, write_tar
from lamina.transfer.form import Form
from lamina.transfer.image_view import formed_view, image_view, plain_view
from lamina.transfer.load import load
from lamina.transfer.merged import image_lookup
from lamina.transfer.save import save
from tests.layers.stores import content, rows, state, tar_of
from tests.layers.stores import file as tar_file
from tests.transfer.images import config_of, digest, make_image, oci_files, old_docker_archive, tar

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.layers.context import Layers
    from lamina.mount.userns import IdMap
    from lamina.oci.digest import ImageID

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
PLAIN = "application/vnd.oci.image.layer.v1.tar"
LAYERS = [
    tar_of(tar_file("a", b"a")),
    tar_of(tar_file("b", b"b" * 5000, mtime=3.25)),
    tar_of(tar_file(".wh.a", b"")),
]


def saved(ctx: Layers, *names: str, form: str = "docker-archive") -> bytes:
    """What save writes."""
    out = io.BytesIO()
    save(ctx, names, out.write, form)
    return out.getvalue()


def check(ctx: Layers, image_id: ImageID) -> None:
    """All views of an image are sound."""

    def plain(blob: object, media_type: str) -> io.BufferedReader:
        return decompressed(blob)[0]  # type: ignore[arg-type]

    with Spools(ctx.layout.root) as spools:
        packed = formed_view(ctx, image_id, Form(compression="gzip"), {}, spools)
        for view in (image_view(ctx, image_id), plain_view(ctx, image_id), packed):
            validate(view, decompress=plain)


def output(ctx: Layers, image_id: ImageID, form: str) -> bytes:
    """An image as an output of a build packs it."""
    out, docker = io.BytesIO(), form == "docker"
    packing = Form(compression="uncompressed" if docker else "gzip")
    with Spools(ctx.layout.root) as spools:
        view = formed_view(ctx, image_id, packing, {}, spools)
        write_archive([Named(view, ("docker.io/library/test:latest",))], out.write, docker=docker)
    return out.getvalue()


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress], ids=["", "gz", "zst"]
)
def test_round_trip(make_store: Callable[[], Layers], form: str, pack: Callable[[bytes], bytes]) -> None:
    first, second = make_store(), make_store()
    image_id = make_image(first, "test", "registry.example:5000/team/test:v1")
    data = saved(first, "test", "registry.example:5000/team/test:v1", form=form)
    loaded = load(second, io.BytesIO(pack(data)))
    assert loaded == [(image_id, ("test:latest", "registry.example:5000/team/test:v1"))]
    check(second, image_id)
    assert saved(second, "test", "registry.example:5000/team/test:v1", form=form) == data
    assert list(image_lookup(second, image_id).tree()) == list(image_lookup(first, image_id).tree())
    assert imagedb.layers_of(first.db.read(), image_id) == imagedb.layers_of(second.db.read(), image_id)


def test_loading_again_changes_nothing(make_store: Callable[[], Layers]) -> None:
    first, second = make_store(), make_store()
    make_image(first, "test")
    data = saved(first, "test")
    loaded = load(second, io.BytesIO(data))
    before = state(second)
    assert load(second, io.BytesIO(data)) == loaded
    assert state(second) == before


def test_several_images_share_their_blobs(make_store: Callable[[], Layers]) -> None:
    first, second = make_store(), make_store()
    ids = [make_image(first, f"test:{label}", label=label) for label in ("one", "two")]
    data = saved(first, "test:one", ids[1][7:20])
    with tarfile.open(fileobj=io.BytesIO(data)) as made:
        names = made.getnames()
    assert len(names) == len(set(names))
    assert load(second, io.BytesIO(data)) == [(ids[0], ("test:one",)), (ids[1], ())]
    everything = load(second, io.BytesIO(saved(first, "test")))  # a name without a tag: all its tags
    assert {name for each in everything for name in each.tags} == {"test:one", "test:two"}


def test_what_to_save_must_be_there(store: Layers) -> None:
    for name in ("nothing", "sha256:" + "0" * 64, "abcdef"):
        with pytest.raises(NotFound):
            saved(store, name)
    with pytest.raises(InvalidInput):
        saved(store, "UPPER")
    make_image(store, "test")
    with pytest.raises(InvalidInput):
        saved(store, "test", form="zip")


def test_the_archive_of_docker_20_10(store: Layers) -> None:
    layers = [*LAYERS, LAYERS[0]]
    config = config_of(*layers)
    (loaded,) = load(store, io.BytesIO(tar(old_docker_archive(config, layers, "busybox:1", "UPPER:bad"))))
    assert loaded == ("sha256:" + digest(config), ("busybox:1",))
    check(store, loaded.image_id)
    assert image_view(store, loaded.image_id).config_bytes == config
    look = image_lookup(store, loaded.image_id)
    assert (content(look, b"a"), content(look, b"b")) == (b"a", b"b" * 5000)
    assert rows(store, image_view(store, loaded.image_id).layers[1].diff_id)[0].mtime == 3_250_000_000


def test_an_image_without_a_name(store: Layers) -> None:
    (loaded,) = load(store, io.BytesIO(tar(old_docker_archive(config_of(), []))))
    assert loaded.tags == ()
    check(store, loaded.image_id)


@pytest.mark.parametrize("as_folder", [False, True])
def test_a_manifest_is_kept_with_its_blobs(store: Layers, folder: str, as_folder: bool) -> None:
    blobs = {
        gzip.compress(LAYERS[0]): GZIP,
        zstandard.ZstdCompressor().compress(LAYERS[1]): ZSTD,
        LAYERS[2]: PLAIN,
    }
    files = oci_files(config_of(*LAYERS), blobs, {"org.opencontainers.image.ref.name": "quay.io/team/app:v2"})
    if as_folder:
        for name, data in files.items():
            os.makedirs(os.path.dirname(f"{folder}/oci/{name}"), exist_ok=True)
            with open(f"{folder}/oci/{name}", "wb") as out:
                out.write(data)  # type: ignore[arg-type]
    (loaded,) = load(store, f"{folder}/oci" if as_folder else io.BytesIO(tar(files)))
    assert loaded.tags == ("quay.io/team/app:v2",)
    check(store, loaded.image_id)
    view = image_view(store, loaded.image_id)
    assert manifests.parse_manifest(view.manifest_bytes).annotations == {"org.example.note": "kept"}
    assert [layer.digest for layer in view.layers] == ["sha256:" + digest(blob) for blob in blobs]
    with tarfile.open(fileobj=io.BytesIO(saved(store, "quay.io/team/app:v2", form="oci-archive"))) as made:
        assert {"blobs/sha256/" + digest(blob) for blob in blobs} <= set(made.getnames())


def test_a_bare_tag_is_no_name(store: Layers) -> None:
    files = oci_files(
        config_of(LAYERS[0]), {LAYERS[0]: PLAIN}, {"org.opencontainers.image.ref.name": "latest"}
    )
    assert load(store, io.BytesIO(tar(files)))[0].tags == ()


def need(program: str) -> None:
    """Skips the test where `program` is not installed."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def run(*args: str) -> None:
    """Runs another tool."""
    done = subprocess.run(args, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.peers
@pytest.mark.parametrize(
    "target", ["docker-archive:{}/t.tar:x:y", "oci:{}/layout:z", "oci-archive:{}/t.tar:z"]
)
@pytest.mark.parametrize(
    "source",
    ["docker-archive:{}/docker.tar:test:two", "oci-archive:{}/oci.tar:two", "oci-archive:{}/docker.tar:two"],
)
def test_skopeo_reads_ours_and_we_read_skopeos(
    make_store: Callable[[], Layers], folder: str, source: str, target: str
) -> None:
    need("skopeo")
    first, second = make_store(), make_store()
    image_id = make_image(first, "test:one", "test:two")
    for name, form in (("docker", "docker-archive"), ("oci", "oci-archive")):
        with open(f"{folder}/{name}.tar", "wb") as out:
            save(first, ["test:one", "test:two"], out.write, form)
    run("skopeo", "copy", "-q", source.format(folder), target.format(folder))
    (loaded,) = load(second, target.format(folder).split(":")[1])
    check(second, loaded.image_id)
    if not (source.startswith("docker") and target.startswith("oci")):  # skopeo rewrites the config then
        assert loaded.image_id == image_id
    assert list(image_lookup(second, loaded.image_id).tree()) == list(image_lookup(first, image_id).tree())


@pytest.mark.peers
@pytest.mark.skipif(os.geteuid() != 0, reason="umoci sets owners only as root")
@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "output"])
def test_umoci_unpacks_what_we_save(store: Layers, folder: str, form: str) -> None:
    need("umoci")
    image_id = make_image(store, "test")
    data = output(store, image_id, "oci") if form == "output" else saved(store, "test", form=form)
    with tarfile.open(fileobj=io.BytesIO(data)) as made:
        made.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian's 3.11.2 has none
        made.extractall(f"{folder}/layout")
    run("umoci", "unpack", "--image", f"{folder}/layout:latest", f"{folder}/bundle")
    root = f"{folder}/bundle/rootfs"
    for entry in image_lookup(store, image_id).tree():
        info = os.lstat(os.path.join(os.fsencode(root), entry.path))
        assert (info.st_uid, info.st_gid) == (entry.uid, entry.gid)
        assert info.st_mode & 0o7777 == entry.mode
        if entry.path:
            assert info.st_mtime_ns == entry.mtime
    assert not os.path.exists(f"{root}/old/one")
    assert os.getxattr(f"{root}/usr/lib/ä", "user.note") == b"\0\1"


def test_outputs(store: Layers, folder: str, make_store: Callable[[], Layers]) -> None:
    image_id = make_image(store, "test")
    for form in ("oci", "docker"):
        data = output(store, image_id, form)
        assert output(store, image_id, form) == data
        other = make_store()
        assert load(other, io.BytesIO(data)) == [(image_id, ("test:latest",))]
        check(other, image_id)
    merged = io.BytesIO()
    write_tar(store, [FileSet(image_id, "")], merged.write)
    merged.seek(0)
    with tarfile.open(fileobj=merged) as made:
        assert made.getnames() == sorted(made.getnames())
        assert "old/one" not in made.getnames()
        assert made.extractfile("new/file with space").read() == b"new"  # type: ignore[union-attr]


def test_local_output_stays_in_its_folder(store: Layers, folder: str) -> None:
    image_id = make_image(store, "test")
    out, outside = f"{folder}/out", f"{folder}/outside"
    os.makedirs(out + "/tmp/kept")
    os.makedirs(outside)
    os.symlink(outside, out + "/etc")
    os.symlink(outside + "/victim", out + "/lib")
    write_folder(store, [FileSet(image_id, "")], out)
    assert os.listdir(outside) == []
    assert os.readlink(out + "/lib") == "usr/lib"
    assert os.path.isdir(out + "/etc")
    assert not os.path.islink(out + "/etc")
    assert os.listdir(out + "/tmp") == ["kept"]
    assert os.stat(out + "/bin/sh").st_mode & 0o7777 == 0o755  # no setuid
    assert os.stat(out + "/bin/sh").st_uid == os.geteuid()
    assert os.stat(out + "/bin/ash").st_ino == os.stat(out + "/bin/sh").st_ino
    write_folder(store, [FileSet(image_id, "")], out)  # once more, over what is there
    os.unlink(out + "/lib")
    os.mkdir(out + "/lib")
    with pytest.raises(InvalidInput):
        write_folder(store, [FileSet(image_id, "")], out)


def test_delete_empties_nothing_that_is_mounted(store: Layers, folder: str, inside: IdMap) -> None:
    image_id = make_image(store, "test")
    out = f"{folder}/out"
    os.makedirs(out + "/etc")
    os.makedirs(out + "/stays")
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", out + "/etc"], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        os.mkdir(out + "/etc/precious")
        with pytest.raises(Conflict, match="mounted at etc"):
            write_folder(store, [FileSet(image_id, "")], out, delete=True)
        assert os.path.isdir(out + "/etc/precious") and os.path.isdir(out + "/stays")
    finally:
        subprocess.run(["umount", out + "/etc"], check=True)
    write_folder(store, [FileSet(image_id, "")], out, delete=True)
    assert not os.path.exists(out + "/stays")


def test_an_image_keeps_its_lookup(store: Layers) -> None:
    image_id = make_image(store)
    look = image_lookup(store, image_id)
    assert isinstance(look, Lookup)
    assert look.names(b"old") == (b"two",)
