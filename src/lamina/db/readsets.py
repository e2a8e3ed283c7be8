"""What observations find in the merged view of layers: one pass over the layers, top first.

From each layer come the rows that are wanted: all its rows are read when they are few, else those are sought.
What a row hides of the layers below is wanted no more; so the folders that lie on the way are wanted too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db.files import joined, unpack_xattrs
from lamina.db.marks import marks
from lamina.errors import NotFound
from lamina.tree.entry import Entry, Kind
from lamina.tree.readset import NOTHING, listing_value, value, value_of
from lamina.tree.tree import parent_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from lamina.oci.digest import DiffID
    from lamina.tree.readset import Observed

    Row = tuple[bytes, bytes, str, int, int, int, int, bytes, int, bytes, bytes, int]  # the columns below
    Link = tuple[bytes, bytes]  # of a file with several names: that of its FILE, and another

_COLUMNS = (
    "f.parent, f.name, f.kind, f.mode, f.uid, f.gid, f.size, f.link, f.rdev, f.xattrs, f.digest, f.opaque"
)
_DEARER = 2  # what it costs to seek a row, when to read on to the next one costs 1
_AT_ONCE = 128  # rows that one query seeks
_ROOT = value_of(Entry(b"", Kind.DIR))


def values(c: sqlite3.Connection, diff_ids: Sequence[DiffID], observed: Sequence[Observed]) -> list[bytes]:
    """The whole value (tree.readset) of each observation in the merged view of these layers, top first.

    NotFound when the store has not all of them; Corrupt when they lack the digest of a file.
    """
    return _view(c, numbered(c, diff_ids).values(), observed).values(observed)


def differing(
    c: sqlite3.Connection, one: Sequence[DiffID], other: Sequence[DiffID], observed: Sequence[Observed]
) -> list[Observed] | None:
    """The observations that find something else in the other stack; both are top first.

    None where that costs as much as all values: where they have no layer in common at the bottom, or much on
    top of those. NotFound, Corrupt.
    """
    shared = 0
    while shared < min(len(one), len(other)) and one[-1 - shared] == other[-1 - shared]:
        shared += 1
    tops = [numbered(c, stack[: len(stack) - shared]).values() for stack in (one, other)]
    if not shared or sum([diff.entries for top in tops for diff in top]) > len(observed):
        return None
    upper, upper_too = [_view(c, top, observed) for top in tops]
    apart = upper.apart(upper_too, observed)  # elsewhere what they have in common shows, in both or in none
    if not apart:
        return []
    both = zip(apart, values(c, one, apart), values(c, other, apart), strict=True)
    return [each for each, value, value_too in both if value != value_too]


def _view(c: sqlite3.Connection, diffs: Iterable[Numbered], observed: Sequence[Observed]) -> _View:
    view = _View(observed)
    for num, entries in diffs:
        rows = _all(c, num) if entries <= view.wanted * _DEARER else _sought(c, num, view)
        view.add(rows, _links(c, num))
    return view


class _Folder:
    """A folder that something is wanted of."""

    __slots__ = ("folders", "kinds", "names", "path")

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.names: set[bytes] = set()  # that were looked up in it, and are not found yet
        self.folders: dict[bytes, _Folder] = {}  # in it that something is wanted of, by name
        self.kinds: dict[bytes, str] | None = None  # all names that are found in it, if it was listed


class _View:
    """What is found of the observations in the layers that were added, and what is still wanted."""

    def __init__(self, observed: Sequence[Observed]) -> None:
        root = _Folder(b"")
        root.folders[b""] = root  # which may have a row: without a name, in itself
        folders = self.folders = {b"": root}  # those that lower layers may show something in, by path
        self._listed: dict[bytes, _Folder] = {}
        self._found: dict[bytes, bytes] = {}
        for path, listed in observed:
            if listed:
                folder = self._listed[path] = folders.get(path) or self._add_folder(path)
                folder.kinds = {}
            else:
                inside, _, name = path.rpartition(b"/")
                folder = folders.get(inside) or self._add_folder(inside)
                folder.names.add(name)
        self.wanted = len(observed) + len(folders)  # about how many rows of a layer are of use

    def _add_folder(self, path: bytes) -> _Folder:
        added = folder = self.folders[path] = _Folder(path)
        while True:
            inside, _, name = folder.path.rpartition(b"/")
            parent = self.folders.get(inside)
            if parent is not None:
                parent.folders[name] = folder
                return added
            parent = self.folders[inside] = _Folder(inside)
            parent.folders[name] = folder
            folder = parent

    def add(self, rows: Iterable[Row], links: Iterable[Link]) -> None:
        """Takes what the next lower layer has, in any order; `links` is read when a file is found."""
        folder_at = self.folders.get
        hidden: list[_Folder] = []
        names: dict[bytes, list[bytes]] | None = None
        for inside, name, kind, mode, uid, gid, size, link, device, packed, digest, opaque in rows:
            folder = folder_at(inside)
            if folder is None:
                continue
            if name in folder.names:
                folder.names.remove(name)
                if names is None:
                    names = _names(links)
                path = inside + b"/" + name if inside else name
                several = names.get(link if kind == "h" else path, ())
                xattrs = unpack_xattrs(packed) if packed else ()
                self._found[path] = value(kind, mode, uid, gid, size, link, device, xattrs, digest, several)
            if folder.kinds is not None:
                folder.kinds.setdefault(name, kind)
            if (kind != "d" or opaque) and name in folder.folders:
                hidden.append(folder.folders[name])
        self._hide(hidden)

    def _hide(self, folders: list[_Folder]) -> None:
        """Lower layers show nothing in these folders, nor below them."""
        while folders:
            folder = folders.pop()
            if self.folders.pop(folder.path, None) is not None:
                folders += folder.folders.values()

    def apart(self, other: _View, observed: Sequence[Observed]) -> list[Observed]:
        """Where they have found something else, or want something else of what lies below."""
        paths = {path for path, _ in self._found.items() ^ other._found.items()}
        folders = self.folders.keys() ^ other.folders.keys()
        lists = {path for path, folder in self._listed.items() if folder.kinds != other._listed[path].kinds}
        if not (paths or folders or lists):
            return []
        lists |= folders
        return [
            each
            for each in observed
            if each.path in (lists if each.listed else paths) or parent_of(each.path) in folders
        ]

    def values(self, observed: Sequence[Observed]) -> list[bytes]:
        """The value of each observation, when all layers were added."""
        found = self._found.get
        listed = {path: _listing(folder.kinds or {}) for path, folder in self._listed.items()}
        return [
            listed[path] if is_listing else found(path, NOTHING if path else _ROOT)
            for path, is_listing in observed
        ]


def _listing(kinds: dict[bytes, str]) -> bytes:
    return listing_value([(name, kind) for name, kind in kinds.items() if kind != "w" and name])


def _names(links: Iterable[Link]) -> dict[bytes, list[bytes]]:
    """All names of each file that has several, by that of the FILE."""
    names: dict[bytes, list[bytes]] = {}
    for first, other in links:
        names.setdefault(first, [first]).append(other)
    return names


# --- layers ------------------------------------------------------------------------------------


class Numbered(NamedTuple):
    """What a diff is called in the rows of files, and how many it has."""

    num: int
    entries: int


def numbered(c: sqlite3.Connection, diff_ids: Sequence[DiffID]) -> dict[DiffID, Numbered]:
    """These diffs in their order, top first; one that is there twice counts on top. NotFound."""
    names = tuple(dict.fromkeys(diff_ids))
    rows = c.execute(f"SELECT diff_id, num, entries FROM diffs WHERE diff_id IN ({marks(names)})", names)
    found = {name: Numbered(*row) for name, *row in rows}
    for name in names:
        if name not in found:
            raise NotFound(f"layer {name} is not in the store")
    return {name: found[name] for name in names}


def _all(c: sqlite3.Connection, number: int) -> Iterable[Row]:
    return c.execute(f"SELECT {_COLUMNS} FROM files AS f WHERE f.diff = ?", (number,))


def _sought(c: sqlite3.Connection, number: int, view: _View) -> list[Row]:
    """Those rows of a diff that the view wants, and few others."""
    whole: list[bytes] = []
    single: list[bytes] = []
    for path, folder in view.folders.items():
        if folder.kinds is not None:
            whole.append(path)
        else:
            for name in sorted(folder.names | folder.folders.keys()):  # near each other in the table
                single += (path, name)
    # a folder that was listed, and one row by the whole key
    found = _query(c, number, whole, "parent", "f.parent = want.parent")
    return found + _query(c, number, single, "parent, name", "f.parent = want.parent AND f.name = want.name")


def _query(c: sqlite3.Connection, number: int, keys: list[bytes], columns: str, where: str) -> list[Row]:
    found: list[Row] = []
    width = columns.count(",") + 1
    for at in range(0, len(keys), width * _AT_ONCE):
        part: list[bytes | None] = [*keys[at : at + width * _AT_ONCE]]
        # few lengths: SQLite need not read a new text each time; NULL is equal to nothing
        count = 1 << (len(part) // width - 1).bit_length()
        part += [None] * (count * width - len(part))
        tuples = ", ".join(["(" + ", ".join("?" * width) + ")"] * count)
        # CROSS JOIN holds SQLite to this order: each key, then its rows
        found += c.execute(
            f"""WITH want ({columns}) AS (VALUES {tuples})
            SELECT {_COLUMNS} FROM want CROSS JOIN files AS f WHERE f.diff = ? AND {where}""",
            (*part, number),
        ).fetchall()
    return found


def _links(c: sqlite3.Connection, number: int) -> Iterator[Link]:
    """The further names of files; asked when they are read."""
    # with a bound for `link` SQLite takes the index that has nothing else, and not the table
    rows = c.execute(
        "SELECT link, parent, name FROM files WHERE diff = ? AND kind = 'h' AND link > x''", (number,)
    )
    for link, parent, name in rows:
        yield link, joined(parent, name)
