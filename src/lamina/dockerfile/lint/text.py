"""The checks that need nothing but the text of the whole file: case, names, empty lines, descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.dockerfile.instructions import Arg, From, Instruction, Maintainer
from lamina.dockerfile.lines import without_continuation
from lamina.dockerfile.lint import rules
from lamina.dockerfile.lint.comments import comments_above
from lamina.dockerfile.source import quote
from lamina.dockerfile.words import SPACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.dockerfile.lint.linter import Linter
    from lamina.dockerfile.parser import Dockerfile

_RESERVED = ("context", "scratch")


def word_of(instruction: Instruction) -> str:
    """The instruction's name as it is written."""
    return instruction.original.split(maxsplit=1)[0]


def check_text(linter: Linter) -> None:
    """All checks of this file."""
    for instruction in linter.dockerfile.instructions:
        line = _empty_continuation(linter.dockerfile, instruction)
        if line:
            linter.warn(rules.NO_EMPTY_CONTINUATION, instruction, "Empty continuation line", line=line)
        if isinstance(instruction, From):
            _from_words(linter, instruction)
        elif isinstance(instruction, Maintainer):
            message = "Maintainer instruction is deprecated in favor of using label"
            linter.warn(rules.MAINTAINER_DEPRECATED, instruction, message)
        if isinstance(instruction, From | Arg):
            _description(linter, instruction)
    _stage_names(linter)
    _casing(linter)


def _empty_continuation(dockerfile: Dockerfile, instruction: Instruction) -> int:
    """The last line of an instruction's text when an empty line stands inside it, else 0."""
    number, empty = instruction.source.start_line, False
    goes_on = without_continuation(dockerfile.lines[number - 1].rstrip("\r"), dockerfile.escape) is not None
    while goes_on and number < len(dockerfile.lines):
        line = dockerfile.lines[number].rstrip("\r")
        number += 1
        content = line.lstrip(SPACE)
        if not content:
            empty = True
        elif content[0] != "#":
            goes_on = without_continuation(line, dockerfile.escape) is not None
    return number if empty else 0


def _from_words(linter: Linter, source: From) -> None:
    """The case of AS and of the name after it."""
    word = word_of(source)
    if len(source.args) < 3:
        return
    _, keyword, name = source.args
    if name != name.lower():
        linter.warn(rules.STAGE_NAME_CASING, source, f"Stage name '{name}' should be lowercase", at=name)
    cased = keyword.lower() if word == word.lower() else keyword.upper()
    if keyword != cased and word in (word.lower(), word.upper()):
        message = f"'{keyword}' and '{word}' keywords' casing do not match"
        linter.warn(rules.FROM_AS_CASING, source, message, at=keyword)


def _stage_names(linter: Linter) -> None:
    seen: set[str] = set()
    for source in linter.dockerfile.instructions:
        if not isinstance(source, From) or not source.stage:
            continue
        name = source.stage
        if name in _RESERVED:
            message = f"Stage name should not use the same name as reserved stage {quote(name)}"
            linter.warn(rules.RESERVED_STAGE_NAME, source, message, at=source.args[2])
        if name in seen:
            message = f"Duplicate stage name {quote(name)}, stage names should be unique"
            linter.warn(rules.DUPLICATE_STAGE_NAME, source, message, at=source.args[2])
        seen.add(name)


def _casing(linter: Linter) -> None:
    """Each instruction of a stage is written as most of them are, upper case where it is a draw."""
    words = [(instruction, word_of(instruction)) for instruction in _staged(linter.dockerfile)]
    lower = sum(word == word.lower() for _, word in words)
    upper = sum(word == word.upper() for _, word in words)
    for instruction, word in words:
        cased, name = (word.lower(), "lowercase") if lower > upper else (word.upper(), "uppercase")
        if word != cased:
            message = f"Command '{word}' should match the case of the command majority ({name})"
            linter.warn(rules.CONSISTENT_INSTRUCTION_CASING, instruction, message)


def _staged(dockerfile: Dockerfile) -> Iterator[Instruction]:
    """The instructions from the first FROM on."""
    staged = False
    for instruction in dockerfile.instructions:
        staged = staged or isinstance(instruction, From)
        if staged:
            yield instruction


def _description(linter: Linter, instruction: From | Arg) -> None:
    """A comment that touches FROM or ARG begins with a name that it defines."""
    if isinstance(instruction, From):
        names = [instruction.stage] if instruction.stage else []
    else:
        names = [pair.name for pair in instruction.pairs]
    comments = comments_above(linter.dockerfile, instruction)
    if not comments or not names or comments[-1].split(" ")[0] in names:
        return
    example = names[0] if len(names) == 1 else "<arg_key>"
    message = f"Comment for {instruction.keyword} should follow the format: `# {example} <description>`"
    linter.warn(rules.INVALID_DEFINITION_DESCRIPTION, instruction, message)
