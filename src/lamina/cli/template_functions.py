"""The functions of --format templates, and how Go prints a value (`%v`)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable


class TemplateError(InvalidInput):
    """The template is wrong, or asks for what is not there."""

    def __init__(self, what: str) -> None:
        super().__init__(f"template parsing error: template: :1: {what}")


class NilMap(dict[str, object]):
    """A map that is not there: prints as map[], is null in JSON."""


class NilList(list[object]):
    """A list that is not there: prints as [], is null in JSON."""


class _NoValue:
    """What a missing key of a map is."""

    def __repr__(self) -> str:
        return "<no value>"


NO_VALUE: Final = _NoValue()
_VERB = re.compile(r"%(-?)(\d*)(?:\.(\d+))?([a-zA-Z%])")


def constant(kind: str, text: str) -> object:
    """The value of a literal token."""
    if kind == "string":
        if text.startswith("`"):
            return text[1:-1]
        try:
            return json.loads(text)
        except ValueError:
            raise TemplateError(f"invalid syntax: {text}") from None
    if kind == "number":
        return float(text) if "." in text else int(text)
    if text in ("true", "false"):
        return text == "true"
    if text == "nil":
        return None
    raise TemplateError(f'unexpected "{text}" in operand')


def truth(value: object) -> bool:
    """Is it neither zero nor empty?"""
    return value is not NO_VALUE and bool(value)


def kind_of(value: object) -> str:
    """Go's name of a value's type, for messages."""
    names = {str: "string", bool: "bool", int: "int", float: "float64", list: "slice", tuple: "slice"}
    return names.get(type(value), "map")


def show(value: object) -> str:
    """A value as `%v` prints it: [a b], map[k:v], true, <nil>."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{show(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list | tuple):
        return "[" + " ".join(show(item) for item in value) + "]"
    return str(value)


def to_json(value: object) -> str:
    """A value as compact JSON, keys in their own order."""
    value = None if value is NO_VALUE or isinstance(value, NilMap | NilList) else value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _index(value: object, *keys: object) -> object:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key, "")
        elif isinstance(value, list | tuple | str) and isinstance(key, int):
            if not 0 <= key < len(value):
                raise LookupError(f"index out of range: {key}")
            value = value[key]
        else:
            raise TypeError(f"can't index {show(value)} with {show(key)}")
    return value


def _length(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, str | list | tuple | dict):
        return len(value.encode()) if isinstance(value, str) else len(value)
    raise TypeError(f"len of type {kind_of(value)}")


def _slice(value: object, start: int = 0, end: int | None = None) -> object:
    if not isinstance(value, str | list | tuple):
        raise TypeError(f"can't slice item of type {kind_of(value)}")
    if start > len(value) or (end is not None and end > len(value)):
        raise LookupError("index out of range")
    return value[start:end]


def _join(value: object, separator: str = "") -> str:
    if not isinstance(value, list | tuple):
        raise TypeError("join needs a list")
    return separator.join(show(item) for item in value)


def _split(value: str, separator: str) -> list[str]:
    return value.split(separator)


def _print(*values: object) -> str:
    """Go's Sprint: a space between two values when neither is text."""
    text = ""
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            text += " "
        text += show(value)
    return text


def _println(*values: object) -> str:
    return " ".join(show(value) for value in values) + "\n"


def _printf(form: str, *values: object) -> str:
    rest = list(values)

    def one(match: re.Match[str]) -> str:
        left, width, precision, verb = match.groups()
        if verb == "%":
            return "%"
        if not rest:
            return f"%!{verb}(MISSING)"
        text = _verb(verb, rest.pop(0), precision)
        return text.ljust(int(width)) if left and width else text.rjust(int(width or 0))

    return _VERB.sub(one, form)


def _verb(verb: str, value: object, precision: str | None) -> str:
    if verb == "q":
        return json.dumps(show(value), ensure_ascii=False)
    if verb in "dxX" and isinstance(value, int):
        return format(value, verb)
    if verb in "fge" and isinstance(value, int | float):
        return format(value, f".{precision or 6}{verb}")
    if verb in "svt":
        text = show(value)
        return text[: int(precision)] if precision and verb == "s" else text
    return f"%!{verb}({kind_of(value)}={show(value)})"


def _and(*values: object) -> object:
    return next((value for value in values if not truth(value)), values[-1])


def _or(*values: object) -> object:
    return next((value for value in values if truth(value)), values[-1])


def _order(test: Callable[[int], bool]) -> Callable[[object, object], bool]:
    def compare(one: object, two: object) -> bool:
        if isinstance(one, str) and isinstance(two, str):
            return test((one > two) - (one < two))
        if isinstance(one, int | float) and isinstance(two, int | float):
            return test((one > two) - (one < two))
        raise TypeError("incompatible types for comparison")

    return compare


def _truncate(value: str, length: int) -> str:
    return value[:length]


def _pad(value: str, before: int, after: int) -> str:
    return " " * before + value + " " * after if value else value


FUNCTIONS: dict[str, Callable[..., object]] = {
    "and": _and,
    "eq": lambda first, *others: any(first == other for other in others),
    "ge": _order(lambda sign: sign >= 0),
    "gt": _order(lambda sign: sign > 0),
    "index": _index,
    "join": _join,
    "json": to_json,
    "le": _order(lambda sign: sign <= 0),
    "len": _length,
    "lower": str.lower,
    "lt": _order(lambda sign: sign < 0),
    "ne": lambda one, two: one != two,
    "not": lambda value: not truth(value),
    "or": _or,
    "pad": _pad,
    "print": _print,
    "printf": _printf,
    "println": _println,
    "slice": _slice,
    "split": _split,
    "title": str.title,
    "truncate": _truncate,
    "upper": str.upper,
}
