"""lamina normalise: layers without the times of their build."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lamina.cli import surgery_flags
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina normalise`."""
    command.takes("IMAGE", 1, 1)
    surgery_flags.add(command)
    command.switch("base", "Normalise the layers of the base image, too")
    command.option("owner", "string", "Give all files this owner: UID:GID")
    command.details = (
        "Times of files, of the image and of its history that are later than SOURCE_DATE_EPOCH become that "
        "time (1970, where it is not set), and layers get one order and form: builds that differ in nothing "
        "but their time become the same image. Layers of the base image stay what they are."
    )


def run(session: Session, args: Args) -> int:
    """Makes the image."""
    owner = _owner(args.text("owner"))
    normalise = session.engine.surgery.normalise
    return surgery_flags.operated(
        session,
        args,
        lambda target, tell: normalise(args.operands[0], target, tell, owner=owner, base=args.on("base")),
    )


def _owner(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    match = re.fullmatch(r"([0-9]{1,10}):([0-9]{1,10})", text)
    if match is None or max(int(match[1]), int(match[2])) >= 1 << 32:
        raise InvalidInput(f"invalid owner: {text!r}", hint="two numbers: --owner 0:0")
    return int(match[1]), int(match[2])
