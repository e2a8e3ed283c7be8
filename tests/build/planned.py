"""What the tests of `build --plan` share: a plan of a kitchen's next build, held against that build."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from lamina.build.plan import REUSE, RUN, UNKNOWN, BuildPlan
from lamina.build.planning import plan
from lamina.build.request import BuildRequest
from lamina.graph.rules import EXACT, SAME_CONTENT
from lamina.layers.planned import PlannedLayers

from .kitchen import HOST

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.build.request import BuildResult

    from .kitchen import Kitchen


def request_of(kitchen: Kitchen, dockerfile: str, **options: object) -> BuildRequest:
    fields: dict[str, object] = {"context": str(kitchen.context), "dockerfile": dockerfile.encode()}
    return BuildRequest(**(fields | options))  # type: ignore[arg-type]


def planned(kitchen: Kitchen, dockerfile: str, **options: object) -> BuildPlan:
    """The plan of a build, which changes nothing."""
    before = everything(kitchen.folder)
    ctx = PlannedLayers.of(kitchen.layout)
    try:
        registries = kitchen.registries
        ask = None if registries is None else lambda: registries
        found = plan(ctx, request_of(kitchen, dockerfile, **options), HOST, ask)
    finally:
        ctx.db.close()
    assert everything(kitchen.folder) == before
    return found


def everything(folder: Path) -> dict[str, tuple[object, ...]]:
    """All below a folder with its metadata and its content; of folders, and of what SQLite shares, less."""
    found: dict[str, tuple[object, ...]] = {}
    for root, folders, files in os.walk(folder):
        for name in folders:
            path = os.path.join(root, name)
            found[path] = (os.lstat(path).st_mode,)
        for name in files:
            path = os.path.join(root, name)
            status = os.lstat(path)
            if name.endswith("-shm"):  # locks of who reads
                continue
            content = b""
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    content = hashlib.sha256(file.read()).digest()
            found[path] = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ino, content)
    return found


def shown(found: BuildPlan) -> list[str]:
    """`3 reuse (untouched)`, `4 run`, `5 unknown, waits for 4` of each step but FROM."""
    lines = []
    for step in found.steps:
        if step.status not in ("from", "pull"):
            rule = f" ({step.rule})" if step.rule else ""
            waits = step.reason.waits_for if step.reason is not None else ()
            after = f", waits for {' '.join(map(str, waits))}" if waits else ""
            lines.append(f"{step.number} {step.status}{rule}{after}")
    return lines


def agreed(kitchen: Kitchen, dockerfile: str, **options: object) -> tuple[BuildPlan, BuildResult]:
    """A plan, and the build after it, which does what the plan said."""
    found = planned(kitchen, dockerfile, **options)
    result = kitchen.build(dockerfile, **options)
    check(found, result)
    return found, result


def check(found: BuildPlan, result: BuildResult) -> None:
    """Whatever the plan knew is what the build did."""
    steps = [step for step in found.steps if step.status not in ("from", "pull")]
    assert [(step.text, step.line) for step in steps] == [(step.text, step.line) for step in result.steps]
    told: dict[str, list[tuple[str, str]]] = {}
    did: dict[str, list[tuple[str, str]]] = {}
    for step, done in zip(steps, result.steps, strict=True):
        if step.status != UNKNOWN:
            # of equal steps whichever comes first is done: stages are done side by side
            told.setdefault(step.text, []).append((step.status, _same(step.rule)))
            rule = done.rule if done.cached else ""
            did.setdefault(step.text, []).append((REUSE if done.cached else RUN, _same(rule)))
    assert {text: sorted(each) for text, each in told.items()} == {
        text: sorted(each) for text, each in did.items()
    }


def _same(rule: str) -> str:
    """Whether layers have the same times is not known before they are made."""
    return EXACT if rule == SAME_CONTENT else rule
