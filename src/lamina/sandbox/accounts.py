"""Who a process runs as: the USER of an image looked up in the image's own passwd and group files.

The rules are those of Docker: a number needs no row; an explicit group drops the supplementary ones.
"""

from __future__ import annotations

from typing import NamedTuple

from lamina.errors import InvalidInput

_HIGHEST_ID = 2**31 - 1
_LONGEST_NUMBER = 10  # digits; converting a very long number takes long, or is refused


class Identity(NamedTuple):
    """User, group, supplementary groups and home folder of a process."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


class _Passwd(NamedTuple):
    name: str
    uid: int
    gid: int
    home: str


def look_up(user: str, passwd: bytes, group: bytes) -> Identity:
    """The identity that `user` ("", "name", "uid", "name:group", "uid:gid") names.

    InvalidInput when a name has no row, or a number is not between 0 and 2**31 - 1.
    """
    who, _, explicit = user.partition(":")
    row = _find_user(who, passwd)
    if row is None:
        if who and not _is_number(who):
            raise InvalidInput(f"unable to find user {who}: no matching entries in passwd file")
        row = _Passwd("", _number(who or "0"), 0, "/")
    if explicit:
        gid = _explicit_group(explicit, group)
        return Identity(row.uid, gid, (gid,), row.home)
    groups = [row.gid]
    for _, gid, members in _groups(group):
        if row.name and row.name in members and gid not in groups:
            groups.append(gid)
    return Identity(row.uid, row.gid, tuple(groups), row.home)


def numbers(table: bytes) -> dict[str, int]:
    """Names with their numbers, of a file of passwd(5) or group(5); the first row of a name counts."""
    found: dict[str, int] = {}
    for line in table.decode("utf-8", "surrogateescape").split("\n"):
        fields = line.strip().split(":")
        if len(fields) > 2 and _is_number(fields[2]) and len(fields[2]) <= _LONGEST_NUMBER:
            found.setdefault(fields[0], int(fields[2]))
    return found


def _find_user(who: str, passwd: bytes) -> _Passwd | None:
    wanted = (who or "0").lstrip("0") if _is_number(who or "0") else None
    for line in passwd.decode("utf-8", "surrogateescape").split("\n"):
        fields = line.strip().split(":")
        if len(fields) < 4 or not _is_number(fields[2]):
            continue
        if fields[0] == who or fields[2].lstrip("0") == wanted:
            gid = _number(fields[3]) if _is_number(fields[3]) else 0
            home = fields[5] if len(fields) > 5 else ""
            return _Passwd(fields[0], _number(fields[2]), gid, home or "/")
    return None


def _explicit_group(wanted: str, group: bytes) -> int:
    # A number is always a number, even where a group has it for a name.
    if _is_number(wanted):
        return _number(wanted)
    for name, gid, _ in _groups(group):
        if name == wanted:
            return gid
    raise InvalidInput(f"unable to find group {wanted}: no matching entries in group file")


def _groups(group: bytes) -> list[tuple[str, int, list[str]]]:
    rows = []
    for line in group.decode("utf-8", "surrogateescape").split("\n"):
        fields = line.strip().split(":")
        if len(fields) >= 3 and _is_number(fields[2]) and len(fields[2]) <= _LONGEST_NUMBER:
            rows.append((fields[0], int(fields[2]), fields[3].split(",") if len(fields) > 3 else []))
    return rows


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _number(text: str) -> int:
    if len(text) > _LONGEST_NUMBER or int(text) > _HIGHEST_ID:
        raise InvalidInput(f"user and group IDs must be in range 0-{_HIGHEST_ID}: {text[:20]}")
    return int(text)
