"""lamina sql: a SELECT on the views of docs/database.md, as a table, JSON or CSV."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING

from lamina.cli.streams import warnings
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.db.usersql import Answer, Value

_BLOCK = 1000  # rows of a table that are laid out together
_GAP = 3


def configure(command: Command) -> None:
    """Flags of `lamina sql`."""
    command.takes("[QUERY]", 0, 1)
    command.switch("csv", "Print comma-separated values, the names of the columns first")
    command.switch("json", "Print a JSON array with an object for each row")
    command.switch("no-heading", "Leave out the names of the columns")
    command.switch("schema", "List the views and their columns")
    command.option("limit", "int", "Print so many rows at most")
    command.option("timeout", "float", "Stop after so many seconds")
    command.option("value", "string", "What takes the place of the next ? of the query", many=True)
    command.details = (
        "The query, or STDIN where it is -, may read views of images, layers, files, packages, cache and "
        "builds; docs/database.md describes them. Nothing else can be read, and nothing be changed."
    )


def run(session: Session, args: Args) -> int:
    """Prints the rows as they come."""
    if args.on("csv") and args.on("json"):
        raise InvalidInput("--csv and --json contradict each other")
    if args.on("schema"):
        return _schema(session)
    if not args.operands:
        raise InvalidInput(
            "no query", hint='lamina sql "SELECT name, size FROM images"; --schema lists the views'
        )
    text = sys.stdin.read() if args.operands[0] == "-" else args.operands[0]
    answer = session.engine.sql(text, args.texts("value"), warnings, seconds=_number(args, "timeout"))
    rows = islice(answer.rows, int(_number(args, "limit"))) if args.given("limit") else answer.rows
    answer = answer._replace(rows=rows)
    if args.on("json"):
        _json(answer)
    elif args.on("csv"):
        _csv(answer, heading=not args.on("no-heading"))
    else:
        _table(answer, heading=not args.on("no-heading"))
    return 0


def _number(args: Args, name: str) -> float:
    text = args.text(name, "0")
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < 1e9:
        raise InvalidInput(f"invalid --{name}: {text!r}", hint="a number, 0 or greater")
    return found


def _schema(session: Session) -> int:
    from lamina.cli.listing import table

    views = session.engine.views()
    print(
        table([("VIEW", "COLUMNS"), *[(name, ", ".join(columns)) for name, columns in views.items()]]), end=""
    )
    return 0


def _json(answer: Answer) -> None:
    from lamina.cli.as_json import print_array

    print_array(dict(zip(answer.columns, row, strict=True)) for row in answer.rows)


def _csv(answer: Answer, *, heading: bool) -> None:
    import csv

    sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if heading:
        writer.writerow(answer.columns)
    for row in answer.rows:
        writer.writerow([each.hex() if isinstance(each, bytes) else each for each in row])


def _table(answer: Answer, *, heading: bool) -> None:
    """In blocks, so that memory does not grow with the rows; a later block may be wider."""
    from lamina.fs.failures import shown

    def cells(row: tuple[Value, ...]) -> list[str]:
        return ["" if each is None else shown(_text(each)) if each != "" else "" for each in row]

    widths = [0] * len(answer.columns)
    for number, block in enumerate(_blocks(answer.rows)):
        lines = [list(answer.columns)] if heading and not number else []
        lines += [cells(row) for row in block]
        widths = [
            max(width, *map(len, column))
            for width, column in zip(widths, zip(*lines, strict=True), strict=True)
        ]
        for line in lines:
            padded = [cell.ljust(width + _GAP) for cell, width in zip(line, widths, strict=True)]
            print("".join(padded).rstrip())


def _text(value: Value) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _blocks(rows: Iterator[tuple[Value, ...]]) -> Iterator[list[tuple[Value, ...]]]:
    """At least one, which may be empty."""
    block = list(islice(rows, _BLOCK))
    yield block
    while len(block) == _BLOCK and (block := list(islice(rows, _BLOCK))):
        yield block
