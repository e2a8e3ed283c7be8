"""lamina push: an image to a registry."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamina.cli.streams import write_file
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session

_FORMATS = {"": "", "oci": "oci", "docker": "docker", "v2s2": "docker"}  # v2s2: as Podman says


def configure(command: Command) -> None:
    """Flags of `lamina push`."""
    command.takes("NAME[:TAG] [DESTINATION]", 1, 2)
    command.switch("all-tags", "Push all tags of an image to the repository", "a")
    command.option("compression", "string", "Compress layers: gzip, zstd, zstd:chunked or uncompressed")
    command.option("compression-format", "string", "As --compression")
    command.option("compression-level", "int", "Compression level (0-9 for gzip, 0-22 for zstd)")
    command.option("digestfile", "string", "Write the digest of the pushed image to a file")
    command.switch("force-compression", "Compress also layers that came compressed from elsewhere")
    command.option("format", "string", "Media types of the manifest: oci or docker (default: as it has)", "f")
    command.option("platform", "string", "Push only the image for this platform (os/architecture[/variant])")
    command.switch("quiet", "Suppress verbose output", "q")
    command.later("disable-content-trust")
    command.details = (
        "Layers that came compressed go as they came; others are compressed with gzip while they are sent. "
        "DESTINATION is the name in the registry, where it is not NAME; docker:// may stand before it."
    )


def run(session: Session, args: Args) -> int:
    """Says what happens to each layer as Docker does, then the digest of each tag."""
    from lamina.cli.progress.transfer import Transfer
    from lamina.engine.pushing import PushRequest, target_of
    from lamina.events import silent
    from lamina.oci import reference as references

    request = PushRequest(
        args.operands[0],
        args.operands[1].removeprefix("docker://") if len(args.operands) > 1 else "",
        all_tags=args.on("all-tags"),
        platform=args.text("platform"),
        compression=args.text("compression") or args.text("compression-format"),
        level=_level(args.text("compression-level")) if args.given("compression-level") else None,
        force=args.on("force-compression"),
        types=_types(args.text("format")),
    )
    if request.all_tags and args.given("digestfile"):
        raise InvalidInput("--digestfile is for one tag", hint="push without --all-tags")
    target, quiet = target_of(request), args.on("quiet")
    meant = references.parse(request.destination or request.name)
    if not quiet and not request.all_tags and not meant.tag:
        print("Using default tag: latest")
    title = f"The push refers to repository [{target.name}]"
    shown = Transfer(sys.stdout, title, "Pushing", is_terminal=sys.stdout.isatty())
    if not quiet:
        shown.begin()
    try:
        done = session.engine.push(request, silent if quiet else shown)
    finally:
        shown.end()
    for reference, _, descriptor in done:
        line = f"{reference.tag}: digest: {descriptor.digest} size: {descriptor.size}"
        print(reference if quiet else line)
    if args.given("digestfile"):
        write_file(args.text("digestfile"), done[0].descriptor.digest)
    return 0


def _level(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidInput(f"invalid --compression-level {text!r}", hint="it is a number") from None


def _types(text: str) -> str:
    try:
        return _FORMATS[text]
    except KeyError:
        raise InvalidInput(f"unknown --format {text!r}", hint="oci or docker") from None
