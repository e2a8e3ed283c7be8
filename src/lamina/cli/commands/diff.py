"""lamina diff: what a container added (A), changed (C) and deleted (D)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command, UsageError
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags and operands of `lamina diff`."""
    command.takes("CONTAINER | --failed [BUILD] | --step N [BUILD]", 0, 1)
    command.switch("failed", "Show what the failed step of a build had changed (default: of the last one)")
    command.option("step", "int", "Show what step N of a build changed (default: of the last build)")


def _no_container(args: Args) -> UsageError:
    from lamina.cli.main import command_of  # only for this error
    from lamina.cli.verbs import VERBS

    command = command_of(args.path, VERBS["diff"])
    return command.wrong(f"{command.program}: '{command.program} {command.path}' requires 1 argument", 1)


def run(session: Session, args: Args) -> int:
    """Prints a line for each path; a name that is not UTF-8 comes out as its bytes."""
    if args.given("failed") or args.given("step"):
        from lamina.cli.step_flags import step_of  # a rare way to ask

        changes = session.engine.records.diff(step_of(args, *args.operands))
    elif args.operands:
        changes = session.engine.diff(args.operands[0])
    else:
        raise _no_container(args)
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join(os.fsencode(f"{change.kind} {change.path}\n") for change in changes))
    return 0
