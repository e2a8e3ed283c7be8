"""lamina cache import: cache mounts from a tar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.streams import input_file

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina cache import`."""
    command.takes("", 0, 0)
    command.option("id", "string", "The id of the cache mount, for a plain tar of a folder or another name")
    command.option("input", "string", "Read from tar archive file, instead of STDIN", "i")
    command.details = (
        "What `lamina cache export` wrote, or any tar of a folder with --id; compressed or not. An imported\n"
        "cache mount takes the place of the one that a build would have used."
    )


def run(session: Session, args: Args) -> int:
    """Prints the id of each cache mount."""
    from lamina.dockerfile.source import printable  # the archive may be anybody's

    with input_file(args.text("input")) as source:
        for mount_id in session.engine.cache.import_(source, args.text("id")):
            print(f"Imported cache mount: {printable(mount_id)}")
    return 0
