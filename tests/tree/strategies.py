"""Entries and trees for Hypothesis: every kind, odd names, big numbers, old times."""

from __future__ import annotations

import hashlib

from hypothesis import strategies as st

from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import Tree, ancestors
from lamina.tree.whiteout import whiteout

SECOND = 1_000_000_000
NAMES = st.one_of(
    st.sampled_from([b"a", b"b", b"a-b", b"a.b", b".hidden", b"-x", b"..."]),
    st.binary(min_size=1, max_size=12),
    st.sampled_from(
        ["naïve".encode(), b"sp ace", b"new\nline", b"\xff\xfe", b"x" * 255, b"y" * 99, b"z" * 101]
    ),
).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..") and name[:4] != b".wh."
)
PATHS = st.lists(NAMES, min_size=1, max_size=5).map(b"/".join)
IDS = st.sampled_from([0, 1, 1000, 0o7777777, 0o7777777 + 1, 2**32 - 2])
MTIMES = st.one_of(
    st.integers(0, 2_000_000_000), st.sampled_from([-1, -(2**31), -(2**33), 0o77777777777, 0o77777777777 + 1])
).map(lambda seconds: seconds * SECOND)
TARGETS = st.one_of(
    PATHS, st.sampled_from([b"/", b"..", b"../../x", b"/abs/" + b"t" * 100, b"l" * 4095, b" ", b"\xff"])
)
XATTR_NAMES = st.sampled_from(
    [b"security.capability", b"user.a", b"user.b=c", b"user.%25", "user.ü".encode()]
)
XATTRS = st.dictionaries(XATTR_NAMES, st.binary(max_size=40), max_size=3).map(
    lambda x: tuple(sorted(x.items()))
)
MODES = st.sampled_from([0, 0o644, 0o755, 0o1777, 0o4755, 0o7777])


@st.composite
def entries(draw: st.DrawFn, kinds: tuple[Kind, ...] = tuple(Kind)) -> Entry:
    """One entry as a tar holds it: whole seconds, and no metadata where it does not belong."""
    kind = draw(st.sampled_from([k for k in kinds if k not in (Kind.SOCKET, Kind.WHITEOUT)]))
    made = Entry(
        draw(PATHS), kind, draw(MODES), draw(IDS), draw(IDS), mtime=draw(MTIMES), xattrs=draw(XATTRS)
    )
    if kind is Kind.SYMLINK:
        return made._replace(link=draw(TARGETS))
    if kind is Kind.HARDLINK:
        return made._replace(link=draw(PATHS.filter(lambda path: path != made.path)), xattrs=())
    if kind in (Kind.CHAR, Kind.BLOCK):
        return made._replace(
            rdev=draw(st.tuples(st.sampled_from([1, 8, 0xFFF]), st.sampled_from([0, 3, 0xFFFFF])))
        )
    return made


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A merged tree of few names, so that two of them often clash; hard links carry their file's metadata."""
    made: dict[bytes, Entry] = {}
    names = st.sampled_from([b"a", b"b", b"c", b"a-b"])
    for path in draw(st.lists(st.lists(names, min_size=1, max_size=3).map(b"/".join), max_size=10)):
        folder = path.rpartition(b"/")[0]
        parents = [folder[:at] for at in range(len(folder) + 1) if folder[at : at + 1] in (b"/", b"") and at]
        if any(parent in made and made[parent].kind is not Kind.DIR for parent in parents) or path in made:
            continue
        for parent in parents:
            made.setdefault(parent, Entry(parent, Kind.DIR, draw(st.sampled_from([0o755, 0o700]))))
        made[path] = draw(_nodes(path, made))
    return Tree(_with_first_names_as_files(made).values())


@st.composite
def _nodes(draw: st.DrawFn, path: bytes, made: dict[bytes, Entry]) -> Entry:
    kind = draw(st.sampled_from([Kind.FILE, Kind.FILE, Kind.DIR, Kind.SYMLINK, Kind.HARDLINK, Kind.HARDLINK]))
    files = sorted(entry.path for entry in made.values() if entry.kind is Kind.FILE)
    if kind is Kind.DIR:
        return Entry(path, kind, draw(st.sampled_from([0o755, 0o700])))
    if kind is Kind.SYMLINK:
        return Entry(path, kind, 0o777, link=draw(st.sampled_from([b"a", b"/b", b"../c"])))
    if kind is Kind.HARDLINK and files:
        file = made[draw(st.sampled_from(files))]
        return file._replace(path=path, kind=Kind.HARDLINK, link=file.path)
    content = draw(st.sampled_from([b"", b"x", b"y"]))
    digest = hashlib.sha256(content).hexdigest()
    return Entry(path, Kind.FILE, draw(st.sampled_from([0o644, 0o4755])), size=len(content), digest=digest)


def _with_first_names_as_files(made: dict[bytes, Entry]) -> dict[bytes, Entry]:
    """As in all rows: the lowest of a file's names is the FILE, the others link to it."""
    groups: dict[bytes, list[bytes]] = {}
    for entry in made.values():
        if entry.kind in (Kind.FILE, Kind.HARDLINK):
            groups.setdefault(entry.link or entry.path, []).append(entry.path)
    for paths in groups.values():
        first = min(paths)
        for path in paths:
            if path == first:
                made[path] = made[path]._replace(kind=Kind.FILE, link=b"")
            else:
                made[path] = made[path]._replace(kind=Kind.HARDLINK, link=first)
    return made


@st.composite
def layers(draw: st.DrawFn) -> tuple[Entry, ...]:
    """A layer: some tree, some of whose folders are opaque, and deletions of what may be there or not."""
    tree = draw(trees())
    made = {entry.path: entry for entry in tree}
    for path, entry in made.items():
        if entry.kind is Kind.DIR and draw(st.booleans()):
            made[path] = entry._replace(opaque=draw(st.booleans()))
    names = st.sampled_from([b"a", b"b", b"c", b"a-b"])
    for path in draw(st.lists(st.lists(names, min_size=1, max_size=3).map(b"/".join), max_size=4)):
        folders = ancestors(path)
        if path in made or any(up in made and made[up].kind is not Kind.DIR for up in folders):
            continue
        for up in folders:
            made.setdefault(up, Entry(up, Kind.DIR))
        made[path] = whiteout(path)
    return tuple(sorted(made.values()))
