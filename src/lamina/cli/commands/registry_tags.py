"""lamina registry tags: what tags a repository has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.listing import listing

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session

HEADINGS = {"Repository": "REPOSITORY", "Tag": "TAG"}


def configure(command: Command) -> None:
    """Flags of `lamina registry tags`."""
    command.takes("REPOSITORY", 1, 1)
    command.option(
        "format", "string", "Format output: table, json, or a template of .Repository and .Tag", "f"
    )


def run(session: Session, args: Args) -> int:
    """One a line, sorted: not all registries do that."""
    from lamina.dockerfile.source import printable  # a registry may send anything
    from lamina.engine.remote import reference_of

    reference = reference_of(args.operands[0])
    found = sorted(session.engine.registry.tags(args.operands[0]))
    rows = [{"Repository": reference.familiar_name, "Tag": printable(tag)} for tag in found]
    form = args.text("format") or "{{.Tag}}"
    print(listing(rows, HEADINGS, "{{.Repository}}\t{{.Tag}}", form), end="")
    return 0
