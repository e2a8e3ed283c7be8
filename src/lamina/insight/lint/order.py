"""A copied file that changes often, before a slow step that does not need it: what the cache saw of that."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from lamina.db import layerdb
from lamina.dockerfile import Run
from lamina.dockerfile.lint.shell import commands_of
from lamina.dockerfile.lint.tools import install_of, names_manifest
from lamina.graph.lint.facts import Change
from lamina.insight.lint.walk import follow, on_top

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from lamina.db.cachedb import Step
    from lamina.dockerfile import Instruction
    from lamina.insight.lint.walk import Done, Trail

_OFTEN = 3  # versions of a COPY from which on it counts as changing often
_SLOW = 1.0  # seconds of a step that is worth a line


class _Time(NamedTuple):
    """One time that a step was done after one version of the COPY."""

    content: str  # content ID of the layer it made
    seconds: float


def change_of(
    c: sqlite3.Connection, trail: Trail, copy: Done, instructions: Sequence[Instruction]
) -> Change | None:
    """The slowest RUN after a COPY that came to the same after each version of it; None when there is none.

    A RUN does not need what changed when it made the same files each time, or when it installs packages
    by files that were not among those that changed.
    """
    if len(copy.versions) < _OFTEN:
        return None
    files = _changed_files(copy.versions)
    best: Change | None = None
    for position, times in _times(c, trail, copy).items():
        seconds = sum(time.seconds for time in times) / len(times)
        if len(times) < _OFTEN or seconds < _SLOW or (best is not None and seconds <= best.seconds):
            continue
        run = instructions[position]
        same = len({time.content for time in times}) == 1
        if same or (isinstance(run, Run) and _installs_without(run, files)):
            best = Change(len(copy.versions), files, position, len(times), seconds)
    return best


def _times(c: sqlite3.Connection, trail: Trail, copy: Done) -> dict[int, list[_Time]]:
    """For each instruction after the COPY, how it went after each of the COPY's versions."""
    found: dict[int, list[_Time]] = {}
    for version in copy.versions:
        diff = layerdb.get_diff(c, version.diff_id) if version.diff_id is not None else None
        if diff is None:
            continue  # swept meanwhile
        for one in follow(c, trail.texts, on_top(copy.parent, diff), copy.position):
            found.setdefault(one.position, []).append(_Time(one.diff.content_id, one.step.seconds))
    return found


def _changed_files(versions: Sequence[Step]) -> tuple[str, ...]:
    """The files that differ between a version and the next, the most frequent first."""
    counts: dict[str, int] = {}
    for old, new in pairwise(versions):
        before, after = dict(_listed(old)), dict(_listed(new))
        for name in before.keys() | after.keys():
            if before.get(name) != after.get(name):
                counts[name] = counts.get(name, 0) + 1
    return tuple(sorted(counts, key=lambda name: (-counts[name], name)))


def _listed(step: Step) -> Iterator[tuple[str, str]]:
    """The files of a COPY by their path below its source, with what was known of each."""
    for label, value in step.ingredients:
        if label.startswith("file "):
            source, _, path = label[len("file ") :].partition(": ")
            yield path or source, value


def _installs_without(run: Run, files: Sequence[str]) -> bool:
    """Whether a RUN installs packages, and nothing of what changed is a list of packages."""
    installs = [found for command in commands_of(run) if (found := install_of(command)) is not None]
    return bool(installs) and not any(
        names_manifest(path, install.manifests) for install in installs for path in files
    )
