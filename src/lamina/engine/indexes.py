"""Indexes: indexes in the making, as `engine.index`: create, add, annotate, remove, rm, ls, inspect, push."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.db import drafts as rows
from lamina.engine.places import setting
from lamina.errors import NotFound
from lamina.events import ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lamina.engine.base import Inside
    from lamina.engine.opened import Opened
    from lamina.events import Observer
    from lamina.transfer.copying.copy import Copied
    from lamina.transfer.drafts import Draft, IndexChanges


class NamedDraft(NamedTuple):
    """A draft as `ls` shows it; `changed` is RFC 3339."""

    name: str
    draft: Draft
    changed: str


class Indexes:
    """A name is that of the index to be; an image is named as in `copy`, a bare name may be a registry's.

    Drafts are kept in the store; what they name need not be in it.
    """

    def __init__(self, inside: Inside, opened: Callable[[], Opened], environ: Mapping[str, str]) -> None:
        self._inside = inside
        self._opened = opened
        self._environ = environ

    def create(
        self,
        name: str,
        images: Sequence[str] = (),
        observer: Observer = ignore,
        *,
        amend: bool = False,
        all: bool = False,
        annotations: Mapping[str, str] | None = None,
    ) -> Draft:
        """A new draft, or with `amend` one that is there. Conflict, NotFound."""

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Draft:
            from lamina.transfer import draftedit

            where = setting(opened, self._environ)
            return draftedit.create(
                opened.ctx, name, images, where, tell, amend=amend, whole=all, annotations=annotations
            )

        return self._inside(work, observer)

    def add(
        self,
        name: str,
        images: Sequence[str],
        changes: IndexChanges | None = None,
        observer: Observer = ignore,
        *,
        all: bool = False,
    ) -> Draft:
        """Adds images; of an index with `all` all of them, else the one for this machine. NotFound."""

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Draft:
            from lamina.transfer import draftedit
            from lamina.transfer.drafts import IndexChanges

            where = setting(opened, self._environ)
            return draftedit.add(opened.ctx, name, images, changes or IndexChanges(), where, tell, whole=all)

        return self._inside(work, observer)

    def annotate(self, name: str, image: str, changes: IndexChanges) -> Draft:
        """Changes what is said of an image, or with `image` "" of the index. NotFound, Conflict."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> Draft:
            from lamina.transfer import draftedit

            return draftedit.annotate(opened.ctx, name, image, changes)

        return self._inside(work)

    def remove(self, name: str, image: str) -> Draft:
        """Takes an image out of a draft. NotFound, Conflict."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> Draft:
            from lamina.transfer import draftedit

            return draftedit.remove(opened.ctx, name, image)

        return self._inside(work)

    def rm(self, name: str) -> str:
        """Removes a draft; its name in full. NotFound."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> str:
            from lamina.transfer import draftedit

            return draftedit.delete(opened.ctx, name)

        return self._inside(work)

    def ls(self) -> list[NamedDraft]:
        """All drafts, by name."""
        from lamina.transfer import drafts

        found = rows.drafts(self._opened().rows.connection)
        return [NamedDraft(row.name, drafts.read(row.document), row.changed) for row in found]

    def inspect(self, name: str) -> bytes:
        """The index as it is: a draft's, else that of the store, else that of the registry. NotFound."""
        from lamina.db import names
        from lamina.engine.remote import Remote
        from lamina.transfer import draftedit, drafts

        c = self._opened().rows.connection
        row = rows.get_draft(c, draftedit.full_name(name)) if "@" not in name else None
        if row is not None:
            return drafts.read(row.document).document().to_bytes()
        try:
            found = names.resolve_image(c, name)
            if found.index_digest is not None:
                return self._opened().rows.blobs.read(found.index_digest)
        except NotFound:
            pass
        return Remote(self._opened().registries).manifest(name).data

    def push(
        self,
        name: str,
        target: str = "",
        observer: Observer = ignore,
        *,
        format: str = "",
        purge: bool = False,
    ) -> Copied:
        """Moves what the draft names to `target` and makes the index there; "" for its own name."""

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Copied:
            from lamina.transfer.draftpush import push_draft

            where = setting(opened, self._environ)
            return push_draft(opened.ctx, name, target, where, tell, form=format, purge=purge)

        return self._inside(work, observer)
