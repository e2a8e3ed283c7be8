"""cachedb: for each layer a row with its cache key and ingredients, and one with a digest for every file.

A container's or step's writable layer has a row of its own. File rows follow one rule: in a layer, every
folder that an entry lies in has its own row (the root b"" need not). `lookup` and `list_dir` rest on it.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from lamina.db.contexts import Stat as Stat
from lamina.db.contexts import put_stats as put_stats
from lamina.db.contexts import stats as stats
from lamina.db.files import (
    COLUMNS,
    DIFF_ID,
    INSERT,
    KIND,
    NAME,
    OPAQUE,
    PARENT,
    Row,
    ancestors,
    entry_of,
    key_of,
    rows_of,
)
from lamina.errors import NotFound
from lamina.oci.digest import ChainID, DiffID
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

# What a look-up finds: the diff that has the entry, and the entry.
Found = tuple[DiffID, Entry]


class Ingredient(NamedTuple):
    """One labelled part of a cache key."""

    label: str
    value: str


class Step(NamedTuple):
    """A step that was done: its cache key, and what came of it."""

    key: str
    diff_id: DiffID | None  # None for a step that makes no layer
    ingredients: tuple[Ingredient, ...]
    created_by: str
    created: str  # RFC 3339
    seconds: float
    recipe: str = ""  # the key without the parent (graph.key.recipe)
    parent: str | None = None  # chain ID that it was done on; "" for nothing, None where not known
    rule: str = ""  # by which its layer was taken over from another step; "" when it was done
    ran: float = 0.0  # when it was done, in seconds since 1970; 0 where not known
    origin: str = ""  # the shared cache that the row came from; "" for a step of this store


class Writable(NamedTuple):
    """An active snapshot: a container's writable layer, or a step's."""

    key: str  # as in mnt/KEY: a container's ID, or a temporary name
    chain_id: ChainID | None  # the layer it stands on; None for nothing
    created: str  # RFC 3339
    lease: str  # ID of the lease that made it; "" once it is a container's to keep


# --- files -------------------------------------------------------------------------------------


def put_files(c: sqlite3.Connection, diff_id: DiffID, entries: Iterable[Entry]) -> None:
    """Adds the file rows of a diff whose row was just put (layerdb.put_diff gave True). NotFound."""
    _insert(c, _number(c, diff_id), entries)


def _insert(c: sqlite3.Connection, number: int, entries: Iterable[Entry]) -> None:
    from lamina.db.sieves import Sieves  # spares the cached path, which only reads

    sieves = Sieves(number)
    c.executemany(INSERT, sieves.watch(rows_of(number, entries)))
    sieves.put(c)


def same_files(c: sqlite3.Connection, diff_id: DiffID, entries: Iterable[Entry]) -> bool:
    """Whether the file rows of a diff are just these, in whatever order. NotFound. Keeps no list of them."""
    number = _number(c, diff_id)
    # Sums of hashes that nobody else can know: no two sets of rows come to the same by chance.
    theirs = sum(map(hash, c.execute("SELECT * FROM files WHERE diff = ?", (number,))))
    return theirs == sum(map(hash, rows_of(number, entries)))


def replace_files(c: sqlite3.Connection, diff_id: DiffID, entries: Iterable[Entry]) -> None:
    """The file rows of a diff are these from now on. NotFound."""
    number = _number(c, diff_id)
    c.execute("DELETE FROM files WHERE diff = ?", (number,))
    c.execute("DELETE FROM package_layers WHERE diff = ?", (number,))
    _insert(c, number, entries)


def _number(c: sqlite3.Connection, diff_id: DiffID) -> int:
    row = c.execute("SELECT num FROM diffs WHERE diff_id = ?", (diff_id,)).fetchone()
    if row is None:
        raise NotFound(f"layer {diff_id} is not in the store")
    return int(row[0])


def files(c: sqlite3.Connection, diff_id: DiffID) -> list[Entry]:
    """The entries of a diff, whiteouts included, sorted by path bytes; [] when it has no row."""
    rows = c.execute(
        f"SELECT {COLUMNS} FROM diffs AS d JOIN files AS f ON f.diff = d.num WHERE d.diff_id = ?", (diff_id,)
    )
    found = [entry_of(row) for row in rows]
    found.sort(key=itemgetter(0))
    return found


def file(c: sqlite3.Connection, diff_id: DiffID, path: bytes) -> Entry | None:
    """What one diff says of one path (it may be a whiteout), or None."""
    row = c.execute(
        f"""SELECT {COLUMNS} FROM diffs AS d JOIN files AS f ON f.diff = d.num
        WHERE d.diff_id = ? AND f.parent = ? AND f.name = ?""",
        (diff_id, *key_of(path)),
    ).fetchone()
    return entry_of(row) if row else None


def lookup(c: sqlite3.Connection, diff_ids: Sequence[DiffID], path: bytes) -> Found | None:
    """What is at `path` in the merged view of these layers (top first), and which diff it is from; one query.

    A whiteout of the path or of a folder that it lies in, an opaque folder, and anything that is no
    folder where one is needed hide what lower layers have. Links are not followed.
    """
    rows, hiding = _rows_at(c, diff_ids, ancestors(path), path)
    for diff_id in diff_ids:
        row = rows.get(diff_id)
        if row is not None:
            return None if row[KIND] == Kind.WHITEOUT else (diff_id, entry_of(row))
        if diff_id in hiding:
            return None
    return None


def list_dir(c: sqlite3.Connection, diff_ids: Sequence[DiffID], path: bytes) -> dict[bytes, Found]:
    """The children of the folder `path` in the merged view of these layers (top first), by name, sorted.

    {} when there is no folder at `path`. Two queries, whatever lies below the children.
    """
    rows, hiding = _rows_at(c, diff_ids, ancestors(path), path)
    below = _rows_below(c, diff_ids, path)
    merged: dict[bytes, tuple[DiffID, Row]] = {}
    for diff_id in diff_ids:
        at_path = rows.get(diff_id)
        if at_path is not None and at_path[KIND] != Kind.DIR:
            break
        for row in below.get(diff_id, ()):
            merged.setdefault(row[NAME], (diff_id, row))
        if diff_id in hiding or (at_path is not None and at_path[OPAQUE]):
            break
    found = sorted(merged.items(), key=itemgetter(0))
    return {name: (diff_id, entry_of(row)) for name, (diff_id, row) in found if row[KIND] != Kind.WHITEOUT}


def _rows_at(
    c: sqlite3.Connection, diff_ids: Sequence[DiffID], folders: Sequence[bytes], path: bytes
) -> tuple[dict[DiffID, Row], set[DiffID]]:
    """What each of these diffs says of `path`; and which of them hide what lies below one of `folders`."""
    parent, name = key_of(path)
    keys: list[bytes] = [parent, name]
    for folder in folders:
        keys += key_of(folder)
    # CROSS JOIN holds SQLite to this order: each diff, each path, one look-up by the whole key
    found = c.execute(
        f"""WITH want (parent, name) AS (VALUES {_marks("(?, ?)", len(folders) + 1)})
        SELECT {COLUMNS}, d.diff_id FROM diffs AS d CROSS JOIN want CROSS JOIN files AS f
        WHERE d.diff_id IN ({_marks("?", len(diff_ids))})
        AND f.diff = d.num AND f.parent = want.parent AND f.name = want.name
        AND (f.kind <> 'd' OR f.opaque OR (f.parent = ? AND f.name = ?))""",
        (*keys, *diff_ids, parent, name),
    )
    rows: dict[DiffID, Row] = {}
    hiding: set[DiffID] = set()
    for row in found:
        if row[NAME] == name and row[PARENT] == parent:
            rows[row[DIFF_ID]] = row
        else:
            hiding.add(row[DIFF_ID])
    return rows, hiding


def _rows_below(c: sqlite3.Connection, diff_ids: Sequence[DiffID], path: bytes) -> dict[DiffID, list[Row]]:
    """What each of these diffs has directly in the folder `path`."""
    found = c.execute(
        f"""SELECT {COLUMNS}, d.diff_id FROM diffs AS d CROSS JOIN files AS f
        WHERE d.diff_id IN ({_marks("?", len(diff_ids))})
        AND f.diff = d.num AND f.parent = ? AND f.name > x''""",  # the root alone has no name
        (*diff_ids, path),
    )
    rows: dict[DiffID, list[Row]] = {}
    for row in found:
        rows.setdefault(row[DIFF_ID], []).append(row)
    return rows


def _marks(mark: str, count: int) -> str:
    return ", ".join([mark] * count)


# --- steps -------------------------------------------------------------------------------------


def put_step(c: sqlite3.Connection, step: Step) -> Step:
    """Afterwards there is a step with this key, which is returned: the first one stays."""
    import json  # spares the cached path, which only reads

    ingredients = json.dumps(step.ingredients, ensure_ascii=False, separators=(",", ":"))
    done = c.execute(
        f"INSERT INTO steps ({_STEP}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
        (*step[:2], ingredients, *step[3:]),
    )
    return step if done.rowcount else get_step(c, step.key) or step


def get_step(c: sqlite3.Connection, key: str) -> Step | None:
    """The step with this cache key, or None."""
    row = c.execute(f"SELECT {_STEP} FROM steps WHERE key = ?", (key,)).fetchone()
    return _step_of(row) if row else None


def steps(c: sqlite3.Connection) -> list[Step]:
    """All steps, the oldest first."""
    return [_step_of(row) for row in c.execute(f"SELECT {_STEP} FROM steps ORDER BY created, key")]


def steps_making(c: sqlite3.Connection, diff_id: DiffID) -> list[Step]:
    """The steps that made this diff."""
    rows = c.execute(f"SELECT {_STEP} FROM steps WHERE diff_id = ? ORDER BY created, key", (diff_id,))
    return [_step_of(row) for row in rows]


def steps_created_by(c: sqlite3.Connection, created_by: str) -> list[Step]:
    """The steps with this line of history, the oldest first."""
    rows = c.execute(f"SELECT {_STEP} FROM steps WHERE created_by = ? ORDER BY created, key", (created_by,))
    return [_step_of(row) for row in rows]


def steps_of_recipe(c: sqlite3.Connection, recipe: str, most: int) -> list[Step]:
    """The steps with this recipe on whatever parents, those that were done last first."""
    rows = c.execute(f"SELECT {_STEP} FROM steps WHERE recipe = ? ORDER BY ran DESC LIMIT ?", (recipe, most))
    return [_step_of(row) for row in rows]


def shared_steps_on(c: sqlite3.Connection, parent: str) -> list[Step]:
    """The steps that shared caches tell of, done on this stack, the newest first. Looks at all rows."""
    sql = f"SELECT {_STEP} FROM steps WHERE origin <> '' AND parent = ? ORDER BY ran DESC"
    return [_step_of(row) for row in c.execute(sql, (parent,))]


def delete_step(c: sqlite3.Connection, key: str) -> None:
    """Afterwards there is no step with this key."""
    c.execute("DELETE FROM steps WHERE key = ?", (key,))


def delete_steps_on(c: sqlite3.Connection, diff_id: DiffID, chains: Iterable[ChainID]) -> None:
    """Afterwards there is no step that made this diff, and none that was done on one of these layers."""
    c.execute("DELETE FROM steps WHERE diff_id = ?", (diff_id,))
    c.executemany("DELETE FROM steps WHERE parent = ?", [(chain,) for chain in chains])


_STEP = "key, diff_id, ingredients, created_by, created, seconds, recipe, parent, rule, ran, origin"


def _step_of(row: tuple[str, DiffID | None, str, str, str, float, str, str | None, str, float, str]) -> Step:
    import json

    ingredients = tuple(Ingredient(label, value) for label, value in json.loads(row[2]))
    return Step(row[0], row[1], ingredients, *row[3:])


# --- writable layers ---------------------------------------------------------------------------


def put_writable(c: sqlite3.Connection, writable: Writable) -> None:
    """Afterwards the active snapshot has this row, in place of an older one with its key."""
    c.execute("INSERT OR REPLACE INTO writable VALUES (?, ?, ?, ?)", writable)


def get_writable(c: sqlite3.Connection, key: str) -> Writable | None:
    """The row of an active snapshot, or None."""
    row = c.execute("SELECT key, chain_id, created, lease FROM writable WHERE key = ?", (key,)).fetchone()
    return Writable._make(row) if row else None


def writables(c: sqlite3.Connection) -> list[Writable]:
    """All active snapshots."""
    rows = c.execute("SELECT key, chain_id, created, lease FROM writable ORDER BY key")
    return [Writable._make(row) for row in rows]


def delete_writable(c: sqlite3.Connection, key: str) -> None:
    """Afterwards the active snapshot has no row."""
    c.execute("DELETE FROM writable WHERE key = ?", (key,))
