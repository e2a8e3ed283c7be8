"""lamina ls: what the folders of an image hold, without a container."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from lamina.cli import image_paths, units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.engine.files import ImagePath
    from lamina.insight.files.listing import Listing
    from lamina.insight.files.merged import ImageFile


def configure(command: Command) -> None:
    """Flags of `lamina ls`."""
    command.takes("IMAGE[:PATH] [[IMAGE:]PATH...]", 1, None)
    image_paths.add(command)
    command.switch("all", "Also list names that begin with a dot", "a")
    command.switch("directory", "List folders themselves, not what is in them", "d")
    command.switch("human-readable", "With -l, print sizes like 1.2MB", "h")
    command.switch("json", "Print what is known of each file as JSON")
    command.switch("one", "One name a line; it does so without being told", "1")
    command.switch("long", "Mode, owner, size, time, and the layer that wrote each file last", "l")
    command.switch("null", "End each name with a NUL byte, and escape nothing; names are whole paths", "0")
    command.switch("numeric-uid-gid", "With -l, print owners as numbers", "n")
    command.switch("recursive", "List the folders below, too", "R")
    command.details = "Times are in UTC. With -l the column before the name is the number of the layer."


def run(session: Session, args: Args) -> int:
    """Prints the names, or the lines, folder by folder."""
    is_long = args.given_any("long numeric-uid-gid")
    places = image_paths.places(args, args.operands)
    found = chain.from_iterable(_listings(session, args, place, is_long=is_long) for place in places)
    if args.on("json"):
        from lamina.cli.as_json import print_array

        print_array(found)
        return 0
    names = image_paths.Names(None)
    if is_long and not args.on("numeric-uid-gid"):
        names = image_paths.Names(session.engine.files.owners(places[0]))
    titled = args.on("recursive") or len(places) > 1
    first = True
    for listing in found:
        _print(listing, args, names, titled=titled, first=first, is_long=is_long)
        first = False
    return 0


def _listings(session: Session, args: Args, place: ImagePath, *, is_long: bool) -> Iterator[Listing]:
    itself = args.on("directory")
    follow = not (itself or is_long) or place.path.endswith("/")
    for listing in session.engine.files.ls(
        place, recursive=args.on("recursive"), itself=itself, follow=follow
    ):
        if listing.folder is None or args.on("all"):
            yield listing
        else:
            yield listing._replace(files=tuple([each for each in listing.files if not _is_hidden(each)]))


def _is_hidden(file: ImageFile) -> bool:
    return file.path.rpartition("/")[2].startswith(".")


def _print(
    listing: Listing, args: Args, names: image_paths.Names, *, titled: bool, first: bool, is_long: bool
) -> None:
    if args.on("null"):
        image_paths.write_names(file.path for file in listing.files)
        return
    folder = listing.folder
    if titled and folder is not None:
        print(("" if first else "\n") + image_paths.name(folder.path) + ":")
    shown = [file.path if folder is None else file.path.rpartition("/")[2] for file in listing.files]
    if not is_long:
        print("".join(image_paths.name(name) + "\n" for name in shown), end="")
        return
    human = args.on("human-readable")
    lines = [_cells(file, name, names, human=human) for file, name in zip(listing.files, shown, strict=True)]
    _print_columns(lines)


def _cells(file: ImageFile, name: str, names: image_paths.Names, *, human: bool) -> tuple[str, ...]:
    is_device = file.type in ("c", "b")
    return (
        image_paths.mode(file),
        names.user(file.uid),
        names.group(file.gid),
        units.human_size(file.size) if human and not is_device else image_paths.size(file),
        image_paths.moment(file.mtime),
        f"#{file.layer}",
        image_paths.label(file, name),
    )


def _print_columns(lines: Sequence[Sequence[str]]) -> None:
    """As ls -l has them: sizes and layers to the right, one blank between."""
    if not lines:
        return
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    for mode, user, group, size, moment, layer, name in lines:
        print(
            mode,
            user.ljust(widths[1]),
            group.ljust(widths[2]),
            size.rjust(widths[3]),
            moment,
            layer.rjust(widths[5]),
            name,
        )
