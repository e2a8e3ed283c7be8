"""copy between layouts, archives and the store: the same bytes everywhere, or nothing."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.db import imagedb, indexdb
from lamina.errors import Corrupt, InvalidInput, LaminaError, NotFound, Unsupported
from lamina.layers.context import Layers
from lamina.oci import media
from lamina.oci.digest import sha256
from lamina.oci.manifest import parse_index
from lamina.transfer import copyplaces
from lamina.transfer.copyplaces import Place
from lamina.transfer.load import load
from lamina.transfer.save import save
from tests.registry.conftest import place
from tests.registry.distribution import need
from tests.registry.images import image
from tests.transfer.copying import HOST, ONE, OTHER, REF_NAME, TWO, artifact, files, layout, put, seen, signed
from tests.transfer.copying import SBOM as SBOM_TYPE
from tests.transfer.images import config_of, make_image, old_docker_archive, tar

__all__ = ["place"]
OURS = "docker.io/library/app:1"


def rows(folder: Path) -> dict[str, str]:
    """What index.json of a layout names."""
    index = json.loads((folder / "index.json").read_text())
    return {each.get("annotations", {}).get(REF_NAME, ""): each["digest"] for each in index["manifests"]}


def digest_of(store: Layers, name: str) -> str:
    """What a name of a store stands for."""
    found = imagedb.find_tag(store.db.read(), name)
    assert found is not None
    return found.index_digest or imagedb.need_image(store.db.read(), found.image_id).manifest


# --- how places are written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docker://busybox", Place("docker", "", "docker.io/library/busybox:latest")),
        ("docker://localhost:5000/a/b:c", Place("docker", "", "localhost:5000/a/b:c")),
        ("oci:/some/folder:tag", Place("oci", "/some/folder", "tag")),
        ("oci:folder", Place("oci", "folder", "")),
        ("oci:folder:docker.io/library/app:1", Place("oci", "folder", "docker.io/library/app:1")),
        ("oci-archive:a.tar:1", Place("oci-archive", "a.tar", "1")),
        ("docker-archive:a.tar:app", Place("docker-archive", "a.tar", "app:latest")),
        ("store:oci:1", Place("store", "", "oci:1")),
        ("app:1", Place("store", "", "app:1")),
        ("dir:5000/app", Place("store", "", "dir:5000/app")),
    ],
)
def test_places(text: str, expected: Place) -> None:
    assert copyplaces.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the name of an image is missing"),
        ("docker:busybox", "docker://HOST/NAME:TAG"),
        ("docker://UPPER", "must be lowercase"),
        ("https://example.org/x", "is no image"),
        ("oci:", "the folder is missing"),
        ("oci-archive::x", "the file is missing"),
        ("dir:/tmp", "no transport dir:"),
        ("containers-storage:x", "no transport containers-storage:"),
        ("docker-archive:a.tar:@1", "found by name"),
        ("./layout", "is no image"),
    ],
)
def test_places_that_are_none(text: str, words: str) -> None:
    with pytest.raises((InvalidInput, Unsupported)) as caught:
        copyplaces.parse(text)
    assert words in f"{caught.value.message} {caught.value.hint}"


# --- layouts and archives


def test_round_and_round(place: Path) -> None:
    """Through every kind of file, and the same in the end."""
    need("skopeo")
    source = layout(place / "one")
    chain = [f"oci:{place}/two:x", f"oci-archive:{place}/a.tar:x", f"oci:{place}/three:app:1"]
    chain += [f"docker-archive:{place}/d.tar:app:1", f"oci:{place}/four", f"oci-archive:{place}/b.tar"]
    for target in chain:
        made = put(source, target, whole=True)
        assert (made.digest, made.media_type, made.size) == (TWO.digest, TWO.media_type, len(TWO.data))
        if not target.startswith("docker-archive:"):
            assert seen(target) == TWO.digest
        source = target
    assert files(place / "one") == files(place / "four")


def test_an_archive_has_the_same_bytes_each_time(place: Path, store: Layers) -> None:
    source = layout(place / "layout")
    for name in ("one", "two"):
        put(source, f"oci-archive:{place}/{name}.tar:x", whole=True)
    assert (place / "one.tar").read_bytes() == (place / "two.tar").read_bytes()
    assert (place / "one.tar").stat().st_mode & 0o777 == 0o666 & ~_umask()
    put(f"oci-archive:{place}/one.tar:x", f"store:{OURS}", store, whole=True)
    put(OURS, f"docker-archive:{place}/ours.tar:{OURS}", store, whole=True)
    with open(place / "saved.tar", "wb") as out:
        save(store, [OURS], out.write)
    assert (place / "ours.tar").read_bytes() == (place / "saved.tar").read_bytes()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_of_an_index_one_image(place: Path) -> None:
    source = layout(place / "layout")
    assert put(source, f"oci:{place}/out:host").digest == ONE.digest
    other = put(source, f"oci:{place}/out:other", platform=OTHER).digest
    assert other in {each.digest for each in parse_index(TWO.data).manifests} - {ONE.digest}
    assert rows(place / "out") == {"host": ONE.digest, "other": other}
    with pytest.raises(NotFound, match="no matching manifest for linux/s390x"):
        put(source, f"oci:{place}/out:no", platform=OTHER._replace(architecture="s390x"))
    with pytest.raises(NotFound, match="does not match the specified platform"):
        put(f"oci:{place}/out:host", f"oci:{place}/out:no", platform=OTHER)
    with pytest.raises(InvalidInput, match="--all copies every platform"):
        put(source, f"oci:{place}/out:no", whole=True, platform=OTHER)
    assert "no" not in rows(place / "out")


def test_a_layout_keeps_what_it_has(place: Path) -> None:
    one, two = layout(place / "one", ONE), layout(place / "two")
    put(one, f"oci:{place}/out:a")
    put(two, f"oci:{place}/out:b", whole=True)
    put(two, f"oci:{place}/out:app:1", whole=True)
    assert rows(place / "out") == {"a": ONE.digest, "b": TWO.digest, "app:1": TWO.digest}
    put(two, f"oci:{place}/out:a", whole=True)
    assert rows(place / "out") == {"a": TWO.digest, "b": TWO.digest, "app:1": TWO.digest}
    put(one, f"oci:{place}/out")  # without a name
    put(one, f"oci:{place}/out")
    assert rows(place / "out")[""] == ONE.digest
    assert len(json.loads((place / "out/index.json").read_text())["manifests"]) == 4
    with pytest.raises(InvalidInput, match="it has 2 images"):
        put(f"oci:{place}/out", f"oci:{place}/x")
    with pytest.raises(NotFound, match="no image 'c'") as caught:
        put(f"oci:{place}/out:c", f"oci:{place}/x")
    assert caught.value.hint and "docker.io/library/app:1" in caught.value.hint
    assert put(f"oci:{place}/out:app:1", f"oci:{place}/x:y", whole=True).digest == TWO.digest
    assert put(f"oci:{place}/out:{ONE.digest}", f"oci:{place}/x:z").digest == ONE.digest


def test_a_blob_that_rotted_in_the_target_is_written_anew(place: Path) -> None:
    source = layout(place / "layout")
    put(source, f"oci:{place}/out:a", whole=True)
    victim = place / "out/blobs/sha256" / ONE.layers[0][7:]
    victim.write_bytes(bytes(victim.stat().st_size))
    put(source, f"oci:{place}/out:b", whole=True)
    assert sha256(victim.read_bytes()) == ONE.layers[0]


@pytest.mark.parametrize("target", ["oci:{}/out:a", "oci-archive:{}/out.tar", "docker-archive:{}/out.tar:a"])
@pytest.mark.parametrize("fault", ["other", "short", "long", "gone", "manifest"])
def test_a_damaged_source_leaves_nothing(place: Path, target: str, fault: str) -> None:
    source = layout(place / "layout")
    blobs = place / "layout/blobs/sha256"
    victim = blobs / (ONE.digest if fault == "manifest" else ONE.layers[1])[7:]
    data = victim.read_bytes()
    changed = {"short": data[:-1], "long": data + b"x", "other": data[:-1] + b"x"}
    if fault == "gone":
        victim.unlink()
    else:
        victim.write_bytes(changed.get(fault, data.replace(b"2", b"3")))
    (place / "out.tar").write_bytes(b"before")
    with pytest.raises((Corrupt, NotFound)) as caught:
        put(source, target.format(place), whole=True)
    assert (ONE.digest if fault == "manifest" else ONE.layers[1])[7:19] in caught.value.message
    assert (place / "out.tar").read_bytes() == b"before"
    left = files(place / "out")
    assert {name for name in left if not name.startswith("blobs/")} == set()
    for name in left:  # what came whole stays, and is what its name says
        assert sha256((place / "out" / name).read_bytes())[7:] == name.rpartition("/")[2]
    assert {path.name for path in place.iterdir()} <= {"layout", "out", "out.tar"}


def test_bad_targets(place: Path) -> None:
    source = layout(place / "layout")
    (place / "full").mkdir()
    (place / "full/file").write_text("x")
    (place / "file").write_text("x")
    (place / "bad").mkdir()
    (place / "bad/index.json").write_text("{")
    faults = {
        f"oci:{place}/full": "is no image layout",
        f"oci:{place}/bad": "is no image layout",
        f"oci:{place}/file": "is no folder",
        f"oci-archive:{place}/full": "is a folder",
        f"oci-archive:{place}/none/a.tar": "there is no folder",
    }
    for target, words in faults.items():
        with pytest.raises(LaminaError, match=words):
            put(source, target)
    assert (place / "full/file").read_text() == (place / "file").read_text() == "x"
    for wrong in (f"oci:{place}/none", f"oci-archive:{place}/none.tar", f"oci:{place}/full"):
        with pytest.raises((InvalidInput, NotFound)):
            put(wrong, f"oci:{place}/out")
    assert not (place / "out").exists()


def test_a_pipe_is_written_as_it_is(place: Path) -> None:
    source, pipe = layout(place / "layout"), place / "pipe"
    os.mkfifo(pipe)
    child = os.fork()
    if child == 0:
        try:
            put(source, f"oci-archive:{pipe}:x", whole=True)
        finally:
            os._exit(0)
    with open(pipe, "rb") as stream:
        data = stream.read()
    os.waitpid(child, 0)
    put(source, f"oci-archive:{place}/file.tar:x", whole=True)
    assert data == (place / "file.tar").read_bytes() and pipe.is_fifo()


# --- other forms


def test_dockers_media_types_and_back(place: Path) -> None:
    source = layout(place / "layout")
    docker = put(source, f"oci:{place}/out:docker", whole=True, form="v2s2")
    assert (docker.media_type, docker.digest != TWO.digest) == (media.DOCKER_INDEX, True)
    inside = json.loads((place / "out/blobs/sha256" / docker.digest[7:]).read_bytes())["manifests"]
    for row in inside:
        assert row["mediaType"] == media.DOCKER_MANIFEST
        document = json.loads((place / "out/blobs/sha256" / row["digest"][7:]).read_bytes())
        kinds = {each["mediaType"] for each in (document["config"], *document["layers"])}
        assert kinds == {media.DOCKER_CONFIG, media.DOCKER_LAYER_GZIP}
    configs = {name for name in files(place / "layout") if name.startswith("blobs/")}
    assert len(configs - files(place / "out")) == 3  # the documents alone
    again = put(f"oci:{place}/out:docker", f"oci:{place}/out:oci", whole=True, form="oci")
    assert again.media_type == media.INDEX
    assert put(source, f"oci:{place}/same:x", whole=True, form="oci").digest == TWO.digest


def test_what_has_no_other_form(place: Path) -> None:
    source = layout(place / "layout")
    artifact(place / "layout", TWO.digest, SBOM_TYPE, b"{}", tag="sbom")
    for wish, words in (
        ({"form": "v2s1"}, "v2s1 is not supported"),
        ({"form": "zip"}, "unknown format"),
        ({"form": "oci", "referrers": True}, "nothing refers to"),
    ):
        with pytest.raises((Unsupported, InvalidInput), match=words):
            put(source, f"oci:{place}/out", **wish)
    with pytest.raises(Unsupported, match="an OCI artifact"):
        put(f"oci:{place}/layout:sbom", f"oci:{place}/out", form="v2s2")
    with pytest.raises(Unsupported, match="is not a container image"):
        put(f"oci:{place}/layout:sbom", f"docker-archive:{place}/out.tar")
    assert {path.name for path in place.iterdir()} == {"layout"}


def test_referrers_between_layouts(place: Path) -> None:
    artifacts = signed(place / "layout")
    source = f"oci:{place}/layout:it"
    assert put(source, f"oci:{place}/none:x", whole=True).referrers == 0
    assert put(source, f"oci:{place}/all:x", whole=True, referrers=True).referrers == 4
    assert artifacts < {"sha256:" + name.rpartition("/")[2] for name in files(place / "all")}
    assert (
        put(f"oci:{place}/all:x", f"oci-archive:{place}/a.tar:x", whole=True, referrers=True).referrers == 4
    )
    assert put(f"oci-archive:{place}/a.tar:x", f"oci:{place}/one:x", referrers=True).referrers == 1
    assert len(rows(place / "one")) == 2
    put(source, f"oci:{place}/all:x", whole=True, referrers=True)  # once more: no row twice
    assert len(json.loads((place / "all/index.json").read_text())["manifests"]) == 5


# --- the store


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
    assert HOST.architecture
