"""The merged view of the layers of one recording: what stat, links and attributes say, folder by folder.

Folders are read from the database when they are first looked into, each by one query for each layer that
shows in it. Names that are not there, and all that was asked before, are answered from memory. Where the
sandbox mounts something in every process, a name is there in any case: at the bottom, below all layers.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from lamina.db import readsets
from lamina.db.files import unpack_xattrs
from lamina.fs.xattr import belongs
from lamina.oci.digest import hex_of
from lamina.trace import protocol
from lamina.trace.protocol import Attributes

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from lamina.oci.digest import DiffID
    from lamina.trace.wire import Setting

    # name, kind, mode, uid, gid, size, mtime, link, device, xattrs, opaque
    Row = tuple[bytes, str, int, int, int, int, int, bytes, int, bytes, int]

_FOLDER = """SELECT name, kind, mode, uid, gid, size, mtime, link, rdev, xattrs, opaque
    FROM files WHERE diff = ? AND parent = ? AND name > x''"""
_LINKS = "SELECT link, count(*) FROM files WHERE diff = ? AND kind = 'h' GROUP BY link"
_OPAQUE_ROOTS = "SELECT diff FROM files WHERE diff IN ({}) AND parent = x'' AND name = x'' AND opaque"
_TYPES = {
    "f": stat.S_IFREG,
    "h": stat.S_IFREG,
    "d": stat.S_IFDIR,
    "l": stat.S_IFLNK,
    "c": stat.S_IFCHR,
    "b": stat.S_IFBLK,
    "p": stat.S_IFIFO,
}
_PATH_LIMIT = 4096  # PATH_MAX of the kernel: bytes, with the zero at the end
_FOLDER_SIZE = 4096  # bytes, for every folder: the real size would tell what is in it
# See sandbox.points: what every process gets, by the folder that it is in.
_POINTS = {b"": (b"dev", b"etc", b"proc", b"sys"), b"etc": (b"hostname", b"hosts", b"resolv.conf")}
COVERED = frozenset(b"etc/" + name for name in _POINTS[b"etc"])  # the files among them
_NO_ROW: Row = (b"", "d", 0o755, 0, 0, 0, 0, b"", 0, b"", 0)


class Layer:
    """One layer: its number in the database, and its folder below diff/."""

    __slots__ = ("hex", "links", "num")

    def __init__(self, num: int, hex_: bytes) -> None:
        self.num = num
        self.hex = hex_
        self.links: dict[bytes, int] | None = None  # further names of files, once somebody asked


class Node:
    """One file, folder or link of the merged view. `added` is set where no layer has it."""

    __slots__ = ("added", "answer", "attr", "children", "id", "layers", "link", "mode", "path", "xattrs")

    def __init__(self, number: int, path: bytes, about: Attributes) -> None:
        self.id = number
        self.path = path  # of the first name that was asked for, where there are several
        self.mode = about.mode
        attr = protocol.attributes(number, about)
        self.attr = protocol.attr_out(attr)
        self.answer = protocol.entry_out(number, attr)
        self.link = b""
        self.added = False
        self.xattrs: dict[bytes, bytes] = {}
        self.layers: tuple[Layer, ...] = ()  # of a folder: those that show in it, top first
        self.children: dict[bytes, _Rows | Node] | None = None  # once they were read


class _Rows:
    """What the layers say of one name, top first; not a Node before it is looked up."""

    __slots__ = ("id", "layers", "rows")

    def __init__(self, layer: Layer, row: Row) -> None:
        self.id = 0  # that the node will have, once a listing named it
        self.layers = [layer]
        self.rows = [row]


class Index:
    """The nodes of one recording."""

    def __init__(self, c: sqlite3.Connection, layers: Sequence[Layer], setting: Setting) -> None:
        self._c = c
        self._prefix = setting.prefix
        self._uids = setting.uids
        self._gids = setting.gids
        self._linked: dict[tuple[int, bytes], Node] = {}  # files with several names, by layer and first name
        self.nodes: list[Node | None] = [None]  # by ID, which begin with 1
        root = self._add(b"", Attributes(stat.S_IFDIR | 0o755, 1, 0, 0, _FOLDER_SIZE, 0, (0, 0)))
        root.layers = tuple(self._until_opaque(layers))

    @classmethod
    def of(cls, c: sqlite3.Connection, chain: Sequence[DiffID], setting: Setting) -> Index:
        """The index of these layers, top first. NotFound for one that the store has not."""
        found = readsets.numbered(c, chain)
        return cls(c, [Layer(row.num, hex_of(diff_id).encode()) for diff_id, row in found.items()], setting)

    def _until_opaque(self, layers: Sequence[Layer]) -> Sequence[Layer]:
        """The layers down to the first whose root hides what is below."""
        marks = ", ".join("?" * len(layers))
        rows = self._c.execute(_OPAQUE_ROOTS.format(marks), [layer.num for layer in layers]).fetchall()
        opaque = {num for (num,) in rows}
        end = next((at for at, layer in enumerate(layers, 1) if layer.num in opaque), len(layers))
        return layers[:end]

    def node(self, number: int) -> Node:
        """The node with this ID. IndexError, ValueError when the kernel cannot know it."""
        found = self.nodes[number]
        if found is None:
            raise ValueError(f"no node {number}")
        return found

    def find(self, folder: Node, name: bytes) -> Node | None:
        """What the folder has at `name`."""
        children = folder.children
        if children is None:
            children = self.read(folder)
        found = children.get(name)
        if found.__class__ is _Rows:
            found = children[name] = self._resolve(folder, name, found)
        return found  # type: ignore[return-value]

    def has_folder(self, path: bytes) -> bool:
        """Whether the layers have a folder at `path`. Links are not followed."""
        node = self.node(protocol.ROOT_ID)
        for name in path.split(b"/") if path else ():
            found = self.find(node, name)
            if found is None or found.added or not stat.S_ISDIR(found.mode):
                return False
            node = found
        return True

    def above(self, folder: Node) -> Node:
        """The folder that a folder is in; of the root, itself."""
        above = self.node(protocol.ROOT_ID)
        for name in folder.path.split(b"/")[:-1]:
            found = self.find(above, name)
            assert found is not None
            above = found
        return above

    def names(self, folder: Node) -> list[tuple[bytes, int, int]]:
        """The names in a folder with the types of what they name, as bits of a mode, and the nodes' IDs."""
        children = folder.children
        if children is None:
            children = self.read(folder)
        found = []
        for name, rows in children.items():
            child = self._numbered(folder, name, rows)
            mode = child.mode if isinstance(child, Node) else _TYPES[child.rows[0][1]]
            found.append((name, mode, child.id))
        return found

    def _numbered(self, folder: Node, name: bytes, child: _Rows | Node) -> _Rows | Node:
        """A child that has its ID, which all names of one file share."""
        if child.id:
            return child
        assert isinstance(child, _Rows)
        layer, kind = child.layers[0], child.rows[0][1]
        if kind == "h" or (kind == "f" and _join(folder.path, name) in self._links_of(layer)):
            return self._resolve(folder, name, child)
        child.id = self._new_id()
        return child

    def _links_of(self, layer: Layer) -> dict[bytes, int]:
        """How many further names the files of a layer have, by their first."""
        if layer.links is None:
            layer.links = dict(self._c.execute(_LINKS, (layer.num,)).fetchall())
        return layer.links

    def _new_id(self) -> int:
        self.nodes.append(None)
        return len(self.nodes) - 1

    def read(self, folder: Node) -> dict[bytes, _Rows | Node]:
        """Everything in a folder, from the database."""
        children: dict[bytes, _Rows | Node] = {}
        for layer in folder.layers:
            for row in self._c.execute(_FOLDER, (layer.num, folder.path)).fetchall():
                known = children.get(row[0])
                if known is None:
                    children[row[0]] = _Rows(layer, row)
                elif isinstance(known, _Rows):
                    known.layers.append(layer)
                    known.rows.append(row)
        for name in [name for name, found in children.items() if found.rows[0][1] == "w"]:  # type: ignore[union-attr]
            del children[name]
        for name in _POINTS.get(folder.path, ()):
            if name not in children:
                children[name] = self._point(folder, name)
        # in the order of names: which layers they come from must not show
        folder.children = dict(sorted(children.items()))
        return folder.children

    def _point(self, folder: Node, name: bytes) -> Node:
        if folder.path:
            about = Attributes(stat.S_IFREG | 0o644, 1, 0, 0, 0, 0, (0, 0))
        else:
            about = Attributes(stat.S_IFDIR | 0o755, 1, 0, 0, _FOLDER_SIZE, 0, (0, 0))
        node = self._add(_join(folder.path, name), about)
        node.added = True
        return node

    def _resolve(self, folder: Node, name: bytes, found: _Rows) -> Node:
        layer, row = found.layers[0], found.rows[0]
        path = _join(folder.path, name)
        kind = row[1]
        if kind in "fh":
            node = self._file(path, layer, row, found.id)
        else:
            node = self._add(path, self._about(row, 1), found.id)
            if kind == "d":
                node.layers = _showing(found)
            elif kind == "l":
                node.link = row[7]
        if row[9]:  # above all: what overlay reads we alone say, or an image could show files of others
            node.xattrs.update([each for each in unpack_xattrs(row[9]) if belongs(os.fsdecode(each[0]))])
        return node

    def _file(self, path: bytes, layer: Layer, row: Row, number: int) -> Node:
        """A file without data, which overlay finds in the layer itself; one node for all of its names."""
        first = row[7] if row[1] == "h" else path
        more = self._links_of(layer).get(first, 0)
        if more and (layer.num, first) in self._linked:
            return self._linked[layer.num, first]
        node = self._add(path, self._about(row, 1 + more), number)
        place = b"/" + layer.hex + b"/" + path
        if len(place) >= _PATH_LIMIT:
            raise OSError(errno.ENAMETOOLONG, "overlay cannot find the data of a file so deep")
        node.xattrs[self._prefix + b"metacopy"] = b""
        node.xattrs[self._prefix + b"redirect"] = place
        if more:
            self._linked[layer.num, first] = node
        return node

    def _about(self, row: Row, nlink: int) -> Attributes:
        _, kind, mode, uid, gid, size, mtime, link, device, _, _ = row
        uid, gid = _held(uid, self._uids), _held(gid, self._gids)
        if kind == "d":
            size = _FOLDER_SIZE
        elif kind == "l":
            size = len(link)
        return Attributes(
            _TYPES[kind] | mode, nlink, uid, gid, size, mtime, (device >> 32, device & 0xFFFFFFFF)
        )

    def _add(self, path: bytes, about: Attributes, number: int = 0) -> Node:
        node = Node(number or self._new_id(), path, about)
        self.nodes[node.id] = node
        return node


def _showing(found: _Rows) -> tuple[Layer, ...]:
    """The layers that show in a folder: down to the first that is opaque there, or has something else."""
    layers = []
    for layer, row in zip(found.layers, found.rows, strict=True):
        if row[1] != "d":
            break
        layers.append(layer)
        if row[10]:
            break
    return tuple(layers)


def _held(number: int, ranges: tuple[tuple[int, int], ...]) -> int:
    """The ID that files on disk have in place of this one."""
    return number if any(first <= number <= last for first, last in ranges) else 0


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name
