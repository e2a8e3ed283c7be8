"""A small assembler for classic BPF as seccomp(2) runs it.

`Code` is a straight piece of program in which every path ends in a return, so pieces are joined by
putting them one after the other and jumping over them: there are no labels to resolve.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_RET_ERRNO, _RET_ALLOW = 0x00050000, 0x7FFF0000
_LD_ABS, _JA, _JEQ, _JGE, _JSET, _RET = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_OFFSET_NUMBER, _OFFSET_ARCH, _OFFSET_ARGUMENTS = 0, 4, 16
_FARTHEST = 255  # a conditional jump has one byte
_LONGEST_PROGRAM = 4096


class Instruction(NamedTuple):
    """One instruction: opcode, how far to jump when true and when false, and a number."""

    code: int
    true: int
    false: int
    value: int


Code = tuple[Instruction, ...]


def allow() -> Code:
    """Let the call happen."""
    return (Instruction(_RET, 0, 0, _RET_ALLOW),)


def errno(number: int) -> Code:
    """Do not make the call, and answer with this errno; 0 is success."""
    return (Instruction(_RET, 0, 0, _RET_ERRNO | number),)


def by_arch(trees: Mapping[int, Code], otherwise: Code) -> Code:
    """Choose by the architecture of the caller (an AUDIT_ARCH constant)."""
    code = otherwise
    for arch, tree in trees.items():
        code = _branch(_JEQ, arch, tree, code)
    return _load(_OFFSET_ARCH) + code


def by_number(rules: Mapping[int, Code], last: int, otherwise: Code, beyond: Code) -> Code:
    """Choose by the number of the call, as a binary search over ranges of numbers with equal rules."""
    starts: list[tuple[int, Code]] = []
    for number in range(last + 1):
        rule = rules.get(number, otherwise)
        if not starts or starts[-1][1] != rule:
            starts.append((number, rule))
    starts.append((last + 1, beyond))
    return _load(_OFFSET_NUMBER) + _search(starts)


def if_argument_in(index: int, values: Sequence[int], then: Code, otherwise: Code) -> Code:
    """Compare the low 32 bits of an argument with each of `values`."""
    code = otherwise
    for value in reversed(values):
        code = _branch(_JEQ, value, then, code)
    return _argument(index) + code


def if_argument_has(index: int, bits: int, then: Code, otherwise: Code) -> Code:
    """Whether any of `bits` is set in the low 32 bits of an argument."""
    return _argument(index) + _branch(_JSET, bits, then, otherwise)


def assemble(code: Code) -> bytes:
    """The program as the kernel reads it."""
    if len(code) > _LONGEST_PROGRAM:
        raise ValueError(f"a seccomp program of {len(code)} instructions is too long")
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _load(offset: int) -> Code:
    return (Instruction(_LD_ABS, 0, 0, offset),)


def _argument(index: int) -> Code:
    # Little-endian machines only, as both tables of numbers are.
    return _load(_OFFSET_ARGUMENTS + 8 * index)


def _branch(test: int, value: int, then: Code, otherwise: Code) -> Code:
    """`then` where the test holds, `otherwise` where not; `then` is laid out first."""
    if len(then) <= _FARTHEST:
        return (Instruction(test, 0, len(then), value), *then, *otherwise)
    # Too far for one byte: go into `then` past an unconditional jump that leads over it.
    return (Instruction(test, 1, 0, value), Instruction(_JA, 0, 0, len(then)), *then, *otherwise)


def _search(starts: Sequence[tuple[int, Code]]) -> Code:
    if len(starts) == 1:
        return starts[0][1]
    middle = len(starts) // 2
    return _branch(_JGE, starts[middle][0], _search(starts[middle:]), _search(starts[:middle]))
