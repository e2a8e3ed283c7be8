"""lamina dockerfile parse: the instructions of a Dockerfile as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lamina.cli.streams import read_file
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Operands of `lamina dockerfile`."""
    command.takes("parse FILE|-", 2, 2)
    command.switch("json", "Print JSON (there is no other form yet)")


def run(session: Session, args: Args) -> int:
    """Prints a list of the instructions."""
    from lamina.dockerfile import parse, to_json  # after the flags are known to be right

    action, path = args.operands
    if action != "parse":
        raise InvalidInput(f"lamina dockerfile has no {action!r}", hint="lamina dockerfile parse --json FILE")
    parsed = parse(read_file(path), "Dockerfile" if path == "-" else path)
    print(json.dumps(to_json(parsed), indent=2))
    return 0
