"""CopyIgnoredFile: sources of COPY and ADD that .dockerignore leaves out of the context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.dockerfile import Add, Copy
from lamina.dockerfile.lint import rules
from lamina.dockerfile.match import clean
from lamina.dockerfile.source import quote
from lamina.graph.lint.scan import expanded

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.dockerfile import IgnoreFile
    from lamina.dockerfile.lint.linter import Linter
    from lamina.graph.lint.scan import Scene

_ELSEWHERE = ("http://", "https://", "git://", "ssh://", "git@")
_ANYTHING = "\x00"  # a name that only `*` and `**` match


def check_ignored(linter: Linter, scene: Scene, ignore: IgnoreFile, exists: Callable[[str], bool]) -> None:
    """All sources of one stage. `exists` says whether the context's folder has a path.

    Patterns with `!` can take back parts of anything, so nothing is said where one stands.
    """
    if not ignore or ignore.takes_back:
        return
    for _, instruction, scope in scene.steps():
        if not isinstance(instruction, Copy | Add) or getattr(instruction, "from_", None) is not None:
            continue
        verb = "Copy" if isinstance(instruction, Copy) else "Add"
        for source in instruction.sources:
            text = expanded(source, scope.env, linter.dockerfile.escape)
            path = clean(text).lstrip("/") or "."
            if not text.startswith(_ELSEWHERE) and _leaves_out(ignore, text, path, exists):
                message = f"Attempting to {verb} file {quote(path)} that is excluded by .dockerignore"
                linter.warn(rules.COPY_IGNORED_FILE, instruction, message, at=source)


def _leaves_out(ignore: IgnoreFile, text: str, path: str, exists: Callable[[str], bool]) -> bool:
    if path == ".":
        return ignore.matches(_ANYTHING)
    if ignore.matches(path):
        return True
    # BuildKit's documentation takes `./` for a folder: right when the file is not there anyway.
    return text.startswith("./") and ignore.matches(text) and not exists(path)
