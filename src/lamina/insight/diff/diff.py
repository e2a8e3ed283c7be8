"""Diff: what differs between two states; and `compare`, which finds it.

Files come in the order of the rows: folder by folder, by name in each. Both stacks are read as they stand in
the database, side by side; contents are read only for patches and packages.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.db.sidebyside import pairs, shared_layers
from lamina.errors import LaminaError
from lamina.events import Notice
from lamina.insight.diff import config
from lamina.insight.diff.cause import causes, equal_builds
from lamina.insight.diff.change import ADDED, DELETED, change_of
from lamina.insight.diff.packages import is_database, package_changes
from lamina.insight.states import LAYER, histories
from lamina.layers.lookup import Lookup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lamina.events import Observer
    from lamina.insight.diff.cause import Cause
    from lamina.insight.diff.change import FileChange
    from lamina.insight.diff.config import FieldChange, LineChange
    from lamina.insight.diff.packages import PackageChange
    from lamina.insight.states import State
    from lamina.layers.context import Layers


class Asked(NamedTuple):
    """What is asked of a comparison."""

    paths: tuple[str, ...] = ()  # only these files, and what is in these folders; then nothing but files
    times: bool = False  # also paths of which nothing but the time differs
    patch: bool = False  # patches of texts
    lines: bool = False  # how many lines texts gain and lose
    causes: bool | None = None  # why two builds that should be equal are not; None: if their histories are


class Side(NamedTuple):
    """One of the two that are compared."""

    kind: str  # image, layer, container, step, nothing
    label: str
    image_id: str
    layers: int


class Totals(NamedTuple):
    """How many paths differ, and by how many bytes the files grow."""

    added: int = 0
    changed: int = 0
    deleted: int = 0
    times: int = 0  # paths of which only the time differs; not among the changed
    bytes: int = 0  # each name of a file counts


class Diff(NamedTuple):
    """What differs, from `old` to `new`."""

    old: Side
    new: Side
    shared_layers: int  # which both begin with
    totals: Totals
    files: tuple[FileChange, ...]  # by folder, then by name
    packages: tuple[PackageChange, ...] = ()
    config: tuple[FieldChange, ...] = ()
    history: tuple[LineChange, ...] = ()
    causes: tuple[Cause, ...] = ()  # the first one is what to look at first

    @property
    def is_different(self) -> bool:
        """Whether anything was found; times of files alone are nothing."""
        files = self.totals.added or self.totals.changed or self.totals.deleted
        return bool(files or self.packages or self.config or self.history or self.causes)


def compare(
    ctx: Layers,
    old: State,
    new: State,
    asked: Asked,
    tell: Observer,
    found: Callable[[FileChange], None] | None = None,
) -> Diff:
    """What differs. With `found` each change of a file goes there, and none is kept: memory is bounded.

    NotFound, Corrupt; for patches and packages as layers.absent.bring, too.
    """
    files: list[FileChange] = []
    counted = _Counted()
    changes: Iterable[FileChange] = _changes(ctx, old, new, asked.paths)
    with_texts = asked.patch or asked.lines
    if with_texts:
        from lamina.insight.diff.contents import at_rest  # most questions read no file

        changes = at_rest(ctx, (*old.diff_ids, *new.diff_ids), changes)
    for change in changes:
        if counted.add(change) or asked.times:
            whole = _with_texts(ctx, old, new, change, asked) if with_texts else change
            (found or files.append)(whole)
    diff = Diff(
        _side(old), _side(new), shared_layers(old.diff_ids, new.diff_ids), counted.totals(), tuple(files)
    )
    if asked.paths:
        return diff
    diff = diff._replace(
        packages=_packages(ctx, old, new, tell) if counted.has_database else (),
        history=config.lines(*histories(old, new)),
    )
    if LAYER not in (old.kind, new.kind):
        diff = diff._replace(config=config.fields(old.config, new.config))
    return diff._replace(causes=_causes(ctx, old, new, asked.causes, tell))


class _Counted:
    """The totals, as changes are found."""

    def __init__(self) -> None:
        self.has_database = False
        self._counts = {"A": 0, "C": 0, "D": 0, "time": 0}
        self._bytes = 0

    def add(self, change: FileChange) -> bool:
        """Counts a change; whether it is more than one of time."""
        if change.only_time:
            self._counts["time"] += 1
            return False
        self._counts[change.kind] += 1
        self._bytes += (change.new.size if change.new else 0) - (change.old.size if change.old else 0)
        self.has_database = self.has_database or is_database(os.fsencode(change.path)[1:])
        return True

    def totals(self) -> Totals:
        """All that was added."""
        counts = self._counts
        return Totals(counts["A"], counts["C"], counts["D"], counts["time"], self._bytes)


def _changes(ctx: Layers, old: State, new: State, paths: tuple[str, ...]) -> Iterator[FileChange]:
    c = ctx.db.read()
    for under in _unders(ctx, old, new, paths) or [b""]:
        for pair in pairs(c, old.diff_ids, new.diff_ids, under):
            change = change_of(pair)
            if change is not None:
                yield change


def _unders(ctx: Layers, old: State, new: State, paths: tuple[str, ...]) -> list[bytes]:
    """The paths that are asked for, each once, none in another; links on the way to them are followed."""
    found: set[bytes] = set()
    for path in paths:
        for state in (old, new):
            lookup = Lookup(ctx, state.diff_ids[::-1])
            found.add(lookup.resolve(os.fsencode(path), follow_last=False))
    if b"" in found:
        return []
    kept: list[bytes] = []
    for under in sorted(found, key=lambda name: name + b"/"):
        if not kept or not under.startswith(kept[-1] + b"/"):
            kept.append(under)
    return kept


def _with_texts(ctx: Layers, old: State, new: State, change: FileChange, asked: Asked) -> FileChange:
    from lamina.insight.diff.contents import text_of
    from lamina.insight.diff.patch import NONE, patch

    same = change.kind not in (ADDED, DELETED) and not {"content", "link", "type"} & {*change.what}
    before = NONE if same else text_of(ctx, old, change.path, change.old)
    after = NONE if same else text_of(ctx, new, change.path, change.new)
    text, lines = patch(change, before, after)
    return change._replace(patch=text if asked.patch else "", lines=lines)


def _packages(ctx: Layers, old: State, new: State, tell: Observer) -> tuple[PackageChange, ...]:
    try:
        return package_changes(ctx, old, new, tell)
    except LaminaError as error:  # a registry that does not answer
        tell(Notice(f"packages are not compared: {error}"))
        return ()


def _causes(ctx: Layers, old: State, new: State, asked: bool | None, tell: Observer) -> tuple[Cause, ...]:
    if not (asked or (asked is None and equal_builds(old, new))):
        return ()
    try:
        return causes(ctx, old, new)
    except LaminaError as error:
        if asked:
            raise
        tell(Notice(f"why they differ is not known: {error}"))
        return ()


def _side(state: State) -> Side:
    return Side(state.kind, state.label, state.image_id, len(state.diff_ids))
