"""lamina fold: layers lose what layers above them delete or overwrite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli import surgery_flags

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina fold`."""
    command.takes("IMAGE [A..B]", 1, 2)
    command.negative_operands = True
    surgery_flags.add(command)
    command.switch("base", "Fold the layers of the base image, too")
    command.details = (
        "A copy of a file that only changes its mode, owner or times goes into the layer that has the bytes. "
        "Files that are deleted or overwritten later go out of the layer that brought them, and layers in "
        "which nothing is left are dropped. Other layers stay as they are, and the files of the image too."
    )


def run(session: Session, args: Args) -> int:
    """Makes the image."""
    name, meant = surgery_flags.meant(args)
    fold = session.engine.surgery.fold
    return surgery_flags.operated(
        session, args, lambda target, tell: fold(name, meant, target, tell, base=args.on("base"))
    )
