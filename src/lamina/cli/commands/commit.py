"""lamina commit: a container's changes as a new image."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina commit`."""
    command.takes("CONTAINER [REPOSITORY[:TAG]]", 1, 2)
    command.option("author", "string", 'Author (e.g., "Ada Lovelace <ada@example.org>")', "a")
    command.option("change", "list", "Apply Dockerfile instruction to the created image", "c", many=True)
    command.option("message", "string", "Commit message", "m")
    command.switch("pause", "Pause container during commit (Lamina commits what is on disk)", "p")


def run(session: Session, args: Args) -> int:
    """Prints the new image's ID."""
    container, *rest = args.operands
    image_id = session.engine.commit(
        container,
        rest[0] if rest else None,
        message=args.text("message"),
        author=args.text("author"),
        changes=args.texts("change"),
    )
    print(image_id)
    return 0
