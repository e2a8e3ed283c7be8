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
    surgery_flags.add(command)
    command.details = (
        "Layers are numbered as `lamina layers` does it: 1 is the bottom, -1 the top. Without a range, all "
        "layers above the base image become one; all layers, where the base image is not in the store. What "
        "is overwritten or deleted between them is in the new layer no more."
    )


def run(session: Session, args: Args) -> int:
    """Makes the image."""
    made = session.engine.surgery.squash(
        args.operands[0],
        args.operands[1] if len(args.operands) > 1 else "",
        surgery_flags.target(args, session.environ),
        surgery_flags.observer(args),
    )
    surgery_flags.weighed(session, made, args)
    return 0
