"""The reading half of build records: builds and their steps as values; and their removal."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db.builds import BUILD, STEP
from lamina.errors import Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    import sqlite3

RUNNING = "running"  # or its process died: then it was interrupted
COMPLETED = "completed"
ERROR = "error"
CANCELED = "canceled"
INTERRUPTED = "interrupted"
ID_LENGTH = 12
KEPT = "failed-"  # how the keys of the writable layers begin that failed steps left
_LEAST = 4  # characters of an ID that `names_build` takes for one


class Build(NamedTuple):
    """One build as it was recorded. Empty strings and 0 stand for what is not known, or not there."""

    id: str
    status: str  # running, completed, error, canceled
    lease: str  # of the process that builds
    started: str  # RFC 3339
    seconds: float
    dockerfile: str  # its name
    context: str  # the folder, absolute
    target: str
    tags: str  # full names, one a line
    image_id: str
    error: str
    error_line: int  # in the Dockerfile, from 1
    total: int  # steps
    cached: int
    run: int
    has_logs: int  # whether there may be a folder with logs
    log_bytes: int


class BuildStep(NamedTuple):
    """One step of a build as it was recorded."""

    step: int  # over all steps of the build, from 1
    stage: str
    text: str
    line: int
    place: int  # in its stage, from 1
    places: int
    status: str  # cached, run, failed, canceled, running, not reached
    began: float  # seconds after the build's start
    seconds: float
    diff_id: str
    size: int | None  # bytes in the files of its layer; None where not known
    key: str
    chain_id: str  # the layers after the step; for a failed one, those that it stood on
    state: str  # JSON: what a process after the step runs with (build.state)
    kept: str  # the key of the writable layer that a failed step left
    rule: str = ""  # by which it was reused (graph.rules)
    reason: str = ""  # JSON: why it was done (graph.reason)
    origin: str = ""  # the shared cache that what was reused came from


def builds(c: sqlite3.Connection) -> list[Build]:
    """All records, the newest first."""
    return [Build._make(row) for row in c.execute(f"SELECT {BUILD} FROM builds ORDER BY num DESC")]


def running(c: sqlite3.Connection) -> list[tuple[str, str]]:
    """The builds that are not known to have ended: their IDs, and the leases of their processes."""
    return c.execute("SELECT id, lease FROM builds WHERE status = ?", (RUNNING,)).fetchall()


def steps(c: sqlite3.Connection, build_id: str) -> list[BuildStep]:
    """The steps of a build in their order; the size of a cached one is that of its layer, if it is there."""
    columns = ", ".join(f"s.{name}" for name in STEP.split(", "))
    rows = c.execute(
        f"""SELECT {columns.replace("s.size", "coalesce(s.size, d.size)")}
        FROM builds AS b JOIN build_steps AS s ON s.build = b.num
        LEFT JOIN diffs AS d ON d.diff_id = s.diff_id WHERE b.id = ? ORDER BY s.step""",
        (build_id,),
    )
    return [BuildStep._make(row) for row in rows]


def find(c: sqlite3.Connection, text: str = "") -> Build:
    """The build with this ID, with an ID that begins so, or `^N` for the Nth before the last one ("").

    NotFound, Conflict when several IDs begin so, InvalidInput.
    """
    if text.startswith("^") or not text:
        return _before(c, text[1:] or "0")
    if not text.isascii():
        raise NotFound(f"No such build: {text!r}")
    sql = f"SELECT {BUILD} FROM builds WHERE id >= ? AND id < ? ORDER BY id LIMIT 2"
    rows = c.execute(sql, (text, text + "{")).fetchall()
    if not rows:
        raise NotFound(f"No such build: {text}", hint="`lamina build ls` lists them")
    if len(rows) > 1:
        raise Conflict(f"build ID {text} is ambiguous: several begin so", hint="give more characters")
    return Build._make(rows[0])


def alike(
    c: sqlite3.Connection, dockerfile: str, context: str, target: str, *, without: str = "", most: int = 1
) -> list[str]:
    """The last builds (IDs, newest first) of this Dockerfile, context and target that had steps."""
    rows = c.execute(
        "SELECT id FROM builds WHERE dockerfile = ? AND context = ? AND target = ? AND total > 0 AND id <> ? "
        "ORDER BY num DESC LIMIT ?",
        (dockerfile, context, target, without, most),
    )
    return [row[0] for row in rows]


def making(c: sqlite3.Connection, image_id: str) -> str | None:
    """The newest build (its ID) that made this image."""
    sql = "SELECT id FROM builds WHERE image_id = ? ORDER BY num DESC LIMIT 1"
    row = c.execute(sql, (image_id,)).fetchone()
    return row[0] if row else None


def names_build(c: sqlite3.Connection, text: str) -> bool:
    """Whether `text` can only mean a build: `^N`, or four or more characters that begin an ID."""
    if text.startswith("^") and text[1:].isdigit():
        return True
    if len(text) < _LEAST or not text.isalnum() or not text.isascii() or not text[1].isdigit():
        return False
    sql = "SELECT 1 FROM builds WHERE id >= ? AND id < ?"
    return len(text) == ID_LENGTH or c.execute(sql, (text, text + "{")).fetchone() is not None


def find_failed(c: sqlite3.Connection, text: str = "") -> Build:
    """As `find`; without a name the last build that failed. NotFound."""
    if text:
        return find(c, text)
    row = c.execute(f"SELECT {BUILD} FROM builds WHERE status = ? ORDER BY num DESC LIMIT 1", (ERROR,))
    found = row.fetchone()
    if found is None:
        raise NotFound("no build has failed", hint="`lamina build ls` lists what is recorded")
    return Build._make(found)


def settle(c: sqlite3.Connection, build_id: str, log_bytes: int) -> None:
    """Notes that the process of a build died; what it was doing ended with it."""
    c.execute(
        "UPDATE builds SET status = ?, log_bytes = ? WHERE id = ? AND status = ?",
        (INTERRUPTED, log_bytes, build_id, RUNNING),
    )


def fail(c: sqlite3.Connection, build_id: str, status: str, error: str) -> None:
    """Notes that what came after a build failed."""
    c.execute("UPDATE builds SET status = ?, error = ? WHERE id = ?", (status, error, build_id))


def update_step(c: sqlite3.Connection, build_id: str, number: int, **values: str) -> None:
    """Changes columns of one step."""
    sets = ", ".join(f"{name} = ?" for name in values)
    c.execute(
        f"UPDATE build_steps SET {sets} WHERE step = ? AND build = (SELECT num FROM builds WHERE id = ?)",
        (*values.values(), number, build_id),
    )


def kept(c: sqlite3.Connection) -> dict[str, tuple[str, int]]:
    """The keys of the writable layers that failed steps left: of which build, and which step."""
    rows = c.execute(
        "SELECT s.kept, b.id, s.step FROM build_steps AS s JOIN builds AS b ON b.num = s.build "
        "WHERE s.kept <> '' ORDER BY b.num"
    )
    return {key: (build_id, step) for key, build_id, step in rows}


def forget_kept(c: sqlite3.Connection, key: str) -> None:
    """Afterwards no step has this writable layer."""
    c.execute("UPDATE build_steps SET kept = '' WHERE kept = ?", (key,))


def delete(c: sqlite3.Connection, build_id: str) -> None:
    """Afterwards the build has no record."""
    c.execute("DELETE FROM builds WHERE id = ?", (build_id,))


def _before(c: sqlite3.Connection, text: str) -> Build:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidInput(
            f"invalid build ^{text}", hint="^1 is the one before the last, ^2 the one before that"
        )
    row = c.execute(f"SELECT {BUILD} FROM builds ORDER BY num DESC LIMIT 1 OFFSET ?", (int(text),)).fetchone()
    if row is None:
        raise NotFound(
            f"No such build: ^{text}" if int(text) else "no build is recorded",
            hint="`lamina build ls` lists them",
        )
    return Build._make(row)
