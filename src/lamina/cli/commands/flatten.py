"""lamina flatten: all layers of an image become one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli import surgery_flags

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina flatten`."""
    command.takes("IMAGE", 1, 1)
    surgery_flags.add(command)
    command.details = (
        "The layers of the base image go into the one layer too, which no other image shares then: "
        "`lamina squash` leaves them as they are."
    )


def run(session: Session, args: Args) -> int:
    """Makes the image."""
    flatten = session.engine.surgery.flatten
    return surgery_flags.operated(session, args, lambda target, tell: flatten(args.operands[0], target, tell))
