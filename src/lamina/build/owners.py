"""Whom --chown and USER mean: numbers, or names that the image's own /etc/passwd and /etc/group know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.build.errors import Swept
from lamina.errors import InvalidInput, LaminaError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.layers.lookup import Lookup

_MOST = 1 << 20  # bytes of a passwd or group file that are read
_LARGEST = (1 << 32) - 2


def linked_owner(text: str) -> tuple[int, int]:
    """The same for --chown with --link, which sees no files: InvalidInput for names."""

    def nothing() -> Lookup:
        raise InvalidInput(
            f"--chown={text} needs numbers because of --link",
            hint="--link copies into an empty root, which has no /etc/passwd and no /etc/group",
        )

    return find_owner(text, nothing)


def find_owner(text: str, below: Callable[[], Lookup]) -> tuple[int, int]:
    """The uid and gid of `user`, `user:group`, `uid`, `uid:gid` or `:group`, which is root's.

    Without a group it is the user's own, and for a number the same number. The image is looked into
    only for names. NotFound when it does not know one.
    """
    user, _, group = text.partition(":")
    uid = _number(user) if user else 0
    gid = uid
    if uid is None:
        row = _find(below(), b"etc/passwd", user)
        if row is None or len(row) < 4 or (uid := _number(row[2])) is None:
            raise NotFound(
                f"unknown user {user!r}", hint="the image's /etc/passwd has no such line; use a number"
            )
        gid = _number(row[3]) or 0
    if group:
        gid = _number(group)
        if gid is None:
            row = _find(below(), b"etc/group", group)
            if row is None or len(row) < 3 or (gid := _number(row[2])) is None:
                raise NotFound(
                    f"unknown group {group!r}", hint="the image's /etc/group has no such line; use a number"
                )
    return uid, gid or 0


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    if len(text) > 20 or int(text) > _LARGEST:
        raise InvalidInput(f"user or group ID {text[:40]} is too large", hint=f"up to {_LARGEST}")
    return int(text)


def _find(image: Lookup, path: bytes, name: str) -> list[str] | None:
    """The fields of the line for `name` in one of the image's tables."""
    try:
        with image.open(image.resolve(path)) as table:
            text = table.read(_MOST).decode(errors="surrogateescape")
    except Swept:
        raise
    except LaminaError:
        return None
    for line in text.splitlines():
        fields = line.strip().split(":")
        if fields[0] == name:
            return fields
    return None
