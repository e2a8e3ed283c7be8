"""Whether this machine can record what steps read; and if not, why."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.trace.wire import Setting

_DEVICE = "/dev/fuse"
_LEAST = (6, 16)  # overlay takes files without data from a lower there, by mounts made as ours are


def why_not() -> str:
    """What is missing here for sure, found out without trying; "" when nothing is."""
    release = os.uname().release
    if _version(release) < _LEAST:
        return f"Linux {release} is too old: {_LEAST[0]}.{_LEAST[1]} is needed"
    if not os.access(_DEVICE, os.R_OK | os.W_OK, effective_ids=True):
        problem = "may not be used" if os.path.exists(_DEVICE) else "is not there"
        return f"{_DEVICE} {problem}"
    return ""


def _version(release: str) -> tuple[int, int]:
    numbers = [part for part in release.replace("-", ".").split(".")[:2] if part.isdecimal()]
    return (int(numbers[0]), int(numbers[1])) if len(numbers) == 2 else (0, 0)


def try_it(folder: str, options: str, setting: Setting) -> str:
    """Makes a small recording in the new folder `folder`; "" when it works, else why not.

    `options` are those of the overlay mounts here. What is left in the folder is the caller's to remove.
    """
    missing = why_not()
    if missing:
        return missing
    from lamina.trace.canary import sing  # few ask

    try:
        return sing(folder, options, setting)
    except OSError as error:
        return f"it was refused: {error.strerror}"
