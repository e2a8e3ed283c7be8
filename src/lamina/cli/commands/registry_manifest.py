"""lamina registry manifest: the manifest or index that a reference stands for."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina registry manifest`."""
    command.takes("NAME[:TAG|@DIGEST]", 1, 1)
    command.switch("digest", "Print its digest instead")
    command.option(
        "platform", "string", "The manifest of an index for this platform (os/architecture[/variant])"
    )
    command.switch("raw", "Print it byte for byte, as its digest is of")


def run(session: Session, args: Args) -> int:
    """Indented, as `docker manifest inspect` shows it."""
    name, platform = args.operands[0], args.text("platform")
    if args.on("digest") and not platform:
        print(session.engine.registry.resolve(name))
        return 0
    found = session.engine.registry.manifest(name, platform=platform)
    if args.on("digest"):
        print(found.descriptor.digest)
    elif args.on("raw"):
        sys.stdout.flush()
        sys.stdout.buffer.write(found.data)
    else:
        print(json.dumps(json.loads(found.data), indent=3, ensure_ascii=False))
    return 0
