"""lamina logout: what is kept for a registry goes, from every file and helper that has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session

_HUB = "docker.io"


def configure(command: Command) -> None:
    """Flags of `lamina logout`."""
    command.takes("[SERVER]", 0, 1)
    command.option("authfile", "path", "Remove the credentials from this file only")


def run(session: Session, args: Args) -> int:
    """Says what was removed; that there was nothing is no failure, as for Docker."""
    server = (args.operands or [_HUB])[0]
    gone = session.engine.credentials.logout(server, authfile=args.text("authfile"))
    if not gone:
        print(f"Not logged in to {server}")
    for kept in gone:
        print(f"Removing login credentials for {server} from {kept.place}")
    return 0
