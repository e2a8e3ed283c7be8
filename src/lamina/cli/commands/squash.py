"""lamina squash: some layers of an image become one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli import surgery_flags

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina squash`."""
    command.takes("IMAGE [A..B]", 1, 2)
    command.negative_operands = True
    surgery_flags.add(command)
    command.details = (
        "Layers are numbered as `lamina layers` does it: 1 is the bottom, -1 the top. Without a range, all "
        "layers above the base image become one; all layers, where the base image is not in the store. What "
        "is overwritten or deleted between them is in the new layer no more."
    )


def run(session: Session, args: Args) -> int:
    """Makes the image."""
    name, meant = surgery_flags.meant(args)
    squash = session.engine.surgery.squash
    return surgery_flags.operated(session, args, lambda target, tell: squash(name, meant, target, tell))
