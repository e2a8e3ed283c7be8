"""The modes of COPY --chmod: octal, or symbolic as the chmod(1) of BSD reads them.

`=` clears setuid and setgid of folders, too, unless it copies (`g=u`); `X` asks for the mode that the file
had before any change.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXstugo]*)+)\Z")
_ACTION = re.compile(r"([-+=])([rwxXstugo]*)")
_SHIFT = {"u": 6, "g": 3, "o": 0}
_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o7, "a": 0o6777}
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}
_STICKY = 0o1000


class _Change(NamedTuple):
    who: int  # the bits that may change
    action: str
    what: str


class ModeChange(NamedTuple):
    """What --chmod does: sets `octal`, or applies `changes` one after the other."""

    octal: int | None
    changes: tuple[_Change, ...] = ()

    @property
    def folder_mode(self) -> int:
        """The mode of folders that COPY makes on the way, which have none that could change."""
        return 0o755 if self.octal is None else self.octal & 0o777

    def apply(self, mode: int, is_folder: bool) -> int:
        """The permission bits (with setuid, setgid, sticky) that `mode` becomes."""
        if self.octal is not None:
            return self.octal
        may_run = is_folder or bool(mode & 0o111)
        for change in self.changes:
            mode = _apply(change, mode, may_run)
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
        who = 0
        for letter in found[1] or "a":
            who |= _WHO[letter]
        changes += [_Change(who, action, what) for action, what in _ACTION.findall(found[2])]
    return ModeChange(None, tuple(changes))


def _apply(change: _Change, mode: int, may_run: bool) -> int:
    bits, may_change = _bits(change, mode, may_run)
    if change.action == "+":
        return mode | bits
    if change.action == "-":
        return mode & ~bits
    return (mode & ~may_change) | bits


def _bits(change: _Change, mode: int, may_run: bool) -> tuple[int, int]:
    """All bits that one action names, and those that `=` clears before."""
    bits, who = 0, change.who
    for letter in change.what:
        if letter in _SHIFT:
            bits |= (mode >> _SHIFT[letter] & 7) * 0o111
        elif letter == "X":
            bits |= 0o111 if may_run else 0
        elif letter != "t" or who & ~0o7:  # there is no sticky bit of others alone
            bits |= _BITS[letter]
    who |= bits & _STICKY
    copies = bool(change.what) and all(letter in _SHIFT for letter in change.what)
    return bits & who, who & 0o777 if copies else who
