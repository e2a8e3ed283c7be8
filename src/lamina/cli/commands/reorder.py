"""lamina reorder: an image with its layers in another order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli import surgery_flags

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina reorder`."""
    command.takes("IMAGE LAYER LAYER [LAYER...]", 1, None)
    command.negative_operands = True
    surgery_flags.add(command)
    command.details = (
        "The layers that are named take the places that they have now, in the order in which they are named, "
        "the bottom first: `lamina reorder app 5 3 4` puts layer 5 below 3 and 4. Layers change places only "
        "where they touch nothing in common; else the paths are named. What a container sees stays the same, "
        "but for the times of folders that several layers wrote into."
    )


def run(session: Session, args: Args) -> int:
    """Makes the image, and prints its name."""
    name, layers = surgery_flags.needed(args, 2)
    reorder = session.engine.surgery.reorder
    return surgery_flags.operated(session, args, lambda target, tell: reorder(name, layers, target, tell))
