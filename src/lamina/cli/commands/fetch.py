"""lamina fetch: the layers of images that are elsewhere, from where they are."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamina.cli.each import each
from lamina.events import silent

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina fetch`."""
    command.takes("IMAGE [IMAGE...]", 1, None)
    command.option(
        "platform", "string", "Of an index, the image for this platform (os/architecture[/variant])"
    )
    command.switch("quiet", "Suppress verbose output", "q")
    command.details = (
        "An image that a shared cache knew, or whose base it knew, has layers that come only when something "
        "needs their files. This brings them all: for a time without a network, say."
    )


def run(session: Session, args: Args) -> int:
    """Shows the layers that come, then for each image how many these were."""
    from lamina.cli.progress.transfer import Transfer

    quiet, platform = args.on("quiet"), args.text("platform")

    def fetch(name: str) -> None:
        shown = Transfer(sys.stdout, "", "Fetching", is_terminal=sys.stdout.isatty())
        try:
            count = session.engine.fetch(name, silent if quiet else shown, platform=platform)
        finally:
            shown.end()
        if not quiet:
            came = "1 layer fetched" if count == 1 else f"{count} layers fetched"
            print(f"{name}: {came if count else 'all layers are here'}", flush=True)

    return each(args.operands, fetch)
