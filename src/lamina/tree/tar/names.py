"""Paths of an archive, made into paths of a tree: relative, without dots, and never leading outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.tree.tar.errors import TarError, shown

if TYPE_CHECKING:
    from lamina.tree.tar.limits import Limits


def clean(name: bytes, limits: Limits) -> bytes:
    """`name` without leading `/` and `./`, doubled and trailing `/`; b"" is the root.

    TarError when it has a `..`, is empty or too long.
    """
    path = name[:-1] if name[-1:] == b"/" else name
    if b"//" in path or b"/." in path or path[:1] in b"./" or path[-1:] == b"/":
        path = _slowly(path, name)
    if len(path) > limits.component:
        _check_lengths(path, limits)
    return path


def _slowly(path: bytes, name: bytes) -> bytes:
    if not name:
        raise TarError("an entry without a name")
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise TarError(f"{shown(name)}: a path with .. in it")
    return b"/".join(parts)


def _check_lengths(path: bytes, limits: Limits) -> None:
    if len(path) > limits.path:
        raise TarError(
            f"{shown(path[:60])}...: a path of {len(path)} bytes, at most {limits.path} are possible"
        )
    for part in path.split(b"/"):
        if len(part) > limits.component:
            most = limits.component
            raise TarError(f"{shown(part[:60])}...: a name of {len(part)} bytes, at most {most} are possible")
