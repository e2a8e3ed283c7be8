"""lamina split: one layer becomes several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli import surgery_flags, units
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina split`."""
    command.takes("IMAGE LAYER|A..B", 1, 2)
    command.negative_operands = True
    surgery_flags.add(command)
    command.option("by", "string", "size[=100MB], package[=32] or change-rate (default size)")
    command.details = (
        "size: parts of so many bytes, files of one folder together. package: the biggest packages of "
        "Debian, Alpine, RPM, Python or Node each in a layer, the others in one, files of no package in "
        "another. change-rate: files that are the same in other versions of the layer below those that "
        "change, so that a new version ships less; other versions are layers of the same instruction, or of "
        "images with a name in the same repository. A range of layers is cut as if it were one layer."
    )


def run(session: Session, args: Args) -> int:
    """Makes the image."""
    surgery_flags.needed(args)
    name, layer = surgery_flags.meant(args)
    by, equals, text = args.text("by", "size").partition("=")
    most = _most(by, text) if equals else 0
    split = session.engine.surgery.split
    return surgery_flags.operated(
        session, args, lambda target, tell: split(name, layer, by, target, tell, most=most)
    )


def _most(by: str, text: str) -> int:
    if by == "size":
        most = units.bytes_of(text, "by")
    elif by == "package" and text.isascii() and text.isdigit() and len(text) < 6:
        most = int(text)
    else:
        raise InvalidInput(f"invalid --by: {by}={text}", hint="size=100MB, package=32 or change-rate")
    if most <= 0:
        raise InvalidInput(f"invalid --by: {by}={text}", hint="more than nothing")
    return most
