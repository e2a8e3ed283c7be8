"""Limits of a process, by the names that Docker has for them; setrlimit(2)."""

from __future__ import annotations

import resource

# Numbers from asm-generic/resource.h; Python does not have them all.
NUMBERS = {
    "core": 4,
    "cpu": 0,
    "data": 2,
    "fsize": 1,
    "locks": 10,
    "memlock": 8,
    "msgqueue": 12,
    "nice": 13,
    "nofile": 7,
    "nproc": 6,
    "rss": 5,
    "rtprio": 14,
    "rttime": 15,
    "sigpending": 11,
    "stack": 3,
}


def apply(limit: tuple[str, int, int]) -> None:
    """Sets (name, soft, hard) for this process; -1 is no limit.

    PermissionError for more than the hard limit now in force, without the power to raise it.
    """
    name, *values = limit
    try:
        resource.setrlimit(NUMBERS[name], (values[0], values[1]))
    except ValueError as error:  # what Python makes of EPERM and EINVAL
        raise PermissionError(1, str(error)) from None


def text(limit: tuple[str, int, int]) -> str:
    """The limit as --ulimit has it."""
    name, soft, hard = limit
    return f"{name}={soft}:{hard}"
