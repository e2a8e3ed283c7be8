"""lamina index remove: an image out of an index in the making."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Operands of `lamina index remove`."""
    command.takes("INDEX IMAGE", 2, 2)
    command.details = "IMAGE is one of the index: as it was added, its digest, or its platform."


def run(session: Session, args: Args) -> int:
    """Says nothing."""
    session.engine.index.remove(*args.operands)
    return 0
