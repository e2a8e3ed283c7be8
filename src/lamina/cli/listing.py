"""Lists of things: Docker's tables, and --format for each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_LEAST, _GAP = 10, 3  # a column's least width, and the blanks after its longest cell


def table(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells as aligned text; the last cell of a line is not padded."""
    lines = [[cell if cell.isprintable() else _shown(cell) for cell in line] for line in lines]
    widths: list[int] = []
    for line in lines:
        for column, cell in enumerate(line[:-1]):
            if column == len(widths):
                widths.append(_LEAST)
            widths[column] = max(widths[column], len(cell) + _GAP)
    return "".join(
        "".join(
            [cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=False)] + [*line[-1:], "\n"]
        )
        for line in lines
    )


def _shown(cell: str) -> str:
    """A cell without what would draw on a terminal: it may come from anybody's image."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in cell)


def listing(
    rows: Iterable[Mapping[str, str]],
    headings: Mapping[str, str],
    default: str,
    form: str = "",
    *,
    quiet: str = "",
) -> str:
    """What a list command prints.

    `headings` maps the fields of the rows to column titles; `default` is the template of the plain table;
    `form` is the user's --format; `quiet` is the template of -q where that was given.
    """
    if quiet and not form:
        return _plain(rows, quiet)
    form = form or "table"
    if form == "table" or form.startswith("table "):
        template = form.removeprefix("table").strip() or default
        return _table(rows, headings, template)
    return _plain(rows, "{{json .}}" if form == "json" else form)


def _plain(rows: Iterable[Mapping[str, str]], form: str) -> str:
    from lamina.cli.template import Template  # a plain table of a fixed form does without

    template = Template(_unescape(form))
    return "".join(template.execute(dict(sorted(row.items()))) + "\n" for row in rows)


def _table(rows: Iterable[Mapping[str, str]], headings: Mapping[str, str], form: str) -> str:
    from lamina.cli.template import Template  # see _plain

    template = Template(_unescape(form))
    lines = [template.execute(dict(headings)).split("\t")]
    lines += [template.execute(dict(row)).split("\t") for row in rows]
    return table(lines)


def _unescape(form: str) -> str:
    return form.replace("\\t", "\t").replace("\\n", "\n")
