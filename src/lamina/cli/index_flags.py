"""The flags that `index add` and `index annotate` share: what is said of one image of an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.cli.flags import Args, Command
    from lamina.transfer.drafts import IndexChanges


def configure(command: Command) -> None:
    """Docker's and Podman's."""
    command.option("annotation", "KEY=VALUE", "Set an annotation of the image in the index", many=True)
    command.option("arch", "string", "Set architecture")
    command.option("features", "string", "Set features of the processor, separated by commas", many=True)
    command.option("os", "string", "Set operating system")
    command.option("os-features", "string", "Set features of the system, separated by commas", many=True)
    command.option("os-version", "string", "Set operating system version")
    command.option("variant", "string", "Set architecture variant")


def changes(args: Args) -> IndexChanges:
    """What was given. InvalidInput for annotations that are none."""
    from lamina.transfer.drafts import IndexChanges

    def text(name: str) -> str | None:
        return args.text(name) if args.given(name) else None

    def texts(name: str) -> list[str] | None:
        given = [each for value in args.texts(name) for each in value.split(",") if each]
        return given if args.given(name) else None

    return IndexChanges(
        text("os"),
        text("arch"),
        text("variant"),
        text("os-version"),
        texts("os-features"),
        texts("features"),
        pairs(args.texts("annotation")),
    )


def pairs(texts: Iterable[str]) -> dict[str, str]:
    """KEY=VALUE each. InvalidInput."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise InvalidInput(f'invalid annotation "{text}", expected key=value')
        found[key] = value
    return found
