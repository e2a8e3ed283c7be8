"""The programs that adversarial tests run in their steps: compiled once, kept between runs of the tests."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.machine import REPOSITORY

_HERE = Path(__file__).parent
_SOURCES = ("probe.c", "say.c", "cat32.c", "value.c", "dynamic.c")
_BARE = ("-nostdlib", "-static", "-ffreestanding", "-fno-stack-protector", "-fno-pie", "-no-pie")
_LIBRARY = ("-shared", "-fPIC", "-Wl,-soname,libvalue.so")
# Each program with what makes it; a name of an earlier one is a file to link with.
_PROGRAMS: dict[str, tuple[str, ...]] = {
    "probe": ("-static", "-pthread", "probe.c"),
    "say-one": (*_BARE, '-DTEXT="one"', "say.c"),
    "say-two": (*_BARE, '-DTEXT="two"', "say.c"),
    "libvalue-1.so": (*_LIBRARY, "-DVALUE=1", "value.c"),
    "libvalue-2.so": (*_LIBRARY, "-DVALUE=2", "value.c"),
    "dynamic": ("dynamic.c", "libvalue-1.so"),
    "dynamic-rpath": (
        "dynamic.c",
        "libvalue-1.so",
        "-Wl,--disable-new-dtags,-rpath,/data/one:/data/two",
    ),
    "dynamic-origin": ("dynamic.c", "libvalue-1.so", "-Wl,-rpath,$ORIGIN/../lib"),
    "odd-interp": ("dynamic.c", "libvalue-1.so", "-Wl,--dynamic-linker=/data/interp"),
}
_OPTIONAL = {"cat32": ("-m32", *_BARE, "cat32.c")}


@functools.cache
def folder() -> Path:
    """Where the programs are. Skips the test where they cannot be made."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc, to compile the programs that the steps run")
    digest = hashlib.sha256(repr((_PROGRAMS, _OPTIONAL, os.uname().machine)).encode())
    for name in _SOURCES:
        digest.update((_HERE / name).read_bytes())
    cache = REPOSITORY / ".cache/tests"
    base = cache if os.access(cache, os.W_OK) else Path(tempfile.gettempdir())
    made = base / f"probes-{os.geteuid()}-{digest.hexdigest()[:16]}"
    if not made.is_dir():
        _make(made)
    return made


def program(name: str) -> Path:
    """The path of one of them. Skips the test where it cannot be had."""
    path = folder() / name
    if not path.is_file():
        pytest.skip(f"gcc cannot make {name} here")
    return path


@functools.cache
def libraries(path: str) -> tuple[str, ...]:
    """The shared objects that a program of this machine needs, its ld.so among them; ours left out."""
    told = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    words = [word for line in told.splitlines() for word in line.split() if word.startswith("/")]
    return tuple(sorted({word for word in words if "libvalue" not in word}))


def _make(made: Path) -> None:
    """Compiles all into a folder that appears with its last file."""
    with tempfile.TemporaryDirectory(dir=made.parent) as temp:
        for source in _SOURCES:
            shutil.copy(_HERE / source, temp)
        for name, arguments in _PROGRAMS.items():
            subprocess.run(["gcc", "-O1", "-o", name, *arguments], cwd=temp, check=True)
        for name, arguments in _OPTIONAL.items():
            subprocess.run(["gcc", "-O1", "-o", name, *arguments], cwd=temp, capture_output=True, check=False)
        os.chmod(temp, 0o755)
        try:
            shutil.copytree(temp, f"{temp}-made")
            os.rename(f"{temp}-made", made)
        except OSError:
            shutil.rmtree(f"{temp}-made", ignore_errors=True)  # another process was quicker
            if not made.is_dir():
                raise
