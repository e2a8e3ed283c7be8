"""check: all rules over one Dockerfile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.dockerfile.lint.text import check_text
from lamina.graph.lint.bases import check_bases
from lamina.graph.lint.ignored import check_ignored
from lamina.graph.lint.stages import check_stage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from lamina.dockerfile import IgnoreFile
    from lamina.dockerfile.lint.linter import Linter
    from lamina.graph.lint.scan import Scenes


def check(
    linter: Linter,
    scenes: Scenes,
    numbers: Collection[int],
    ignore: IgnoreFile | None,
    exists: Callable[[str], bool],
) -> None:
    """BuildKit's rules: those of the file, and those of the stages with these numbers.

    `ignore` is the context's .dockerignore; `exists` says whether the context's folder has a path.
    """
    check_text(linter)
    check_bases(linter, scenes)
    for number in sorted(numbers):
        check_stage(linter, scenes, scenes.stages[number])
        if ignore is not None:
            check_ignored(linter, scenes.stages[number], ignore, exists)
