"""Turns what the operating system refuses into Lamina's errors."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from lamina.errors import Denied, LaminaError, NoSpace

if TYPE_CHECKING:
    from types import TracebackType

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def translate(error: OSError, path: str) -> LaminaError | None:
    """The error that a user should see for `error` at `path`; None when it is not one of these kinds."""
    if error.errno in _FULL:
        return NoSpace(
            f"no space left while writing {path}",
            hint="free some space, `lamina prune`, or set LAMINA_ROOT to a folder on another disk",
        )
    if error.errno in _REFUSED:
        reason = (error.strerror or "refused").lower()
        return Denied(f"{reason}: {path}", hint="set LAMINA_ROOT to a folder that is yours")
    return None


class guard:
    """`with guard(path):` raises NoSpace and Denied, naming `path`, for the OSErrors that mean them."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            known = translate(error, self.path)
            if known is not None:
                raise known from error
