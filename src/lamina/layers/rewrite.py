"""rewrite: new layers of entries whose contents lie in other layers; what surgery makes its layers with.

    rewrite(ctx, [Piece(entry, diff_id), ...])

    with NewLayer(ctx) as layer:           # or several at once
        layer.put(Piece(entry, diff_id))
        layer.complete()
        layer.commit()

Entries come in any order and in any number: memory is bounded. The same entries make the same diff ID,
whatever layers their contents are taken from. Times stay to the nanosecond, unlike in layers of builds:
nothing that a container sees changes because its layers were arranged anew.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.db import leases
from lamina.errors import Corrupt, InvalidInput
from lamina.fs.create import Builder
from lamina.fs.entries import Entries
from lamina.fs.failures import shown
from lamina.layers.absent import bring
from lamina.layers.canonical import LINK_MODE, Canonical, default_root
from lamina.layers.commit import TempFolder, commit_diff
from lamina.layers.write import put_file
from lamina.tree.entry import FILES, Entry, Kind
from lamina.tree.tree import ancestors, parent_of
from lamina.tree.whiteout import whiteout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lamina.db.layerdb import Diff
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID

    Source = DiffID | Callable[[], BinaryIO] | bytes | None
    Folder = Callable[[bytes], Entry | None]

_NO_DEVICE = (0, 0)
_LAYER, _GIVEN, _NAMED = range(3)  # the first half of the mark that says where a content comes from
_ROOM = 2 << 20  # bytes of hard links that stay in memory


class Piece(NamedTuple):
    """One entry of a layer to be, and where the content of a FILE or a HARDLINK is.

    A diff ID: in the file at the same path of that layer. The FILE that a HARDLINK's `link` names need not be
    among the pieces then: those names of one file that are, stay names of one file.
    Else bytes, or a function that opens it: `entry` has the right size, and a HARDLINK, without a source,
    names a FILE among the pieces.
    """

    entry: Entry
    source: DiffID | Callable[[], BinaryIO] | bytes | None = None


def rewrite(ctx: Layers, pieces: Iterable[Piece], *, folder: Folder | None = None) -> Diff | None:
    """Writes and commits a layer of `pieces` (of two for a path, the last counts); None where none is left.

    Folders on the way that are no pieces are what `folder` says of them (b"" is the root), else root's with
    mode 0755. Deletions below an opaque folder are left out. Absent layers are brought (layers.absent.bring).
    InvalidInput for a HARDLINK to nothing; Corrupt for a layer that is damaged; NoSpace, Denied.
    """
    with NewLayer(ctx) as layer:
        for piece in pieces:
            layer.put(piece)
        layer.complete(folder)
        return layer.commit()


class NewLayer:
    """A layer to be. `entries` is what it has so far; in each FILE and HARDLINK `rdev` is a mark of ours."""

    def __init__(self, ctx: Layers, room: int | None = None) -> None:
        """`room` is the bytes of entries that stay in memory, as fs.entries has it."""
        self._ctx = ctx
        self.entries = Entries(ctx.temp_path, room)
        self._layers: list[DiffID] = []
        self._numbers: dict[DiffID, int] = {}
        self._read: dict[DiffID, None] = {}  # those of which files are read
        self._given: list[Callable[[], BinaryIO] | bytes] = []
        self._firsts = Entries(ctx.temp_path, _ROOM)  # of files whose FILE is not their first name: the first
        self._has_opaque = False

    def __enter__(self) -> NewLayer:
        return self

    def __exit__(self, *_: object) -> None:
        self.entries.close()
        self._firsts.close()

    def put(self, piece: Piece) -> None:
        """Adds a piece, in the form that its row will have, in place of the one that has its path."""
        entry = piece.entry
        if entry.kind is Kind.WHITEOUT:
            entry = whiteout(entry.path)
        elif entry.kind is Kind.SYMLINK:
            entry = entry._replace(mode=LINK_MODE)
        elif entry.kind in FILES:
            entry = entry._replace(rdev=self._mark(piece.source, entry))
        elif entry.opaque:
            self._has_opaque = True
        self.entries.put(entry)

    def complete(self, folder: Folder | None = None) -> None:
        """Adds the folders on the way that are missing, as `folder` has them. Call it when all is put."""
        last: bytes | None = None
        for entry in self.entries:
            parent = parent_of(entry.path)
            if parent != last:
                self._add_folders(entry.path, folder)
                last = parent
        root = folder(b"") if folder is not None and len(self.entries) else None
        if root is not None and b"" not in self.entries and not default_root(root):
            self.entries.put(root._replace(opaque=False))

    def commit(self) -> Diff | None:
        """Writes it; None where there is nothing to write. Errors as of `rewrite`."""
        if self._has_opaque:
            self.entries.drop(self._is_hidden)
        if not len(self.entries):
            return None
        self._hold()
        with TempFolder(self._ctx) as temp, Entries(self._ctx.temp_path) as made:
            canonical = Canonical()
            with Builder(temp, place=self._ctx.temp_path) as builder:
                self._build(builder, canonical, made)
                builder.finish()
            return commit_diff(self._ctx, temp, made, *canonical.finish())

    def _build(self, builder: Builder, canonical: Canonical, made: Entries) -> None:
        """Makes all entries in the order of their paths, and notes them in `made` with their digests."""
        for entry in self.entries:
            if entry.kind in FILES:
                entry = self._resolved(entry)
            if entry.kind is Kind.FILE:
                entry = self._put_file(builder, canonical, entry)
            else:
                if entry.kind is Kind.HARDLINK:
                    file = made.get(entry.link)
                    assert file is not None
                    entry = file._replace(path=entry.path, kind=Kind.HARDLINK, link=entry.link)
                canonical.add(entry)
                builder.put(entry)
            made.put(entry)

    def _put_file(self, builder: Builder, canonical: Canonical, entry: Entry) -> Entry:
        origin, number = entry.rdev
        entry = entry._replace(rdev=_NO_DEVICE)
        canonical.add(entry)
        if origin == _GIVEN:
            return put_file(builder, canonical, entry, self._given[number])
        layer = self._layers[number]
        source = partial(self._ctx.open_file, layer, entry.path) if entry.size else b""
        try:
            return put_file(builder, canonical, entry, source)
        except InvalidInput as error:
            raise Corrupt(f"layer {layer} is damaged: {shown(entry.path)} is not what it was") from error

    def _resolved(self, entry: Entry) -> Entry:
        """A FILE or HARDLINK as it will be: the first name of a file is its FILE. Asked in order of paths."""
        path, is_link = entry.path, entry.kind is Kind.HARDLINK
        file = self.entries.get(entry.link) if is_link else entry
        if entry.rdev[0] == _NAMED:
            if file is None or file.kind is not Kind.FILE:
                raise InvalidInput(f"hard link to {shown(entry.link)}, which this layer lacks")
            entry = entry._replace(rdev=file.rdev)
        key = b"%d %d " % entry.rdev + (entry.link if is_link else path)
        known = self._firsts.get(key)
        if known is not None:
            return entry._replace(kind=Kind.HARDLINK, link=known.link)
        if not is_link:
            return entry
        is_here = file is not None and file.kind is Kind.FILE and file.rdev == entry.rdev
        if is_here and entry.link < path:
            return entry
        self._firsts.put(Entry(key, Kind.FILE, link=path))
        if file is not None and is_here:
            return file._replace(path=path)
        return entry._replace(kind=Kind.FILE, link=b"")

    def _mark(self, source: Source, entry: Entry) -> tuple[int, int]:
        if isinstance(source, str):
            if entry.size:
                self._read[source] = None
            number = self._numbers.setdefault(source, len(self._layers))
            if number == len(self._layers):
                self._layers.append(source)
            return _LAYER, number
        if entry.kind is Kind.HARDLINK:
            return _NAMED, 0
        self._given.append(b"" if source is None else source)
        return _GIVEN, len(self._given) - 1

    def _add_folders(self, path: bytes, folder: Folder | None) -> None:
        for above in ancestors(path):
            known = self.entries.get(above)
            if known is not None and known.kind is Kind.DIR:
                return
            if known is not None:
                raise InvalidInput(f"{shown(above)} is a folder and something else in one layer")
            found = folder(above) if folder is not None else None
            if found is None or found.kind is not Kind.DIR:
                found = Entry(above, Kind.DIR)
            self.entries.put(found._replace(opaque=False))

    def _is_hidden(self, entry: Entry) -> bool:
        if entry.kind is not Kind.WHITEOUT:
            return False
        folders = [self.entries.get(above) for above in (*ancestors(entry.path), b"")]
        return any(each is not None and each.opaque for each in folders)

    def _hold(self) -> None:
        """Keeps the layers that are read from sweeps, and brings those that are absent."""
        if self._read:
            with self._ctx.db.write(durable=False) as tx:
                leases.hold(tx, self._ctx.lease.id, leases.DIFF, *self._read)
            bring(self._ctx, self._read)
