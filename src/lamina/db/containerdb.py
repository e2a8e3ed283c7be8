"""containerdb: containers, their state, and what they were made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import Conflict, NotFound

if TYPE_CHECKING:
    import sqlite3

    from lamina.oci.digest import ChainID, ImageID

CREATED = "created"
RUNNING = "running"
EXITED = "exited"


class Container(NamedTuple):
    """One container. Times are RFC 3339, "" where it has not happened."""

    id: str  # 64 hex digits
    name: str  # without a leading slash
    image_id: ImageID
    image_name: str  # as the user gave it
    chain_id: ChainID | None  # top layer of the image; None for one without layers
    config_json: str  # how to run it: containers reads and writes it
    snapshotter: str
    state: str  # created, running, exited
    pid: int  # on the host: of its first process while it runs, of who makes it before that, else 0
    pid_start: int  # that process's start time in clock ticks (/proc/PID/stat field 22), else 0
    exit_code: int | None
    created: str
    started: str
    finished: str
    command: str  # for display


_FIELDS = ", ".join(Container._fields)
_MARKS = ", ".join("?" * len(Container._fields))
_SETS = ", ".join(f"{field} = ?" for field in Container._fields[1:])


def create(c: sqlite3.Connection, container: Container) -> None:
    """Adds a container. Conflict, in Docker's words, when its name is taken."""
    row = c.execute("SELECT id FROM containers WHERE name = ?", (container.name,)).fetchone()
    if row:
        raise Conflict(
            f'Conflict. The container name "/{container.name}" is already in use by container "{row[0]}". '
            "You have to remove (or rename) that container to be able to reuse that name."
        )
    c.execute(f"INSERT INTO containers ({_FIELDS}) VALUES ({_MARKS})", container)


def get(c: sqlite3.Connection, container_id: str) -> Container | None:
    """The container with this whole ID, or None."""
    row = c.execute(f"SELECT {_FIELDS} FROM containers WHERE id = ?", (container_id,)).fetchone()
    return Container._make(row) if row else None


def find(c: sqlite3.Connection, text: str) -> Container:
    """The container with this ID, this name, or else an ID that begins so. NotFound, Conflict."""
    if not text.isascii():  # no ID and no name is; and SQLite takes no bytes that are not UTF-8
        raise NotFound(f"No such container: {text}")
    found = get(c, text)
    if found is not None:
        return found
    name = text.removeprefix("/")
    rows = c.execute(f"SELECT {_FIELDS} FROM containers WHERE name = ?", (name,)).fetchall()
    if not rows and text and not text.strip("0123456789abcdef"):
        sql = f"SELECT {_FIELDS} FROM containers WHERE id >= ? AND id < ? ORDER BY id LIMIT 2"
        rows = c.execute(sql, (text, text + "g")).fetchall()
    if not rows:
        raise NotFound(f"No such container: {text}")
    if len(rows) > 1:
        raise Conflict(f"Multiple IDs found with provided prefix: {text}")
    return Container._make(rows[0])


def containers(c: sqlite3.Connection) -> list[Container]:
    """All containers, the newest first."""
    rows = c.execute(f"SELECT {_FIELDS} FROM containers ORDER BY created DESC, id")
    return [Container._make(row) for row in rows]


def using_image(c: sqlite3.Connection, image_id: ImageID) -> list[Container]:
    """The containers made from this image, running ones first."""
    rows = c.execute(
        f"SELECT {_FIELDS} FROM containers WHERE image_id = ? ORDER BY state <> 'running', created, id",
        (image_id,),
    )
    return [Container._make(row) for row in rows]


def update(c: sqlite3.Connection, container: Container) -> None:
    """Replaces the row of the container with this ID. NotFound when it was removed meanwhile."""
    done = c.execute(f"UPDATE containers SET {_SETS} WHERE id = ?", (*container[1:], container.id))
    if not done.rowcount:
        raise NotFound(f"No such container: {container.id}")


def delete(c: sqlite3.Connection, container_id: str) -> None:
    """Afterwards the container has no row, nor has its writable layer."""
    c.execute("DELETE FROM writable WHERE key = ?", (container_id,))
    c.execute("DELETE FROM containers WHERE id = ?", (container_id,))
