"""Which package owns which file of an image, by the databases of its package managers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput
from lamina.events import Notice, ignore
from lamina.insight.packages import apk, dpkg, node, python, rpm
from lamina.insight.packages.package import BadDatabase
from lamina.insight.packages.view import View
from lamina.tree.tree import parent_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lamina.events import Observer
    from lamina.insight.packages.package import Package
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID

Owned = tuple[bytes, "Package"]

# Those of the distribution come first: what Debian's package brings is its own, also where pip sees it.
_READERS: tuple[Callable[[View], Iterator[Owned]], ...] = (
    dpkg.all_owned,
    apk.all_owned,
    rpm.all_owned,
    python.all_owned,
    node.all_owned,
)


class Owner(NamedTuple):
    """The package that owns a file."""

    kind: str  # deb, apk, rpm, pypi or npm
    name: str
    version: str

    @property
    def label(self) -> str:
        """NAME@VERSION."""
        return f"{self.name}@{self.version}"


def owners(ctx: Layers, diff_ids: Sequence[DiffID], tell: Observer = ignore) -> dict[bytes, Owner]:
    """The owner of each path (relative, as in Entry). The layers come bottom first.

    Folders on the way that are links are followed: what Debian lists as /bin/ls may lie in /usr/bin. Of two
    owners of one path the first counts, in the order of the package managers. A database that cannot be read
    gives a Notice to `tell`.
    """
    view = View(ctx, tuple(diff_ids)[::-1], tell)
    real = _Folders(view)
    known: dict[tuple[str, str, str], Owner] = {}
    found: dict[bytes, Owner] = {}
    for read in _READERS:
        try:
            for path, package in read(view):
                key = (package.kind, package.name, package.version)
                found.setdefault(real.path(path), known.setdefault(key, Owner(*key)))
        except BadDatabase as error:
            tell(
                Notice(f"what {read.__module__.rpartition('.')[2]} says of packages cannot be read: {error}")
            )
    return found


class _Folders:
    """The real paths of folders, each resolved once."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._known: dict[bytes, bytes] = {b"": b""}

    def path(self, path: bytes) -> bytes:
        folder = parent_of(path)
        real = self._known.get(folder)
        if real is None:
            try:
                real = self._view.top.resolve(folder)
            except InvalidInput:  # links in a loop
                real = folder
            self._known[folder] = real
        name = path.rpartition(b"/")[2]
        return real + b"/" + name if real else name
