"""Errors as lines on stderr and as exit codes: the only place that makes either."""

from __future__ import annotations

import os
import sys

from lamina.cli.flags import UsageError
from lamina.errors import LaminaError

PROGRAM = "lamina"


def report(error: BaseException, *, debug: bool = False, ours: int | None = None) -> int:
    """Prints what went wrong and returns the exit code; `ours` replaces a plain 1 (for run: 125)."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, BrokenPipeError):
        return _quiet_pipe()
    if debug:
        _traceback(error)
    if isinstance(error, UsageError):
        _print(f"{error.message}\n\n{error.usage}".rstrip())
        return error.exit_code
    if isinstance(error, LaminaError):
        _print(_lines(error))
        return ours if ours is not None and error.exit_code == 1 else error.exit_code
    if isinstance(error, OSError):
        _print(f"{PROGRAM}: {_of_system(error)}")
        return ours or 1
    _print(f"{PROGRAM}: {type(error).__name__}: {' '.join(str(error).split())[:500]}")
    if not debug:
        _print(f"hint: this is a bug in Lamina; `{PROGRAM} --debug …` shows where")
    return ours or 1


def _lines(error: LaminaError) -> str:
    text = f"{PROGRAM}: {error}"
    excerpt = getattr(error, "excerpt", None)  # a DockerfileError shows its line with a caret
    if excerpt is not None:
        text += f"\n{excerpt()}"
    return f"{text}\nhint: {error.hint}" if error.hint else text


def _of_system(error: OSError) -> str:
    where = f"{os.fsdecode(error.filename)}: " if error.filename is not None else ""
    return f"{where}{error.strerror or error}"


def _traceback(error: BaseException) -> None:
    import traceback  # only for --debug

    traceback.print_exception(error)


def _quiet_pipe() -> int:
    """The reader went away (`| head`): nothing to say, and Python must not complain at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141


def _print(text: str) -> None:
    from lamina.dockerfile.source import printable  # only for a command that failed

    try:  # what is told may come from anywhere, and must not draw on the terminal
        print("\n".join(map(printable, text.split("\n"))), file=sys.stderr, flush=True)
    except OSError:
        pass  # nobody reads stderr any more
