"""python -m bench cache: prints what each edit cost, and writes the table beside this file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

from bench.builders import Builder
from bench.cache import report
from bench.cache.edits import EDITS, Edit
from bench.cache.rows import Row, prepare, rows

RESULTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "RESULTS.md")


def cache(found: Sequence[Builder], folder: str, *, as_json: bool, only: str) -> None:
    """Exits with 1, and names the edits, when Lamina ran what saw no difference or reused what saw one."""
    edits = chosen(EDITS, only)
    taking_part = prepare(found, folder, edits)
    done: list[Row] = []
    for row in rows(taking_part, folder, edits):
        done.append(row)
        print(report.lines(row), file=sys.stderr if as_json else sys.stdout, flush=True)
    print(report.as_json(done) if as_json else report.summary(done))
    if len(done) == len(EDITS) and len(taking_part) > 2:
        with open(RESULTS, "w") as file:
            file.write(report.markdown(done))
    wrong = [text for row in done if (text := row.wrong(taking_part[0].name))]
    if wrong:
        sys.exit("\n".join(("Lamina is wrong:", *wrong)))


def chosen(edits: Iterable[Edit], only: str) -> list[Edit]:
    """The edits whose project and name contain `only`."""
    found = [edit for edit in edits if only in f"{edit.project}: {edit.name}"]
    if not found:
        sys.exit(f"no edit is called {only}")
    return found
