"""lamina build rm: records of builds go, with their logs and what their failed steps left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.each import each
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina build rm`."""
    command.takes("[BUILD...]", 0, None)
    command.switch("all", "Remove the records of all builds that do not run", "a")
    command.details = "Images and the build cache stay as they are. BUILD is as for `lamina build show`."


def run(session: Session, args: Args) -> int:
    """Removes them, and prints their IDs."""
    records = session.engine.records
    if args.on("all"):
        if args.operands:
            raise InvalidInput("--all and names of builds", hint="give one of them")
        print("".join(f"{build_id}\n" for build_id in records.rm(None)), end="")
        return 0
    if not args.operands:
        raise InvalidInput("no build given", hint="`lamina build rm BUILD...`, or --all")
    # `^1` means what it did when the command began
    ids = {ref: _resolved(session, ref) for ref in args.operands}
    return each(args.operands, lambda ref: print(*records.rm([ids[ref]])))


def _resolved(session: Session, ref: str) -> str:
    return session.engine.records.show(ref).build.id if ref.startswith("^") else ref
