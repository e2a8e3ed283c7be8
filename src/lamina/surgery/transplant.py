"""Transplant: layers that leave the stack they were made on for another one; what all checks look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput, NotFound
from lamina.layers.lookup import Lookup
from lamina.tree.entry import FILES

if TYPE_CHECKING:
    from lamina.layers.context import Layers
    from lamina.oci.config import ContainerConfig
    from lamina.oci.digest import DiffID


class Transplant(NamedTuple):
    """Three stacks, each the bottom first: `moved` stood on `old`, and stands on `new` from now on."""

    old: tuple[DiffID, ...]
    new: tuple[DiffID, ...]
    moved: tuple[DiffID, ...]
    before: ContainerConfig  # how a container starts of `moved` on `old`
    after: ContainerConfig  # and of `moved` on `new`


class Side(NamedTuple):
    """What a container sees, and how it starts."""

    view: Lookup
    config: ContainerConfig

    @property
    def env(self) -> dict[str, str]:
        """The variables that a process starts with."""
        return dict([line.partition("=")[::2] for line in self.config.env])


def sides(ctx: Layers, it: Transplant) -> tuple[Side, Side]:
    """Before, and after."""
    before = Lookup(ctx, tuple(reversed(it.old + it.moved)))
    after = Lookup(ctx, tuple(reversed(it.new + it.moved)))
    return Side(before, it.before), Side(after, it.after)


def path_of(text: str) -> bytes:
    """A text of a config as a path; what is text in JSON alone (a lone surrogate) leads nowhere."""
    return text.encode("utf-8", "replace")


def file_at(view: Lookup, path: bytes) -> bytes | None:
    """The path of the file that `path` leads to, links followed; None where there is none."""
    try:
        real = view.resolve(path)
    except InvalidInput:
        return None
    entry = view.get(real)
    return real if entry is not None and entry.kind in FILES else None


def head_of(view: Lookup, path: bytes, size: int) -> bytes:
    """The first `size` bytes of the file that `path` leads to; b"" where there is none."""
    real = file_at(view, path)
    if real is None:
        return b""
    try:
        with view.open(real) as file:
            return file.read(size)
    except (OSError, NotFound):
        return b""
