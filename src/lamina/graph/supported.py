"""Parts of the Dockerfile language that cannot be built yet: named, and refused before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.dockerfile import Dockerfile, DockerfileError, Instruction, Onbuild, Run, locate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def check_supported(dockerfile: Dockerfile, instructions: Sequence[Instruction]) -> None:
    """DockerfileError for the first instruction with something that is not built yet; it is never ignored."""
    for instruction in instructions:
        inner = instruction.inner if isinstance(instruction, Onbuild) else instruction
        for word, what in _missing(inner):
            raise _refuse(dockerfile, instruction, word, what)


def _refuse(dockerfile: Dockerfile, instruction: Instruction, word: str, what: str) -> DockerfileError:
    return locate(
        dockerfile,
        instruction,
        f"{what} is not built yet",
        at=word,
        hint="this version of Lamina cannot do it; write the instruction without",
    )


def _missing(instruction: Instruction) -> Iterator[tuple[str, str]]:
    """Pairs of (the word to point at, what to call it)."""
    if isinstance(instruction, Run):
        yield from _flags("RUN", {"device": bool(instruction.devices)})


def _flags(name: str, given: dict[str, bool]) -> Iterator[tuple[str, str]]:
    return ((f"--{flag}", f"{name} --{flag}") for flag, is_given in given.items() if is_given)
