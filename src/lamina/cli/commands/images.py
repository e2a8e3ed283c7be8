"""lamina images: the images and their names."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lamina.cli import filters, units
from lamina.cli.listing import listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.insight.images import ImageSummary

HEADINGS = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "Layers": "LAYERS",
    "Containers": "CONTAINERS",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
    "VirtualSize": "VIRTUAL SIZE",
}
_FORM = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
_WITH_DIGESTS = "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"


def configure(command: Command) -> None:
    """Flags of `lamina images`."""
    command.takes("[REPOSITORY[:TAG]]", 0, 1)
    command.switch("all", "Show all images (those for other platforms under one name, too)", "a")
    command.switch("digests", "Show digests")
    command.option(
        "filter", "filter", "Filter output: dangling=true|false, reference=PATTERN", "f", many=True
    )
    command.option("format", "string", "Format output: table, 'table TEMPLATE', json, or a template")
    command.switch("no-trunc", "Don't truncate output")
    command.switch("quiet", "Only show image IDs", "q")
    command.later("tree")


def run(session: Session, args: Args) -> int:
    """Prints the table."""
    wanted = filters.parse(args.texts("filter"), ("dangling", "reference"))
    if args.operands:
        wanted.setdefault("reference", []).append(args.operands[0])
    rows = [
        row
        for image in session.engine.images()
        if args.on("all") or not image.is_part
        for row in rows_of(image, time.time(), whole=args.on("no-trunc"), digests=args.on("digests"))
        if _wanted(row, wanted, dangling=not image.tags)
    ]
    default = _WITH_DIGESTS if args.on("digests") else _FORM
    quiet = "{{.ID}}" if args.on("quiet") else ""
    print(listing(rows, HEADINGS, default, args.text("format"), quiet=quiet), end="")
    return 0


def rows_of(
    image: ImageSummary, now: float, *, whole: bool, digests: bool = False
) -> Iterator[dict[str, str]]:
    """A row for each name of an image, with `digests` for each with each of its digests; or one of <none>."""
    for repository, label, digest in _names(image, digests):
        yield {
            "Repository": repository,
            "Tag": label,
            "Digest": digest,
            "ID": image.image_id if whole else units.short_id(image.image_id),
            "CreatedSince": units.ago(image.created, now),
            "CreatedAt": units.clock(image.created),
            "Size": units.human_size(image.size),
            "Layers": str(image.layers),
            "Containers": "N/A",
            "SharedSize": "N/A",
            "UniqueSize": "N/A",
            "VirtualSize": units.human_size(image.size, 4),
        }


def _names(image: ImageSummary, digests: bool) -> Iterator[tuple[str, str, str]]:
    """Repository, tag and digest of each row, as Docker combines them."""
    known: dict[str, list[str]] = {}
    for name in image.digests:
        repository, _, digest = name.partition("@")
        known.setdefault(repository, []).append(digest)
    tagged = [tag.rpartition(":")[::2] for tag in image.tags]
    for repository, tag in tagged:
        for digest in known.get(repository, ["<none>"]) if digests else ["<none>"]:
            yield repository, tag, digest
    alone = [repository for repository in known if repository not in dict(tagged)]
    if digests or not tagged:
        for repository in alone:
            for digest in known[repository] if digests else ["<none>"]:
                yield repository, "<none>", digest
    if not tagged and not known:
        yield "<none>", "<none>", "<none>"


def _wanted(row: dict[str, str], wanted: dict[str, list[str]], *, dangling: bool) -> bool:
    if any(filters.truth(value, "dangling") != dangling for value in wanted.get("dangling", [])):
        return False
    patterns = wanted.get("reference", [])
    name = f"{row['Repository']}:{row['Tag']}"
    return not patterns or any(filters.name_matches(pattern, name) for pattern in patterns)
