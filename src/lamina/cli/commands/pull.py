"""lamina pull: an image, or all tags of a repository, from its registry."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from lamina.events import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.engine.engine import Engine
    from lamina.events import Observer
    from lamina.oci.reference import Reference
    from lamina.transfer.pull import Pulled


def configure(command: Command) -> None:
    """Flags of `lamina pull`."""
    command.takes("NAME[:TAG|@DIGEST]", 1, 1)
    command.switch("all-tags", "Download all tagged images in the repository", "a")
    command.option("platform", "string", "Pull the image for this platform (os/architecture[/variant])")
    command.switch("quiet", "Suppress verbose output", "q")
    command.later("disable-content-trust")


def run(session: Session, args: Args) -> int:
    """Says what happens to each layer as Docker does, then what the name stands for."""
    from lamina.oci import reference as references

    meant, quiet, several = references.parse(args.operands[0]), args.on("quiet"), args.on("all-tags")
    name = meant if several else meant.with_default_tag()
    if not quiet and name != meant:
        print("Using default tag: latest")
    platform = args.text("platform")
    if several:
        _pull(
            lambda observer: session.engine.pull_all(str(name), observer, platform=platform),
            name, sys.stdout, "", quiet=quiet,
        )  # fmt: skip
    else:
        pull_one(session.engine, name, sys.stdout, quiet=quiet, platform=platform)
    print(name)
    return 0


def pull_one(engine: Engine, name: Reference, out: TextIO, *, quiet: bool, platform: str) -> None:
    """Pulls one image, and says to `out` what Docker says of it. Errors as of Engine.pull."""
    title = f"{name.digest or name.tag}: Pulling from {name.path}"
    _pull(
        lambda observer: [engine.pull(str(name), observer, platform=platform)],
        name, out, title, quiet=quiet,
    )  # fmt: skip


def _pull(
    pull: Callable[[Observer], Sequence[Pulled]], name: Reference, out: TextIO, title: str, *, quiet: bool
) -> None:
    """What is said of a pull; the title, and the digest with it, are one image's."""
    from lamina.cli.progress.transfer import Transfer

    shown = Transfer(out, title, "Downloading", is_terminal=out.isatty())
    try:
        done = pull(silent if quiet else shown)
    finally:
        shown.end()
    if quiet:
        return
    shown.begin()
    if title:
        print(f"Digest: {done[0].digest}", file=out)
    status = "Downloaded newer image" if any(each.is_new for each in done) else "Image is up to date"
    print(f"Status: {status} for {name.familiar()}", file=out)
