"""The tests of find(1) for modes, owners and extended attributes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.errors import InvalidInput
from lamina.graph.chmod import parse_mode
from lamina.insight.files.glob import shell_pattern
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.insight.files.expression import Candidate, Setting, Test, Words

_CAPABILITY = b"security.capability"


def perm(text: str, words: Words, setting: Setting) -> Test:
    """`-perm`: just this mode, `-` all of these bits, `/` any of them."""
    how, mode = (text[0], text[1:]) if text[:1] in ("-", "/") else ("", text)
    try:
        bits = parse_mode(mode).apply(0, False)
    except ValueError:
        raise InvalidInput(
            f"find: invalid mode `{text}'", hint="octal or symbolic: 644, -4000, /u=s,g=s"
        ) from None
    if how == "-":
        return lambda it: it.found.entry.mode & bits == bits
    if how == "/":
        return lambda it: not bits or it.found.entry.mode & bits != 0
    return lambda it: it.found.entry.mode == bits


def mode_bits(bits: int) -> Callable[[Words, Setting], Test]:
    """Files and folders with one of these bits; a link has no mode of its own."""

    def test(it: Candidate) -> bool:
        return it.found.entry.kind is not Kind.SYMLINK and it.found.entry.mode & bits != 0

    return lambda words, setting: test


def user(text: str, words: Words, setting: Setting) -> Test:
    """`-user`: a name of the image, or a number."""
    number = _id_of(text, "user", lambda: setting.owners().users)
    return lambda it: it.found.entry.uid == number


def group(text: str, words: Words, setting: Setting) -> Test:
    """`-group`: the same for groups."""
    number = _id_of(text, "group", lambda: setting.owners().groups)
    return lambda it: it.found.entry.gid == number


def _id_of(text: str, what: str, known: Callable[[], Mapping[str, int]]) -> int:
    if text.isascii() and text.isdigit() and len(text) < 11:
        return int(text)
    number = known().get(text)
    if number is None:
        hint = "the image has no such name: use a number"
        raise InvalidInput(f"find: '{text}' is not the name of a known {what}", hint=hint)
    return number


def no_user(words: Words, setting: Setting) -> Test:
    """`-nouser`: nobody in /etc/passwd has its number."""
    known = set(setting.owners().users.values())
    return lambda it: it.found.entry.uid not in known


def no_group(words: Words, setting: Setting) -> Test:
    """`-nogroup`: the same for groups."""
    known = set(setting.owners().groups.values())
    return lambda it: it.found.entry.gid not in known


def capable(words: Words, setting: Setting) -> Test:
    """`-capable`: a file that gives capabilities."""
    return lambda it: any(name == _CAPABILITY for name, _ in it.found.entry.xattrs)


def xattr(text: str, words: Words, setting: Setting) -> Test:
    """`-xattr`: an extended attribute whose name matches a shell pattern."""
    matches = shell_pattern(text).fullmatch
    return lambda it: any(matches(os.fsdecode(name)) for name, _ in it.found.entry.xattrs)
