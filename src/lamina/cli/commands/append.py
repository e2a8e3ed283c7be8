"""lamina append: an archive or a folder as one more layer of an image."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamina.cli import surgery_flags

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina append`."""
    command.takes("IMAGE TAR|FOLDER|-", 2, 2)
    surgery_flags.add(command)
    command.option("prefix", "path", "Folder of the image that the contents go to")
    command.details = (
        "An archive (a tar, plain or compressed) becomes a layer just as it is, whiteouts too. With --prefix "
        "it is unpacked as ADD does it, but through links of the image to folders. What a folder holds is "
        "copied as COPY does it, by default to /, and belongs to 0:0."
    )


def run(session: Session, args: Args) -> int:
    """Makes the image."""
    image, source = args.operands
    what = source if source != "-" else sys.stdin.buffer
    append = session.engine.surgery.append
    return surgery_flags.operated(
        session, args, lambda target, tell: append(image, what, target, tell, prefix=args.text("prefix"))
    )
