"""lamina rm: removes containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.each import each

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina rm`."""
    command.takes("CONTAINER [CONTAINER...]", 1, None)
    command.switch("force", "Force the removal of a running container (uses SIGKILL)", "f")
    command.switch("volumes", "Remove anonymous volumes associated with the container (Lamina has none)", "v")
    command.later("link")


def run(session: Session, args: Args) -> int:
    """Removes each and prints what it was called."""

    def remove(name: str) -> None:
        session.engine.rm(name, force=args.on("force"))
        print(name, flush=True)

    return each(args.operands, remove, lenient=args.on("force"))
