"""Programs: whether what moved files and the config run is still there: libraries, loaders, interpreters.

Only what was found before and is not any more counts: an image may well have files that never worked.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.db.files import absolute
from lamina.db.versions import versions
from lamina.fs.failures import shown
from lamina.surgery.elf import MAGIC
from lamina.surgery.findings import Finding, Weight
from lamina.surgery.linking import INTERPRETER, LIBRARY, Lack, Linker
from lamina.surgery.transplant import path_of
from lamina.tree.entry import FILES, Entry, Kind
from lamina.tree.tree import parent_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.surgery.transplant import Side, Transplant

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HEAD = 256  # bytes of the first line that the kernel reads
_ENV = b"env"
_SHELL = ("/bin/sh", "-c")


class View(NamedTuple):
    """One side, with its linker."""

    side: Side
    linker: Linker

    def program(self, name: str) -> bytes | None:
        """The file that running `name` runs, links followed; None where there is none."""
        if "/" in name:
            folder = "" if name.startswith("/") else self.side.config.working_dir
            return self.linker.file(path_of(f"{folder}/{name}"))
        for folder in self.side.env.get("PATH", _DEFAULT_PATH).split(":"):
            found = self.linker.file(path_of(f"{folder}/{name}"))
            entry = self.side.view.get(found) if found is not None else None
            if entry is not None and entry.mode & 0o111:
                return found
        return None


def programs(ctx: Layers, it: Transplant, before: Side, after: Side) -> Iterator[Finding]:
    """What the moved files need of the stack below them, and do not find any more."""
    views = View(before, Linker(before)), View(after, Linker(after))
    for diff_id, entry in _moved(ctx, it):
        if entry.kind is Kind.SYMLINK:
            yield from _led_astray(entry, *views)
        elif entry.mode & 0o111 or b".so" in entry.path or entry.path.endswith(b".node"):
            with ctx.open_file(diff_id, entry.path) as file:
                head = file.read(_HEAD)
            if head.startswith(MAGIC):
                yield from _unlinked(entry.path, entry.path, *views)
            elif head.startswith(b"#!") and entry.mode & 0o111:
                yield from _unread(entry.path, head, *views)


def _moved(ctx: Layers, it: Transplant) -> Iterator[tuple[DiffID, Entry]]:
    """What is to be seen of the moved layers, and which one has it."""
    for found in versions(ctx.db.read(), it.moved):
        if found.now is not None and found.now.entry is not None:
            entry = found.now.entry
            if entry.kind is Kind.SYMLINK or (entry.kind in FILES and entry.size):
                yield it.moved[found.now.layer], entry


def commands(was: Side, now: Side) -> Iterator[Finding]:
    """Whether what the config starts is still there, and finds what it needs."""
    before, after = View(was, Linker(was)), View(now, Linker(now))
    for word in _started(now):
        old, new = before.program(word), after.program(word)
        if new is None:
            if old is not None:
                text = f"is what the image runs: it was {absolute(old)}, which is gone"
                yield Finding(Weight.BREAKS, "command", word, text)
            continue
        yield from _unlinked(new, old or new, before, after)
        if old is not None and old != new:
            text = f"is what the image runs: it was {absolute(old)}, and is {absolute(new)} now"
            yield Finding(Weight.RISK, "command", word, text)


def _started(side: Side) -> list[str]:
    """The programs that the config names, or may name: what is no program will not be found anywhere."""
    config = side.config
    test = config.healthcheck.test if config.healthcheck is not None else ()
    asked = {"CMD": test[1:], "CMD-SHELL": (*(config.shell or _SHELL), *test[1:])}.get("".join(test[:1]), ())
    words: list[str] = []
    for argv in (config.entrypoint, config.cmd, asked):
        words += argv[:1]
        if len(argv) == 3 and argv[1] == "-c":  # the shell form: its first word
            words += argv[2].split()[:1]
    return list(dict.fromkeys([word for word in words if word]))


def _led_astray(entry: Entry, before: View, after: View) -> Iterator[Finding]:
    """A link that led to a file, and leads nowhere now."""
    old = before.linker.file(entry.path)
    if old is None or after.linker.file(entry.path) is not None:
        return
    target = before.side.view.get(old)
    is_program = target is not None and (target.mode & 0o111 or b".so" in old)
    weight = Weight.BREAKS if is_program else Weight.RISK
    text = f"is a link that led to {absolute(old)}, which is gone"
    yield Finding(weight, "link", absolute(entry.path), text)


def _unlinked(path: bytes, old: bytes, before: View, after: View) -> Iterator[Finding]:
    """What the loader found for a file before, and does not find now."""
    lacks = list(after.linker.lacks(path))
    if not lacks:
        return
    known = {(lack.kind, lack.name) for lack in before.linker.lacks(old)}
    for lack in lacks:
        if (lack.kind, lack.name) not in known:
            yield Finding(Weight.BREAKS, lack.kind, absolute(path), _needs(lack, path, before, after))


def _needs(lack: Lack, path: bytes, before: View, after: View) -> str:
    by = "" if lack.by == path else f" (by way of {absolute(lack.by)})"
    name = shown(lack.name)
    if lack.kind == INTERPRETER:
        return f"needs the loader {name}{by}, which is gone"
    if lack.kind == LIBRARY:
        elf = before.linker.elf(lack.by)
        was = before.linker.library(lack.name, lack.by, elf) if elf is not None else None
        there = f"; it was {absolute(was)}" if was is not None else ""
        others = _others(lack.name, was, after) if was is not None else []
        instead = f", where {', '.join(map(shown, others))} is now" if others else ""
        return f"needs {name}{by}, which is gone{there}{instead}"
    library, _, version = lack.name.partition(b" ")
    return f"needs {shown(version)} of {shown(library)}{by}, which is an older one now, or another"


def _others(name: bytes, was: bytes, after: View) -> list[bytes]:
    """Libraries of the same name with another version, where the old one was."""
    stem = name.partition(b".so")[0].rstrip(b"0123456789.-") + b""
    found = after.side.view.names(parent_of(was))
    return [each for each in found if each.startswith(stem) and b".so." in each and each != name][:3]


def _unread(path: bytes, head: bytes, before: View, after: View) -> Iterator[Finding]:
    """A script whose interpreter was there, and is not now."""
    words = head[2:].partition(b"\n")[0].split()
    if not words:
        return
    interpreter = os.fsdecode(words[0])
    if words[0].rpartition(b"/")[2] == _ENV:
        rest = [word for word in words[1:] if not word.startswith(b"-") and b"=" not in word]
        interpreter = os.fsdecode(rest[0]) if rest else interpreter
    old = before.program(interpreter)
    if old is not None and after.program(interpreter) is None:
        text = f"is a script for {shown(interpreter)}, which is gone; it was {absolute(old)}"
        yield Finding(Weight.BREAKS, "script", absolute(path), text)
