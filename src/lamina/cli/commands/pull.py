"""lamina pull: an image, or all tags of a repository, from its registry."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina pull`."""
    command.takes("NAME[:TAG|@DIGEST]", 1, 1)
    command.switch("all-tags", "Download all tagged images in the repository", "a")
    command.option("platform", "string", "Pull the image for this platform (os/architecture[/variant])")
    command.switch("quiet", "Suppress verbose output", "q")
    command.later("disable-content-trust")


def run(session: Session, args: Args) -> int:
    """Says what happens to each layer as Docker does, then what the name stands for."""
    from lamina.cli.progress.transfer import Transfer, silent
    from lamina.oci import reference as references

    meant, quiet, several = references.parse(args.operands[0]), args.on("quiet"), args.on("all-tags")
    name = meant if several else meant.with_default_tag()
    if not quiet and name != meant:
        print("Using default tag: latest")
    title = "" if several else f"{name.digest or name.tag}: Pulling from {name.path}"
    shown = Transfer(sys.stdout, title, "Downloading", is_terminal=sys.stdout.isatty())
    engine, observer, platform = session.engine, silent if quiet else shown, args.text("platform")
    try:
        if several:
            done = engine.pull_all(args.operands[0], observer, platform=platform)
        else:
            done = [engine.pull(args.operands[0], observer, platform=platform)]
    finally:
        shown.end()
    if not quiet:
        shown.begin()
        if not several:
            print(f"Digest: {done[0].digest}")
        status = "Downloaded newer image" if any(each.is_new for each in done) else "Image is up to date"
        print(f"Status: {status} for {name.familiar()}")
    print(name)
    return 0
