"""Instructions as plain data: what `lamina dockerfile parse --json` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.dockerfile.instructions import Instruction, Onbuild

if TYPE_CHECKING:
    from lamina.dockerfile.heredoc import Heredoc
    from lamina.dockerfile.parser import Dockerfile


def to_json(dockerfile: Dockerfile) -> list[dict[str, Any]]:
    """One object for each instruction, ready for json.dumps; bytes that are not UTF-8 become U+FFFD."""
    return [_instruction(instruction) for instruction in dockerfile.instructions]


def _instruction(instruction: Instruction) -> dict[str, Any]:
    heredocs: tuple[Heredoc, ...] = getattr(instruction, "heredocs", ())
    return {
        "instruction": instruction.keyword,
        "flags": [_text(flag) for flag in instruction.flags],
        "args": [_text(arg) for arg in instruction.args],
        "json": getattr(instruction, "is_json", instruction.keyword == "SHELL"),
        "heredocs": [_heredoc(heredoc) for heredoc in heredocs],
        "start_line": instruction.source.start_line,
        "end_line": instruction.source.end_line,
        "original": _text(instruction.original),
        "onbuild": _instruction(instruction.inner) if isinstance(instruction, Onbuild) else None,
    }


def _heredoc(heredoc: Heredoc) -> dict[str, Any]:
    return {
        "name": _text(heredoc.name),
        "content": _text(heredoc.content),
        "expand": heredoc.expand,
        "chomp": heredoc.chomp,
        "fd": heredoc.fd,
    }


def _text(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
