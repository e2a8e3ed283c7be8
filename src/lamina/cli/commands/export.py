"""lamina export: the whole file system of a container as a tar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.streams import output

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina export`."""
    command.takes("CONTAINER", 1, 1)
    command.option("output", "string", "Write to a file, instead of STDOUT", "o")


def run(session: Session, args: Args) -> int:
    """Writes the tar; a file appears only when it is whole."""
    with output(args.text("output"), "export") as sink:
        session.engine.export(args.operands[0], sink)
    return 0
