"""python -m bench verify: is what the rules would reuse what the steps would make?

Lamina builds every project before and after every edit, and the examples too, with --cache-rule verify: what
the rules independent and untouched would reuse is done, and compared.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from typing import NamedTuple

from bench.builders import Builder
from bench.cache.case import chosen
from bench.cache.edits import EDITS, EXAMPLES, Edit
from bench.cache.rows import before, build, copy_of, prepare

_LINE = re.compile(
    r"(\[Warning\] )?verify: step \d+, (.*?): (?:the same as )?(\w+) would (reuse.*)", re.DOTALL
)
# What differs with the time at which a step is done, though no rule of the builder could know it.
_TIMES = {("examples/static", "/pages/index.txt"): "ls -l prints the times of files"}
_NOISE = re.compile(r"/[^;]*? \(([^()]+)\)")


class Verified(NamedTuple):
    """A step that was done though it could have been reused."""

    edit: Edit
    step: str
    rule: str
    wrong: str  # how the layers differ, "" for times and noise
    noise: tuple[str, ...]  # reasons of what differs and does not count


def verify(ours: Builder, folder: str, *, only: str) -> None:
    """Prints each step that was compared; exits with 1 when one was not what would have been reused."""
    edits = chosen((*EDITS, *EXAMPLES), only)
    prepare([ours], folder, edits)
    done = []
    for edit in edits:
        for one in verified(ours, edit, folder):
            done.append(one)
            print(_told(one), flush=True)
    reasons: dict[str, int] = {}
    for reason in (reason for one in done for reason in one.noise):
        reasons[reason] = reasons.get(reason, 0) + 1
    print(f"{len(done)} steps of {len(edits)} edits were done and compared")
    print("noise: " + "; ".join(f"{reason} ({count} steps)" for reason, count in sorted(reasons.items())))
    if wrong := [one for one in done if one.wrong]:
        sys.exit("\n".join(("what would have been reused is not what was made:", *map(_told, wrong))))
    if not done:
        sys.exit("no step was compared")


def verified(ours: Builder, edit: Edit, folder: str) -> Iterable[Verified]:
    """The steps after an edit that could have been reused."""
    before(ours, edit, folder)
    project = copy_of(edit.project, os.path.join(folder, "project"))
    edit.change(project)
    _, text = build(ours, project.folder, "--cache-rule", "verify")
    for warning, step, rule, what in (
        found.groups() for found in map(_LINE.match, text.split("\n")) if found
    ):
        listed = what.partition(": ")[2].split("; ")
        times = [_TIMES.get((edit.project, each.partition(" ")[0]), "") for each in listed]
        wrong = what if warning and not all(times) else ""
        noise = times if warning else _NOISE.findall(what)
        yield Verified(edit, step, rule, wrong, () if wrong else tuple(sorted(set(noise))))


def _told(one: Verified) -> str:
    result = one.wrong or ("the same, but for " + "; ".join(one.noise) if one.noise else "the same")
    return f"{one.edit.project}: {one.edit.name}: {one.step}: {one.rule}: {result}"
