"""Booleans as Go reads them (strconv.ParseBool): how flags, options and build arguments say yes."""

from __future__ import annotations

TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


def truth(text: str) -> bool | None:
    """What `text` says; None where it is no boolean."""
    return True if text in TRUE else False if text in FALSE else None
