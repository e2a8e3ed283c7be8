"""The names of STOPSIGNAL: those of Linux, with or without SIG, or a number."""

from __future__ import annotations

_NAMES = (
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS "
    "TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX"
)
_LAST = 64


def is_signal(text: str) -> bool:
    """Whether `text` names a signal: `SIGTERM`, `term`, `15`, `RTMIN+3`, `SIGRTMAX-2`."""
    if text.isascii() and text.isdigit():
        return int(text) > 0
    name = text.upper().removeprefix("SIG")
    for base, sign in (("RTMIN", "+"), ("RTMAX", "-")):
        start, found, offset = name.partition(sign)
        if found and start == base:
            return offset.isdigit() and 1 <= int(offset) <= (_LAST - 34) // 2 + (base == "RTMIN")
    return bool(name) and name in _NAMES.split()
