"""Without root: what the disk cannot hold is still right in the rows, and in the tar."""

from __future__ import annotations

import io
import os

import pytest

from lamina.errors import Denied
from lamina.layers.apply import apply_layer
from lamina.layers.write import LayerItem, write_layer
from lamina.testing import isolate
from lamina.tree.entry import Entry, Kind
from tests.layers.stores import file, member, named, open_store, packed_bytes, rows, state, tar_of


@pytest.fixture(params=["many", "one"])
def ids(request: pytest.FixtureRequest) -> isolate.Ids:
    return request.param  # type: ignore[no-any-return]


def run(test: object, ids: isolate.Ids) -> None:
    """Calls `test(folder)` as root of a user namespace."""
    try:
        isolate.run(test, ids)  # type: ignore[arg-type]
    except isolate.Skip as skip:
        pytest.skip(str(skip))


def test_owners(ids: isolate.Ids) -> None:
    items = [
        LayerItem(Entry(b"f", Kind.FILE, 0o4755, 33, 44, size=1), b"x"),
        LayerItem(Entry(b"d", Kind.DIR, 0o2750, 100_000, 7)),
        LayerItem(Entry(b"l", Kind.SYMLINK, 0o777, 33, 33, link=b"f")),
        LayerItem(Entry(b"gone", Kind.WHITEOUT)),
    ]

    def test(folder: str) -> None:
        ctx = open_store(folder + "/one")
        diff = write_layer(ctx, items)
        owners = {entry.path: (entry.uid, entry.gid) for entry in rows(ctx, diff.diff_id)}
        assert owners == {b"f": (33, 44), b"d": (100_000, 7), b"l": (33, 33), b"gone": (0, 0)}
        data = packed_bytes(ctx, diff.diff_id)
        assert named(data) == diff.diff_id
        other = open_store(folder + "/two")
        assert apply_layer(other, io.BytesIO(data)) == diff
        assert rows(other, diff.diff_id) == rows(ctx, diff.diff_id)
        assert os.stat(ctx.layout.diff_dir(diff.diff_id) + "/f").st_mode & 0o7777 == 0o4755

    run(test, ids)


def test_devices_are_refused(ids: isolate.Ids) -> None:
    def test(folder: str) -> None:
        ctx = open_store(folder + "/store")
        before = state(ctx)
        with pytest.raises(Denied, match="device"):
            apply_layer(ctx, io.BytesIO(tar_of(file("f"), member("null", "c", devmajor=1, devminor=3))))
        assert state(ctx) == before

    run(test, ids)
