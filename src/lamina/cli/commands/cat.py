"""lamina cat: files of an image on standard output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamina.cli import image_paths
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina cat`."""
    command.takes("IMAGE:PATH [[IMAGE:]PATH...]", 1, None)
    image_paths.add(command)
    command.details = "Links in PATH are followed as a process in a container would follow them."


def run(session: Session, args: Args) -> int:
    """Writes the bytes of each file, whatever they are."""
    places = image_paths.places(args, args.operands)
    for place in places:
        if place.path == "/":
            raise InvalidInput(f"which file of {place.image}?", hint=f"lamina cat {place.image}:/PATH")
    sys.stdout.flush()
    for place in places:
        session.engine.files.cat(place, sys.stdout.buffer)
    sys.stdout.buffer.flush()
    return 0
