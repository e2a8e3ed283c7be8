"""Which layer brought each package that a database file lists: the states of that file, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.events import Notice
from lamina.insight.packages.package import BadDatabase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.insight.packages.package import Package
    from lamina.insight.packages.view import FoundFile, View
    from lamina.oci.digest import DiffID


def listed(view: View, path: bytes, parse: Callable[[FoundFile], Sequence[Package]]) -> list[Package]:
    """The packages of the database at `path`, each with the lowest layer from which on it has been listed.

    What cannot be parsed is told, and counts as a state that nobody knows.
    """
    since: dict[tuple[str, str, str, str], DiffID] = {}
    last: Sequence[Package] = ()
    for diff_id, file in view.states(path):
        last = ()
        if file is not None:
            try:
                last = parse(file)
            except BadDatabase as error:
                warn(view, file.path, error)
                continue
        since = {package.key: since.get(package.key, diff_id) for package in last}
    return [package._replace(layer=since[package.key]) for package in last]


def warn(view: View, path: bytes, error: BadDatabase) -> None:
    """Tells that a database was left out."""
    view.tell(Notice(f"the package database {shown(path)} cannot be read: {error}"))


def shown(path: bytes) -> str:
    """A path of the image as people write it."""
    return "/" + path.decode("utf-8", "backslashreplace")
