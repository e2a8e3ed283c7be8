"""The modes of COPY --chmod: octal, or symbolic as chmod(1) reads them."""

from __future__ import annotations

import re
from typing import NamedTuple

_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXstugo]*)+)\Z")
_ACTION = re.compile(r"([-+=])([rwxXstugo]*)")
_SHIFT = {"u": 6, "g": 3, "o": 0}
_BIT = {"r": 4, "w": 2, "x": 1}


class _Change(NamedTuple):
    who: str
    action: str
    what: str


class ModeChange(NamedTuple):
    """What --chmod does: sets `octal`, or applies `changes` one after the other."""

    octal: int | None
    changes: tuple[_Change, ...] = ()

    def apply(self, mode: int, is_folder: bool) -> int:
        """The permission bits (with setuid, setgid, sticky) that `mode` becomes."""
        if self.octal is not None:
            return self.octal
        for change in self.changes:
            mode = _apply(change, mode, is_folder)
        return mode


def parse_mode(text: str) -> ModeChange:
    """Reads the value of --chmod. ValueError when it is neither octal up to 07777 nor symbolic."""
    if text and all(c in "01234567" for c in text):
        if int(text, 8) > 0o7777:
            raise ValueError(f"invalid chmod parameter: '{text}', it should be an octal number up to 07777")
        return ModeChange(int(text, 8))
    changes: list[_Change] = []
    for clause in text.split(","):
        found = _CLAUSE.match(clause)
        if not found:
            raise ValueError(
                f"invalid chmod parameter: '{text}', it should be octal (0644) or symbolic (u+x)"
            )
        who = found[1].replace("a", "ugo") or "ugo"
        changes += [_Change(who, action, what) for action, what in _ACTION.findall(found[2])]
    return ModeChange(None, tuple(changes))


def _apply(change: _Change, mode: int, is_folder: bool) -> int:
    bits = _bits(change, mode, is_folder)
    if change.action == "+":
        return mode | bits
    if change.action == "-":
        return mode & ~bits
    cleared = sum(7 << _SHIFT[who] for who in set(change.who))
    if not is_folder:  # as chmod(1): `=` leaves a folder's setuid and setgid alone
        cleared |= (0o4000 if "u" in change.who else 0) | (0o2000 if "g" in change.who else 0)
    return (mode & ~cleared) | bits


def _bits(change: _Change, mode: int, is_folder: bool) -> int:
    """All bits that one action names."""
    bits = 0
    for who in set(change.who):
        for letter in change.what:
            if letter in _BIT:
                bits |= _BIT[letter] << _SHIFT[who]
            elif letter in _SHIFT:
                bits |= (mode >> _SHIFT[letter] & 7) << _SHIFT[who]
            elif letter == "X" and (is_folder or mode & 0o111):
                bits |= 1 << _SHIFT[who]
            elif letter == "s":
                bits |= {"u": 0o4000, "g": 0o2000, "o": 0}[who]
            elif letter == "t":
                bits |= 0o1000
    return bits
