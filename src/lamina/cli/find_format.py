"""The formats of find's -printf."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from lamina.cli import image_paths
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.insight.files.find import FindHit

_PART = re.compile(r"%([-0+ #]*[0-9]{0,4}(?:\.[0-9]{1,4})?)(T?.)|\\([0-7]{1,3}|.)|([^%\\]+)|(.)", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_SECOND = 1_000_000_000
_NUMBERS = ("d", "m", "L")  # sizes, times and owners are texts to GNU's find, which has no 0 before them


def printf(names: image_paths.Names) -> Callable[[FindHit], None]:
    """What prints a hit by the format of its action: names raw, as they are, as with find."""
    values = _values(names)

    def print_hit(hit: FindHit) -> None:
        out = "".join(_part(found, hit, values) for found in _PART.finditer(hit.act.form))
        sys.stdout.flush()
        sys.stdout.buffer.write(os.fsencode(out))

    return print_hit


def _values(names: image_paths.Names) -> dict[str, Callable[[FindHit], str]]:
    return {
        "p": lambda hit: hit.file.path,
        "f": lambda hit: hit.file.path.rpartition("/")[2] or "/",
        "h": lambda hit: hit.file.path.rpartition("/")[0],
        "P": _below,
        "d": lambda hit: str(hit.depth),
        "s": lambda hit: str(hit.file.size),
        "m": lambda hit: f"{hit.file.mode:o}",
        "M": lambda hit: image_paths.mode(hit.file),
        "u": lambda hit: names.user(hit.file.uid),
        "U": lambda hit: str(hit.file.uid),
        "g": lambda hit: names.group(hit.file.gid),
        "G": lambda hit: str(hit.file.gid),
        "l": lambda hit: hit.file.target,
        "y": lambda hit: hit.file.type,
        "t": lambda hit: image_paths.moment(hit.file.mtime),
        "T@": lambda hit: f"{hit.file.mtime // _SECOND}.{hit.file.mtime % _SECOND:09}0",
        "L": lambda hit: str(hit.file.layer),  # Lamina's own
    }


def _below(hit: FindHit) -> str:
    """The path below where the search started."""
    parts = hit.file.path.split("/")
    return "/".join(parts[len(parts) - hit.depth :]) if hit.depth else ""


def _part(found: re.Match[str], hit: FindHit, values: dict[str, Callable[[FindHit], str]]) -> str:
    width, letter, escape, plain, odd = found.groups()
    if plain is not None:
        return plain
    if escape is not None:
        return chr(int(escape, 8)) if escape[0] in "01234567" else _ESCAPES.get(escape, "\\" + escape)
    if odd is not None:
        return odd
    if letter == "%":
        return "%"
    if letter not in values:
        known = ", ".join(f"%{each}" for each in sorted(values))
        raise InvalidInput(f"find: unknown format %{letter} of -printf", hint=f"known are {known}")
    text = values[letter](hit)
    if not width:
        return text
    if letter == "m" and "#" in width:
        text = "0" + text.lstrip("0")
    elif letter in _NUMBERS:
        return f"%{width}d" % int(text)
    return os.fsdecode(f"%{width}s".encode() % os.fsencode(text))  # widths count bytes
