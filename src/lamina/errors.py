"""What can go wrong, as types. The CLI turns each one into a line, a hint and an exit code.

A message says what is wrong and where; a hint says what to do. Neither ends with a full stop.
Errors that only one room raises live in that room and derive from one of these.
"""

from __future__ import annotations


class LaminaError(Exception):
    """The root of every error that Lamina raises on purpose.

    `exit_code` is what the command line ends with; it follows Docker's.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Errors travel between processes whole, whatever their own constructor takes."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[LaminaError], args: tuple[object, ...], state: dict[str, object]) -> LaminaError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class InvalidInput(LaminaError):
    """What was given cannot be used: a flag, a name, a file, an archive."""


class NotFound(LaminaError):
    """What was asked for is not there."""


class Conflict(LaminaError):
    """What was asked for would break something that is in use, or is there already."""


class Unsupported(LaminaError):
    """This is part of the language or of Docker, and this version or machine cannot do it."""


class Corrupt(LaminaError):
    """Bytes that were stored or received are not what their name, size or digest says."""


class Denied(LaminaError):
    """The operating system refused: not permitted, not ours, read-only."""


class NoSpace(LaminaError):
    """The disk, or the quota on it, is full."""


class ProcessFailed(LaminaError):
    """A process ended with a status other than 0; `status` is that status (128 + n for signal n)."""

    def __init__(self, message: str, status: int, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class Cancelled(LaminaError):
    """The user, or a failure elsewhere in the same build, stopped the work."""

    exit_code = 130
