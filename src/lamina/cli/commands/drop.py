"""lamina drop: an image without some of its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli import findings, surgery_flags

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina drop`."""
    command.takes("IMAGE LAYER [LAYER...]", 1, None)
    command.negative_operands = True
    command.switch("force", "Leave layers out although others touch the same paths, or something breaks")
    command.switch("all", "Show all that could break")
    surgery_flags.add(command)
    command.details = (
        "A layer is a number as `lamina layers` has it (1 is the bottom, -1 the top), "
        "the beginning of its diff ID, or a range A..B. A layer can go when no layer above it touches what "
        "it touched (else the paths are named), and nothing breaks for certain: see `lamina rebase`."
    )


def run(session: Session, args: Args) -> int:
    """Makes the image, and prints its name."""
    name, layers = surgery_flags.needed(args)
    drop = session.engine.surgery.drop
    return findings.picked(
        session, args, lambda target, tell: drop(name, layers, target, tell, force=args.on("force"))
    )
