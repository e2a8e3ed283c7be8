"""Random stacks of layers in a real store, and what a container would see of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from lamina.layers.lookup import Lookup
from lamina.layers.write import LayerItem, write_layer
from lamina.oci.config import ContainerConfig, History, ImageConfig, RootFS
from lamina.oci.digest import ImageID
from lamina.surgery.parts import Line, Parts
from lamina.tree.change import apply
from lamina.tree.entry import Entry, Kind
from lamina.tree.tree import Tree, ancestors
from lamina.tree.whiteout import whiteout
from tests.layers.stores import rows
from tests.tree.strategies import SECOND, layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID

Stack = tuple[tuple[Entry, ...], ...]
IMAGE = ImageID("sha256:" + "1" * 64)
ON_STORES = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
MOMENT = "2024-01-01T00:00:00Z"
_WORKS = (
    "write",
    "write",
    "other",
    "empty",
    "delete",
    "delete",
    "chmod",
    "chmod",
    "mkdir",
    "symlink",
    "link",
)
_PATHS = (b"a", b"b", b"a/x", b"a/y", b"a/d", b"a/d/x", b"a/d/y", b"b/x", b"b/d/x")
_CONTENTS = {hashlib.sha256(data).hexdigest(): data for data in (b"", b"x", b"y")}


@st.composite
def stacks(draw: st.DrawFn, least: int = 1, most: int = 5) -> Stack:
    """Layers, bottom first: strange ones, or those that a container's work on one another's files makes."""
    if draw(st.integers(0, 3)) == 0:
        return tuple(draw(st.lists(layers(), min_size=least, max_size=most)))
    found: list[tuple[Entry, ...]] = []
    tree = Tree()
    for _ in range(draw(st.integers(least, most))):
        layer = draw(_works(tree))
        tree = apply(tree, layer)
        found.append(layer)
    return tuple(found)


@st.composite
def _works(draw: st.DrawFn, tree: Tree) -> tuple[Entry, ...]:
    """What some work on a tree leaves in a layer: each path it changed, with the folders above."""
    layer: dict[bytes, Entry] = {}
    for path, work in draw(
        st.dictionaries(st.sampled_from(_PATHS), st.sampled_from(_WORKS), max_size=4)
    ).items():
        if any(layer[up].kind is not Kind.DIR for up in ancestors(path) if up in layer) or path in layer:
            continue
        old = tree.get(path)
        entry = _work(path, work, old, draw(st.integers(0, 2)) * SECOND)
        if entry is None:
            continue
        if entry.kind is not Kind.DIR and any(below.startswith(path + b"/") for below in layer):
            continue
        layer[path] = entry
        for up in ancestors(path):
            known = tree.get(up)
            if known is None or known.kind is not Kind.DIR:
                known = Entry(up, Kind.DIR)
            layer.setdefault(up, known._replace(mtime=draw(st.integers(0, 2)) * SECOND))
        if work == "link" and path + b"2" not in tree:
            layer[path + b"2"] = entry._replace(path=path + b"2", kind=Kind.HARDLINK, link=path)
    return tuple(sorted(layer.values()))


def _work(path: bytes, work: str, old: Entry | None, time: int) -> Entry | None:
    """The entry that one work leaves; None where there is nothing to work on."""
    if work == "delete":
        return whiteout(path) if old is not None else None
    if work == "chmod":
        if old is None:
            return None
        kind = Kind.FILE if old.kind is Kind.HARDLINK else old.kind  # which a copy of one name becomes
        link = b"" if kind is Kind.FILE else old.link
        return old._replace(kind=kind, link=link, mode=old.mode ^ 0o44, mtime=time)
    if work == "mkdir":
        return Entry(path, Kind.DIR, mtime=time, opaque=old is not None)
    if work == "symlink":
        return Entry(path, Kind.SYMLINK, 0o777, link=b"a", mtime=time)
    content = b"" if work == "empty" else b"y" if work == "other" else b"x"
    digest = hashlib.sha256(content).hexdigest()
    return Entry(path, Kind.FILE, 0o644, size=len(content), digest=digest, mtime=time)


def write(ctx: Layers, stack: Sequence[Sequence[Entry]]) -> tuple[DiffID, ...]:
    """The layers in the store; their contents are those that tests.tree.strategies has."""
    return tuple([write_layer(ctx, [_item(entry) for entry in layer]).diff_id for layer in stack])


def _item(entry: Entry) -> LayerItem:
    return LayerItem(entry, _CONTENTS[entry.digest][: entry.size] if entry.kind is Kind.FILE else None)


def parts_of(diff_ids: Sequence[DiffID]) -> Parts:
    """Parts of an image of these layers, which were made by "step 1", "step 2", ..."""
    config = ImageConfig("amd64", "linux", RootFS(()), ContainerConfig(), (), MOMENT)
    lines = [Line(History(MOMENT, f"step {n}"), diff_id) for n, diff_id in enumerate(diff_ids, 1)]
    return Parts(config, tuple(lines))


def seen(ctx: Layers, diff_ids: Sequence[DiffID]) -> Tree:
    """The merged tree of a stack, bottom first: paths, kinds, modes, owners, times, links, contents."""
    return Lookup(ctx, tuple(diff_ids)[::-1]).tree()


def files_of(ctx: Layers, diff_id: DiffID) -> list[str]:
    """The files of a layer, without its folders."""
    return [entry.path.decode() for entry in rows(ctx, diff_id) if entry.kind is not Kind.DIR]
