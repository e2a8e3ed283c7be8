"""The writing half of build records: plain rows, because a build from the cache pays for each import.

db.recorded reads them. Nothing here is durable by need: the caller chooses the transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    Value = str | int | float | None

# What a build's and a step's columns are, in the order in which rows are given.
BUILD = (
    "id, status, lease, started, seconds, dockerfile, context, target, tags, image_id, error, error_line, "
    "total, cached, run, has_logs, log_bytes"
)
STEP = "step, stage, text, line, place, places, status, began, seconds, diff_id, size, key, chain_id, "
STEP += "state, kept, rule, reason, origin"
_SETS = ", ".join(f"{name} = excluded.{name}" for name in BUILD.split(", "))


def put(c: sqlite3.Connection, build: Sequence[Value], steps: Iterable[Sequence[Value]]) -> None:
    """Afterwards the build has this row (columns BUILD), and each of these steps its own (columns STEP)."""
    c.execute(
        f"INSERT INTO builds ({BUILD}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        f"ON CONFLICT (id) DO UPDATE SET {_SETS}",
        build,
    )
    put_steps(c, build[0], steps)


def put_lines(c: sqlite3.Connection, image_id: str, dockerfile: str, lines: str) -> None:
    """Afterwards an image's history is known to stand there; nothing when the image has no row."""
    c.execute(
        """INSERT INTO image_lines SELECT image_id, :dockerfile, :lines FROM images WHERE image_id = :image
        ON CONFLICT (image_id) DO UPDATE SET dockerfile = :dockerfile, lines = :lines
        WHERE dockerfile <> :dockerfile OR lines <> :lines""",
        {"image": image_id, "dockerfile": dockerfile, "lines": lines},
    )


def put_steps(c: sqlite3.Connection, build_id: Value, steps: Iterable[Sequence[Value]]) -> None:
    """Afterwards these steps have these rows; nothing when the build's record was removed meanwhile."""
    found = c.execute("SELECT num FROM builds WHERE id = ?", (build_id,)).fetchone()
    if found is not None:
        c.executemany(
            f"INSERT OR REPLACE INTO build_steps (build, {STEP}) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(found[0], *step) for step in steps],
        )


def trim(c: sqlite3.Connection, most: int, most_bytes: int) -> list[str]:
    """Removes the oldest records beyond `most`, or `most_bytes` of logs. The IDs whose logs are to go.

    The newest record stays, whatever its logs take. What still runs stays, too.
    """
    rows = c.execute("SELECT num, id, has_logs, log_bytes, status FROM builds ORDER BY num DESC")
    gone: list[tuple[int, str, int]] = []
    size = 0
    for count, (num, build_id, has_logs, log_bytes, status) in enumerate(rows, 1):
        size += log_bytes
        if count > 1 and (count > most or size > most_bytes) and status != "running":
            gone.append((num, build_id, has_logs))
            size -= log_bytes
    c.executemany("DELETE FROM builds WHERE num = ?", [(num,) for num, _, _ in gone])
    return [build_id for _, build_id, has_logs in gone if has_logs]


def count(c: sqlite3.Connection) -> int:
    """How many records there are."""
    number: int = c.execute("SELECT count(*) FROM builds").fetchone()[0]
    return number
