"""lamina rmi: removes names, and images that have none left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.each import each
from lamina.cli.removed import removed_line

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina rmi`."""
    command.takes("IMAGE [IMAGE...]", 1, None)
    command.switch("force", "Force removal of the image", "f")
    command.switch("no-prune", "Do not delete untagged parents (Lamina has none)")
    command.later("platform")


def run(session: Session, args: Args) -> int:
    """Removes each; one that cannot be removed does not keep the others."""

    def remove(name: str) -> None:
        for gone in session.engine.rmi(name, force=args.on("force")):
            print(removed_line(gone), flush=True)

    return each(args.operands, remove, lenient=args.on("force"))
