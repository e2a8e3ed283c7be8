"""lamina import: a tar of a whole file system as an image of one layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.streams import input_file
from lamina.errors import Unsupported

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina import`."""
    command.takes("file|- [REPOSITORY[:TAG]]", 1, 2)
    command.option("change", "list", "Apply Dockerfile instruction to the created image", "c", many=True)
    command.option("message", "string", "Set commit message for imported image", "m")
    command.later("platform")


def run(session: Session, args: Args) -> int:
    """Prints the new image's ID."""
    path, *rest = args.operands
    if path.startswith(("http://", "https://")):
        raise Unsupported(
            f"import of a URL is not supported: {path}",
            hint="fetch it first, or pipe it: curl … | lamina import -",
        )
    with input_file(path) as source:
        image_id = session.engine.import_(
            source,
            rest[0] if rest else None,
            message=args.text("message"),
            changes=args.texts("change"),
        )
    print(image_id)
    return 0
