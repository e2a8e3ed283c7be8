"""What differs between two configs, field by field, and between two histories, line by line. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamina.oci.config import History, ImageConfig

_APART = ("history", "rootfs", "config")


class FieldChange(NamedTuple):
    """One field of the config; None where it is not there. Values that are no text are JSON."""

    field: str  # as Docker's JSON calls it: Env, Labels, Cmd, User, architecture, ...
    key: str  # the variable of Env, the key of Labels, the port of ExposedPorts; "" for a field as a whole
    old: str | None
    new: str | None


class LineChange(NamedTuple):
    """A line of history that only one side has."""

    kind: str  # A or D
    number: int  # in that side's history, from 1
    created_by: str
    empty_layer: bool


def fields(old: ImageConfig | None, new: ImageConfig | None) -> tuple[FieldChange, ...]:
    """The fields that differ, in the order of Docker's JSON; None is a config without a field."""
    before, after = dict(_flat(old)), dict(_flat(new))
    if old and new and not (old.created and new.created):  # a step of a build has no time of its own
        for each in (before, after):
            each.pop(("created", ""), None)
    names = list(dict.fromkeys([*before, *after]))
    order = list(dict.fromkeys([field for field, _ in names]))
    names.sort(key=lambda name: order.index(name[0]))
    return tuple(
        [
            FieldChange(*name, before.get(name), after.get(name))
            for name in names
            if before.get(name) != after.get(name)
        ]
    )


def lines(old: Sequence[History], new: Sequence[History]) -> tuple[LineChange, ...]:
    """The lines that were deleted and added; times and comments do not count."""
    from difflib import SequenceMatcher  # 8 ms

    before = [(item.created_by, item.empty_layer) for item in old]
    after = [(item.created_by, item.empty_layer) for item in new]
    found: list[LineChange] = []
    for tag, low, high, start, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            found += [_line("D", number, old[number]) for number in range(low, high)]
            found += [_line("A", number, new[number]) for number in range(start, end)]
    return tuple(found)


def _line(kind: str, number: int, item: History) -> LineChange:
    return LineChange(kind, number + 1, item.created_by, item.empty_layer)


def _flat(config: ImageConfig | None) -> Iterator[tuple[tuple[str, str], str]]:
    """Every field with its value as text. What Env has twice counts as the last one says."""
    if config is None:
        return
    for name, value in config.config.to_json().items():
        if name == "Env":
            for item in config.config.env:
                variable, _, text = item.partition("=")
                yield (name, variable), text
        elif isinstance(value, dict) and name != "Healthcheck":
            for key in sorted(value):
                yield (name, key), "" if value[key] == {} else _text(value[key])
        else:
            yield (name, ""), _text(value)
    for name, value in config.to_json().items():
        if name not in _APART:
            yield (name, ""), _text(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
