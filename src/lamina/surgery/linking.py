"""Linking: whether the loader would find all that a program or library needs, in one view of a file system.

As ld.so(8) looks: DT_RPATH, LD_LIBRARY_PATH, DT_RUNPATH, what ld.so.conf names, the folders it knows itself;
breadth first, and what has been found once serves all. Nothing is run; the loader's cache is not believed.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import NotFound
from lamina.surgery.elf import Elf, read_elf
from lamina.surgery.transplant import file_at, head_of, path_of
from lamina.tree.tree import parent_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.layers.lookup import Lookup
    from lamina.surgery.transplant import Side

INTERPRETER, LIBRARY, VERSION = "interpreter", "library", "version"

_TRIPLETS = {
    "EM_X86_64": b"x86_64-linux-gnu",
    "EM_AARCH64": b"aarch64-linux-gnu",
    "EM_386": b"i386-linux-gnu",
    "EM_ARM": b"arm-linux-gnueabihf",
    "EM_RISCV": b"riscv64-linux-gnu",
    "EM_PPC64": b"powerpc64le-linux-gnu",
    "EM_S390": b"s390x-linux-gnu",
}
_MOST_LIBRARIES = 2000  # that one program loads
_CONF_SIZE = 1 << 16
_CONF_FILES = 400  # and patterns, each looked at once: files may name each other
_FOLDERS = 1000  # that they name


class Lack(NamedTuple):
    """Something that the loader would not find. `by` is what needs it: the file itself, or one it loads."""

    kind: str  # INTERPRETER, LIBRARY or VERSION (of the symbols in a library)
    name: bytes  # what is wanted: a path, a soname, or `libc.so.6 GLIBC_2.38`
    by: bytes


class Linker:
    """Asks one view. What was read and found is kept: files of an image need the same libraries."""

    def __init__(self, side: Side) -> None:
        self._view = side.view
        self._files: dict[bytes | str, Elf | None] = {}
        self._found: dict[tuple[object, ...], bytes | None] = {}
        environ = side.env.get("LD_LIBRARY_PATH", "")
        self._environ = tuple([path_of(part) for part in environ.split(":") if part])
        self._conf: tuple[bytes, ...] | None = None

    def elf(self, path: bytes) -> Elf | None:
        """What the FILE at `path` is; None for none, and for one that cannot be read."""
        entry = self._view.get(path)
        key = (entry.digest if entry is not None else "") or path  # names and copies of one file are one
        if key not in self._files:
            self._files[key] = _read(self._view, path)
        return self._files[key]

    def lacks(self, path: bytes) -> Iterator[Lack]:
        """What is not there of all that the file at `path` (no link) would make the loader load."""
        root = self.elf(path)
        if root is None:
            return
        if root.interpreter and self.file(root.interpreter) is None:
            yield Lack(INTERPRETER, root.interpreter, path)
        todo = [(path, root, root.rpath if not root.runpath else ())]
        loaded: dict[bytes, Elf] = {}
        while todo and len(loaded) < _MOST_LIBRARIES:
            at, elf, inherited = todo.pop(0)
            for name in elf.needed:
                if name in loaded:
                    continue
                found = self.library(name, at, elf, inherited)
                library = self.elf(found) if found is not None else None
                if found is None or library is None:
                    yield Lack(LIBRARY, name, at)
                    continue
                loaded[name] = library
                loaded.setdefault(library.soname, library)
                todo.append((found, library, inherited + (library.rpath if not library.runpath else ())))
            yield from _versions(at, elf, loaded)

    def library(self, name: bytes, at: bytes, elf: Elf, inherited: tuple[bytes, ...] = ()) -> bytes | None:
        """Where the loader finds the library `name` that the file `at` needs; links followed."""
        if b"/" in name:
            return self._fits(_expanded(name, at), elf)
        own = elf.runpath or (*elf.rpath, *inherited)
        key = (name, parent_of(at) if any(b"$" in folder for folder in own) else b"", own, elf.machine)
        if key not in self._found:
            self._found[key] = self._look(name, at, elf, inherited)
        return self._found[key]

    def file(self, path: bytes) -> bytes | None:
        """The path of the file that `path` leads to, None where there is none."""
        return file_at(self._view, path)

    def _look(self, name: bytes, at: bytes, elf: Elf, inherited: tuple[bytes, ...]) -> bytes | None:
        rpath = () if elf.runpath else (*elf.rpath, *inherited)
        first = (*rpath, *self._environ, *elf.runpath)
        for folder in (*first, *self._configured(), *_known(elf)):
            found = self._fits(_expanded(folder, at) + b"/" + name, elf)
            if found is not None:
                return found
        return None

    def _fits(self, path: bytes, elf: Elf) -> bytes | None:
        found = self.file(path)
        library = self.elf(found) if found is not None else None
        return found if library is not None and library.machine == elf.machine else None

    def _configured(self) -> tuple[bytes, ...]:
        if self._conf is None:
            lines = [*islice(_conf(self._view, b"etc/ld.so.conf", set()), _FOLDERS)]
            for name in self._view.names(b"etc"):
                if name.startswith(b"ld-musl-") and name.endswith(b".path"):
                    lines += head_of(self._view, b"etc/" + name, _CONF_SIZE).replace(b":", b"\n").split()
            self._conf = tuple(dict.fromkeys(lines))
        return self._conf


def _read(view: Lookup, path: bytes) -> Elf | None:
    try:
        with view.open(path) as file:
            return read_elf(file)
    except (ValueError, OSError, NotFound):
        return None


def _versions(at: bytes, elf: Elf, loaded: dict[bytes, Elf]) -> Iterator[Lack]:
    """Versions of symbols that a library which was found does not have; one without any is not asked."""
    for library, names in elf.wants:
        there = loaded.get(library)
        if there is None or not there.has:
            continue
        for name in names:
            if name not in there.has:
                yield Lack(VERSION, library + b" " + name, at)


def _expanded(folder: bytes, at: bytes) -> bytes:
    """With $ORIGIN and $LIB replaced (ld.so(8), "Dynamic string tokens")."""
    if b"$" in folder:
        origin = b"/" + parent_of(at)
        for token, value in ((b"ORIGIN", origin), (b"LIB", b"lib")):
            folder = folder.replace(b"$" + token, value).replace(b"${" + token + b"}", value)
    return folder


def _known(elf: Elf) -> list[bytes]:
    """The folders that loaders look into by themselves: of glibc, of Debian's, of musl."""
    bits, processor = elf.machine
    triplet = _TRIPLETS.get(processor)
    names = ([b"lib/" + triplet] if triplet else []) + ([b"lib64"] if bits == 64 else []) + [b"lib"]
    return [prefix + name for name in names for prefix in (b"", b"usr/")] + [b"usr/local/lib"]


def _conf(view: Lookup, path: bytes, read: set[bytes]) -> Iterator[bytes]:
    """The folders that a ld.so.conf names, by way of the files that it includes, too; each is `read` once."""
    if not _is_new(path, read):
        return
    for line in head_of(view, path, _CONF_SIZE).splitlines():
        words = line.partition(b"#")[0].replace(b",", b" ").split()
        if words[:1] == [b"include"]:
            for pattern in words[1:]:
                for each in _matching(view, pattern, path, read):
                    yield from _conf(view, each, read)
        elif words and words[0] != b"hwcap":
            yield from words


def _is_new(what: bytes, read: set[bytes]) -> bool:
    """Whether it is to be looked at: for the first time, and not too much was."""
    if what in read or len(read) >= _CONF_FILES:
        return False
    read.add(what)
    return True


def _matching(view: Lookup, pattern: bytes, path: bytes, read: set[bytes]) -> list[bytes]:
    """The files of one folder that a pattern of `include` fits."""
    from fnmatch import fnmatchcase  # few images have more than one such line

    whole = pattern if pattern.startswith(b"/") else parent_of(path) + b"/" + pattern
    if not _is_new(b"\0" + whole, read):  # no path has a NUL
        return []
    folder = parent_of(whole.strip(b"/"))
    last = whole.rpartition(b"/")[2]
    return [folder + b"/" + name for name in view.names(folder) if fnmatchcase(name, last)]
