"""lamina registry rm: tags and manifests of registries go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.errors import report
from lamina.cli.removed import removed_line
from lamina.errors import LaminaError

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina registry rm`."""
    command.takes("NAME[:TAG|@DIGEST] [NAME[:TAG|@DIGEST]...]", 1, None)
    command.switch("force", "Remove the manifest where a tag cannot go alone, and all tags of it", "f")
    command.details = (
        "NAME:TAG removes the tag, NAME@DIGEST the manifest and all of its tags. Blobs that nothing\n"
        "needs any more go when the registry collects its garbage."
    )


def run(session: Session, args: Args) -> int:
    """One after the other; one that cannot be removed does not keep the others."""
    code = 0
    for name in args.operands:
        try:
            for gone in session.engine.registry.rm(name, force=args.on("force")):
                print(removed_line(gone), flush=True)
        except LaminaError as error:
            code = report(error, debug=session.debug)
    return code
