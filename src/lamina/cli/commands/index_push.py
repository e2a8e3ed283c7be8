"""lamina index push: an index and what it names, to a registry or elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamina.cli.streams import write_file
from lamina.errors import Unsupported
from lamina.events import silent

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina index push`."""
    command.takes("INDEX [DESTINATION]", 1, 2)
    command.switch("all", "Push the images too (Lamina always does)")
    command.option("digestfile", "string", "Write the digest of the index to this file")
    command.option("format", "string", "Kind of manifests: oci or docker (default: as they are)", "f")
    command.switch("purge", "Remove the index in the making when it is pushed", "p")
    command.switch("quiet", "Suppress output", "q")
    command.switch("rm", "As --purge")
    command.details = (
        "DESTINATION is written as for `lamina copy`, and the name of the index in its registry without it.\n"
        "What is in that registry already is not moved."
    )
    command.later("insecure tls-verify", "registries.toml says which registries are insecure")


def run(session: Session, args: Args) -> int:
    """Says what happens to each blob, then the digest."""
    from lamina.cli.progress.transfer import Transfer

    if args.given("all") and not args.on("all"):
        raise Unsupported("an index without its images is not pushed", hint="leave --all=false away")
    name, *target = args.operands
    title = f"Pushing {name}" + (f" to {target[0]}" if target else "")
    shown = Transfer(sys.stdout, title, "Pushing", is_terminal=sys.stdout.isatty())
    quiet = args.on("quiet")
    if not quiet:
        shown.begin()
    try:
        made = session.engine.index.push(
            name,
            target[0] if target else "",
            silent if quiet else shown,
            format=args.text("format"),
            purge=args.on("purge") or args.on("rm"),
        )
    finally:
        shown.end()
    if args.given("digestfile"):
        write_file(args.text("digestfile"), made.digest)
    if not quiet:
        print(f"Digest: {made.digest}")
    return 0
