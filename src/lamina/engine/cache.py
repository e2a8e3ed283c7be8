"""Cache: what can be done with cache mounts, as `engine.cache`: list, remove, export, import."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from lamina.db import cachemounts as rows
from lamina.events import ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.cachemounts.listing import CacheSummary
    from lamina.engine.base import Inside
    from lamina.engine.opened import Opened
    from lamina.events import Observer
    from lamina.insight.rows import Rows


class Cache:
    """The folders of RUN --mount=type=cache. A name is an id as in a Dockerfile, or an object's name."""

    def __init__(self, inside: Inside, ask: Callable[[], Rows]) -> None:
        self._inside = inside
        self._ask = ask

    def ls(self) -> list[CacheSummary]:
        """All cache mounts, the one used last first."""
        if not rows.mounts(self._ask().connection):
            return []  # a question makes no store

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> list[CacheSummary]:
            from lamina.cachemounts.listing import listing

            return listing(opened.ctx)

        return self._inside(work)

    def inspect(self, name: str) -> list[CacheSummary]:
        """Those with this id, or the one object. NotFound, Conflict."""
        from lamina.cachemounts.listing import named, summary

        named(self._ask().connection, name)

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> list[CacheSummary]:
            return [summary(opened.ctx, row) for row in named(opened.ctx.db.read(), name)]

        return self._inside(work)

    def rm(self, name: str) -> int:
        """Removes them; the bytes that this freed. NotFound; Conflict when one is in use."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> int:
            from lamina.cachemounts.removing import remove_named

            return remove_named(opened.ctx, name).bytes

        return self._inside(work)

    def export(self, names: Sequence[str], sink: BinaryIO) -> None:
        """Writes them, all for no name, as one tar that `import_` reads. NotFound, Conflict."""

        def work(opened: Opened, _: Observer, out: BinaryIO | None) -> None:
            from lamina.cachemounts.archive import export

            assert out is not None
            export(opened.ctx, names, out.write)

        self._inside(work, ignore, sink)

    def import_(self, source: BinaryIO, id: str = "") -> list[str]:
        """Takes those of an archive into the store, in place of their like; their ids.

        `id` is the name of the only one in the archive; for a plain tar of a folder it must be given.
        """

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> list[str]:
            from lamina.cachemounts.restore import restore

            return [row.id for row in restore(opened.ctx, source, id)]

        return self._inside(work)
