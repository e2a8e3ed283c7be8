"""Doing the same to each operand: a failure is reported, the others still get their turn."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamina.errors import LaminaError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def each(names: Iterable[str], act: Callable[[str], None], *, lenient: bool = False) -> int:
    """Exit code 0 when all went well; `lenient` (-f) takes what is not there for done, but says so."""
    code = 0
    for name in names:
        try:
            act(name)
        except LaminaError as error:
            print(f"Error: {error}", file=sys.stderr, flush=True)
            if not (lenient and isinstance(error, NotFound)):
                code = 1
    return code
