"""How Go prints values: image histories carry `%q`, `%v` and durations, so that ours read like BuildKit's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def quote(text: str) -> str:
    """A string as Go's `%q` prints it."""
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else _code(c)) for c in text) + '"'


def _code(char: str) -> str:
    """An unprintable character as Go escapes it."""
    number = ord(char)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that was not UTF-8, as surrogateescape keeps it
        return f"\\x{number - 0xDC00:02x}"
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def quoted_list(items: Iterable[str]) -> str:
    """A list of strings as `%q` prints it: `["a" "b"]`."""
    return "[" + " ".join(map(quote, items)) + "]"


def plain_list(items: Iterable[str]) -> str:
    """A list of strings as `%v` prints it: `[a b]`."""
    return "[" + " ".join(items) + "]"


def duration(nanoseconds: int) -> str:
    """A duration as Go prints it: `1h0m30s`, `1.5s`, `250ms`, `0s`."""
    if nanoseconds == 0:
        return "0s"
    sign, value = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if value < size * 1000:
            return sign + _decimal(value, size) + unit
    hours, rest = divmod(value, 3600 * 10**9)
    minutes, rest = divmod(rest, 60 * 10**9)
    text = _decimal(rest, 10**9) + "s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return sign + (f"{hours}h{text}" if hours else text)


def _decimal(value: int, size: int) -> str:
    """`value / size` without trailing zeros."""
    whole, part = divmod(value, size)
    if not part:
        return str(whole)
    digits = len(str(size)) - 1
    return f"{whole}.{part:0{digits}d}".rstrip("0")
