"""The report of a failed build: the last output of the step, and its place in the Dockerfile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.dockerfile.source import printable
from lamina.errors import LaminaError

if TYPE_CHECKING:
    from lamina.cli.progress.steps import Step

_AROUND = 3  # lines shown before and after the instruction
_RULE = "-" * 20


def report(step: Step, name: str, dockerfile: bytes, *, excerpt: bool = True) -> str:
    """What BuildKit prints below a failed build: tail of the output, excerpt of the file `name`."""
    parts = []
    if step.tail:
        tail = "\n".join(f"{at:.3f} {line}" for at, line in step.tail)
        parts.append(f"------\n > {printable(step.title)}:\n{tail}\n------")
    if excerpt:
        parts.append(marked(name, dockerfile, *lines_of(dockerfile, step.start.line)))
    return "\n".join(parts)


def marked(name: str, text: bytes, first: int, last: int) -> str:
    """Lines `first` to `last` (from 1) of a file marked with >>>, with a few around them."""
    lines = text.decode(errors="replace").splitlines()
    shown = range(max(first - _AROUND, 1), min(last + _AROUND, len(lines)) + 1)
    body = [
        f"{number:4} | {'>>>' if first <= number <= last else '   '} {printable(lines[number - 1])}"
        for number in shown
    ]
    return "\n".join([f"{name}:{first}", _RULE, *body, _RULE])


def lines_of(dockerfile: bytes, line: int) -> tuple[int, int]:
    """First and last line of the instruction that starts at `line`."""
    from lamina.dockerfile import parse  # the build has loaded it

    try:
        instructions = parse(dockerfile).instructions
    except LaminaError:
        return line, line
    ends = [one.source.end_line for one in instructions if one.source.start_line == line]
    return line, max([line, *ends])
