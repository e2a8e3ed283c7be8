"""lamina index rm: indexes in the making go; what was pushed stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.each import each

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Operands of `lamina index rm`."""
    command.takes("INDEX [INDEX...]", 1, None)


def run(session: Session, args: Args) -> int:
    """One after the other; one that cannot be removed does not keep the others."""
    return each(args.operands, lambda name: print(f"Removed: {session.engine.index.rm(name)}", flush=True))
