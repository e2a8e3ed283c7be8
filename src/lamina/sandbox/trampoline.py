"""Trampoline: a tiny program that does nothing but execute another one.

A process of ours runs the host's Python until its exec, and /proc/self/exe is that file until then. If
the program to be executed leads back there (a link to /proc/self/exe, an interpreter in `#!`), the container
would run the host's Python with libraries of its own, and could change its mode or content (CVE-2019-5736).
So our process first becomes this program, which lies on the container's own tmpfs, and then the container's.

Its arguments are the path to execute, then that program's arguments. Descriptor 3 is closed by a good exec;
after a bad one it gets the negative errno as eight bytes, and the status is 127. Where it is closed from the
start this is no process of ours but a way round in circles (`#!/proc/self/exe`), which ends there.
"""

from __future__ import annotations

import struct

FAILURE = struct.Struct("=q")  # what comes over descriptor 3

_X86_64 = """
    b848000000 bf03000000 be02000000 ba01000000 0f05    fcntl(3, F_SETFD, FD_CLOEXEC)
    85c0 752f                                           if it failed: to the exit
    488b0c24 488b7c2408                                 rcx = argc, rdi = argv[0]
    488d742410 488d54cc10                               rsi = argv + 1, rdx = the environment
    b83b000000 0f05                                     execve(rdi, rsi, rdx)
    50 b801000000 bf03000000 4889e6 ba08000000 0f05     write(3, the result, 8)
    b8e7000000 bf7f000000 0f05                          exit_group(127)
"""
_AARCH64 = """
    600080d2 410080d2 220080d2 280380d2 010000d4        fcntl(3, F_SETFD, FD_CLOEXEC)
    a00100b5                                            if it failed: to the exit
    e30340f9 e00740f9                                   x3 = argc, x0 = argv[0]
    e1430091 220c038b                                   x1 = argv + 1, x2 = the environment
    a81b80d2 010000d4                                   execve(x0, x1, x2)
    e00f1ff8 600080d2 e1030091 020180d2 080880d2 010000d4    write(3, the result, 8)
    e00f80d2 c80b80d2 010000d4                          exit_group(127)
"""
_MACHINES = {"x86_64": (62, _X86_64), "aarch64": (183, _AARCH64), "arm64": (183, _AARCH64)}
_ADDRESS, _PAGE = 0x400000, 0x10000
_HEADER, _SEGMENT = struct.Struct("<4s5B7x2HI3QI6H"), struct.Struct("<2I6Q")
_EXECUTABLE, _LOAD, _STACK = 2, 1, 0x6474E551
_READ_WRITE, _READ_EXECUTE = 6, 5


def program(machine: str) -> bytes:
    """The ELF file for `machine` (as uname says); b"" for one without a trampoline."""
    if machine not in _MACHINES:
        return b""
    number, listing = _MACHINES[machine]
    code = b"".join(bytes.fromhex(line.partition("  ")[0]) for line in _lines(listing))
    start = _HEADER.size + 2 * _SEGMENT.size
    size = start + len(code)
    entry = _ADDRESS + start
    header = _HEADER.pack(
        *(b"\x7fELF", 2, 1, 1, 0, 0, _EXECUTABLE, number, 1, entry, _HEADER.size, 0, 0),
        *(_HEADER.size, _SEGMENT.size, 2, 0, 0, 0),
    )
    load = _SEGMENT.pack(_LOAD, _READ_EXECUTE, 0, _ADDRESS, _ADDRESS, size, size, _PAGE)
    stack = _SEGMENT.pack(_STACK, _READ_WRITE, 0, 0, 0, 0, 0, 16)  # or all memory would be executable
    return header + load + stack + code


def _lines(listing: str) -> list[str]:
    return [line.strip() for line in listing.strip().splitlines()]
