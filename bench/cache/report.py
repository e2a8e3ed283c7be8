"""The rows of `python -m bench cache` as lines for a terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bench.cache.rows import Built, Row


def _cell(built: Built) -> str:
    return f"{', '.join(built.ran) or 'nothing'} ({built.seconds:.1f} s)"


def _reused(row: Row, builder: str) -> str:
    return "; ".join(f"{rule}: {', '.join(labels)}" for rule, labels in row.built[builder].rules().items())


def lines(row: Row) -> str:
    """One edit for a terminal."""
    text = [f"{row.edit.project}: {row.edit.name}"]
    for name, built in row.built.items():
        reused = _reused(row, name)
        text.append(f"  {name:<24} {built.seconds:6.2f} s  ran {', '.join(built.ran) or 'nothing'}")
        text[-1] += f"  [{reused}]" if reused else ""
    return "\n".join(text)


def totals(rows: Sequence[Row]) -> dict[str, tuple[int, float]]:
    """By builder: how many instructions were run over all edits, and the seconds of all these builds."""
    return {
        name: (sum(len(row.built[name].ran) for row in rows), sum(row.built[name].seconds for row in rows))
        for name in rows[0].built
    }


def summary(rows: Sequence[Row]) -> str:
    """The totals as lines."""
    text = [f"all {len(rows)} edits"]
    for name, (count, seconds) in totals(rows).items():
        text.append(f"  {name:<24} {seconds:6.1f} s  ran {count} instructions")
    return "\n".join(text)


def markdown(rows: Sequence[Row]) -> str:
    """A table of all rows."""
    names = list(rows[0].built)
    text = [
        "# What each edit runs again",
        "Written by `python -m bench cache`; README.md beside this explains it.",
        "",
    ]
    text.append(f"| project | edit | {' | '.join(names)} | reused by Lamina's rules beyond equal keys |")
    text.append("| --- " * (len(names) + 3) + "|")
    for row in rows:
        cells = [_cell(row.built[name]) for name in names]
        text.append(
            f"| {row.edit.project} | {row.edit.name} | {' | '.join(cells)} | {_reused(row, names[0])} |"
        )
    cells = [f"**{count} run, {seconds:.0f} s**" for count, seconds in totals(rows).values()]
    text.append(f"| | **all {len(rows)} edits** | {' | '.join(cells)} | |")
    return "\n".join(text) + "\n"


def as_json(rows: Sequence[Row]) -> str:
    """The same for programs: a list of edits."""
    found = [
        {
            "project": row.edit.project,
            "edit": row.edit.name,
            "saw": row.edit.saw,
            "builders": {
                name: {"ran": built.ran, "seconds": round(built.seconds, 3), "reused": built.rules()}
                for name, built in row.built.items()
            },
        }
        for row in rows
    ]
    return json.dumps(found, indent=2)
