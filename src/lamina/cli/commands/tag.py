"""lamina tag: one more name for an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Operands of `lamina tag`."""
    command.takes("SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", 2, 2)


def run(session: Session, args: Args) -> int:
    """Moves or makes the name."""
    source, target = args.operands
    session.engine.tag(source, target)
    return 0
