"""HEALTHCHECK: its test, its retries, and Go's durations (`30s`, `1m30s`, `1.5h`, `100ms`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lamina.dockerfile.source import Fault, quote

if TYPE_CHECKING:
    from lamina.dockerfile.convert import Parts
    from lamina.dockerfile.flags import Flags

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


class Health(NamedTuple):
    """What a Healthcheck has beyond what every instruction has, in its order."""

    test: tuple[str, ...]
    is_json: bool
    interval: int
    timeout: int
    start_period: int
    start_interval: int
    retries: int


def health(parts: Parts, flags: Flags) -> Health:
    """Checks the arguments and flags; there is at least one argument. With NONE, the flags say nothing."""
    kind, command = parts.args[0].upper(), parts.args[1:]
    if kind == "NONE":
        if command:
            raise Fault("HEALTHCHECK NONE takes no arguments", at=command[0])
        return Health(("NONE",), False, 0, 0, 0, 0, 0)
    if kind != "CMD":
        detail = f"Unknown type {quote(kind)} in HEALTHCHECK (try CMD)"
        raise Fault(detail, at=parts.args[0], hint="CMD or NONE")
    if not command:
        raise Fault("Missing command after HEALTHCHECK CMD", at=parts.args[0])
    return Health(
        ("CMD" if parts.is_json else "CMD-SHELL", *command),
        parts.is_json,
        interval("interval", flags.text("interval")),
        interval("timeout", flags.text("timeout")),
        interval("start-period", flags.text("start-period")),
        interval("start-interval", flags.text("start-interval")),
        retries(flags.text("retries")),
    )


def retries(text: str | None) -> int:
    """A whole number from 0 to 2**31 - 1; 0 when it is not given."""
    if not text:
        return 0
    digits = text[1:] if text[0] in "+-" else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 100 or int(digits) >= 2**31:
        raise Fault(f"--retries must be a whole number, not {quote(text)}", at="--retries")
    if text[0] == "-" and int(digits):
        raise Fault(f"--retries cannot be negative ({text})", at="--retries")
    return int(digits)


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
