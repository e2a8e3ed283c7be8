"""Differences as people read them: a line for each file, then packages, config, history, causes, the sum."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.cli.escaping import escaped
from lamina.cli.units import counted, human_size
from lamina.fs.failures import shown
from lamina.tree.entry import WORDS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.insight.diff.cause import Cause
    from lamina.insight.diff.change import FileChange, FileFacts
    from lamina.insight.diff.config import FieldChange
    from lamina.insight.diff.diff import Diff, Side, Totals
    from lamina.insight.diff.packages import PackageChange

_EVENTS = {"A": "added", "D": "deleted"}
_GRAPH = 10  # signs of --stat for one file


def file_line(change: FileChange, *, times: bool = False) -> str:
    """`C /etc/passwd (content 1.2kB -> 1.3kB, mode 0644 -> 0600)`: time alone where `times` is on."""
    line = f"{change.kind} {shown(change.path)}"
    if change.old is None or change.new is None:
        return line
    old, new = change.old, change.new
    words = [_how(what, old, new) for what in change.what if what != "time" or times]
    return f"{line} ({', '.join(words)})"


def _how(what: str, old: FileFacts, new: FileFacts) -> str:
    before, after = _values(what, old), _values(what, new)
    return f"{what} {before} -> {after}" if before != after else what


def _values(what: str, facts: FileFacts) -> str:
    if what == "type":
        return WORDS[Kind(facts.type)]
    if what == "content":
        return human_size(facts.size)
    if what == "mode":
        return f"{facts.mode:04o}"
    if what == "owner":
        return f"{facts.uid}:{facts.gid}"
    if what == "link":
        return shown(facts.link)
    if what == "device":
        return facts.device
    return _time(facts.mtime) if what == "time" else ""


def _time(mtime: int) -> str:
    from datetime import UTC, datetime  # few ask for times

    try:
        return datetime.fromtimestamp(mtime // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(mtime // 10**9)


def stat_line(change: FileChange, *, times: bool = False) -> str:
    """As `git diff --stat` has it: lines of texts, bytes of what is none; else what differs."""
    old, new = change.old, change.new
    name = shown(change.path)
    if change.lines is not None and any(change.lines):
        return f" {name} | {_graph(*change.lines)}"
    is_file = any(facts.type == "f" for facts in (old, new) if facts)
    if is_file and change.lines is None and ("content" in change.what or not (old and new)):
        sizes = [human_size(facts.size if facts else 0) for facts in (old, new)]
        return f" {name} | Bin {sizes[0]} -> {sizes[1]}"
    words = [what for what in change.what if what != "time" or times]
    return f" {name} | {', '.join(words) or _EVENTS[change.kind]}"


def _graph(added: int, deleted: int) -> str:
    """`12 +++--`: signs in the proportion of lines, at least one of each kind that there is."""
    total = added + deleted
    signs = min(total, _GRAPH)
    plus = max(bool(added), min(signs - bool(deleted), round(added * signs / total)))
    return f"{total} {'+' * plus}{'-' * (signs - plus)}"


def patch_text(text: str, *, terminal: bool) -> bytes:
    """A patch as it is printed: the bytes themselves, but on a terminal nothing that would steer it."""
    if not terminal:
        return os.fsencode(text)
    lines = text.encode("utf-8", "surrogateescape").decode(errors="backslashreplace").split("\n")
    return "\n".join([_line(line) for line in lines]).encode()


def _line(line: str) -> str:
    return "\t".join([escaped(part) for part in line.split("\t")])


def sections(diff: Diff) -> Iterator[str]:
    """All but the files, where something of it differs."""
    parts = (
        ("Packages", [_package(each) for each in diff.packages]),
        ("Config", [_field(each) for each in diff.config]),
        (
            "History",
            [
                f"{each.kind} line {each.number}: {_one_line(each.created_by) or '(nothing)'}"
                for each in diff.history
            ],
        ),
        ("Why they differ, in each layer the most telling first", list(_causes(diff.causes))),
    )
    for title, lines in parts:
        if lines:
            yield f"{title}:"
            yield from [f"  {line}" for line in lines]


def _one_line(text: str) -> str:
    return escaped(" ".join(text.split()))


def _package(change: PackageChange) -> str:
    old, new = ", ".join(change.old), ", ".join(change.new)
    versions = f"{old} -> {new}" if change.kind == "C" else old or new
    return escaped(f"{change.kind} {change.package_kind} {change.name} {versions}")


def _field(change: FieldChange) -> str:
    name = f"{change.field} {change.key}".strip()
    kind = "A" if change.old is None else "D" if change.new is None else "C"
    value = f"{change.old} -> {change.new}" if kind == "C" else change.old or change.new
    return escaped(f"{kind} {name}" + (f": {value}" if value else ""))


def _causes(causes: tuple[Cause, ...]) -> Iterator[str]:
    layer = 0
    for number, cause in enumerate(causes, 1):
        if cause.layer != layer:
            is_first, layer = layer == 0, cause.layer
            made_by = _one_line(cause.created_by) or "nothing says what made it"
            yield f"layer {layer} {'is the first that differs' if is_first else 'differs, too'}: {made_by}"
        more = f" and {cause.paths - 1} more" if cause.paths > 1 else ""
        where = f" {shown(cause.path)}{more}" if cause.path else ""
        yield f"{number}. {cause.what}{where}: {_one_line(cause.detail)}"
        if cause.reason:
            yield f"   likely: {cause.reason}"
        if cause.advice:
            yield f"   to make it equal: {cause.advice}"


def summary(diff: Diff, *, times: bool = False) -> str:
    """The last line: what was compared with what, and the sum."""
    old, new = _side(diff.old), _side(diff.new)
    if diff.old.image_id == diff.new.image_id and diff.old.kind == diff.new.kind == "image":
        return f"{old} and {new} are the same image"
    shared = f", {diff.shared_layers} of them shared" if diff.shared_layers else ""
    return f"{old} -> {new}{shared}: {_totals(diff.totals, times=times)}"


def _side(side: Side) -> str:
    layers = f" ({counted(side.layers, 'layer')})" if side.kind != "nothing" else ""
    return escaped(side.label) + layers


def _totals(totals: Totals, *, times: bool) -> str:
    words = [
        f"{count} {word}"
        for count, word in ((totals.added, "added"), (totals.changed, "changed"), (totals.deleted, "deleted"))
        if count
    ]
    if totals.bytes:
        words.append(f"{'-' if totals.bytes < 0 else '+'}{human_size(abs(totals.bytes))}")
    if totals.times:
        words.append(f"{totals.times} of another time alone" + ("" if times else " (--times)"))
    return ", ".join(words) or "no file differs"
