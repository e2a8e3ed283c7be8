"""lamina who: which images, layers and containers of the store hold a file or a package."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from lamina.cli import units
from lamina.cli.listing import listing
from lamina.cli.streams import warnings
from lamina.errors import InvalidInput
from lamina.fs.failures import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.insight.who.answer import Place, Seen, Who

HEADINGS = {
    "Holder": "IMAGE",
    "Kind": "KIND",
    "ID": "ID",
    "Layer": "LAYER",
    "DiffID": "DIFF ID",
    "What": "WHAT",
    "Path": "PATH",
    "Package": "PACKAGE",
    "Version": "VERSION",
    "State": "STATE",
    "Size": "SIZE",
    "Digest": "DIGEST",
    "Instruction": "INSTRUCTION",
    "Where": "WHERE",
}
_FORM = "{{.Holder}}\t{{.Layer}}\t{{.What}}\t{{.State}}\t{{.Where}}\t{{.Instruction}}"
_INSTRUCTION = 50  # characters shown
_KINDS = ("hash", "path", "name", "package")


def configure(command: Command) -> None:
    """Flags of `lamina who`."""
    command.takes("HASH|PATH|NAME|PACKAGE[@VERSION]", 1, 1)
    for kind, what in zip(_KINDS, ("a SHA-256", "a path", "a file's name", "a package"), strict=True):
        command.switch(kind, f"What follows is {what}")
    command.switch("visible", "Leave out where it was replaced or deleted later", "v")
    command.switch("quiet", "Only show the images and containers, each once", "q")
    command.option("format", "string", "Format output: table, 'table TEMPLATE', json, or a template")
    command.switch("json", "Print all that is known as JSON")
    command.switch("no-trunc", "Don't truncate output")
    command.details = (
        "HASH is the SHA-256 of a file, or its first 8 digits or more; a layer, blob or image is found by "
        "its digest too. A word alone is a package, or where there is none of this name, a file's name. `*`, "
        "`?` and `[` make a name, path or version a pattern. A package is also found by the name of its "
        "source package, or as a package URL (pkg:deb/openssl). The exit code is 1 when nothing holds it."
    )


def run(session: Session, args: Args) -> int:
    """Prints a line for each place in each image and container."""
    given = [kind for kind in _KINDS if args.on(kind)]
    if len(given) > 1:
        raise InvalidInput(f"--{given[0]} and --{given[1]} contradict each other")
    found = session.engine.who(args.operands[0], "".join(given), warnings)
    if args.on("json"):
        from lamina.cli.as_json import dumps

        print(dumps(found))
        return 0 if found.found else 1
    _warn(found)
    rows = list(_rows(found, whole=args.on("no-trunc") or args.text("format") == "json"))
    if args.on("visible"):
        rows = [row for row in rows if row["State"] == "visible"]
    if args.on("quiet"):
        for name in dict.fromkeys(row["Holder"] for row in rows if row["Kind"] != "layer"):
            print(name)
    elif rows or args.text("format"):
        print(listing(rows, HEADINGS, _FORM, args.text("format")), end="")
    if not rows:
        print(f"nothing in the store holds {shown(args.operands[0])}", file=sys.stderr)
    return 0 if rows else 1


def _rows(found: Who, *, whole: bool) -> Iterator[dict[str, str]]:
    places = {(place.diff_id, place.path, place.package, place.version): place for place in found.places}
    several = Counter([image.names[:1] for image in found.images])
    for image in found.images:
        name = image.names[0] if image.names else units.short_id(image.image_id)
        if image.names and several[image.names[:1]] > 1:  # parts of an index
            name += f" ({image.platform})"
        for seen in image.seen:
            yield _row(name, "image", image.image_id, seen, _place(places, seen), whole=whole)
        if not image.seen:  # its own digest was asked for
            yield (
                dict.fromkeys(HEADINGS, "")
                | {"Holder": name, "Kind": "image", "ID": image.image_id}
                | _ITSELF
            )
    for held in found.containers:
        for seen in held.seen:
            yield _row(
                f"container {held.name}", "container", held.id, seen, _place(places, seen), whole=whole
            )
    for place in found.places:
        if not place.images:
            yield _alone(place, whole=whole)


_ITSELF = {"What": "the image itself", "State": "visible"}


def _place(places: dict[tuple[str, str, str, str], Place], seen: Seen) -> Place | None:
    return places.get((seen.diff_id, seen.path, seen.package, seen.version))


def _row(
    holder: str, kind: str, name: str, seen: Seen, place: Place | None, *, whole: bool
) -> dict[str, str]:
    state = seen.state if not seen.by else f"{seen.state} by layer {seen.by}"
    return {
        "Holder": holder,
        "Kind": kind,
        "ID": name if whole else units.short_id(name),
        "Layer": f"#{seen.number}" if seen.diff_id else "writable",
        "DiffID": seen.diff_id,
        "What": f"{seen.package} {seen.version}"
        if seen.package
        else shown(seen.path)
        if seen.path
        else "layer",
        "Path": shown(seen.path) if seen.path else "",
        "Package": seen.package,
        "Version": seen.version,
        "State": state,
    } | _of(place, whole=whole)


def _alone(place: Place, *, whole: bool) -> dict[str, str]:
    """A layer that no image has."""
    what = (
        f"{place.package} {place.version}" if place.package else shown(place.path) if place.path else "layer"
    )
    return {
        "Holder": "(no image)",
        "Kind": "layer",
        "ID": place.diff_id if whole else units.short_id(place.diff_id),
        "Layer": units.short_id(place.diff_id),
        "DiffID": place.diff_id,
        "What": what,
        "Path": shown(place.path) if place.path else "",
        "Package": place.package,
        "Version": place.version,
        "State": "in the build cache",
    } | _of(place, whole=whole)


def _of(place: Place | None, *, whole: bool) -> dict[str, str]:
    if place is None:
        return {"Size": "", "Digest": "", "Instruction": "", "Where": ""}
    where = f"{place.dockerfile}:{place.line}" if place.line else ""
    return {
        "Size": units.human_size(place.size),
        "Digest": place.digest,
        "Instruction": place.created_by if whole else units.ellipsis(place.created_by, _INSTRUCTION),
        "Where": where,
    }


def _warn(found: Who) -> None:
    if found.unread:
        text = f"the packages of {len(found.unread)} layers are not known: their files are not in the store"
        print(f"[Warning] {text} (`lamina fetch IMAGE` brings them)", file=sys.stderr)
