"""Comments right above an instruction: descriptions of stages and arguments, and `# check=` for it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.dockerfile.lint.options import Options, first_word, parse
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.dockerfile.instructions import Instruction
    from lamina.dockerfile.parser import Dockerfile


def comments_above(dockerfile: Dockerfile, instruction: Instruction) -> list[str]:
    """The comment lines that stand directly above, without `#`. An empty line or a bare `#` ends them."""
    found: list[str] = []
    first = _directive_lines(dockerfile)
    for number in range(instruction.source.start_line - 2, first - 1, -1):
        line = dockerfile.lines[number].strip()
        text = line[1:].strip()
        if not line.startswith("#") or not text:
            break
        found.append(text)
    return found[::-1]


def description(comments: Sequence[str], name: str) -> str:
    """What the comments say of `name`: the rest of the first line that begins with it; "" if none does."""
    start = f"{name} "
    return next((text[len(start) :] for text in comments if name and text.startswith(start)), "")


def local_options(comments: Sequence[str]) -> Options | None:
    """The options of the first `check=...` comment; None without one, or when it cannot be read."""
    for text in comments:
        name, equals, value = text.partition("=")
        if equals and name.strip().lower() == "check":
            try:
                return parse(first_word(value.strip()))
            except InvalidInput:
                return None
    return None


def _directive_lines(dockerfile: Dockerfile) -> int:
    """How many lines at the top are parser directives: each stands once, and nothing else before them."""
    return len(dockerfile.directives)
