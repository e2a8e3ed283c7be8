"""Reads a whole Dockerfile, or one ONBUILD trigger, into instructions.

Follows the Dockerfile reference and what BuildKit's frontend does where the reference is silent. Every
file either parses or raises DockerfileError, in time that grows with its length only.
"""

from __future__ import annotations

from typing import NamedTuple

from lamina.dockerfile.convert import CONVERTERS, Parts
from lamina.dockerfile.flags import Flags
from lamina.dockerfile.heredoc import Heredoc, heredocs_of
from lamina.dockerfile.instructions import Arg, From, Instruction, Onbuild
from lamina.dockerfile.lines import LogicalLine, Reader
from lamina.dockerfile.source import DockerfileError, Fault, SourceRange
from lamina.dockerfile.words import Command, shape, split_command

_WITH_HEREDOCS = ("RUN", "COPY", "ADD")


class Dockerfile(NamedTuple):
    """A parsed Dockerfile: `lines` are the physical ones, `directives` go by their lower-case names."""

    name: str
    lines: tuple[str, ...]
    directives: dict[str, str]
    escape: str
    instructions: tuple[Instruction, ...]


def parse(data: bytes, name: str = "Dockerfile") -> Dockerfile:
    """Parses a Dockerfile; `name` is what errors call it. Raises DockerfileError.

    The first instruction is FROM, or ARGs and then FROM: anything else has no stage to belong to.
    """
    reader = Reader(data, name)
    instructions: list[Instruction] = []
    staged = False
    while (line := reader.next_line()) is not None:
        instruction = _instruction(reader, line)
        staged = staged or isinstance(instruction, From)
        if not staged and not isinstance(instruction, Arg):
            fault = Fault(
                "no build stage in current context", hint="only ARG may stand before the first FROM"
            )
            raise reader.error(instruction.source, fault)
        instructions.append(instruction)
    if not staged:
        what = "dockerfile contains no stages to build" if instructions else "file with no instructions"
        raise reader.error(SourceRange(max(1, len(reader.lines)), 1), Fault(what, hint="begin it with FROM"))
    return Dockerfile(name, reader.lines, reader.directives, reader.escape, tuple(instructions))


def parse_trigger(expression: str, name: str = "ONBUILD trigger") -> Dockerfile:
    """Parses one ONBUILD trigger of a base image, which stands alone. Raises DockerfileError."""
    reader = Reader(expression.encode("utf-8", "surrogateescape"), name)
    line = reader.next_line()
    if line is None:
        raise DockerfileError("the trigger is empty", file=name, line=1, column=1)
    instruction = _instruction(reader, line)
    if instruction.keyword in ("ONBUILD", "FROM", "MAINTAINER"):
        raise reader.error(instruction.source, _no_trigger(instruction.keyword))
    if (extra := reader.next_line()) is not None:
        here = SourceRange(extra.start, extra.end)
        raise reader.error(here, Fault("onbuild trigger should be a single expression"))
    return Dockerfile(name, reader.lines, reader.directives, reader.escape, (instruction,))


def _instruction(reader: Reader, line: LogicalLine) -> Instruction:
    try:
        command = split_command(line.text, reader.escape)
        keyword = _keyword(command.word)
        if keyword == "ONBUILD":
            return _onbuild(reader, line, command)
        return _plain(reader, line, line.text, keyword, command)
    except Fault as fault:
        raise reader.error(SourceRange(line.start, max(line.end, reader.position)), fault) from None


def _plain(reader: Reader, line: LogicalLine, original: str, keyword: str, command: Command) -> Instruction:
    """Any instruction but ONBUILD; it may be the one inside an ONBUILD."""
    args, is_json = shape(keyword, command.rest, reader.escape)
    heredocs: tuple[Heredoc, ...] = ()
    if "<<" in original and keyword in _WITH_HEREDOCS and not is_json:
        heredocs = _read_heredocs(reader, line.text)
    source = SourceRange(line.start, reader.position if heredocs else line.end)
    parts = Parts(source, original, keyword, command.flags, args, is_json, heredocs)
    return CONVERTERS[keyword](parts)


def _onbuild(reader: Reader, line: LogicalLine, command: Command) -> Onbuild:
    if not command.rest:
        raise Fault("ONBUILD requires at least one argument")
    Flags("ONBUILD", command.flags)
    inner_command = split_command(command.rest, reader.escape)
    keyword = _keyword(inner_command.word, at=inner_command.word)
    if keyword in ("ONBUILD", "FROM", "MAINTAINER"):
        raise _no_trigger(keyword, inner_command.word)
    inner = _plain(reader, line, command.rest, keyword, inner_command)
    heredocs: tuple[Heredoc, ...] = getattr(inner, "heredocs", ())
    expression = line.text.lstrip()[len("ONBUILD") :].lstrip("\t\n\f\r ")
    expression += "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in heredocs)
    return Onbuild(inner.source, line.text, command.flags, (), inner, expression, heredocs)


def _no_trigger(keyword: str, at: str | None = None) -> Fault:
    if keyword == "ONBUILD":
        return Fault("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", at=at)
    return Fault(f"{keyword} isn't allowed as an ONBUILD trigger", at=at)


def _keyword(word: str, at: str | None = None) -> str:
    keyword = word.upper()
    if word.isascii() and (keyword in CONVERTERS or keyword == "ONBUILD"):
        return keyword
    from lamina.dockerfile.suggest import closest  # only for errors: spares its import

    near = closest(keyword, (*CONVERTERS, "ONBUILD"))
    detail = f"unknown instruction: {word if len(word) <= 80 else word[:77] + '...'}"
    raise Fault(detail, at=at, hint=f"did you mean {near}?" if near else None)


def _read_heredocs(reader: Reader, line: str) -> tuple[Heredoc, ...]:
    return tuple(
        heredoc._replace(content=reader.heredoc_body(heredoc.name, heredoc.chomp))
        for heredoc in heredocs_of(line)
    )
