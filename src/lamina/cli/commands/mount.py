"""lamina mount: the union mount of an image, read-only, or of a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.listing import table

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Operands of `lamina mount`."""
    command.takes("[IMAGE|CONTAINER]", 0, 1)
    command.details = "Without a name, lists what is mounted."


def run(session: Session, args: Args) -> int:
    """Prints the path of the mount, or the list."""
    if args.operands:
        print(session.engine.mount(args.operands[0]))
        return 0
    mounts = session.engine.mounts()
    print(table([("NAME", "PATH"), *((mount.name, mount.path) for mount in mounts)]), end="")
    return 0
