"""lamina load: images from an archive of Docker's or of the OCI's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.cli.streams import input_file, notices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.transfer import LoadedImage


def configure(command: Command) -> None:
    """Flags of `lamina load`."""
    command.takes("", 0, 0)
    command.option(
        "input", "string", "Read from tar archive file or OCI layout folder, instead of STDIN", "i"
    )
    command.switch("quiet", "Suppress the load output", "q")
    command.option("platform", "string", "Load only the images for this platform (os/architecture[/variant])")


def run(session: Session, args: Args) -> int:
    """Prints the name, else the ID, of each image that was loaded."""
    for image in _load(session, args.text("input"), args.text("platform")):
        for tag in image.tags:
            print(f"Loaded image: {tag}")
        if not image.tags:
            print(f"Loaded image ID: {image.image_id}")
    return 0


def _load(session: Session, path: str, platform: str) -> Sequence[LoadedImage]:
    if path and path != "-" and os.path.isdir(path):
        return session.engine.load(path, notices, platform=platform)
    with input_file(path) as source:
        return session.engine.load(source, notices, platform=platform)
