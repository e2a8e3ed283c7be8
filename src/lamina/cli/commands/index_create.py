"""lamina index create: a new index in the making."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.index_flags import pairs
from lamina.cli.streams import notices

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina index create`."""
    command.takes("INDEX [IMAGE...]", 1, None)
    command.switch("all", "Add all images of an IMAGE that is an index")
    command.switch("amend", "Add to an index in the making that is there", "a")
    command.option("annotation", "KEY=VALUE", "Set an annotation of the index", many=True)
    command.details = (
        "INDEX is the name that it is to have; it is kept in the store until `index push`. IMAGE is one of\n"
        "the store or else of a registry, or written as for `lamina copy`."
    )
    command.later("insecure tls-verify", "registries.toml says which registries are insecure")


def run(session: Session, args: Args) -> int:
    """Says so, as Docker does."""
    name, *images = args.operands
    session.engine.index.create(
        name,
        images,
        notices,
        amend=args.on("amend"),
        all=args.on("all"),
        annotations=pairs(args.texts("annotation")),
    )
    from lamina.oci import reference

    print(f"Created index {reference.parse_tagged(name.removeprefix('docker://'))}")
    return 0
