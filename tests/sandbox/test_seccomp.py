"""The filter program, run by a small interpreter of the BPF that seccomp accepts."""

from __future__ import annotations

import struct

import pytest

from lamina.sandbox.seccomp import bpf, numbers, profile

ALLOW, EPERM, ENOSYS, FAKE = 0x7FFF0000, 0x00050001, 0x00050026, 0x00050000
X86_64, I386, AARCH64 = 0xC000003E, 0x40000003, 0xC00000B7
TABLES = {X86_64: numbers.x86_64(), I386: numbers.i386(), AARCH64: numbers.aarch64()}
# These look at their arguments.
SPECIAL = {"personality", "clone", "clone3", "socket"}


def answer(program: bytes, arch: int, number: int, *args: int) -> int:
    data = struct.pack("<IIQ6Q", number, arch, 0, *args, *[0] * (6 - len(args)))
    at = accumulator = 0
    while True:
        code, if_true, if_false, value = struct.unpack_from("=HBBI", program, 8 * at)
        at += 1
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif code == 0x06:
            return int(value)
        elif code == 0x05:
            at += value
        else:
            holds = {
                0x15: accumulator == value,
                0x35: accumulator >= value,
                0x45: bool(accumulator & value),
            }[code]
            at += if_true if holds else if_false


@pytest.fixture(scope="module")
def program() -> bytes:
    return profile.build("x86_64")


@pytest.mark.parametrize(("machine", "arch"), [("x86_64", X86_64), ("x86_64", I386), ("aarch64", AARCH64)])
def test_every_call(machine: str, arch: int) -> None:
    program = profile.build(machine)
    allowed = set(profile.ALLOWED.split())
    for name, number in TABLES[arch].items():
        if name not in SPECIAL:
            expected = ALLOW if name in allowed else EPERM
            assert answer(program, arch, number) == expected, name


def test_numbers_are_the_kernels() -> None:
    x86, i386, arm = (TABLES[arch] for arch in (X86_64, I386, AARCH64))
    assert [x86[name] for name in ("read", "execve", "rseq", "openat2", "mseal")] == [0, 59, 334, 437, 462]
    assert [i386[name] for name in ("exit", "execve", "futex_time64", "clone3")] == [1, 11, 422, 435]
    assert [arm[name] for name in ("io_setup", "fchownat", "execve", "clone")] == [0, 54, 221, 220]


def test_arguments(program: bytes) -> None:
    call = TABLES[X86_64]
    assert answer(program, X86_64, call["clone"], 0x1200011) == ALLOW
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert answer(program, X86_64, call["clone"], flag | 17) == EPERM
        assert answer(program, I386, TABLES[I386]["clone"], flag | 17) == EPERM
    assert answer(program, X86_64, call["clone3"]) == ENOSYS
    assert answer(program, X86_64, call["personality"], 0xFFFFFFFF) == ALLOW
    assert answer(program, X86_64, call["personality"], 0x40000) == EPERM
    assert answer(program, X86_64, call["socket"], 2) == ALLOW
    assert answer(program, X86_64, call["socket"], 16) == ALLOW
    for family in (38, 40, 46, 1000):
        assert answer(program, X86_64, call["socket"], family) == EPERM


def test_what_is_newer_or_foreign_does_not_exist(program: bytes) -> None:
    assert answer(program, X86_64, numbers.LAST + 1) == ENOSYS
    assert answer(program, X86_64, 0x40000000) == ENOSYS  # x32
    assert answer(program, AARCH64, 0) == ENOSYS


def test_one_id_answers_identity_calls_with_success() -> None:
    program = profile.build("x86_64", single_id=True)
    for arch in (X86_64, I386):
        for name in profile.IDENTITY.split():
            if name in TABLES[arch]:
                assert answer(program, arch, TABLES[arch][name]) == FAKE, name
        assert answer(program, arch, TABLES[arch]["getuid"]) == ALLOW


def test_far_jumps() -> None:
    far = bpf.by_number({number: bpf.errno(number) for number in range(600)}, 599, bpf.allow(), bpf.errno(7))
    program = bpf.assemble(far)
    assert [answer(program, 0, number) & 0xFFFF for number in range(600)] == list(range(600))
    assert answer(program, 0, 600) == 0x50007


def test_other_machines_have_no_filter() -> None:
    assert profile.build("riscv64") == b""
