"""The contract of a runtime: start a process from a ProcessSpec, and look after it until it ends.

    process = runtime.start(spec, stdin, stdout, stderr)   # it is running, or start raised
    status = process.wait()                                # 0, or the exit code, or 128 + signal
    stubs = process.stubs                                  # leave these out of the layer

When `wait` returns, every process that the step left behind is dead and its mounts are nobody's: the
upper folder can be read as it is. Killing Lamina, even with SIGKILL, has the same effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lamina.sandbox.spec import ProcessSpec


class Process(Protocol):
    """One process, started. Its methods may be called from any thread."""

    @property
    def pid(self) -> int:
        """Its process ID as the caller sees it."""

    @property
    def terminal(self) -> int | None:
        """The master of its pseudo terminal, the caller's to close; None without one."""

    @property
    def stubs(self) -> tuple[bytes, ...]:
        """Mount points that were made in the root, as paths relative to it, outer ones first.

        They belong to the runtime, not to the layer, as long as they are empty when the process ends.
        """

    def fileno(self) -> int:
        """A descriptor that can be read once the process has ended, for poll."""

    def wait(self) -> int:
        """Wait for the end: the exit code, or 128 + the number of the signal that ended it."""

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens when it is gone already."""

    def kill(self) -> None:
        """End it and everything that it started, at once."""

    def close(self) -> None:
        """Kill it when it still runs, and give back its descriptors."""


class Runtime(Protocol):
    """Something that can run processes in a root file system."""

    def start(self, spec: ProcessSpec, stdin: int, stdout: int, stderr: int, root: int = -1) -> Process:
        """Run `spec` with these descriptors, which stay the caller's; they are unused with a terminal.

        `root` is the first mount of `spec.root`, made already and attached nowhere, where that is wanted.

        Raises ProcessFailed with status 127 or 126 when the program is not there or cannot be run,
        InvalidInput for a user that the root does not know, Denied, NoSpace, or another LaminaError
        that says which step of the preparation failed.
        """

    def close(self) -> None:
        """Kill what still runs, and end the runtime's own processes."""
