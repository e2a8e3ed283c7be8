"""lamina index annotate: what an index in the making says of an image, or of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli import index_flags
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina index annotate`."""
    command.takes("INDEX [IMAGE]", 1, 2)
    index_flags.configure(command)
    command.switch("index", "Annotate the index, not an image of it")
    command.details = "IMAGE is one of the index: as it was added, its digest, or its platform."


def run(session: Session, args: Args) -> int:
    """Says nothing, as Docker."""
    name, *image = args.operands
    if args.on("index") == bool(image):
        raise InvalidInput("annotate an IMAGE of the index, or with --index the index", hint="one of both")
    session.engine.index.annotate(name, image[0] if image else "", index_flags.changes(args))
    return 0
