"""What the script of the page works with, in a compact form: columns instead of objects."""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING, NamedTuple

from lamina.insight.report.words import instruction, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamina.insight.report.files import File, Files
    from lamina.insight.report.report import Report, ReportLayer

_LONG = 140  # characters of an instruction that the map shows; the table of layers has all
COLOURS = 8  # that eyes of all kinds can tell apart; the other layers are grey


class BigFile(NamedTuple):
    """One of the biggest files."""

    path: str
    folder: int  # its place among the folders
    place: int  # among all files
    file: File


def colours(layers: Sequence[ReportLayer]) -> list[int]:
    """For each layer its colour: 1 to 8 for the biggest, from the bottom, 0 for the others."""
    most = nlargest(COLOURS, [layer for layer in layers if layer.size], key=lambda layer: layer.size)
    chosen = sorted(layer.number for layer in most)
    return [chosen.index(layer.number) + 1 if layer.number in chosen else 0 for layer in layers]


def biggest(files: Files, count: int) -> list[BigFile]:
    """The biggest files, also of those that are gone; of equal ones the first in the order of folders."""
    every = enumerate(_every(files))
    found = nlargest(count, [each for each in every if each[1][1].size], key=lambda each: each[1][1].size)
    return [BigFile(_path(files, at, file.name), at, place, file) for place, (at, file) in found]


def _path(files: Files, folder: int, name: str) -> str:
    parts = [name]
    while folder > 0:
        parts.append(files.folders[folder].name)
        folder = files.folders[folder].parent
    return "/" + "/".join(reversed(parts))


def packed(report: Report) -> dict[str, object]:
    """The layers, folders and files of a report, as model.js reads them."""
    folders = report.files.folders
    files = [file for _, file in _every(report.files)]
    gone = [(place, file.gone) for place, file in enumerate(files) if file.gone]
    return {
        "name": shown(report.name),
        "layers": [
            [_begun(instruction(layer.created_by)), layer.base, layer.line, colour]
            for layer, colour in zip(report.layers, colours(report.layers), strict=True)
        ],
        "parents": [folder.parent for folder in folders],
        "folders": [shown(folder.name) for folder in folders],
        "counts": [len(folder.files) for folder in folders],
        "names": [shown(file.name) for file in files],
        "sizes": [file.size for file in files],
        "owners": [file.layer for file in files],
        "gone": [number for pair in gone for number in pair],
        "rests": [
            [place, rest.layer, int(rest.is_seen), rest.files, rest.size]
            for place, folder in enumerate(folders)
            for rest in folder.rest
        ],
    }


def _begun(text: str) -> str:
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"


def _every(files: Files) -> Iterator[tuple[int, File]]:
    """All files that have names, each with the place of its folder."""
    for place, folder in enumerate(files.folders):
        for file in folder.files:
            yield place, file
