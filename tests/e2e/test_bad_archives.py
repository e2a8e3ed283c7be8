"""Broken and hostile archives in load, import and ADD: refused, or harmless; nothing outside is touched."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.e2e.lamina_command import Lamina
from tests.e2e.refusals import check_error, everything, refused
from tests.layers.stores import file, member, tar_of
from tests.transfer.images import config_of, old_docker_archive, tar
from tests.transfer.test_hostile import HOSTILE, docker, oci

VICTIM = "victim"  # a folder beside the store that hostile archives reach for
GOOD = tar_of(file("f", b"data" * 1000), file("g", b"more" * 500))
LONG = "n" * 300


def layers(victim: str) -> dict[str, bytes]:
    """Layer archives that want to write to the folder `victim`, or that are broken."""
    up = "../" * 12 + victim.lstrip("/")
    return {
        "absolute": tar_of(file(f"{victim}/x")),
        "dots": tar_of(file(f"{up}/x")),
        "dots inside": tar_of(member("d", "d"), file(f"d/{up}/x")),
        "absolute symlink": tar_of(member("l", "l", link=victim), file("l/x")),
        "relative symlink": tar_of(member("l", "l", link=up), file("l/x")),
        "symlink to a symlink": tar_of(
            member("a", "l", link=victim), member("b", "l", link="a"), file("b/x")
        ),
        "folder through a symlink": tar_of(member("l", "l", link=victim), member("l/d", "d")),
        "symlink that replaces a folder": tar_of(
            member("d", "d"), member("d", "l", link=victim), file("d/x")
        ),
        "hard link to outside": tar_of(member("h", "h", link=f"{victim}/kept"), file("h", b"new")),
        "hard link with dots": tar_of(member("h", "h", link=f"{up}/kept")),
        "hard link through a symlink": tar_of(
            member("l", "l", link=victim), member("h", "h", link="l/kept"), file("h", b"new")
        ),
        "hard link to a symlink": tar_of(
            member("l", "l", link=f"{victim}/kept"), member("h", "h", link="l"), file("h", b"new")
        ),
        "hard link to nothing": tar_of(member("h", "h", link="nothing")),
        "size that lies": tar_of(file("f", b"data"))[:512] + bytes(100),
        "size beyond all": sized(b"77777777777"),
        "size below zero": sized(b"\xff" * 12),
        "size of 2**70": sized(b"\x80\0\0\x40" + bytes(8)),
        "checksum": GOOD[:100] + b"\xff" + GOOD[101:],
        "name too long": tar_of(file(LONG)),
        "path too long": tar_of(file("/".join(["d" * 200] * 30))),
        "header too long": pax_of(2 << 20),
        "header that is no header": pax_raw(b"9999999 path=x\n"),
        "whiteout of dots": tar_of(file(".wh...")),
        "whiteout of nothing": tar_of(file(".wh.")),
        "two names for one file": tar_of(file("f", b"one"), member("f", "d"), file("f/x")),
        "not a tar": b"MZ" + bytes(range(256)) * 40,
        "gzip of rubbish": gzip.compress(b"MZ" + bytes(range(256)) * 40),
        "gzip that is damaged": gzip.compress(GOOD)[:-12] + b"x" * 12,
    }


def sized(field: bytes) -> bytes:
    """A tar of one file whose header says another size."""
    info = member("f")
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = field.ljust(12, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(2048)


def pax_raw(record: bytes) -> bytes:
    """A PAX header with these bytes, then a file."""
    info = member("pax", size=len(record))
    info.type = b"x"
    data = record + bytes(-len(record) % 512)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + GOOD


def pax_of(size: int) -> bytes:
    """A PAX header of one long record."""
    text = b" comment=" + b"x" * size + b"\n"
    length = len(text) + len(str(len(text) + 7))
    return pax_raw(b"%d" % length + text)


NAMES = list(layers("/victim"))

# What ADD does not refuse: links and absolute paths lead into its destination; what is no tar is copied.
ADDED = {
    "absolute",
    "absolute symlink",
    "relative symlink",
    "symlink to a symlink",
    "folder through a symlink",
    "symlink that replaces a folder",
    "two names for one file",
    "checksum",
    "not a tar",
    "gzip of rubbish",
}
LOADED = {"hard link to a symlink", "whiteout of dots", "whiteout of nothing"}


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder with one file that must stay as it is."""
    folder = tmp_path / VICTIM
    folder.mkdir()
    (folder / "kept").write_text("kept")
    return folder


def check_untouched(victim: Path) -> None:
    """Nothing was written to the folder."""
    assert os.listdir(victim) == ["kept"]
    assert (victim / "kept").read_text() == "kept"
    assert (victim / "kept").stat().st_nlink == 1


def taken(lamina: Lamina, *args: str | Path) -> bool:
    """Whether a command takes an archive; if not, it must say so, and leave the store as it was."""
    was = everything(lamina.root)
    done = subprocess.run(
        [*lamina.argv, *map(str, args)], env=lamina.environ, capture_output=True, timeout=60, check=False
    )
    if done.returncode == 0:
        return True
    assert done.returncode == 1
    check_error(done.stderr.decode(), "", hint=False)
    assert everything(lamina.root) == was
    return False


@pytest.mark.parametrize("name", NAMES)
def test_layers(steady: Lamina, victim: Path, tmp_path: Path, name: str) -> None:
    """The same archive imported, added, and as a layer of an image that is loaded."""
    lamina = steady
    data = layers(str(victim))[name]
    path = tmp_path / "layer.tar"
    path.write_bytes(data)
    assert taken(lamina, "import", path, "imported") == (name in LOADED)
    check_untouched(victim)
    config = config_of(data)
    image = tmp_path / "image.tar"
    image.write_bytes(tar(old_docker_archive(config, [data], "loaded:1")))
    assert taken(lamina, "load", "-i", image) == (name in LOADED)
    check_untouched(victim)
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "a.tar").write_bytes(data)
    (tmp_path / "context" / "Dockerfile").write_text("FROM scratch\nADD a.tar /in/\n")
    assert taken(lamina, "build", "-q", "-t", "added", tmp_path / "context") == (name in ADDED)
    check_untouched(victim)
    for made in lamina("images", "--format", "{{.Repository}}:{{.Tag}}").split():
        if made in ("imported:latest", "loaded:1", "added:latest"):
            lamina("save", "-o", tmp_path / "saved", made)  # reads it all, and compares digests
            lamina("rmi", made)
    lamina("prune", "-f")


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "too deep"])
def test_images(steady: Lamina, name: str, tmp_path: Path) -> None:
    files = HOSTILE[name]
    path = tmp_path / "image.tar"
    path.write_bytes(files if isinstance(files, bytes) else tar(files))
    refused(steady, "load", "-i", path, says="", hint=False)


def test_archives_cut_short_anywhere(steady: Lamina, tmp_path: Path) -> None:
    image = tar(docker())
    path = tmp_path / "cut.tar"
    # In a header, on a boundary, in content, in the padding, in the end marker's place.
    for size in (0, 1, 511, 512, 513, 600, 1024, 1536, 2000, 2048, len(image.rstrip(b"\0")) - 1):
        path.write_bytes(image[:size])
        refused(steady, "load", "-i", path, says="", hint=False)
        zipped = gzip.compress(image)
        path.write_bytes(zipped[: size * len(zipped) // len(image)])
        refused(steady, "load", "-i", path, says="", hint=False)
    for size in (1, 100, 511, 600, 2000, 4300):
        path.write_bytes(GOOD[:size])
        refused(steady, "import", path, "cut", says="", hint=False)
        refused(steady, "import", "-", "cut", says="", hint=False, stdin=GOOD[:size])


def test_a_document_of_100_megabytes(steady: Lamina, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    config = json.loads(str(docker()["manifest.json"], "utf-8"))[0]["Config"]  # type: ignore[arg-type]
    for name, files in (("manifest.json", docker()), (config, docker()), ("index.json", oci())):
        path.write_bytes(tar(files | {name: b"[" + b" " * (100 << 20) + b"]"}))
        refused(steady, "load", "-i", path, says="(?i)bytes", hint=False)


def test_bombs(steady: Lamina, tmp_path: Path) -> None:
    """Ten gigabytes in ten megabytes; what was written until it was seen is gone again."""
    member_of_64_mib = gzip.compress(bytes(64 << 20), 9)
    header = member("zeros", size=10 << 30).tobuf(tarfile.GNU_FORMAT)
    path = tmp_path / "context" / "bomb.tar.gz"
    path.parent.mkdir()
    with open(path, "wb") as out:
        out.write(gzip.compress(header))
        for _ in range(160):
            out.write(member_of_64_mib)
    refused(steady, "load", "-i", path, says="(?i)beyond .* bytes", hint=False)
    refused(steady, "import", path, "bomb", says="(?i)beyond .* bytes", hint=False)
    (tmp_path / "context" / "Dockerfile").write_text("FROM scratch\nADD bomb.tar.gz /\n")
    refused(steady, "build", tmp_path / "context", says="(?i)beyond .* bytes", hint=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root makes devices")
def test_devices_without_root(steady: Lamina, tmp_path: Path) -> None:
    path = tmp_path / "layer.tar"
    path.write_bytes(tar_of(member("null", "c", devmajor=1, devminor=3)))
    refused(steady, "import", path, "device", says="(?i)device", hint=False)


def test_an_archive_that_grows_while_it_is_read(steady: Lamina) -> None:
    """Standard input that is no archive but a long stream of something else."""
    refused(steady, "load", says="", hint=False, stdin=os.urandom(1 << 20))
    refused(steady, "import", "-", says="", hint=False, stdin=os.urandom(1 << 20))
