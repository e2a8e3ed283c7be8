"""lamina grep: the lines of an image's files that match a pattern, without a container."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from lamina.cli import image_paths
from lamina.cli.as_json import Array
from lamina.cli.escaping import escaped
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.engine.files import ImagePath
    from lamina.insight.files.grep import GrepFile, GrepLine, GrepQuery

_SYNTAXES = {
    "extended-regexp": "extended",
    "fixed-strings": "fixed",
    "perl-regexp": "perl",
    "basic-regexp": "basic",
}


def configure(command: Command) -> None:
    """Flags of `lamina grep`."""
    command.takes("[PATTERN] IMAGE[:PATH] [[IMAGE:]PATH...]", 1, None)
    image_paths.add(command)
    command.switch("basic-regexp", "PATTERN is a basic regular expression (the default)", "G")
    command.switch("binary-files-skipped", "Take no notice of binary files", "I")
    command.switch("count", "Only print how many lines of each file match", "c")
    command.option("exclude", "pattern", "Leave out files whose name matches a shell pattern", many=True)
    command.switch("extended-regexp", "PATTERN is an extended regular expression", "E")
    command.switch("files-with-matches", "Only print the names of files with a match", "l")
    command.switch("files-without-match", "Only print the names of files without a match", "L")
    command.switch("fixed-strings", "PATTERN is a text", "F")
    command.switch("ignore-case", "Lower and upper case are the same", "i")
    command.option("include", "pattern", "Only search files whose name matches a shell pattern", many=True)
    command.switch("invert-match", "Select the lines that do not match", "v")
    command.switch("json", "Print the lines, or with -l, -L or -c the files, as JSON")
    command.switch("line-number", "Print the number of each line", "n")
    command.switch("line-regexp", "Only whole lines match", "x")
    command.option("max-count", "int", "Stop after so many matching lines of a file", "m")
    command.switch("no-filename", "Print no names of files", "h")
    command.switch("null", "Print a NUL byte after each name, and escape nothing in it", "0")
    command.switch("only-matching", "Only print the parts of lines that match", "o")
    command.switch("perl-regexp", "PATTERN is a regular expression of Python", "P")
    command.switch("quiet", "Print nothing; the exit code says whether there is a match", "q")
    command.switch("recursive", "Search folders; it does so without being told", "r")
    command.option("regexp", "pattern", "A pattern; may be given several times", "e", many=True)
    command.switch("text", "Search binary files as if they were text", "a")
    command.switch("with-filename", "Print the name of the file also for a single one", "H")
    command.switch("word-regexp", "Only whole words match", "w")
    command.details = "The exit code is 0 if a line matched, 1 if none did, 2 after an error."


def run(session: Session, args: Args) -> int:
    """Prints the lines as they are found."""
    patterns, targets = list(args.texts("regexp")), list(args.operands)
    if not patterns:
        patterns.append(targets.pop(0))
    if not targets:
        raise InvalidInput("grep: in which image?", hint="lamina grep PATTERN IMAGE[:PATH]")
    query = _query(args, patterns)
    places = image_paths.places(args, targets)
    printer = _Printer(args, several=len(places) > 1)
    engine = session.engine
    found = False
    for place in places:
        printer.one_file = place.path != "/" and not _is_folder(session, place)
        done = engine.files.grep(query, place, printer)
        found = found or done.matching > 0
        printer.found = found
    printer.finish()
    return 0 if (printer.listed if args.on("files-without-match") else found) else 1


def _is_folder(session: Session, place: ImagePath) -> bool:
    return next(session.engine.files.ls(place)).folder is not None


def _query(args: Args, patterns: Sequence[str]) -> GrepQuery:
    from lamina.insight.files.grep import GrepQuery

    most = args.text("max-count", "0")
    if not most.isdecimal():
        raise InvalidInput(f"grep: invalid max count: {most!r}")
    named = [syntax for flag, syntax in _SYNTAXES.items() if args.on(flag)]
    if len(named) > 1:
        raise InvalidInput("grep: conflicting matchers specified", hint="one of -E, -F, -G, -P")
    only_names = args.given_any("files-with-matches files-without-match quiet")
    return GrepQuery(
        tuple(patterns),
        named[0] if named else "basic",
        ignore_case=args.on("ignore-case"),
        invert=args.on("invert-match"),
        word=args.on("word-regexp"),
        line=args.on("line-regexp"),
        most=1 if only_names else int(most),
        include=tuple(args.texts("include")),
        exclude=tuple(args.texts("exclude")),
        text=args.on("text"),
        places=args.given_any("only-matching json"),
    )


class _Printer:
    """Prints what a search tells of, as the flags say; called with each line and file."""

    def __init__(self, args: Args, *, several: bool) -> None:
        self.one_file = False
        self.found = False
        self.listed = False
        self._args = args
        self._several = several
        self._json = Array()
        self._is_terminal = sys.stdout.isatty()
        self._files_only = args.given_any("files-with-matches files-without-match count")

    def __call__(self, told: GrepLine | GrepFile) -> None:
        from lamina.insight.files.grep import GrepFile

        if self._args.on("quiet"):
            return
        if isinstance(told, GrepFile):
            self._file(told)
        elif not self._files_only:
            self._line(told)

    def finish(self) -> None:
        """Ends what was printed."""
        if self._args.on("json") and not self._args.on("quiet"):
            sys.stdout.write(self._json.end())
        sys.stdout.flush()

    def _file(self, told: GrepFile) -> None:
        args = self._args
        if args.on("files-with-matches") or args.on("files-without-match"):
            if (told.hits > 0) is args.on("files-with-matches"):
                self.listed = True
                self._object(told) if args.on("json") else self._write(told.path, None, "")
        elif args.on("count"):
            self._object(told) if args.on("json") else self._write(told.path, ":", str(told.hits))
        elif told.binary and told.hits and not args.on("binary-files-skipped"):
            if args.on("json"):
                self._object(told)
            else:
                print(f"Binary file {image_paths.name(told.path)} matches")

    def _line(self, told: GrepLine) -> None:
        args = self._args
        if args.on("json"):
            self._object(told)
            return
        texts = [told.text]
        if args.on("only-matching"):
            texts = [told.text[start:end] for start, end in told.matched if start < end]
        number = f"{told.number}:" if args.on("line-number") else ""
        for text in texts:
            self._write(told.path, ":", number + (escaped(text) if self._is_terminal else text))

    def _write(self, path: str, mark: str | None, text: str) -> None:
        """A line with the name of its file before it; what follows the name is `mark`."""
        null = self._args.on("null")
        name = path if null else image_paths.name(path)
        if null:
            lead = name + "\0"
            end = "" if mark is None else "\n"
        else:
            lead = name + (mark or "")
            end = "\n"
        if mark is not None and not self._named():
            lead = ""
        sys.stdout.flush()
        sys.stdout.buffer.write(os.fsencode(lead + text + end))

    def _named(self) -> bool:
        if self._args.on("no-filename"):
            return False
        return self._several or not self.one_file or self._args.on("with-filename")

    def _object(self, told: GrepLine | GrepFile) -> None:
        sys.stdout.write(self._json.put(told))
