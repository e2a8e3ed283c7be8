"""lamina diff: what a container added (A), changed (C) and deleted (D)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Operands of `lamina diff`."""
    command.takes("CONTAINER", 1, 1)


def run(session: Session, args: Args) -> int:
    """Prints a line for each path; a name that is not UTF-8 comes out as its bytes."""
    changes = session.engine.diff(args.operands[0])
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join(os.fsencode(f"{change.kind} {change.path}\n") for change in changes))
    return 0
