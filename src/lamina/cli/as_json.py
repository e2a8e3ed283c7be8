"""The answers of the library as JSON: each NamedTuple an object with the names of its fields.

Bytes and names that are not UTF-8 keep each odd byte as a lone surrogate (U+DC80 to U+DCFF): Python's
json.loads and os.fsencode give the bytes back. All that is printed is ASCII, so no name can touch a terminal.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def dumps(value: object) -> str:
    """`value` on several lines."""
    return json.dumps(plain(value), indent=2)


class Array:
    """The text of a list whose items come one by one, each on a line, and are not kept."""

    def __init__(self) -> None:
        self._before = "["

    def put(self, value: object) -> str:
        """What to print for one item."""
        before, self._before = self._before, ","
        return f"{before}\n{json.dumps(plain(value))}"

    def end(self) -> str:
        """What to print after the last."""
        return "[]\n" if self._before == "[" else "\n]\n"


def array(values: Iterable[object]) -> Iterator[str]:
    """The same of items that are asked for: the text in parts."""
    items = Array()
    yield from map(items.put, values)
    yield items.end()


def print_array(values: Iterable[object]) -> None:
    """Prints each item as soon as it is there."""
    for part in array(values):
        sys.stdout.write(part)


def plain(value: Any) -> object:
    """`value` as dicts, lists, texts and numbers; a NamedTuple also has its public properties."""
    if isinstance(value, bytes):
        return os.fsdecode(value)
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "_asdict"):
        fields = {name: plain(item) for name, item in value._asdict().items()}
        kind = type(value)
        shown = [name for name in vars(kind) if isinstance(vars(kind)[name], property) and name[0] != "_"]
        return fields | {name: plain(getattr(value, name)) for name in shown}
    if isinstance(value, dict):
        return {str(plain(name)): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return [plain(item) for item in items]
    return value
