"""traces: what the steps that were done read of the layers below them; a row goes with the step's layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.tree.readset import Observed

if TYPE_CHECKING:
    import sqlite3

    from lamina.oci.digest import DiffID

KEPT = 8  # traces of one recipe


class Trace(NamedTuple):
    """What one run of a step read, packed (tree.readset); or why that is not known."""

    recipe: str  # the step's key without its parent (graph.key.recipe)
    diff_id: DiffID  # the layer that it made
    parent: str  # chain ID that it was done on; "" for nothing
    step: str  # the key of its row in `steps`
    paths: int  # observations in the read set
    read_set: bytes | None
    doubt: str = ""  # why there is no read set
    failed: Observed | None = None  # what differed the last time
    num: int = 0  # of the row; later ones are greater. 0 before it is put


def put(c: sqlite3.Connection, trace: Trace) -> Trace:
    """Adds a trace, which takes the place of an older one of the same run on the same layers.

    Of a recipe the newest 8 stay. Conflict (from the transaction) when the layer has no row.
    """
    c.execute(
        "DELETE FROM traces WHERE recipe = ? AND diff_id = ? AND parent = ?",
        (trace.recipe, trace.diff_id, trace.parent),
    )
    done = c.execute(
        f"INSERT INTO traces ({_TRACE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*trace[:7], _bytes_of(trace.failed)),
    )
    c.execute(
        """DELETE FROM traces WHERE recipe = ? AND num <= (
            SELECT num FROM traces WHERE recipe = ? ORDER BY num DESC LIMIT 1 OFFSET ?)""",
        (trace.recipe, trace.recipe, KEPT),
    )
    return trace._replace(num=done.lastrowid or 0)


def candidates(c: sqlite3.Connection, recipe: str) -> list[Trace]:
    """The traces of a recipe, the newest first; those without a read set too."""
    rows = c.execute(f"SELECT {_TRACE}, num FROM traces WHERE recipe = ? ORDER BY num DESC", (recipe,))
    return [Trace._make((*row[:7], _observed_of(row[7]), row[8])) for row in rows]


def of_layer(c: sqlite3.Connection, diff_id: DiffID) -> list[Trace]:
    """The traces of runs that made a layer, the newest first; those without a read set too."""
    rows = c.execute(f"SELECT {_TRACE}, num FROM traces WHERE diff_id = ? ORDER BY num DESC", (diff_id,))
    return [Trace._make((*row[:7], _observed_of(row[7]), row[8])) for row in rows]


def note_failed(c: sqlite3.Connection, trace: Trace, failed: Observed) -> None:
    """Notes which observation differed, so that it is tried first the next time."""
    c.execute("UPDATE traces SET failed = ? WHERE num = ?", (_bytes_of(failed), trace.num))


def delete(c: sqlite3.Connection, trace: Trace) -> None:
    """Afterwards the trace is not there; its layer and its step stay."""
    c.execute("DELETE FROM traces WHERE num = ?", (trace.num,))


def delete_of(c: sqlite3.Connection, recipe: str, step: str) -> None:
    """Afterwards there is no trace of a run under this key of `steps`, which has this recipe."""
    c.execute("DELETE FROM traces WHERE recipe = ? AND step = ?", (recipe, step))


def delete_lost(c: sqlite3.Connection) -> None:
    """Afterwards there are no traces of steps that have no row any more: nothing can be reused by them."""
    c.execute("DELETE FROM traces WHERE step NOT IN (SELECT key FROM steps)")


_TRACE = "recipe, diff_id, parent, step, paths, read_set, doubt, failed"


def _bytes_of(failed: Observed | None) -> bytes | None:
    """A path; that of a folder that was listed ends with a slash."""
    return failed and (failed.path + b"/" if failed.listed else failed.path)


def _observed_of(failed: bytes | None) -> Observed | None:
    return None if failed is None else Observed(failed.removesuffix(b"/"), failed.endswith(b"/"))
