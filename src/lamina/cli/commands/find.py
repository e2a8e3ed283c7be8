"""lamina find: the files of an image that an expression of find(1) is true for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli import image_paths
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.engine.files import ImagePath
    from lamina.insight.files.find import FindHit
    from lamina.insight.files.merged import ImageFile

_LATE = ("--json", "--layer", "--platform")


def configure(command: Command) -> None:
    """Flags and words of `lamina find`."""
    command.takes("IMAGE[:PATH] [PATH...] [EXPRESSION]", 1, None)
    image_paths.add(command)
    command.interspersed = False
    command.switch("json", "Print what is known of each file as JSON")
    command.switch("null", "End each name with a NUL byte, and escape nothing (as -print0)", "0")
    command.details = (
        "Words of EXPRESSION are those of find(1): -name -iname -path -ipath -lname -ilname -type -size "
        "-empty -perm -user -group -uid -gid -nouser -nogroup -newer PATH -newermt TIME -mtime -mmin "
        "-samefile -maxdepth -mindepth -prune -quit -true -false -print -print0 -ls -printf, joined by "
        "-a -o ! ( ) and a comma.\nLamina's own: -layer N or A..B (the layer that wrote it last), -setuid, "
        "-setgid, -sticky, -capable (has file capabilities), -xattr NAME, -digest SHA256. Folders come "
        "before what is in them; -newermt is UTC. Without -print0, what a terminal would not show is escaped."
    )


def run(session: Session, args: Args) -> int:
    """Prints each path as soon as it is found."""
    image, *words = _lifted(args)
    paths, words = _split(words)
    places = _places(args, image, paths)
    hits = _hits(session, places, words)
    if args.on("json"):
        from lamina.cli.as_json import print_array

        print_array(hit.file for hit in hits)
        return 0
    printers = _printers(session, places[0], null=args.on("null"))
    for hit in hits:
        printers(hit.act.what)(hit)
    return 0


def _lifted(args: Args) -> list[str]:
    """The operands without Lamina's own flags among them: no word of find begins so."""
    from lamina.cli.flags import Flag

    words, rest = [], list(args.operands)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name not in _LATE:
            words.append(word)
            continue
        if name != "--json" and not equals and not rest:
            raise InvalidInput(f"flag needs an argument: {name}")
        value = "true" if name == "--json" else value if equals else rest.pop(0)
        args.add(Flag(name[2:], "", "", ""), value)
    if not words:
        raise InvalidInput("find: which image?", hint="lamina find IMAGE [PATH...] [EXPRESSION]")
    return words


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Paths, and the expression, which begins with `-`, `(` or `!`."""
    for at, word in enumerate(words):
        if word.startswith("-") or word in ("(", ")", "!", ","):
            return list(words[:at]), list(words[at:])
    return list(words), []


def _places(args: Args, image: str, paths: Sequence[str]) -> list[ImagePath]:
    place = image_paths.place(args, image)
    named = [place] if ":/" in image or not paths else []
    return [*named, *[place._replace(path=path) for path in paths]]


def _hits(session: Session, places: Sequence[ImagePath], words: Sequence[str]) -> Iterator[FindHit]:
    for place in places:
        yield from session.engine.files.find(place, words, follow=place.path.endswith("/"))


def _printers(
    session: Session, place: ImagePath, *, null: bool
) -> Callable[[str], Callable[[FindHit], None]]:
    """What prints a hit, by the word of its action."""
    known: dict[str, Callable[[FindHit], None]] = {}

    def names() -> image_paths.Names:
        return image_paths.Names(session.engine.files.owners(place))

    def printer(what: str) -> Callable[[FindHit], None]:
        if what not in known:
            if what == "ls":
                known[what] = _ls(names())
            elif what == "printf":
                from lamina.cli.find_format import printf

                known[what] = printf(names())
            else:
                known[what] = _print0 if null or what == "print0" else _print
        return known[what]

    return printer


def _print(hit: FindHit) -> None:
    print(image_paths.name(hit.file.path))


def _print0(hit: FindHit) -> None:
    image_paths.write_names([hit.file.path])


def _ls(names: image_paths.Names) -> Callable[[FindHit], None]:
    def print_line(hit: FindHit) -> None:
        print(_line(hit.file, names))

    return print_line


def _line(file: ImageFile, names: image_paths.Names) -> str:
    owner = f"{names.user(file.uid):<8} {names.group(file.gid):<8}"
    columns = f"{image_paths.mode(file)} {owner} {image_paths.size(file):>9}"
    return f"{columns} {image_paths.moment(file.mtime)} #{file.layer:<3} {image_paths.label(file)}"
