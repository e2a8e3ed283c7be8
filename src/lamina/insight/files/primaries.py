"""The tests and actions of find(1) that an image can answer, each made from its argument."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from lamina.db.layernames import range_of
from lamina.errors import InvalidInput
from lamina.insight.files import rights
from lamina.insight.files.expression import Act
from lamina.insight.files.glob import shell_pattern
from lamina.tree.entry import FILES, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.insight.files.expression import Candidate, Setting, Test, Words
    from lamina.tree.entry import Entry

_SECOND = 1_000_000_000
_UNITS = {"b": 512, "c": 1, "w": 2, "k": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_NUMBER = re.compile(r"([-+]?)([0-9]{1,18})\Z")


# --- what is compared with a number -----------------------------------------------------------


def _numbered(text: str, name: str) -> Callable[[int], bool]:
    """`n`, `+n` (more than n) or `-n` (less than n)."""
    found = _NUMBER.match(text)
    if found is None:
        raise InvalidInput(f"find: invalid argument `{text}' to `{name}'", hint="a number, +N or -N")
    sign, number = found[1], int(found[2])
    if sign == "+":
        return lambda value: value > number
    if sign == "-":
        return lambda value: value < number
    return lambda value: value == number


def _size(text: str, words: Words, setting: Setting) -> Test:
    unit = _UNITS.get(text[-1:], 0)
    test = _numbered(text[:-1] if unit else text, "-size")
    unit = unit or 512
    return lambda it: test(-(-it.found.entry.size // unit))  # each begun unit counts as a whole one


def _age(name: str, seconds: int) -> Callable[[str, Words, Setting], Test]:
    def make(text: str, words: Words, setting: Setting) -> Test:
        test = _numbered(text, name)
        return lambda it: test((setting.now - it.found.entry.mtime) // (seconds * _SECOND))

    return make


def _uid(text: str, words: Words, setting: Setting) -> Test:
    test = _numbered(text, "-uid")
    return lambda it: test(it.found.entry.uid)


def _gid(text: str, words: Words, setting: Setting) -> Test:
    test = _numbered(text, "-gid")
    return lambda it: test(it.found.entry.gid)


# --- names and contents -----------------------------------------------------------------------


def _name(*, path: bool, ignore_case: bool) -> Callable[[str, Words, Setting], Test]:
    def make(text: str, words: Words, setting: Setting) -> Test:
        matches = shell_pattern(text, ignore_case=ignore_case).fullmatch
        if path:
            return lambda it: matches(it.path) is not None
        return lambda it: matches(it.name) is not None

    return make


def _link_name(*, ignore_case: bool) -> Callable[[str, Words, Setting], Test]:
    def make(text: str, words: Words, setting: Setting) -> Test:
        matches = shell_pattern(text, ignore_case=ignore_case).fullmatch

        def test(it: Candidate) -> bool:
            entry = it.found.entry
            return entry.kind is Kind.SYMLINK and matches(os.fsdecode(entry.link)) is not None

        return test

    return make


def _digest(text: str, words: Words, setting: Setting) -> Test:
    wanted = text.lower().removeprefix("sha256:")
    if not re.fullmatch("[0-9a-f]{4,64}", wanted):
        raise InvalidInput(f"find: invalid argument `{text}' to `-digest'", hint="4 to 64 hex digits")
    return lambda it: it.found.entry.digest.startswith(wanted)


def _type(text: str, words: Words, setting: Setting) -> Test:
    letters = text.split(",")
    if not letters or any(letter not in ("f", "d", "l", "c", "b", "p", "s") for letter in letters):
        raise InvalidInput(f"find: invalid argument `{text}' to `-type'", hint="f, d, l, c, b, p, s: f,l")
    kinds = {Kind(letter) for letter in letters}
    if Kind.FILE in kinds:
        kinds.add(Kind.HARDLINK)
    return lambda it: it.found.entry.kind in kinds


def _empty(words: Words, setting: Setting) -> Test:
    def test(it: Candidate) -> bool:
        entry = it.found.entry
        if entry.kind is Kind.DIR:
            return next(setting.merged.children(entry.path), None) is None
        return entry.kind in FILES and not entry.size

    return test


# --- times and layers -------------------------------------------------------------------------


def _newer(text: str, words: Words, setting: Setting) -> Test:
    moment = setting.merged.need(os.fsencode(text)).entry.mtime
    return lambda it: it.found.entry.mtime > moment


def _newer_than_time(text: str, words: Words, setting: Setting) -> Test:
    from datetime import UTC, datetime  # few ask for it

    try:
        then = (
            datetime.fromtimestamp(float(text[1:]), UTC) if text[:1] == "@" else datetime.fromisoformat(text)
        )
    except (ValueError, OverflowError, OSError):
        hint = "2026-11-23, 2026-11-23T06:00:00Z (UTC where nothing is said), or @SECONDS"
        raise InvalidInput(f"find: invalid time `{text}'", hint=hint) from None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    moment = int(then.timestamp() * _SECOND)
    return lambda it: it.found.entry.mtime > moment


def _layer(text: str, words: Words, setting: Setting) -> Test:
    low, high = range_of(setting.merged.diff_ids, text)
    return lambda it: low <= it.found.layer <= high


def _same_file(text: str, words: Words, setting: Setting) -> Test:
    """Names of one file: hard links of one layer."""
    found = setting.merged.need(os.fsencode(text))
    wanted = (found.layer, _file_of(found.entry))
    return lambda it: (it.found.layer, _file_of(it.found.entry)) == wanted


def _file_of(entry: Entry) -> bytes:
    return entry.link if entry.kind is Kind.HARDLINK else entry.path


# --- actions and options ----------------------------------------------------------------------


def _act(what: str) -> Callable[[Words, Setting], Test]:
    def make(words: Words, setting: Setting) -> Test:
        return _acting(Act(what), words)

    return make


def _acting(act: Act, words: Words) -> Test:
    words.acts = True

    def test(it: Candidate) -> bool:
        it.wants(act)
        return True

    return test


def _printf(text: str, words: Words, setting: Setting) -> Test:
    return _acting(Act("printf", text), words)


def _prune(words: Words, setting: Setting) -> Test:
    def test(it: Candidate) -> bool:
        it.pruned = True
        return True

    return test


def _quit(words: Words, setting: Setting) -> Test:
    def test(it: Candidate) -> bool:
        it.quit = True
        return True

    return test


def _constant(value: bool) -> Callable[[Words, Setting], Test]:
    return lambda words, setting: lambda it: value


def _max_depth(text: str, words: Words, setting: Setting) -> Test:
    words.most = _depth(text, "-maxdepth")
    return lambda it: True


def _min_depth(text: str, words: Words, setting: Setting) -> Test:
    words.least = _depth(text, "-mindepth")
    return lambda it: True


def _depth(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise InvalidInput(f"find: invalid argument `{text}' to `{name}'", hint="a number from 0")
    return int(text)


PLAIN: dict[str, Callable[[Words, Setting], Test]] = {
    "-capable": rights.capable,
    "-empty": _empty,
    "-false": _constant(False),
    "-ls": _act("ls"),
    "-mount": _constant(True),  # an image is one file system
    "-nogroup": rights.no_group,
    "-nouser": rights.no_user,
    "-print": _act("print"),
    "-print0": _act("print0"),
    "-prune": _prune,
    "-quit": _quit,
    "-setgid": rights.mode_bits(0o2000),
    "-setuid": rights.mode_bits(0o4000),
    "-sticky": rights.mode_bits(0o1000),
    "-true": _constant(True),
    "-xdev": _constant(True),
}

WITH_ARGUMENT: dict[str, Callable[[str, Words, Setting], Test]] = {
    "-digest": _digest,
    "-gid": _gid,
    "-group": rights.group,
    "-ilname": _link_name(ignore_case=True),
    "-iname": _name(path=False, ignore_case=True),
    "-ipath": _name(path=True, ignore_case=True),
    "-iwholename": _name(path=True, ignore_case=True),
    "-layer": _layer,
    "-lname": _link_name(ignore_case=False),
    "-maxdepth": _max_depth,
    "-mindepth": _min_depth,
    "-mmin": _age("-mmin", 60),
    "-mtime": _age("-mtime", 86400),
    "-name": _name(path=False, ignore_case=False),
    "-newer": _newer,
    "-newermt": _newer_than_time,
    "-path": _name(path=True, ignore_case=False),
    "-perm": rights.perm,
    "-printf": _printf,
    "-samefile": _same_file,
    "-size": _size,
    "-type": _type,
    "-uid": _uid,
    "-user": rights.user,
    "-wholename": _name(path=True, ignore_case=False),
    "-xattr": rights.xattr,
}

_LOOKS = "`find` only looks; with -print0 the names can go to other programs"
_NO_TIME = "a layer has only the times of changes: -mtime, -mmin, -newer, -newermt"
_NO_INODE = "a layer has no such numbers; -samefile finds hard links"

REFUSED = {
    **dict.fromkeys(("-delete", "-exec", "-execdir", "-ok", "-okdir", "-fprint", "-fls", "-fprintf"), _LOOKS),
    **dict.fromkeys(("-atime", "-ctime", "-amin", "-cmin", "-anewer", "-cnewer", "-used"), _NO_TIME),
    **dict.fromkeys(("-inum", "-links"), _NO_INODE),
    **dict.fromkeys(("-regex", "-iregex", "-regextype"), "-path takes shell patterns, or pipe to grep"),
    **dict.fromkeys(("-depth", "-d"), "folders come before what is in them"),
    **dict.fromkeys(("-readable", "-writable", "-executable"), "ask for the bits: -perm /111"),
    **dict.fromkeys(("-follow", "-L", "-H"), "links are not followed"),
}
