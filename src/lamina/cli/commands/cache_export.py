"""lamina cache export: cache mounts as one tar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.streams import output
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina cache export`."""
    command.takes("[ID...]", 0, None)
    command.switch("all", "Export all cache mounts", "a")
    command.option("output", "string", "Write to a file, instead of STDOUT", "o")
    command.details = (
        "ID is the id of a cache mount (its target where it has none), or the name of an object.\n"
        "The archive has files with owners, modes, times (in seconds), extended attributes and hard links;\n"
        "sockets and devices are left out. Equal cache mounts give equal archives."
    )


def run(session: Session, args: Args) -> int:
    """Writes the tar; a file appears only when it is whole."""
    if args.on("all") == bool(args.operands):
        raise InvalidInput("name the cache mounts to export, or --all", hint="`lamina cache ls` lists them")
    for name in args.operands:
        session.engine.cache.inspect(name)  # before a file is begun
    with output(args.text("output"), "export") as sink:
        session.engine.cache.export(args.operands, sink)
    return 0
