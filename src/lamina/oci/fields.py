"""Typed values out of a parsed JSON object and back; what is not taken stays as it is, in `extra`.

A known field that is written although it is empty (`"Cmd": null`, `"User": ""`) stays in `extra`
as well, so that reading and writing an object gives the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar, cast

from lamina.errors import InvalidInput

T = TypeVar("T")
Extra = Mapping[str, object]
_NAMES: dict[type, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


class Fields:
    """Takes fields out of one JSON object; `extra` is what is left."""

    def __init__(self, value: object, what: str) -> None:
        if type(value) is not dict:
            raise InvalidInput(f"{what}: not a JSON object")
        self.extra: dict[str, object] = dict(value)
        self.what = what

    def _take(self, key: str, kind: type[T], default: T) -> T:
        value = self.extra.get(key)
        if value is None or value == default:
            return default
        if type(value) is not kind:
            raise InvalidInput(f"{self.what}: {key} is not {_NAMES[kind]}")
        del self.extra[key]
        return value

    def text(self, key: str) -> str:
        """The text at `key`, "" when there is none."""
        return self._take(key, str, "")

    def number(self, key: str) -> int:
        """The whole number at `key`, 0 when there is none."""
        return self._take(key, int, 0)

    def flag(self, key: str) -> bool:
        """The truth value at `key`, False when there is none."""
        return self._take(key, bool, False)

    def texts(self, key: str) -> tuple[str, ...]:
        """The list of texts at `key`."""
        found: list[object] = self._take(key, list, [])
        for item in found:
            if type(item) is not str:
                raise InvalidInput(f"{self.what}: {key} holds something that is not text")
        return cast(tuple[str, ...], tuple(found))

    def mapping(self, key: str) -> dict[str, str]:
        """The object at `key`, whose values are all text."""
        found: dict[str, object] = self._take(key, dict, {})
        for item in found.values():
            if type(item) is not str:
                raise InvalidInput(f"{self.what}: {key} holds something that is not text")
        return cast(dict[str, str], found)

    def names(self, key: str) -> tuple[str, ...]:
        """The keys, sorted, of an object used as a set: `{"80/tcp": {}}`."""
        found: dict[str, object] = self._take(key, dict, {})
        return tuple(sorted(found))

    def objects(self, key: str, make: Callable[[object], T]) -> tuple[T, ...]:
        """What `make` makes of each item of the list at `key`."""
        found: list[object] = self._take(key, list, [])
        return tuple([make(item) for item in found])

    def part(self, key: str, make: Callable[[object], T]) -> T | None:
        """What `make` makes of the value at `key`; None when it is absent or null."""
        if self.extra.get(key) is None:
            return None
        return make(self.extra.pop(key))

    def require(self, key: str) -> object:
        """Takes the value at `key`. InvalidInput when it is absent or null."""
        if self.extra.get(key) is None:
            raise InvalidInput(f"{self.what}: {key} is missing")
        return self.extra.pop(key)


def written(known: Iterable[tuple[str, object]], extra: Extra) -> dict[str, object]:
    """The object to write: known fields that are not empty, in their order, then `extra` by name."""
    out = {key: value for key, value in known if value}
    for key in sorted(extra):
        if key not in out:
            out[key] = extra[key]
    return out


def name_set(names: Iterable[str]) -> dict[str, object]:
    """The object that stands for a set of names, sorted."""
    return {name: {} for name in sorted(names)}
