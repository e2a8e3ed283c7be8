"""lamina cache rm: removes cache mounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.each import each
from lamina.dockerfile.source import printable
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina cache rm`."""
    command.takes("[ID...]", 0, None)
    command.switch("all", "Remove all cache mounts", "a")
    command.switch("force", "Don't fail when a cache mount is not there", "f")
    command.details = (
        "ID is the id of a cache mount (its target where it has none), or the name of an object.\n"
        "What a build uses now is not removed."
    )


def run(session: Session, args: Args) -> int:
    """Removes each and prints what it was called."""
    if args.on("all") == bool(args.operands):
        raise InvalidInput("name the cache mounts to remove, or --all", hint="`lamina cache ls` lists them")
    if not args.on("all"):
        shown = {name: name for name in dict.fromkeys(args.operands)}
    else:
        shown = {mount.name: mount.id for mount in session.engine.cache.ls()}

    def remove(name: str) -> None:
        session.engine.cache.rm(name)
        print(printable(shown[name]), flush=True)

    return each(shown, remove, lenient=args.on("force"))
