"""lamina index add: images into an index in the making."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli import index_flags
from lamina.cli.streams import notices

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina index add`."""
    command.takes("INDEX IMAGE [IMAGE...]", 2, None)
    command.switch("all", "Add all images of an IMAGE that is an index")
    index_flags.configure(command)
    command.later("insecure tls-verify", "registries.toml says which registries are insecure")


def run(session: Session, args: Args) -> int:
    """Prints the digest of each image that was added."""
    from lamina.dockerfile.source import printable  # an image may say anything

    name, *images = args.operands
    changes = index_flags.changes(args)
    draft = session.engine.index.add(name, images, changes, notices, all=args.on("all"))
    for entry in draft.entries:
        if entry.given in images:
            platform = entry.descriptor.platform
            print(entry.descriptor.digest + (printable(f" {platform}") if platform else ""))
    return 0
