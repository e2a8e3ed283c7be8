"""grep: the lines of an image's files that match a pattern; read piece by piece, whatever their size."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.db.files import absolute
from lamina.errors import InvalidInput
from lamina.insight.files.glob import shell_pattern
from lamina.insight.files.posix import translate
from lamina.layers.absent import absent, bring
from lamina.tree.entry import FILES, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.insight.files.merged import Found, Merged
    from lamina.layers.context import Layers

_PIECE = 1 << 18  # bytes read at once
_LONGEST = 8 << 20  # bytes of a line; what is longer is searched in parts of this size
_LONGEST_PLACED = 1 << 20  # the same where each match in it is told: there may be as many as bytes


class GrepQuery(NamedTuple):
    """What to look for; the fields are the flags of grep(1)."""

    patterns: tuple[str, ...]
    syntax: str = "basic"  # basic, extended, fixed, perl (Python's own)
    ignore_case: bool = False
    invert: bool = False
    word: bool = False
    line: bool = False  # only whole lines match
    most: int = 0  # matching lines of each file; 0 for all
    include: tuple[str, ...] = ()  # shell patterns for names of files
    exclude: tuple[str, ...] = ()
    text: bool = False  # take binary files for text
    places: bool = True  # tell where in its line each match is


class GrepLine(NamedTuple):
    """One line that matches."""

    path: str  # absolute, by os.fsdecode
    layer: int  # whose file it is, from 1, the bottom
    number: int  # of the line, from 1
    text: str  # without its newline; what is not UTF-8 as by os.fsdecode
    matched: tuple[tuple[int, int], ...]  # where in the text; () where inverted, or without `places`


class GrepFile(NamedTuple):
    """A file that was searched, told after its lines; of a binary one no line is told."""

    path: str
    layer: int
    hits: int  # lines that match
    binary: bool


class GrepSummary(NamedTuple):
    """What a search looked at."""

    files: int
    matching: int  # files with a match
    lines: int
    binary: int  # binary files with a match


def pattern_of(query: GrepQuery) -> re.Pattern[str]:
    """All patterns as one; each line of a pattern is one of its own, as in grep. InvalidInput."""
    parts = [part for pattern in query.patterns for part in pattern.split("\n")]
    text = "|".join([_one(part, query.syntax) for part in parts])
    if query.line:
        text = rf"^(?:{text})$"
    elif query.word:
        text = rf"(?<!\w)(?:{text})(?!\w)"
    flags = re.MULTILINE | (re.IGNORECASE if query.ignore_case else 0)
    try:
        return re.compile(text, flags)
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidInput(f"grep: invalid pattern: {error}") from None


def _one(part: str, syntax: str) -> str:
    if syntax == "fixed":
        return re.escape(part)
    if syntax == "perl":
        return f"(?:{part})"
    return f"(?:{translate(part, extended=syntax == 'extended')})"


def grep(
    ctx: Layers, merged: Merged, path: bytes, query: GrepQuery, tell: Callable[[GrepLine | GrepFile], object]
) -> GrepSummary:
    """Searches the file at `path`, or all files below the folder; links below it are not followed.

    NotFound, InvalidInput; errors as of layers.absent.bring for layers that are elsewhere.
    """
    pattern = pattern_of(query)
    start = merged.need(path)
    wanted = _wanted(query)
    _bring(ctx, merged, start, wanted)
    files = matching = lines = binary = 0
    for found in _files(merged, start, wanted):
        done = _search(ctx, merged, found, pattern, query, tell)
        tell(done)
        files += 1
        matching += done.hits > 0
        lines += 0 if done.binary else done.hits
        binary += done.binary and done.hits > 0
    return GrepSummary(files, matching, lines, binary)


def _wanted(query: GrepQuery) -> Callable[[bytes], bool]:
    include = [shell_pattern(each).fullmatch for each in query.include]
    exclude = [shell_pattern(each).fullmatch for each in query.exclude]

    def fits(path: bytes) -> bool:
        name = os.fsdecode(path.rpartition(b"/")[2])
        return (not include or any(each(name) for each in include)) and not any(
            each(name) for each in exclude
        )

    return fits


def _files(merged: Merged, start: Found, wanted: Callable[[bytes], bool]) -> Iterator[Found]:
    if start.entry.kind is not Kind.DIR:
        if start.entry.kind not in FILES:
            raise InvalidInput(f"grep: /{os.fsdecode(start.entry.path)} is no file and no folder")
        yield start
        return
    for found in merged.walk(start.entry.path):
        if found.entry.kind in FILES and wanted(found.entry.path):
            yield found


def _bring(ctx: Layers, merged: Merged, start: Found, wanted: Callable[[bytes], bool]) -> None:
    """Those layers that are elsewhere and have some of the files, all at once."""
    missing = absent(ctx, merged.diff_ids)
    if missing:
        having = {merged.diff_ids[found.layer - 1] for found in _files(merged, start, wanted)}
        bring(ctx, [diff_id for diff_id in missing if diff_id in having])


def _search(
    ctx: Layers,
    merged: Merged,
    found: Found,
    pattern: re.Pattern[str],
    query: GrepQuery,
    tell: Callable[[GrepLine], object],
) -> GrepFile:
    """One file. It is binary from the first piece on that has a NUL, which then ends a line, too."""
    path, layer = absolute(found.entry.path), found.layer
    places = query.places and not query.invert
    count, number, binary = 0, 1, False
    with ctx.open_file(merged.diff_ids[layer - 1], found.entry.path) as file:
        for piece in _pieces(file, _LONGEST_PLACED if places else _LONGEST):
            if binary or (not query.text and "\0" in piece):
                binary, piece = True, piece.replace("\0", "\n")
            if query.invert or query.syntax == "perl" or pattern.search(piece):
                for at, line in _matching(piece, pattern, query):
                    count += 1
                    if not binary:
                        spots = tuple([each.span() for each in pattern.finditer(line)]) if places else ()
                        tell(GrepLine(path, layer, number + at, line, spots))
                    if count == query.most:
                        return GrepFile(path, layer, count, binary)
            number += piece.count("\n")
    return GrepFile(path, layer, count, binary)


def _matching(piece: str, pattern: re.Pattern[str], query: GrepQuery) -> Iterator[tuple[int, str]]:
    """The lines of a piece that are wanted, each with its place in it, from 0."""
    lines = piece.split("\n")
    if not lines[-1]:
        lines.pop()
    for at, line in enumerate(lines):
        if (pattern.search(line) is None) is query.invert:
            yield at, line


def _pieces(file: BinaryIO, longest: int) -> Iterator[str]:
    """The content in pieces that end with a line; a line that is too long is cut."""
    for piece in _raw_pieces(file, longest):
        yield piece.decode("utf-8", "surrogateescape")


def _raw_pieces(file: BinaryIO, longest: int) -> Iterator[bytes]:
    rest = b""
    while data := file.read(_PIECE):
        end = data.rfind(b"\n") + 1
        if end:
            yield rest + data[:end]
            rest = data[end:]
        else:
            rest += data
        if len(rest) > longest:
            yield rest
            rest = b""
    if rest:
        yield rest
