"""lamina save: images as one archive that Docker and every OCI tool reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.streams import notices, output

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina save`."""
    command.takes("IMAGE [IMAGE...]", 1, None)
    command.option("format", "string", "docker-archive (default; an OCI layout too) or oci-archive")
    command.option("output", "string", "Write to a file, instead of STDOUT", "o")
    command.option("platform", "string", "Save only the image for this platform (os/architecture[/variant])")
    command.option(
        "since", "image", "Leave out the layers of this image, which the other side has", many=True
    )


def run(session: Session, args: Args) -> int:
    """Writes the archive; a file appears only when it is whole."""
    form = args.text("format", "docker-archive")
    with output(args.text("output"), "save") as sink:
        session.engine.save(
            args.operands,
            sink,
            notices,
            format=form,
            platform=args.text("platform"),
            since=args.texts("since"),
        )
    return 0
