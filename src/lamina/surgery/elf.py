"""What an ELF file asks of the loader, and what a library gives (ELF gABI, "Dynamic Linking"; ld.so(8)).

Files come from anybody's image: of each only the headers are read, and never more than a bounded number.
"""

from __future__ import annotations

import io
import os
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"\x7fELF"
_MOST_READS = 50_000  # of one file; real ones take hundreds
_MOST_BYTES = 1 << 16  # at once
_MOST = 4096  # entries of one table


class Elf(NamedTuple):
    """One executable or library. Names are bytes, as in the file."""

    machine: tuple[int, str]  # bits of an address, and the processor: only the same can be loaded
    interpreter: bytes = b""  # the loader that it wants, "" for a library or a static program
    soname: bytes = b""
    needed: tuple[bytes, ...] = ()
    rpath: tuple[bytes, ...] = ()  # DT_RPATH: for it and for all that it loads
    runpath: tuple[bytes, ...] = ()  # DT_RUNPATH: for what it needs itself
    wants: tuple[tuple[bytes, tuple[bytes, ...]], ...] = ()  # versions of symbols, by library
    has: frozenset[bytes] = frozenset()  # versions of symbols that it defines


def read_elf(file: BinaryIO) -> Elf | None:
    """Reads the headers of `file`, which can seek; None for what is not ELF, or not dynamic.

    ValueError for one that is damaged; OSError.
    """
    if file.read(4) != MAGIC:
        return None
    from elftools.elf.elffile import ELFFile  # only rebase and cherry-pick look into files

    try:
        return _read(ELFFile(cast("BinaryIO", _Bounded(file))))
    except OSError:
        raise
    except Exception as error:  # whatever its parsers meet in a file that is damaged, or made to harm
        raise ValueError(f"damaged ELF file: {error or type(error).__name__}") from None


class _Bounded(io.RawIOBase):
    """A file of which only so much is read: tables in it may lead round in circles."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _MOST_READS

    def read(self, size: int = -1, /) -> bytes:
        """ValueError when it is too much."""
        self._left -= 1
        if self._left < 0 or size > _MOST_BYTES:
            raise ValueError("its tables are too long")
        return self._file.read(size if size >= 0 else _MOST_BYTES)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """As of the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As of the file."""
        return self._file.tell()


def _read(elf: Any) -> Elf | None:
    machine = (elf.elfclass, str(elf["e_machine"]))
    interpreter, dynamic = b"", None
    for segment in islice(elf.iter_segments(), _MOST):
        kind = segment["p_type"]
        if kind == "PT_INTERP":
            interpreter = os.fsencode(segment.get_interp_name())
        elif kind == "PT_DYNAMIC":
            dynamic = segment
    if dynamic is None:
        return None
    found = Elf(machine, interpreter, **_tags(dynamic))
    wants, has = _versions(elf)
    return found._replace(wants=wants, has=has)


def _tags(dynamic: Any) -> dict[str, Any]:
    needed: list[bytes] = []
    out: dict[str, Any] = {}
    for tag in islice(dynamic.iter_tags(), _MOST):
        kind = tag.entry.d_tag
        if kind == "DT_NEEDED":
            needed.append(os.fsencode(tag.needed))
        elif kind == "DT_SONAME":
            out["soname"] = os.fsencode(tag.soname)
        elif kind == "DT_RPATH":
            out["rpath"] = _folders(tag.rpath)
        elif kind == "DT_RUNPATH":
            out["runpath"] = _folders(tag.runpath)
    return out | {"needed": tuple(dict.fromkeys(needed))}


def _folders(text: str) -> tuple[bytes, ...]:
    return tuple(part for part in os.fsencode(text).split(b":") if part)


def _versions(elf: Any) -> tuple[tuple[tuple[bytes, tuple[bytes, ...]], ...], frozenset[bytes]]:
    """The versions of symbols that it wants of libraries, and those that it has."""
    wants, has = [], set()
    for section in islice(elf.iter_sections(), _MOST):
        kind = section["sh_type"]
        if kind == "SHT_GNU_verneed":
            for library, names in islice(section.iter_versions(), _MOST):
                wants.append((os.fsencode(library.name), tuple(_names(names))))
        elif kind == "SHT_GNU_verdef":
            for _, names in islice(section.iter_versions(), _MOST):
                has.update(_names(names))
    return tuple(wants), frozenset(has)


def _names(versions: Iterator[Any]) -> list[bytes]:
    """Versions that must be there: weak ones (VER_FLG_WEAK, 2) need not."""
    must = (each for each in islice(versions, _MOST) if not getattr(each.entry, "vna_flags", 0) & 2)
    return [os.fsencode(version.name) for version in must]
