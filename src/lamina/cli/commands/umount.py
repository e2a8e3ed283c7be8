"""lamina umount: takes down what `lamina mount` put up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.each import each

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina umount`."""
    command.takes("[IMAGE|CONTAINER...]", 0, None)
    command.switch("all", "Unmount all that is mounted", "a")


def run(session: Session, args: Args) -> int:
    """Unmounts each and prints its name."""
    names = [mount.name for mount in session.engine.mounts()] if args.on("all") else args.operands

    def unmount(name: str) -> None:
        session.engine.umount(name)
        print(name, flush=True)

    return each(names, unmount)
