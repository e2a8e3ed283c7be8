"""Marks: queries that take a list of values, as many as SQLite lets one have."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Sized

Value = TypeVar("Value")

_MOST = 500  # values of one query


def marks(values: Sized) -> str:
    """What stands in a query for each of the values: `?, ?, ?`."""
    return ", ".join(["?"] * len(values))


def in_parts(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """The values in lists that are short enough for a query each."""
    for start in range(0, len(values), _MOST):
        yield values[start : start + _MOST]
