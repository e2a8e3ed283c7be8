"""Accounts: users and groups that have other numbers, or are not there, below layers that were moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db.versions import versions
from lamina.sandbox.accounts import numbers
from lamina.surgery.findings import Finding, Weight
from lamina.surgery.transplant import head_of
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.layers.context import Layers
    from lamina.layers.lookup import Lookup
    from lamina.surgery.transplant import Side, Transplant

_PASSWD, _GROUP = b"etc/passwd", b"etc/group"
_SIZE = 1 << 20  # bytes of such a file that are read


class _Names(NamedTuple):
    users: dict[str, int]
    groups: dict[str, int]


def accounts(ctx: Layers, it: Transplant, before: Side, after: Side) -> Iterator[Finding]:
    """Names that went, or whose number changed, as far as files of the moved layers use them."""
    old, new = _names(before.view), _names(after.view)
    users, groups = _changed(old.users, new.users), _changed(old.groups, new.groups)
    if not users and not groups:
        return
    of_users, of_groups = _files(ctx, it, set(users), set(groups))
    for word, changed, files in (("user", users, of_users), ("group", groups, of_groups)):
        for number, (name, now) in changed.items():
            if files.get(number):
                yield Finding(Weight.RISK, word, "", _owned(word, name, number, now, files[number]))


def runs_as(before: Side, after: Side) -> Iterator[Finding]:
    """Whether the USER of the config is still there, and who it was."""
    old, new = _names(before.view), _names(after.view)
    user, _, group = after.config.user.partition(":")
    for word, name, was, now in (
        ("user", user, old.users, new.users),
        ("group", group, old.groups, new.groups),
    ):
        if not name or name.isdecimal() or name not in was:
            continue
        if name not in now:
            text = f"the image runs as {word} {name!r}, who is gone"
            yield Finding(Weight.BREAKS, word, "", text)
        elif was[name] != now[name]:
            text = f"the image runs as {word} {name!r}, who was {was[name]} and is {now[name]} now"
            yield Finding(Weight.RISK, word, "", text)


def _changed(old: dict[str, int], new: dict[str, int]) -> dict[int, tuple[str, int | None]]:
    """By the number that it had: each name that has another now, or (None) is not there."""
    return {
        number: (name, new.get(name)) for name, number in old.items() if number and new.get(name) != number
    }


def _owned(word: str, name: str, number: int, now: int | None, files: int) -> str:
    count = "1 file" if files == 1 else f"{files} files"
    what = f"is {now} now" if now is not None else "is gone"
    return f"{count} of the moved layers belong to {word} {number}, who was {name!r} and {what}"


def _files(
    ctx: Layers, it: Transplant, users: set[int], groups: set[int]
) -> tuple[dict[int, int], dict[int, int]]:
    """How many paths of the moved layers belong to each of these numbers."""
    of_users: dict[int, int] = {}
    of_groups: dict[int, int] = {}
    for found in versions(ctx.db.read(), it.moved):
        entry = found.now.entry if found.now is not None else None
        if entry is None or entry.kind is Kind.DIR:  # folders on the way are the base's as often as not
            continue
        if entry.uid in users:
            of_users[entry.uid] = of_users.get(entry.uid, 0) + 1
        if entry.gid in groups:
            of_groups[entry.gid] = of_groups.get(entry.gid, 0) + 1
    return of_users, of_groups


def _names(view: Lookup) -> _Names:
    return _Names(*[numbers(head_of(view, path, _SIZE)) for path in (_PASSWD, _GROUP)])
