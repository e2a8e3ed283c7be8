"""Placement over layers that are not the usual ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.build.context import Context
from lamina.build.placing import Placement, Style
from lamina.build.selecting import select_parents
from lamina.layers.lookup import Lookup
from lamina.layers.write import LayerItem, write_layer
from lamina.tree.entry import Entry, Kind
from tests.layers.conftest import folder, make_store, store

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.layers.context import Layers

__all__ = ["folder", "make_store", "store"]


def test_a_folder_that_a_layer_made_anew_keeps_its_contents(store: Layers, tmp_path: Path) -> None:
    """That it hides what is below that layer is not said once more: it would hide the layer, too."""
    below = [
        LayerItem(Entry(b"x", Kind.DIR, 0o700, opaque=True)),
        LayerItem(Entry(b"x/old", Kind.FILE, 0o644, size=3), b"old"),
    ]
    diff_id = write_layer(store, below).diff_id
    (tmp_path / "x").mkdir()
    (tmp_path / "x/new").write_text("new")
    context = Context(str(tmp_path), None, {})
    lookup = Lookup(store, (diff_id,))
    placement = Placement(lookup, Style(None, None, 0))
    for picked in select_parents(context, "/./x/new"):
        placement.copy(context, picked, "/")
    top = write_layer(store, placement.items(), parent=lookup).diff_id
    merged = Lookup(store, (top, diff_id))
    assert [entry.path for entry in merged.walk()] == [b"", b"x", b"x/new", b"x/old"]
