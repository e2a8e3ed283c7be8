"""lamina cherry-pick: layers of other images on top of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli import findings, surgery_flags
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina cherry-pick`."""
    command.takes("IMAGE#LAYER [IMAGE#LAYER...] --onto IMAGE", 1, None)
    command.option("onto", "string", "The image that gets the layers")
    command.switch("force", "Make the image although something breaks")
    command.switch("all", "Show all that could break")
    surgery_flags.add(command)
    command.details = (
        "The layers come on top in the order in which they are named; IMAGE#2..4 names three. They stay as "
        "they are, and so does the config of --onto. What they hide, and what their files do not find there, "
        "is shown; it is refused when something breaks for certain."
    )


def run(session: Session, args: Args) -> int:
    """Prints what could break, then what was made."""
    onto = args.text("onto")
    if not onto:
        raise InvalidInput("the image that gets the layers is missing", hint="--onto IMAGE")
    pick = session.engine.surgery.cherry_pick
    return findings.picked(
        session, args, lambda target, tell: pick(args.operands, onto, target, tell, force=args.on("force"))
    )
