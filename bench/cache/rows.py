"""Every builder builds each project before and after each edit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bench.builders import Builder
from bench.cache import bases, outputs
from bench.cache.edits import BASES, Edit, Project
from bench.cache.outputs import Step

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECTS = os.path.join(HERE, "projects")
CHECKOUT = os.path.dirname(os.path.dirname(HERE))


class Built(NamedTuple):
    """What one builder did after an edit."""

    steps: tuple[Step, ...]
    seconds: float

    @property
    def ran(self) -> tuple[str, ...]:
        """The labels of the instructions that were run."""
        return tuple(step.label for step in self.steps if not step.rule)

    def rules(self) -> dict[str, list[str]]:
        """By rule: the labels of what was reused, but not with an equal key."""
        found: dict[str, list[str]] = {}
        for step in self.steps:
            if step.rule not in ("", "cached"):
                found.setdefault(step.rule, []).append(step.label)
        return found


class Row(NamedTuple):
    """One edit, and what it cost by the name of the builder."""

    edit: Edit
    built: dict[str, Built]

    def wrong(self, builder: str) -> str:
        """What `builder` ran though it saw no difference, or reused though it saw one; "" if neither."""
        ran, saw = self.built[builder].ran, self.edit.saw
        more = [name for name in ran if name not in saw]
        less = [name for name in saw if name not in ran]
        found = [f"ran {', '.join(more)}, which saw no difference"] if more else []
        found += [f"reused {', '.join(less)}, which saw a difference"] if less else []
        return f"{self.edit.project}: {self.edit.name}: {'; '.join(found)}" if found else ""


def copy_of(project: str, folder: str) -> Project:
    """A fresh copy of a project, as a checkout makes one: all its times are new."""
    shutil.rmtree(folder, ignore_errors=True)
    source = os.path.join(CHECKOUT if project.startswith("examples/") else PROJECTS, project)
    shutil.copytree(source, folder, copy_function=shutil.copy)
    return Project(folder)


def build(builder: Builder, folder: str, *flags: str) -> tuple[Built, str]:
    """What `builder` did, and all that it printed."""
    seconds, text = builder.log(folder, *flags)
    steps = outputs.READERS[builder.name](text)
    if not steps:
        raise RuntimeError(f"{builder.name} printed no step:\n{text}")
    return Built(tuple(steps), seconds), text


def prepare(found: Sequence[Builder], folder: str, edits: Iterable[Edit]) -> list[Builder]:
    """The builders that this case can read, with the bases of these edits in the stores of all."""
    ours, *others = (builder for builder in found if builder.name in outputs.READERS)
    names = bases.make(ours, {BASES[edit.project] for edit in edits}, folder)
    bases.give(ours, names if others else (), others, folder)
    return [ours, *others]


def rows(found: Sequence[Builder], folder: str, edits: Iterable[Edit]) -> Iterator[Row]:
    """One row after the other. Before an edit counts, the project as it was must be reused as a whole."""
    for edit in edits:
        built = {}
        for builder in found:
            before(builder, edit, folder)
            project = copy_of(edit.project, os.path.join(folder, "project"))
            edit.change(project)
            built[builder.name], _ = build(builder, project.folder)
        yield Row(edit, built)


def before(builder: Builder, edit: Edit, folder: str) -> None:
    """Builds the project as it was before the edit, again until nothing of it is run."""
    project = copy_of(edit.project, os.path.join(folder, "project"))
    for _ in range(2):
        built, _ = build(builder, project.folder)
        if not built.ran:
            return
    raise RuntimeError(f"{builder.name} ran {', '.join(built.ran)} again, though {edit.project} is as it was")
