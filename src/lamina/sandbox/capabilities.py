"""The capabilities that a process keeps: Docker's default fourteen, or all that there are."""

from __future__ import annotations

import errno

from lamina.mount import syscalls

# Numbers from linux/capability.h.
DEFAULT = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "FSETID": 4,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "SETPCAP": 8,
    "NET_BIND_SERVICE": 10,
    "NET_RAW": 13,
    "SYS_CHROOT": 18,
    "MKNOD": 27,
    "AUDIT_WRITE": 29,
    "SETFCAP": 31,
}
_HIGHEST = 63


def bounding_set() -> int:
    """The mask of what may be held here."""
    held = 0
    for number in range(_HIGHEST + 1):
        try:
            held |= syscalls.prctl(syscalls.PR_CAPBSET_READ, number) << number
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            break  # the kernel has no more than these
    return held


def limit_bounding_set(bounding: int) -> int:
    """Drop what is in this mask and not in DEFAULT for good, also for setuid programs; what is left of it.

    A capability that is not there to begin with is not missed. Needs CAP_SETPCAP.
    """
    for number in range(bounding.bit_length()):
        if bounding >> number & 1 and number not in _KEEP:
            syscalls.prctl(syscalls.PR_CAPBSET_DROP, number)
            bounding &= ~(1 << number)
    return bounding


def limit_held(uid: int, bounding: int) -> None:
    """What the process itself holds: all that may be held for root, nothing for anyone else.

    Nothing is inheritable, as in Docker since CVE-2022-24769.
    """
    held = bounding if uid == 0 else 0
    syscalls.capset(held, held, 0)


def keep_over_setuid() -> None:
    """The next change of the user leaves the permitted capabilities as they are."""
    syscalls.prctl(syscalls.PR_SET_KEEPCAPS, 1)


def hold_all(mask: int) -> None:
    """Hold these, and give them to all programs, whoever runs them: what BuildKit calls insecure."""
    syscalls.capset(mask, mask, mask)
    for number in range(_HIGHEST + 1):
        if mask >> number & 1:
            syscalls.prctl(syscalls.PR_CAP_AMBIENT, syscalls.PR_CAP_AMBIENT_RAISE, number)


_KEEP = frozenset(DEFAULT.values())
