"""lamina index inspect: an index in the making, of the store, or of a registry."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from lamina.cli.template import of_flag

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina index inspect`."""
    command.takes("INDEX", 1, 1)
    command.option("format", "string", "Format output: json, or a template", "f")
    command.switch("raw", "Print it byte for byte")
    command.later("insecure tls-verify", "registries.toml says which registries are insecure")


def run(session: Session, args: Args) -> int:
    """Indented, as Docker does."""
    data = session.engine.index.inspect(args.operands[0])
    if args.on("raw"):
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
    elif args.text("format"):
        print(of_flag(args.text("format")).execute(json.loads(data)))
    else:
        print(json.dumps(json.loads(data), indent=3, ensure_ascii=False))
    return 0
