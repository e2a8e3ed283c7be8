"""COPY of odd things: names with any byte, extended attributes, special files and permission bits."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
NAMES = (
    b"a b",
    "ü☃".encode(),
    b"\xff\xfe",
    b"[1]*?",
    b"-rf",
    b"--link",
    b"#x",
    b"$HOME",
    b"new\nline",
    b"q\"'\\",
)


@pytest.fixture
def odd(kitchen: Kitchen) -> Kitchen:
    folder = os.fsencode(kitchen.context)
    os.mkdir(folder + b"/d")
    for name in NAMES:
        with open(folder + b"/d/" + name, "wb") as file:
            file.write(name)
    return kitchen


def names(kitchen: Kitchen, copy: str, folder: bytes = b"o") -> list[bytes]:
    """The names that a COPY with these words makes in /o."""
    result = kitchen.build(f"FROM scratch\nCOPY {copy}\n")
    return [path.rpartition(b"/")[2] for path in kitchen.files(result.image_id).names(folder)]


@pytest.mark.parametrize("flags", ["", "--link ", "--parents ", "--exclude=none "])
def test_all_names(odd: Kitchen, flags: str) -> None:
    folder = b"o/d" if "parents" in flags else b"o"
    assert names(odd, f"{flags}d /o", folder) == sorted(NAMES)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ('["d/a b", "/o/"]', b"a b"),
        ('["d/ü☃", "/o/"]', "ü☃".encode()),
        ("d/[[]1]\\*\\? /o/", b"[1]*?"),
        ("d/-rf /o/", b"-rf"),
        ("d/--link /o/", b"--link"),
        ("d/#x /o/", b"#x"),
        ("d/\\$HOME /o/", b"$HOME"),
        ("d/new* /o/", b"new\nline"),
        ("d/q* /o/", b"q\"'\\"),
    ],
)
def test_one_by_one(odd: Kitchen, words: str, name: bytes) -> None:
    assert names(odd, words) == [name]
    assert names(odd, f"--parents {words}", b"o/d") == [name]
    assert names(odd, f"--exclude={'x'} {words}") == [name]


def test_bytes_that_are_not_utf8_are_named_by_wildcards(odd: Kitchen) -> None:
    result = odd.build("FROM scratch\nCOPY --parents d/[^!-~]* /o/\nCOPY --exclude=[!-~]* d /p\n")
    files = odd.files(result.image_id)
    assert b"\xff\xfe" in files.names(b"o/d")
    assert b"\xff\xfe" in files.names(b"p")
    assert b"-rf" not in files.names(b"p")


def test_an_excluded_name_may_have_wildcards_in_it(odd: Kitchen) -> None:
    assert names(odd, "--exclude=[[]* --exclude=-* --exclude=\\\\$* d /o") == sorted(
        name for name in NAMES if name[:1] not in b"[-$"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may set a file capability")
@pytest.mark.parametrize("words", ["f /o/", "--link f /o/", "--parents f /o/", ". /o", "--chown=5 f /o/"])
def test_capabilities_are_kept(kitchen: Kitchen, words: str) -> None:
    kitchen.write({"f": "x"})
    os.setxattr(kitchen.context / "f", "security.capability", CAPABILITY)
    result = kitchen.build(f"FROM scratch\nCOPY {words}\n")
    entry = kitchen.files(result.image_id).get(b"o/f")
    assert entry is not None
    assert dict(entry.xattrs)[b"security.capability"] == CAPABILITY


@pytest.mark.parametrize("flags", ["", "--link ", "--parents "])
def test_permission_bits_are_kept(kitchen: Kitchen, flags: str) -> None:
    kitchen.write({"m/s": "s", "m/g": "g", "m/t/x": "x", "m/none": "n"})
    for name, mode in (("s", 0o4755), ("g", 0o2711), ("t", 0o1777), ("none", 0o000)):
        (kitchen.context / "m" / name).chmod(mode)
    if os.geteuid() != 0:
        (kitchen.context / "m/none").chmod(0o400)
    result = kitchen.build(f"FROM scratch\nCOPY {flags}m /o\n")
    shown = kitchen.listing(result.image_id, "o/m" if "parents" in flags else "o")
    assert (shown["s"], shown["g"], shown["t"]) == ("f 4755 0:0", "f 2711 0:0", "d 1777 0:0")


@pytest.mark.parametrize("flags", ["", "--link ", "--exclude=none "])
def test_hard_links_of_a_stage(kitchen: Kitchen, flags: str) -> None:
    kitchen.write({"x": "x"})
    result = kitchen.build(
        "FROM busybox AS a\nRUN mkdir /d && ln /bin/busybox /d/one && ln /d/one /d/two && touch /d/x\n"
        f"FROM scratch\nCOPY --from=a {flags}/d /o\n"
    )
    assert kitchen.listing(result.image_id, "o") == {"one": "f 755 0:0", "two": "h 755 0:0", "x": "f 644 0:0"}


@pytest.mark.parametrize("flags", ["--link ", "--parents ", "--exclude=none "])
def test_hard_links_stay_together(kitchen: Kitchen, flags: str) -> None:
    kitchen.write({"d/one": "same"})
    os.link(kitchen.context / "d/one", kitchen.context / "d/two")
    result = kitchen.build(f"FROM scratch\nCOPY {flags}d /o\n")
    shown = kitchen.listing(result.image_id, "o/d" if "parents" in flags else "o")
    assert shown == {"one": "f 644 0:0", "two": "h 644 0:0"}
