"""What counts of a file, folder or link, and in which of it two differ. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lamina.tree.entry import WORDS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.tree.entry import Entry

_KINDS = {str(kind): word for kind, word in WORDS.items()}
RANKS = {"content": 0, "type": 0, "target": 0, "added": 1, "removed": 2}  # what is told first; all else: 3
# What graph.ingredients.describe writes; of a link its target follows, of a device its numbers, then xattrs.
_LINE = re.compile(r"(implied )?([a-z]) ([0-7]+) (\d+:\d+) (\d+) ([0-9a-f]{64}|)(.*)", re.DOTALL)
_DEVICE = re.compile(r"device (\d+:\d+)(.*)", re.DOTALL)
_XATTR = re.compile(r" ([a-z][^\s=]*)=(\d+):")


class Facts(NamedTuple):
    """One entry, without its times. Texts are as people read them."""

    kind: str
    mode: str = ""  # 0644; "" for a link
    owner: str = ""  # 0:0
    size: str = ""  # bytes, of a file
    content: str = ""  # digest, of a file
    target: str = ""  # of a link
    device: str = ""  # 1:3
    xattrs: tuple[tuple[str, str], ...] = ()
    implied: bool = False  # a folder that is there only because something in it is


def of_entry(entry: Entry) -> Facts:
    """The facts of an entry of a layer."""
    kind = "f" if entry.kind is Kind.HARDLINK else entry.kind.value
    is_file = kind == "f"
    return Facts(
        _KINDS.get(kind, kind),
        "" if kind == "l" else f"{entry.mode:04o}",
        f"{entry.uid}:{entry.gid}",
        str(entry.size) if is_file else "",
        entry.digest if is_file else "",
        entry.link.decode(errors="backslashreplace") if kind == "l" else "",
        f"{entry.rdev[0]}:{entry.rdev[1]}" if entry.rdev != (0, 0) else "",
        tuple([(_text(name), _text(value)) for name, value in entry.xattrs]),
    )


def parse(line: str) -> Facts:
    """The facts that are listed with a cache key (graph.ingredients.describe, and `folder`)."""
    found = _LINE.fullmatch(line)
    if found is None:
        return Facts("folder" if line == "folder" else line)
    implied, kind, mode, owner, size, content, rest = found.groups()
    target = device = ""
    if rest.startswith("-> "):
        target, rest = rest[3:], ""
    elif device_of := _DEVICE.fullmatch(rest):
        device, rest = device_of.groups()
    is_file = kind == "f"
    return Facts(
        _KINDS.get(kind, kind),
        "" if kind == "l" else f"{int(mode, 8):04o}",
        owner,
        size if is_file else "",
        content if is_file else "",
        target,
        device,
        tuple(_xattrs(rest)),
        bool(implied),
    )


def differences(old: Facts | None, new: Facts | None) -> list[tuple[str, str | None, str | None]]:
    """What differs, the most telling first: (what, old value, new value), as in graph.reason.Change."""
    if old is None:
        return [] if new is None else [("added", None, new.kind)]
    if new is None:
        return [("removed", old.kind, None)]
    if old.kind != new.kind:
        return [("type", old.kind, new.kind)]
    found: list[tuple[str, str | None, str | None]] = []
    for what in ("content", "size", "target", "device", "mode", "owner"):
        before, after = getattr(old, what), getattr(new, what)
        if before != after and not (what in ("mode", "owner") and "" in (before, after)):
            found.append((what, before, after))
    before_x, after_x = dict(old.xattrs), dict(new.xattrs)
    names = sorted({*before_x, *after_x})
    pairs = [(name, before_x.get(name), after_x.get(name)) for name in names]
    found += [(f"xattr {name}", before, after) for name, before, after in pairs if before != after]
    if not found and old != new:
        return [("picked", _how(old), _how(new))]
    return found


def _xattrs(text: str) -> Iterator[tuple[str, str]]:
    """Names and values. A value that is no ASCII has another length: it ends where a name seems to be."""
    found = _XATTR.match(text)
    while found is not None:
        start = found.end()
        end = start + int(found[2])
        following = _XATTR.match(text, end)
        if following is None and end != len(text):
            following = _XATTR.search(text, start)
            end = following.start() if following is not None else len(text)
        yield found[1], text[start:end]
        found = following


def _how(facts: Facts) -> str:
    return "for what is in it" if facts.implied else "itself"


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")
