"""Where COPY and ADD put things: BuildKit's rules for destinations, played on look-ups instead of a mount.

The destination's links are followed inside the image's root. A folder copies its contents; the
destination it goes to, and missing folders on the way, are made with mode 0755, or the octal one of
--chmod, for the owner of --chown; folders below it take the source's mode and owner even when they were
there. Of folders that --parents or --exclude only imply, those that were there keep their owner.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.errors import InvalidInput
from lamina.layers.write import LayerItem
from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import ancestors, parent_of, resolve

if TYPE_CHECKING:
    from lamina.build.source import Source
    from lamina.graph.chmod import ModeChange
    from lamina.graph.ingredients import Picked
    from lamina.layers.lookup import Lookup

Content = Callable[[], BinaryIO] | bytes | None
_WHITEOUT = b".wh."
_SETGID = 0o2000


class Style(NamedTuple):
    """What a COPY says of everything that it makes. Times in nanoseconds."""

    owner: tuple[int, int] | None  # --chown; None keeps the source's
    mode: ModeChange | None  # --chmod
    time: int  # of folders that have no source
    epoch: int | None = None  # of everything, when it is given

    @property
    def folder_owner(self) -> tuple[int, int]:
        """Who gets a folder that has no source."""
        return self.owner or (0, 0)

    @property
    def folder_mode(self) -> int:
        """Its mode."""
        return 0o755 if self.mode is None else self.mode.folder_mode


class Placement:
    """A layer in the making: what it has so far over what lies below it."""

    def __init__(self, below: Lookup, style: Style) -> None:
        self._below = below
        self._style = style
        self._items: dict[bytes, LayerItem] = {}
        self._hidden: set[bytes] = set()  # removed here; what lies below them does not show
        self._links: dict[Hashable, bytes] = {}
        self._new: set[bytes] = set()  # folders of ours with nothing below them

    def items(self) -> list[LayerItem]:
        """What the layer is made of, with whiteouts for what it hides and does not replace."""
        for path in self._hidden:
            self._hide(path)
        return [self._settle(self._items[path]) for path in sorted(self._items)]

    def _hide(self, path: bytes) -> None:
        """Whiteouts for what lies below `path`, where this layer has nothing or a new folder."""
        item = self._items.setdefault(path, LayerItem(Entry(path, Kind.WHITEOUT, 0)))
        if item.entry.kind is Kind.DIR:
            for child in self._below.children(path):
                self._hide(child.path)

    def _settle(self, item: LayerItem) -> LayerItem:
        """A hard link whose file was replaced meanwhile becomes a file again."""
        entry = item.entry
        if entry.kind is not Kind.HARDLINK:
            return item
        first = self._items.get(entry.link)
        is_file = first is not None and first.entry.kind is Kind.FILE
        same = first and (
            first.source is item.source or (entry.digest and first.entry.digest == entry.digest)
        )
        if first and is_file and same:
            file = first.entry
            return LayerItem(entry._replace(mode=file.mode, uid=file.uid, gid=file.gid))
        return item._replace(entry=entry._replace(kind=Kind.FILE, link=b""))

    def get(self, path: bytes) -> Entry | None:
        """What a process would see at `path`, no link followed."""
        item = self._items.get(path)
        if item is not None:
            return item.entry
        if path in self._hidden:
            return None
        for above in ancestors(path):
            if above in self._new or above in self._hidden:
                return None
            over = self._items.get(above)
            if over is not None and over.entry.kind is not Kind.DIR:
                return None
        return self._below.get(path)

    def item(self, path: bytes) -> LayerItem | None:
        """What this layer itself has at `path`."""
        return self._items.get(path)

    def walk(self, path: bytes) -> list[Entry]:
        """What a process would see at `path` and below it, sorted by path."""
        inside = path + b"/" if path else b""
        paths = {entry.path for entry in self._below.walk(path)}
        paths |= {own for own in self._items if own == path or own.startswith(inside)}
        return [entry for each in sorted(paths) if (entry := self.get(each)) is not None]

    def resolve(self, path: str | bytes, follow_last: bool = True) -> bytes:
        """Follows the links in an absolute path of the image."""
        text = path.encode(errors="surrogateescape") if isinstance(path, str) else path
        return resolve(text, self.get, follow_last)

    def is_folder(self, path: bytes) -> bool:
        """Whether there is a folder at `path`; the root is one."""
        found = self.get(path)
        return not path or (found is not None and found.kind is Kind.DIR)

    def make_folders(
        self, path: bytes, owner: tuple[int, int] | None = None, mode: int | None = None
    ) -> None:
        """Makes a folder and those it lies in, where they are missing. InvalidInput for a file there.

        They belong to `owner`, or else to whom --chown says; the same for `mode` and --chmod. In a setgid
        folder they are setgid, too, and its group's when nobody says whose they are: the kernel does so.
        """
        missing = []
        while not self.is_folder(path):
            missing.append(path)
            path = parent_of(path)
        for each in reversed(missing):
            self._make_folder(each, owner, mode)

    def _make_folder(self, path: bytes, owner: tuple[int, int] | None, mode: int | None) -> None:
        if self.get(path) is not None:
            raise InvalidInput(f"not a directory: {_show(path)}")
        uid, gid = owner or self._style.folder_owner
        bits = self._style.folder_mode if mode is None else mode
        above = self.get(parent_of(path))
        if above is not None and above.mode & _SETGID:
            bits |= _SETGID
            gid = above.gid if owner is None and self._style.owner is None else gid
        time = self._style.time if self._style.epoch is None else self._style.epoch
        self._set_new(Entry(path, Kind.DIR, bits, uid, gid, mtime=time))

    def copy(self, source: Source, picked: Picked, dest: str) -> None:
        """Copies one file to `dest` or into it, or the contents of one folder. `dest` is absolute."""
        self._links = {}  # names of one file stay one file within a match, not from one to the next
        folder, _, last = dest.rpartition("/")
        self.make_folders(self.resolve(folder + "/" if last else dest))
        target = self.resolve(dest)
        if picked.is_folder:
            self._copy_folder(source, picked, target)
            return
        if self.is_folder(target):
            target = _join(target, picked.name)
        self.make_folders(parent_of(target))
        self._copy_file(source, picked.path, picked.entries[0], target)

    def _copy_folder(self, source: Source, picked: Picked, target: bytes) -> None:
        self.make_folders(target)
        self._list(target)
        for entry in picked.entries[1:]:
            path, origin = _join(target, entry.path), _join(picked.path, entry.path)
            if entry.kind is not Kind.DIR:
                self._copy_file(source, origin, entry, path)
            elif self.get(path) is None:
                self._set_new(self._styled(entry, path))
            elif self.is_folder(path):
                made = self._styled(entry, path)
                if entry.path in picked.implied:
                    made = (self.get(path) or made)._replace(mode=made.mode, opaque=False)
                self._set(LayerItem(made))
                self._list(path)
            else:
                raise InvalidInput(f"cannot copy to non-directory: {_show(path)}")

    def _copy_file(self, source: Source, origin: bytes, entry: Entry, path: bytes) -> None:
        if self.is_folder(path):
            raise InvalidInput(f"cannot replace to directory {_show(path)} with file")
        made = self._styled(entry, path)
        if entry.kind is not Kind.FILE and entry.kind is not Kind.HARDLINK:
            self._set(LayerItem(made))
            return
        at = entry._replace(path=origin)
        made = made._replace(kind=Kind.FILE, link=b"")
        same = source.identity(at)
        first = self._links.setdefault(same, path) if same is not None else path
        kept = self._items.get(first)
        if first != path and kept is not None and kept.entry.kind is Kind.FILE:
            made = made._replace(kind=Kind.HARDLINK, link=first)
        self._set(LayerItem(made, lambda: source.open(at)))

    def add_document(self, name: str, content: bytes, dest: str) -> None:
        """A here-document: a file with mode 0644 at `dest`, or in it under its own name."""
        folder, _, last = dest.rpartition("/")
        self.make_folders(self.resolve(folder + "/" if last else dest))
        target = self.resolve(dest)
        encoded = name.encode(errors="surrogateescape")
        if self.is_folder(target):
            target = _join(target, encoded)
        if self.is_folder(target):
            raise InvalidInput(f"cannot replace to directory {_show(target)} with file")
        entry = Entry(encoded, Kind.FILE, 0o644, size=len(content), mtime=self._style.time)
        self._set(LayerItem(self._styled(entry, target), content))

    def put(self, entry: Entry, content: Content) -> None:
        """Takes an entry as it is, in place of whatever is there; folders stay where they were (archives)."""
        if not (entry.kind is Kind.DIR and self.is_folder(entry.path)):
            self.remove(entry.path)
        if self._style.epoch is not None:
            entry = entry._replace(mtime=self._style.epoch)
        if self._style.owner is not None:
            entry = entry._replace(uid=self._style.owner[0], gid=self._style.owner[1])
        self._set(LayerItem(entry, content))

    def change(self, item: LayerItem) -> None:
        """Gives what is at the path of `item` other metadata, just as they are there."""
        self._set(item)

    def remove(self, path: bytes) -> None:
        """Afterwards nothing is at `path`, which is no link's way and not the root."""
        if self.is_folder(path):
            inside = path + b"/"
            for below in [item for item in self._items if item.startswith(inside)]:
                del self._items[below]
        self._items.pop(path, None)
        if self._below.get(path) is not None:
            self._hidden.add(path)

    def _styled(self, entry: Entry, path: bytes) -> Entry:
        """The entry as --chown, --chmod and SOURCE_DATE_EPOCH want it."""
        style = self._style
        mode = entry.mode
        if style.mode is not None and entry.kind is not Kind.SYMLINK:
            mode = style.mode.apply(mode, entry.kind is Kind.DIR)
        uid, gid = style.owner or (entry.uid, entry.gid)
        mtime = entry.mtime if style.epoch is None else style.epoch
        return entry._replace(path=path, mode=mode, uid=uid, gid=gid, mtime=mtime, opaque=False)

    def _list(self, folder: bytes) -> None:
        """Looks a folder's contents up at once, before many questions about them."""
        if folder not in self._new:
            self._below.prefetch(folder)

    def _set_new(self, folder: Entry) -> None:
        """Makes a folder where nothing is: what lies in it need not be looked up."""
        self._set(LayerItem(folder))
        if folder.path not in self._hidden:
            self._new.add(folder.path)

    def _set(self, item: LayerItem) -> None:
        path = item.entry.path
        if path.rpartition(b"/")[2].startswith(_WHITEOUT):
            raise InvalidInput(
                f"{_show(path)}: no layer can hold a name that begins with .wh.",
                hint="rename it, or leave it out",
            )
        self._items[path] = item


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder and name else folder or name


def _show(path: bytes) -> str:
    return "/" + path.decode(errors="replace")
