"""copy between layouts and archives: the same bytes everywhere, or nothing; how places are written."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest

from lamina.errors import Corrupt, InvalidInput, LaminaError, NotFound, Unsupported
from lamina.layers.context import Layers
from lamina.oci.digest import sha256
from lamina.oci.manifest import parse_index
from lamina.transfer.copying import places as copyplaces
from lamina.transfer.copying.places import Place
from lamina.transfer.save import save
from tests.registry.conftest import place
from tests.registry.distribution import need
from tests.transfer.copying import ONE, OTHER, TWO, files, layout, put, rows, seen

__all__ = ["place"]
OURS = "docker.io/library/app:1"


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


def test_several_write_one_layout_at_once(place: Path) -> None:
    source, children = layout(place / "layout"), []
    for number in range(8):
        child = os.fork()
        if child == 0:
            try:
                put(source, f"oci:{place}/out:{number}", whole=True)
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert rows(place / "out") == {str(number): TWO.digest for number in range(8)}
    assert not any(name.endswith(".tmp") for name in files(place / "out"))


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


def test_a_link_stays_and_what_it_leads_to_is_written(place: Path) -> None:
    source = layout(place / "layout")
    for target in ("there", "not-yet"):
        (place / f"to-{target}").symlink_to(target)
    (place / "there").write_bytes(b"before")
    for target in ("there", "not-yet"):
        put(source, f"oci-archive:{place}/to-{target}:x", whole=True)
        assert (place / f"to-{target}").is_symlink()
        assert tarfile.is_tarfile(place / target) and not (place / target).is_symlink()
