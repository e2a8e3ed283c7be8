"""lamina blame: which layers wrote or deleted a path; of a folder, which layer each file is of."""

from __future__ import annotations

import sys
from itertools import chain, groupby
from typing import TYPE_CHECKING

from lamina.cli import units
from lamina.cli.escaping import escaped
from lamina.cli.longtable import longtable
from lamina.cli.streams import warnings
from lamina.errors import InvalidInput
from lamina.fs.failures import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.insight.blame import Blame
    from lamina.insight.deeds import Deed
    from lamina.insight.textblame import BlamedLine

_INSTRUCTION, _SHORT = 60, 40  # characters shown
_WHOLE = ("LAYER", "WHAT", "CHANGED", "SIZE", "WHERE", "INSTRUCTION")


def configure(command: Command) -> None:
    """Flags of `lamina blame`."""
    command.takes("IMAGE [PATH...]", 1, None)
    command.switch("deleted", "Also list what was in a folder and is there no more", "a")
    command.option("depth", "int", "Go so many levels down; 0 is the folder itself, 1 what lies in it")
    command.switch("directory", "Ask about folders themselves, not about what is in them", "d")
    command.switch("folders", "List the folders in a folder, too")
    command.switch("json", "Print all that is known as JSON")
    command.switch("lines", "Show which layer each line of a text file is of, as git blame does", "l")
    command.switch("no-trunc", "Don't truncate output")
    command.switch("package", "Show which package owns each path (Debian, Alpine, RPM, Python, Node)", "p")
    command.option("platform", "string", "Ask about the image for this platform (os/architecture[/variant])")
    command.details = (
        "Of a file, a link or a path that is gone: every layer that wrote or deleted it, the oldest first. "
        "Of a folder: one line for each file in it and below, with the layer that it is of. Links on the way "
        "to a path are followed; a link itself is shown, and then what it leads to. Without a PATH it is all "
        "of the image; `IMAGE:/PATH` will do, too."
    )


def run(session: Session, args: Args) -> int:
    """Prints a table for each file, and one for each folder."""
    from lamina.insight.blame import Wanted  # --help does without

    image, *paths = args.operands
    image, mark, path = image.partition(":/")
    if mark or not paths:
        paths.insert(0, mark[1:] + path or "/")
    if args.on("lines"):
        return _lines(session, args, image, paths)
    depth = 0 if args.on("directory") else _depth(args)
    found = session.engine.blame(
        image,
        paths,
        warnings,
        wanted=Wanted(depth, args.on("deleted"), args.on("folders")),
        packages=args.on("package"),
        platform=args.text("platform"),
    )
    for part in _json(found) if args.on("json") else _text(found, args):
        sys.stdout.write(part)
    return 0


def _lines(session: Session, args: Args, image: str, paths: list[str]) -> int:
    """One file, line by line: layer, instruction, number and text."""
    if len(paths) != 1:
        raise InvalidInput("--lines is about one file", hint="lamina blame --lines IMAGE PATH")
    found = session.engine.blame_lines(image, paths[0], platform=args.text("platform"))
    if args.on("json"):
        from lamina.cli.as_json import dumps

        print(dumps(found))
        return 0
    width = len(str(len(found)))
    cells = [_source(each, args.on("no-trunc")) for each in found]
    widths = [max((len(row[column]) for row in cells), default=0) for column in range(3)]
    for each, row in zip(found, cells, strict=True):
        known = "  ".join(cell.ljust(wide) for cell, wide in zip(row, widths, strict=True) if wide)
        text = shown(each.text.expandtabs()) if each.text else ""
        print(f"{known}  {each.number:>{width}}) {text}".rstrip())
    return 0


def _source(line: BlamedLine, whole: bool) -> tuple[str, str, str]:
    """Layer, place and instruction that a line is of."""
    text = escaped(line.created_by)
    return f"#{line.layer}", line.base or _line_of(line), text if whole else units.ellipsis(text, _SHORT)


def _json(found: Iterable[Blame]) -> Iterator[str]:
    from lamina.cli.as_json import array  # the table does without

    return array(found)


def _depth(args: Args) -> int | None:
    text = args.text("depth")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise InvalidInput(f"invalid --depth: {text!r}", hint="write a number of levels, from 0")
    return int(text)


def _text(found: Iterable[Blame], args: Args) -> Iterator[str]:
    """The tables; what is of one folder comes together."""
    whole, packages = args.on("no-trunc"), args.on("package")
    first = True
    for folder, group in groupby(found, key=lambda each: each.folder):
        if folder:
            yield from [] if first else ["\n"]
            yield from longtable(
                chain([_headings(packages)], (_line(each, whole, packages) for each in group))
            )
            first = False
            continue
        for each in group:
            yield from [] if first else ["\n"]
            yield _title(each, packages) + "\n"
            yield from longtable([_WHOLE, *(_deed(deed, whole) for deed in each.deeds)])
            first = False


def _headings(packages: bool) -> list[str]:
    return ["LAYER", "WHERE", "INSTRUCTION", "SIZE", *(["PACKAGE"] if packages else []), "PATH"]


def _line(blame: Blame, whole: bool, packages: bool) -> list[str]:
    """One file of a folder."""
    deed = blame.deeds[-1]
    owner = [_owner(blame)] if packages else []
    path = shown(blame.path)
    if deed.kind == "link":
        path += f" -> {shown(deed.link)}"
    elif deed.what == "deleted":
        path += " (deleted)"
    elif deed.kind == "folder":
        path += "/"
    size = units.human_size(deed.size) if deed.kind == "file" else ""
    return [f"#{deed.layer}", _where(deed), _instruction(deed, whole, _SHORT), size, *owner, path]


def _deed(deed: Deed, whole: bool) -> list[str]:
    size = units.human_size(deed.size) if deed.kind == "file" else deed.kind
    changed = ", ".join(map(shown, deed.how))
    return [f"#{deed.layer}", deed.what, changed, size, _where(deed), _instruction(deed, whole, _INSTRUCTION)]


def _title(blame: Blame, packages: bool) -> str:
    """The path, and what else there is to say of it."""
    last = blame.deeds[-1]
    text = shown(blame.path)
    if last.kind == "link":
        text += f" -> {shown(last.link)}"
    if blame.asked:
        text += f" (asked for as {shown(blame.asked)})"
    if last.kind == "link" and not blame.target:
        text += " (leads nowhere)"
    return f"{text}  {_owner(blame)}".rstrip() if packages else text


def _owner(blame: Blame) -> str:
    return escaped(f"{blame.package} ({blame.manager})") if blame.package else ""


def _where(deed: Deed) -> str:
    """The line of a layer that is the image's own, else the base image that brought it."""
    return deed.base or _line_of(deed)


def _line_of(deed: Deed | BlamedLine) -> str:
    return escaped(f"{deed.dockerfile}:{deed.line}") if deed.line else ""


def _instruction(deed: Deed, whole: bool, width: int) -> str:
    text = escaped(deed.created_by)
    return text if whole else units.ellipsis(text, width)
