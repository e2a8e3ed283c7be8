"""lamina prune, and the prune of builder, container, image and system: what nothing uses any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli import units
from lamina.cli.streams import confirmed

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.insight.pruned import Pruned

_IMAGES = {False: "all dangling images", True: "all images without at least one container associated to them"}

_CACHE = [
    "all build cache that no image uses, and what failed steps left",
    "all cache mounts (RUN --mount=type=cache) not in use",
]


def configure(command: Command) -> None:
    """Flags of `lamina prune`."""
    command.takes("", 0, 0)
    group = _group(command.path)
    if group != "container":
        what = "all unused build cache" if group == "builder" else "all unused images, not just dangling ones"
        command.switch("all", f"Remove {what}", "a")
    command.switch("force", "Do not prompt for confirmation", "f")
    command.later("filter keep-storage volumes")


def run(session: Session, args: Args) -> int:
    """Says what would go, asks unless -f, and prints what went."""
    group = _group(args.path)
    warning = _warning(group, everything=args.on("all"))
    if not args.on("force") and not confirmed(warning):
        print("Total reclaimed space: 0B")
        return 0
    pruned = session.engine.prune(
        containers=group in ("system", "container"),
        dangling=group in ("system", "image"),
        all_images=group in ("system", "image") and args.on("all"),
        cache=group in ("system", "builder"),
    )
    print("\n".join(_lines(pruned)))
    return 0


def _group(path: str) -> str:
    """builder, container or image; system for `lamina prune` too."""
    group, _, action = path.partition(" ")
    return ("builder" if group == "buildx" else group) if action else "system"


def _warning(group: str, *, everything: bool) -> str:
    images = _IMAGES[everything]
    things = {
        "container": ["all stopped containers"],
        "image": [images],
        "builder": _CACHE,
        "system": ["all stopped containers", images, *_CACHE],
    }[group]
    return "WARNING! This will remove:\n" + "".join(f"  - {thing}\n" for thing in things)


def _lines(pruned: Pruned) -> list[str]:
    lines: list[str] = []
    if pruned.containers:
        lines += ["Deleted Containers:", *pruned.containers, ""]
    if pruned.untagged or pruned.deleted:
        lines += ["Deleted Images:"]
        lines += [f"untagged: {name}" for name in pruned.untagged]
        lines += [*(f"deleted: {image_id}" for image_id in pruned.deleted), ""]
    if pruned.cache:
        lines += [f"Deleted build cache layers: {pruned.cache}", ""]
    if pruned.cache_mounts:
        lines += ["Deleted cache mounts:", *pruned.cache_mounts, ""]
    return [*lines, f"Total reclaimed space: {units.human_size(pruned.bytes, 4)}"]
