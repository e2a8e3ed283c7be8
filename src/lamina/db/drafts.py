"""drafts: indexes in the making (`lamina index`), each a JSON document that transfer.drafts reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import NotFound

if TYPE_CHECKING:
    import sqlite3


class DraftRow(NamedTuple):
    """One draft; `name` is the full reference that it is to have, `changed` RFC 3339."""

    name: str
    document: str
    changed: str


def put_draft(c: sqlite3.Connection, row: DraftRow) -> None:
    """Afterwards the draft is this."""
    c.execute("INSERT OR REPLACE INTO drafts VALUES (?, ?, ?)", row)


def get_draft(c: sqlite3.Connection, name: str) -> DraftRow | None:
    """The draft with this name, or None."""
    row = c.execute("SELECT name, document, changed FROM drafts WHERE name = ?", (name,)).fetchone()
    return DraftRow._make(row) if row else None


def need_draft(c: sqlite3.Connection, name: str) -> DraftRow:
    """The draft with this name. NotFound."""
    found = get_draft(c, name)
    if found is None:
        raise NotFound(
            f"No such index: {name}", hint="`lamina index create` makes one, `lamina index ls` lists them"
        )
    return found


def drafts(c: sqlite3.Connection) -> list[DraftRow]:
    """All of them, sorted by name."""
    return [
        DraftRow._make(row) for row in c.execute("SELECT name, document, changed FROM drafts ORDER BY name")
    ]


def delete_draft(c: sqlite3.Connection, name: str) -> None:
    """Afterwards there is none of this name."""
    c.execute("DELETE FROM drafts WHERE name = ?", (name,))
