"""What a COPY of very many files brings that it did not bring before: told by its layers, file by file.

Beside its key only the first files of a step are kept by name (graph.ingredients.MOST_LISTED).
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, cast

from lamina.build.copying import copied, lookup_below
from lamina.db import cachedb
from lamina.errors import LaminaError
from lamina.graph.filefacts import RANKS, differences, of_entry
from lamina.graph.ingredients import MOST_LISTED
from lamina.graph.ops import CopyOp
from lamina.graph.reason import Change
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.build.stagerun import StageRun, Work
    from lamina.db.cachedb import Step
    from lamina.graph.filefacts import Facts
    from lamina.tree.entry import Entry


_HOW = ("dest", "chown", "chmod")  # ingredients that make another layer of the same files


def has_unlisted(work: Work, step: Step) -> bool:
    """Whether one of both copies more files than are kept by name, and both put them to one place alike."""
    if not isinstance(work.op, CopyOp) or work.op.unpacks or work.sources is None:
        return False
    old, new = dict(step.ingredients), dict(work.key.ingredients)
    listed = sum([label.startswith("file ") for label in old])
    is_alike = all(old.get(label) == new.get(label) for label in _HOW)
    return is_alike and max(len(work.key.listing), listed) >= MOST_LISTED


def all_files(run: StageRun, work: Work, step: Step) -> list[Change]:
    """What differs between the files of an earlier layer and those of the one to be made: none if unknown."""
    op = cast("CopyOp", work.op)
    if step.diff_id is None:
        return []
    try:
        items = copied(run, work, lookup_below(run, op), BytesIO())  # nothing is unpacked
    except LaminaError:
        return []  # then the step fails for the same reason
    old = _by_path(cachedb.files(run.session.ctx.db.read(), step.diff_id))
    new = _by_path([item.entry for item in items])
    dest = op.dest.strip("/").encode(errors="surrogateescape")
    name = _namer(work, dest)
    groups = []
    for path in sorted({**old, **new}):
        was, now = old.get(path), new.get(path)
        if was == now or _is_way(path, was or now, dest):
            continue
        found = differences(was, now)
        if found:
            groups.append((RANKS.get(found[0][0], 3), [Change("file", name(path), *each) for each in found]))
    groups.sort(key=lambda group: group[0])
    return [change for _, group in groups for change in group]


def _by_path(entries: list[Entry]) -> dict[bytes, Facts]:
    """What counts of all that a layer brings; a further name of a file is as the file itself."""
    found = {entry.path: entry for entry in entries if entry.kind is not Kind.WHITEOUT}
    return {
        path: of_entry(found.get(entry.link, entry) if entry.kind is Kind.HARDLINK else entry)
        for path, entry in found.items()
    }


def _is_way(path: bytes, facts: Facts | None, dest: bytes) -> bool:
    """Whether this is a folder that leads to the files: what lies below says whether a layer has it."""
    return facts is not None and facts.kind == "folder" and (dest + b"/").startswith(path + b"/")


def _namer(work: Work, dest: bytes) -> Callable[[bytes], str]:
    """How a file is called: by its place in the source, where this is one folder; else in the image."""
    assert work.sources is not None
    found = [picked for matches in work.sources.picked for picked in matches]
    one = found[0] if len(found) == 1 and found[0].is_folder else None
    start = dest + b"/" if dest else b""

    def name(path: bytes) -> str:
        if one is None or not path.startswith(start):
            return "/" + path.decode(errors="surrogateescape")
        inside = path[len(start) :]
        return (one.path + b"/" + inside if one.path else inside).decode(errors="surrogateescape")

    return name
