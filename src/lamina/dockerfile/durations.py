"""Go's durations, as the flags of HEALTHCHECK take them: `30s`, `1m30s`, `1.5h`, `100ms`."""

from __future__ import annotations

import re

from lamina.dockerfile.source import Fault, quote

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,
    "\u03bcs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PIECE = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]*)")
_LARGEST = 2**63 - 1
_SHORTEST = 1_000_000  # nanoseconds: Docker's least interval


def interval(flag: str, text: str | None) -> int:
    """The nanoseconds that `text` means; 0 when it is empty or zero. Fault when it is less than 1 ms."""
    if not text:
        return 0
    value = _nanoseconds(flag, text)
    if value and value < _SHORTEST:
        raise Fault(f'Interval "{flag}" cannot be less than 1ms', at=f"--{flag}")
    return value


def _nanoseconds(flag: str, text: str) -> int:
    """Reads a Go duration (time.ParseDuration)."""
    sign = -1 if text.startswith("-") else 1
    rest = text[text[0] in "+-" :]
    if rest == "0":
        return 0
    total = position = 0
    while position < len(rest):
        found = _PIECE.match(rest, position)
        assert found is not None  # every part of the expression may be empty
        total += _piece(flag, text, *found.groups())
        position = found.end()
        if total > _LARGEST:
            raise _invalid(flag, text, "invalid duration")
    if not rest:
        raise _invalid(flag, text, "invalid duration")
    return sign * total


def _piece(flag: str, text: str, whole: str, fraction: str | None, unit: str) -> int:
    if len(whole) > 20 or not (whole or fraction):
        raise _invalid(flag, text, "invalid duration")
    if unit not in _UNITS:
        raise _invalid(
            flag, text, f"unknown unit {quote(unit)} in duration" if unit else "missing unit in duration"
        )
    value = int(whole or "0") * _UNITS[unit]
    digits = (fraction or "")[:20]
    return value + (int(digits) * _UNITS[unit] // 10 ** len(digits) if digits else 0)


def _invalid(flag: str, text: str, what: str) -> Fault:
    return Fault(f"time: {what} {quote(text)}", at=f"--{flag}", hint="write for example 30s, 1m30s or 500ms")
