"""lamina registry referrers: SBOMs, signatures and other artifacts of an image in a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.listing import listing
from lamina.cli.units import human_size, short_id

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.transfer.remote import RemoteReferrer

HEADINGS = {
    "Digest": "DIGEST",
    "ArtifactType": "ARTIFACT TYPE",
    "MediaType": "MEDIA TYPE",
    "Size": "SIZE",
    "Via": "FOUND BY",
    "Created": "CREATED",
    "Annotations": "ANNOTATIONS",
}
_FORM = "{{.Digest}}\t{{.ArtifactType}}\t{{.Via}}\t{{.Created}}"
_CREATED = "org.opencontainers.image.created"


def configure(command: Command) -> None:
    """Flags of `lamina registry referrers`."""
    command.takes("NAME[:TAG|@DIGEST]", 1, 1)
    command.option("artifact-type", "string", "Only referrers of this type")
    command.option("format", "string", "Format output: table, 'table TEMPLATE', json, or a template", "f")
    command.switch("no-trunc", "Don't truncate output")
    command.option("platform", "string", "What refers to the image of an index for this platform")
    command.switch("quiet", "Only display digests", "q")


def run(session: Session, args: Args) -> int:
    """Prints the table."""
    found = session.engine.registry.referrers(
        args.operands[0], platform=args.text("platform"), artifact_type=args.text("artifact-type")
    )
    whole = args.on("no-trunc") or args.given("format")
    rows = [_row(each, whole) for each in found]
    quiet = "{{.Digest}}" if args.on("quiet") else ""
    if args.on("quiet"):
        rows = [_row(each, True) for each in found]
    print(listing(rows, HEADINGS, _FORM, args.text("format"), quiet=quiet), end="")
    return 0


def _row(each: RemoteReferrer, whole: bool) -> dict[str, str]:
    from lamina.dockerfile.source import printable  # a registry may send anything

    found = each.descriptor
    row = {
        "Digest": found.digest if whole else short_id(found.digest),
        "ArtifactType": found.artifact_type or found.media_type,
        "MediaType": found.media_type,
        "Size": human_size(found.size),
        "Via": f"{each.via} {each.tag}" if each.tag and whole else each.via,
        "Created": found.annotations.get(_CREATED, ""),
        "Annotations": ",".join(f"{key}={value}" for key, value in sorted(found.annotations.items())),
    }
    return {name: printable(value) for name, value in row.items()}
