"""Which layers wrote or deleted a path, and which instruction made them (`lamina blame`).

Answered from the rows of files: nothing is fetched, and memory does not grow with the number of files.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.db import cachedb
from lamina.db.files import absolute, ancestors
from lamina.db.versions import versions, versions_at
from lamina.errors import InvalidInput, NotFound
from lamina.fs.failures import shown
from lamina.insight.deeds import DELETED, changes, deed, steps
from lamina.insight.stack import stack
from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import resolve

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping

    from lamina.db.versions import Versions
    from lamina.insight.deeds import Deed, Step
    from lamina.insight.packages.owners import Owner
    from lamina.insight.rows import Rows
    from lamina.insight.stack import Stack
    from lamina.oci.digest import DiffID, ImageID

_ROOT = Entry(b"", Kind.DIR)


class Blame(NamedTuple):
    """One path of an image, and what layers did to it, the oldest first; never empty.

    `asked` is the path as it was asked for where links on the way to it lead to `path`, else "". `target` is
    where a link leads in the end, "" for what is no link or leads nowhere. `folder` is the folder that was
    asked for, of which this is one of the files: then there is the last deed only.
    """

    path: str  # absolute
    deeds: tuple[Deed, ...]
    asked: str = ""
    target: str = ""
    folder: str = ""
    package: str = ""  # NAME@VERSION of the package that owns it, where that was asked for
    manager: str = ""  # deb, apk, rpm, pypi or npm

    @property
    def layer(self) -> int:
        """The layer, from 1, whose version is to be seen; 0 when the path is gone."""
        last = self.deeds[-1]
        return 0 if last.what == DELETED else last.layer


class Wanted(NamedTuple):
    """How far an answer goes."""

    depth: int | None = None  # of folders below the one that was asked for; None: all, 0: the folder itself
    deleted: bool = False  # also what is in a folder no more
    folders: bool = False  # also the folders in it


def answers(
    rows: Rows,
    image_id: ImageID,
    paths: Iterable[str],
    wanted: Wanted,
    owners: Mapping[bytes, Owner] | None = None,
) -> Iterator[Blame]:
    """The answers for several paths of an image, one after the other; with `owners` their packages too."""
    found = stack(rows, image_id)
    for path in paths:
        each = blame(rows.connection, found, path, wanted)
        yield from each if owners is None else packaged(each, owners)


def blame(c: sqlite3.Connection, image: Stack, path: str, wanted: Wanted) -> Iterator[Blame]:
    """What layers did to a path, links on the way followed; of a folder, to each file in it.

    A link gives two answers: its own, and that of where it leads; with a `/` behind it only the latter.
    Answers of what is in a folder have one deed, the last. NotFound when no layer ever had the path,
    InvalidInput for links in a loop.
    """
    raw = os.fsencode(path)
    asked = raw.strip(b"/")
    real, found = locate(c, image, asked, last=raw.endswith(b"/"))
    now = found.now.entry if found and found.now else None if found or real else _ROOT
    if now is not None and now.kind is Kind.DIR and wanted.depth != 0:
        yield from _in_folder(c, image, real, wanted)
        return
    if found is None:
        raise NotFound(f"no layer of {image.name} has {shown(b'/' + asked)}")
    target = _target(c, image, real) if now is not None and now.kind is Kind.SYMLINK else None
    yield _whole(c, image, found)._replace(
        asked="" if real == asked else absolute(asked), target=absolute(target.path) if target else ""
    )
    if target is not None:
        yield _whole(c, image, target)


def packaged(answers: Iterator[Blame], owners: Mapping[bytes, Owner]) -> Iterator[Blame]:
    """The same answers, each with the package that owns the path."""
    for each in answers:
        owner = owners.get(os.fsencode(each.path).strip(b"/"))
        yield each._replace(package=owner.label, manager=owner.kind) if owner else each


def locate(c: sqlite3.Connection, image: Stack, asked: bytes, *, last: bool) -> tuple[bytes, Versions | None]:
    """The path without links on the way (with `last`, at its end), and what is known of it.

    What is not to be seen any more is looked for as the layers had it, the highest first.
    """
    tried: set[bytes] = set()
    problem: InvalidInput | None = None
    for depth in range(len(image.layers), 0, -1):
        real = asked
        try:
            real = _resolved(c, image, asked, depth, last=last)
        except InvalidInput as error:  # links in a loop, or a file where a folder would have to be
            problem = problem or error
        if real not in tried:
            tried.add(real)
            found = versions_at(c, image.diff_ids, real)
            if found is not None and any(version.is_there for version in found.versions):
                return real, found
        if not real:
            return b"", None
    if problem is not None:
        raise problem
    return asked, None


def _resolved(c: sqlite3.Connection, image: Stack, path: bytes, depth: int, *, last: bool = False) -> bytes:
    """Where a path leads in the lowest `depth` layers; `last` says whether a link at its end counts, too."""
    chain = image.diff_ids[:depth][::-1]

    def get(path: bytes) -> Entry | None:
        found = cachedb.lookup(c, chain, path)
        return found[1] if found else None

    return resolve(path, get, last)


def _target(c: sqlite3.Connection, image: Stack, path: bytes) -> Versions | None:
    """What a link leads to in the end; None for a link that leads nowhere, or in a loop."""
    try:
        real = _resolved(c, image, path, len(image.layers), last=True)
    except InvalidInput:
        return None
    found = versions_at(c, image.diff_ids, real)
    return found if found is not None and found.now is not None else None


def _whole(c: sqlite3.Connection, image: Stack, found: Versions) -> Blame:
    """One path with all that layers did to it."""
    deeds = [deed(image, step, _how(c, image, found.path, step)) for step in steps(found)]
    return Blame(absolute(found.path), tuple(deeds))


def _how(c: sqlite3.Connection, image: Stack, path: bytes, step: Step) -> tuple[str, ...]:
    if step.before is not None and step.entry is not None:
        return changes(step.before, step.entry)
    if step.above:
        return (f"with {absolute(_lost_with(c, image.diff_ids[step.layer], path))}",)
    return ()


def _lost_with(c: sqlite3.Connection, diff_id: DiffID, path: bytes) -> bytes:
    """The folder above `path` that a layer deleted, emptied or replaced."""
    for folder in ancestors(path):
        found = versions_at(c, [diff_id], folder)
        entry = found.versions[0].entry if found else None
        if entry is not None and (entry.opaque or entry.kind is not Kind.DIR):
            return folder
    return b""


def _in_folder(c: sqlite3.Connection, image: Stack, folder: bytes, wanted: Wanted) -> Iterator[Blame]:
    """The last deed for each path in a folder, sorted by folder, then by name."""
    levels = folder.count(b"/") + 1 if folder else 0
    name = absolute(folder)
    for found in versions(c, image.diff_ids, folder, deep=wanted.depth != 1):
        if found.path == folder or not found.path:
            continue
        if wanted.depth is not None and found.path.count(b"/") + 1 - levels > wanted.depth:
            continue
        last = _last(found)
        if last is not None and _is_wanted(last, wanted):
            how = changes(last.before, last.entry) if last.before and last.entry else ()
            yield Blame(absolute(found.path), (deed(image, last, how),), folder=name)


def _last(found: Versions) -> Step | None:
    """The last thing that a layer did to a path; None where all of it was to delete nothing."""
    step = None
    for step in steps(found):  # noqa: B007 (the last one is what is wanted)
        pass
    return step


def _is_wanted(step: Step, wanted: Wanted) -> bool:
    entry = step.entry or step.before
    if step.entry is None and not wanted.deleted:
        return False
    return wanted.folders or entry is None or entry.kind is not Kind.DIR
