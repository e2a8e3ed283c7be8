"""read_elf: what binutils say of this machine's programs; for damaged ones nothing worse than an error."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.surgery.elf import Elf, read_elf
from tests.surgery.elves import elf

WHOLE = elf("liba.so.1", "b.so", soname="x.so.2", interpreter="/lib/ld.so", rpath="/r:/s", runpath="/t")
MACHINE = (64, "EM_X86_64")


def some_programs() -> list[str]:
    """Programs and libraries that a machine has which runs these tests."""
    names = [sys.executable, "/bin/sh", "/usr/bin/tar", *map(str, Path("/lib").glob("*/libc.so.6"))]
    names += map(str, [*Path("/usr/lib").glob("*/libssl.so.3"), *Path("/usr/lib").glob("*/libz.so.1")])
    return [name for name in names if Path(name).is_file()]


@pytest.mark.skipif(shutil.which("readelf") is None, reason="needs readelf")
@pytest.mark.parametrize("name", some_programs())
def test_as_readelf(name: str) -> None:
    with open(name, "rb", buffering=0) as file:
        found = read_elf(file)
    told = subprocess.run(
        ["readelf", "-W", "-d", "-l", "-V", name], check=True, capture_output=True, text=True
    ).stdout
    if found is None:
        assert "There is no dynamic section" in told
        return
    assert [each.decode() for each in found.needed] == re.findall(r"\(NEEDED\).*\[(.*)\]", told)
    assert found.soname.decode() == "".join(re.findall(r"\(SONAME\).*\[(.*)\]", told))
    assert found.interpreter.decode() == "".join(re.findall(r"program interpreter: (.*)\]", told))
    defined, _, needed = told.partition("Version needs section")
    wanted = {name for line in needed.splitlines() for name in re.findall(r"Name: (\S+)  Flags: none", line)}
    assert {name.decode() for _, names in found.wants for name in names} == wanted
    assert {name.decode() for name in found.has} >= set(
        re.findall(r"Flags: \S+ +Index: \d+ +Cnt: \d+ +Name: (\S+)", defined)
    )


def test_what_is_read() -> None:
    assert read_elf(io.BytesIO(WHOLE)) == Elf(
        MACHINE, b"/lib/ld.so", b"x.so.2", (b"liba.so.1", b"b.so"), (b"/r", b"/s"), (b"/t",)
    )


@pytest.mark.parametrize("data", [b"", b"\x7fEL", b"#!/bin/sh\n", bytes(5000)])
def test_no_elf(data: bytes) -> None:
    assert read_elf(io.BytesIO(data)) is None


@given(st.lists(st.tuples(st.integers(4, len(WHOLE) - 1), st.integers(0, 255)), max_size=8), st.integers(0))
def test_damaged(changes: list[tuple[int, int]], end: int) -> None:
    data = bytearray(WHOLE)
    for at, value in changes:
        data[at] = value
    try:
        read_elf(io.BytesIO(bytes(data)[: 4 + end % len(data)]))
    except ValueError as error:
        assert str(error).startswith("damaged ELF file")


def test_tables_without_an_end() -> None:
    """A library of libraries: a table of tags that never ends is not read to its end."""
    header, tags = WHOLE[: -16 * 4], WHOLE[-16 * 4 :]
    assert len(header + tags) == len(WHOLE)
    endless = header + tags[:16] * 100_000
    try:
        found = read_elf(io.BytesIO(endless))
        assert found is None or len(found.needed) < 5000
    except ValueError as error:
        assert "damaged ELF file" in str(error)
