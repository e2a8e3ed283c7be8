"""find, grep, ls and cat of real images: what GNU's programs say of the tree that umoci unpacks of them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest

from lamina import Engine
from lamina.engine.files import ImagePath

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.real_images import Real

from tests.machine import quick_place

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("umoci") is None, reason="needs root and umoci"
)

# FILE, LINKED stand for a file of the image, and one that has several names; the start is `.` for GNU's.
EXPRESSIONS = """
-type f -name *.so*
-type l -lname *o*
( -perm -4000 -o -perm -2000 ) -type f
-perm /022 ! -type l
-perm 755 -type d
-type f -size +100k
-type f -size -2
-type f -size 1
-type f -size +40c -size -900c
-iname *READ*
-name .?*
-name [!a-mA-M]*
-type f -ipath */ETC/*
-empty
-maxdepth 2 -type d
-mindepth 3 -type d -name *b*
-path */usr/share -prune -o -type d -print
-name usr -prune , -type l -print
-type f,l -name [a-c]*
! ( -type f -o -type l -o -type d )
-newermt 2020-01-01 -type f
-mtime +300 -not -type d
-newer FILE
-samefile LINKED
-uid +0 -o -gid 42
""".strip().splitlines()
FORMATS = ["-printf %P|%m|%M|%U:%G|%y|%l|%d\\0", "-type f -printf %s|%P|%f|%010s\\0"]
GREPS = [
    "-l root",
    "-lE ^[a-z]+:x:[0-9]+:",
    "-L e",
    "-liw gpl",
    "-na root",
    "-anE ^[^#]*[0-9]{3,}$",
    "-c -E ^#",
    "-aoE [a-z]+://[^[:space:]]+",
    "-avn -x .*",
    "-aFi -m2 r",
    "-anw \\(root\\|sys\\|www\\)",
    "-ac ^$ --include=*.conf --include=[p-s]*",
]


class Unpacked:
    """The tree of an image, and what programs that are run in it print."""

    def __init__(self, real: Real, folder: Path) -> None:
        real.lamina("save", "-o", folder / "image.tar", real.name)
        with tarfile.open(folder / "image.tar") as tar:
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(folder / "layout")
        self.root = folder / "bundle/rootfs"
        self.run("umoci", "unpack", "--image", f"{folder}/layout:latest", str(folder / "bundle"), cwd=folder)

    def run(self, *words: str, cwd: Path | None = None, code: int = 0) -> subprocess.CompletedProcess[bytes]:
        environ = os.environ | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
        done = subprocess.run(
            words, cwd=cwd or self.root, env=environ, capture_output=True, timeout=600, check=False
        )
        assert done.returncode <= code, done.stderr.decode(errors="replace")
        return done


@pytest.fixture(scope="module")
def unpacked(real: Real) -> Iterator[Unpacked]:
    with tempfile.TemporaryDirectory(dir=quick_place()) as folder:
        yield Unpacked(real, Path(folder))


def test_find(real: Real, unpacked: Unpacked) -> None:
    state = real.image.state
    files = sorted((path for path, entry in state.items() if entry.type == "file"), key=len)
    linked = next((path for path in files if state[path].is_hard_link), files[0])
    places = {"FILE": os.fsdecode(files[0]), "LINKED": os.fsdecode(linked)}
    wrong = {}
    with Engine.open(str(real.lamina.root)) as engine:
        for expression in EXPRESSIONS:
            words = expression.split()
            there = [f"./{places[word]}" if word in places else word for word in words]
            here = [f"/{places[word]}" if word in places else word for word in words]
            if "-print" not in words:
                there = ["(", *there, ")"]
            if there[-1] != "-print":
                there.append("-print")
            there[-1] = "-print0"
            want = {os.fsdecode(each[2:]) for each in unpacked.run("find", ".", *there).stdout.split(b"\0")}
            hits = engine.files.find(ImagePath(real.name), here)
            if different := ({hit.file.path[1:] for hit in hits} ^ want) - {""}:
                wrong[expression] = sorted(different)[:6]
    assert wrong == {}


@pytest.mark.parametrize("words", FORMATS)
def test_find_prints(real: Real, unpacked: Unpacked, words: str) -> None:
    argv = [*real.lamina.argv, "find", real.name, *words.split()]
    here = subprocess.run(argv, env=real.lamina.environ, capture_output=True, check=True).stdout
    there = unpacked.run("find", ".", *words.split()).stdout
    assert set(here.split(b"\0")) ^ set(there.split(b"\0")) == set()


def test_ls_and_tree(real: Real) -> None:
    """All folders, with the names in them; and what lies below each, and the layer that wrote there last."""
    state = real.image.state
    children: dict[bytes, list[bytes]] = {path: [] for path, entry in state.items() if entry.type == "dir"}
    below = {path: [0, 0, 0] for path in (*children, b"")}
    for path, entry in sorted(state.items()):
        if path:
            children.setdefault(path.rpartition(b"/")[0], []).append(path)
        layer = max(number for number, each in enumerate(real.image.layers, 1) if path in each.entries)
        folder = path + b"/"
        while folder:
            folder = folder.rpartition(b"/")[0]
            if folder in below:
                counted = below[folder]
                counted[0] += entry.size
                counted[1] += folder != path
                counted[2] = max(counted[2], layer)
    with Engine.open(str(real.lamina.root)) as engine:
        listed = {
            os.fsencode(listing.folder.path).strip(b"/"): [
                os.fsencode(file.path)[1:] for file in listing.files
            ]
            for listing in engine.files.ls(ImagePath(real.name), recursive=True)
            if listing.folder is not None
        }
        drawn = {os.fsencode(line.file.path)[1:]: line for line in engine.files.tree(ImagePath(real.name))}
    assert listed == children
    assert drawn.keys() - {b""} == state.keys() - {b""}
    for path, (size, files, _) in below.items():
        assert (drawn[path].size, drawn[path].files) == (size, files), path
    for path, line in drawn.items():
        assert path in below or (line.size, line.file.layer) == (state[path].size, real.image.owner(path) + 1)


class _Hash:
    """A sink that only counts what comes."""

    def __init__(self) -> None:
        self.hashed = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.hashed.update(data)
        return len(data)

    def flush(self) -> None:
        pass


def test_cat_each_file(real: Real) -> None:
    wrong = []
    with Engine.open(str(real.lamina.root)) as engine:
        for path, entry in real.image.state.items():
            if entry.type == "file":
                sink = _Hash()
                engine.files.cat(ImagePath(real.name, "/" + os.fsdecode(path)), cast("BinaryIO", sink))
                if sink.hashed.hexdigest() != entry.sha256:
                    wrong.append(path)
    assert wrong == []


@pytest.mark.parametrize("words", GREPS)
def test_grep(real: Real, unpacked: Unpacked, words: str) -> None:
    """Whole trees for names alone: how it says that a binary file matches is its own."""
    names = words.startswith(("-l", "-L"))
    place = "etc" if not names and (unpacked.root / "etc").exists() else ""
    argv = [*real.lamina.argv, "grep", "--null", *words.split(), f"{real.name}:/{place}"]
    done = subprocess.run(argv, env=real.lamina.environ, capture_output=True, timeout=600, check=False)
    there = unpacked.run("grep", "-r", "--null", *words.split(), place or ".", code=1)
    mark = b"\0" if names else b"\n"
    want = {line.removeprefix(b"./") for line in there.stdout.split(mark)}
    found = {line.removeprefix(b"/") for line in done.stdout.split(mark)}
    assert sorted(found ^ want)[:9] == []
    assert done.returncode == there.returncode, done.stderr
