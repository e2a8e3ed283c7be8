"""Warning: one violation of a rule at its place; Linter: collects those that count."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.dockerfile.lint.comments import comments_above, local_options
from lamina.dockerfile.source import locate, printable

if TYPE_CHECKING:
    from lamina.dockerfile.instructions import Instruction
    from lamina.dockerfile.lint.options import Options
    from lamina.dockerfile.lint.rules import Rule
    from lamina.dockerfile.parser import Dockerfile


class Warning(NamedTuple):
    """`line` to `end_line` are the instruction's, from 1; `column` is the word's if it is on that line."""

    rule: Rule
    message: str
    line: int
    end_line: int
    column: int = 1

    def short(self) -> str:
        """One line, as it stands below a build."""
        return f"{self.rule.name}: {self.message} (line {self.line})"


class Linter:
    """Takes violations of one Dockerfile in; leaves out rules that are switched off."""

    def __init__(self, dockerfile: Dockerfile, options: Options) -> None:
        self.dockerfile = dockerfile
        self.options = options
        self._found: dict[Warning, None] = {}

    @property
    def warnings(self) -> list[Warning]:
        """What was found, by line; several of one line in the order they were found in."""
        return sorted(self._found, key=lambda warning: warning.line)

    def warn(
        self, rule: Rule, instruction: Instruction, message: str, *, at: str | None = None, line: int = 0
    ) -> None:
        """Notes a violation by `instruction`, at the word `at`; `line` replaces its lines by another one."""
        options = self.options
        local = local_options(comments_above(self.dockerfile, instruction))
        if not (options.merged(local) if local else options).counts(rule):
            return
        start, end = (line, line) if line else instruction.source
        place = locate(self.dockerfile, instruction, "", at=at)
        column = place.column if place.line == start else 1
        self._found[Warning(rule, printable(message), start, end, column)] = None
