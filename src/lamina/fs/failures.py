"""failure: what the operating system said, as one of Lamina's errors, with the path."""

from __future__ import annotations

import errno
import os

from lamina.errors import Denied, InvalidInput, LaminaError, NoSpace, NotFound

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_INVALID = frozenset(
    {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL}
)


def failure(error: OSError, path: bytes | str) -> LaminaError:
    """The error to raise when a system call on `path` ended with `error`: raise failure(e, p) from e."""
    message = f"{shown(path)}: {os.strerror(error.errno) if error.errno else error}"
    if error.errno in _NO_SPACE:
        return NoSpace(message, hint="make room on the disk, for example with lamina prune")
    if error.errno in _DENIED:
        return Denied(message)
    if error.errno in _INVALID:
        return InvalidInput(message)
    if error.errno == errno.ENOENT:
        return NotFound(message)
    return LaminaError(message)


def shown(path: bytes | str) -> str:
    """`path` as text that can be printed on any terminal, on one line."""
    text = os.fsencode(path).decode(errors="backslashreplace") or "/"
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
