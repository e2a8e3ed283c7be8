"""lamina rebase: the layers of an application on another base, and what could break there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli import findings, surgery_flags, units
from lamina.cli.escaping import escaped
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.engine.rebasing import BaseUsed, RebasedImage, Rebasing
    from lamina.insight.diff.packages import PackageChange

_HOW = {
    "annotations": "by the annotations of the image",
    "layers": "by its layers",
    "given": "as --from says",
}


def configure(command: Command) -> None:
    """Flags of `lamina rebase`."""
    command.takes("IMAGE --onto NEWBASE", 1, 1)
    command.option("onto", "string", "The new base: an image, or scratch")
    command.option("from", "string", "The old base (an image, IMAGE#LAYER, scratch), where it is not found")
    command.switch("force", "Make the image although something breaks")
    command.switch("dry-run", "Only show what would become of it; exit code 1 if it would be refused")
    command.switch("pull", "Ask the registry for the new base, also where it is here")
    command.switch("all", "Show all that could break")
    surgery_flags.add(command)
    command.details = (
        "Nothing is run, and the layers of the application stay as they are. Its config is merged with those "
        "of both bases; what the application set itself stays. Refused when something breaks for certain: a "
        "library, loader, interpreter, user or command that was there and is not any more."
    )


def run(session: Session, args: Args) -> int:
    """Prints the report, then what was made."""
    from lamina.engine.rebasing import Refused

    if not args.text("onto"):
        raise InvalidInput("the new base is missing", hint="lamina rebase IMAGE --onto NEWBASE")
    try:
        done = session.engine.surgery.rebase(
            args.operands[0],
            args.text("onto"),
            surgery_flags.target(args, session.environ),
            surgery_flags.observer(args),
            old_base=args.text("from"),
            force=args.on("force"),
            dry_run=args.on("dry-run"),
            pull=args.on("pull"),
        )
    except Refused as refused:
        _show(refused.images, args)
        raise
    _told(session, done, args)
    broken = done.made is None and any(image.findings.breaks for image in done.images)
    return 1 if broken and not args.on("force") else 0


def _told(session: Session, done: Rebasing, args: Args) -> None:
    if args.on("json"):
        from lamina.cli.as_json import dumps

        print(dumps(done))
        return
    _show(done.images, args)
    if done.made is not None:
        surgery_flags.told(session, done.made, args)


def _show(images: tuple[RebasedImage, ...], args: Args) -> None:
    """The report on each image; of a refused rebase --json prints it, too."""
    if args.on("json"):
        from lamina.cli.as_json import dumps

        print(dumps({"images": images, "made": None}))
        return
    if args.on("quiet"):
        return
    for image in images:
        if len(images) > 1:
            print(f"Platform {image.platform}:")
        own = units.counted(image.layers, "layer")
        print(f"Old base: {_base(image.old_base)}, found {_HOW[image.found_by]}")
        print(f"New base: {_base(image.new_base)}; {own} of the image on it")
        whole = args.on("all")
        for line in _packages(image.packages, whole=whole) + findings.config_lines(image.config):
            print(line)
        for line in findings.lines(image.findings, whole=whole):
            print(line)


def _packages(changes: tuple[PackageChange, ...], *, whole: bool) -> list[str]:
    """What is patched in the new base."""
    shown = changes if whole else changes[: findings.MOST]
    lines = [f"  {_package(change)}" for change in shown]
    if len(shown) < len(changes):
        lines.append(f"  and {len(changes) - len(shown)} more; --all shows them")
    return ["Packages of the base:", *lines] if lines else []


def _package(change: PackageChange) -> str:
    old, new = ", ".join(change.old), ", ".join(change.new)
    versions = {"A": f"{new}, added", "D": f"{old}, gone"}.get(change.kind, f"{old} -> {new}")
    return escaped(f"{change.name} {versions}")


def _base(used: BaseUsed) -> str:
    layers = units.counted(used.layers, "layer")
    return ", ".join(part for part in (used.name, units.short_id(used.image_id), layers) if part)
