"""`lamina sql` of real images: the rows of the views are what an independent walk of their archives gives."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from lamina import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.real_images import Real
    from tests.insight.oracle import Layer

TYPES = {"dir": "folder", "char": "device", "block": "device", "fifo": "pipe"}
COLUMNS = "path, name, type, mode, uid, gid, size, mtime, link, sha256, opaque"
ABOVE = """
SELECT f.path FROM image_layers AS l JOIN files AS f USING (diff_id)
WHERE l.image_id = ? AND l.number = (
    SELECT max(m.number) FROM image_layers AS m JOIN files AS g USING (diff_id)
    WHERE m.image_id = l.image_id AND g.path = f.path) AND f.type IN ('file', 'hard link')
"""


@pytest.fixture
def engine(real: Real) -> Iterator[Engine]:
    with Engine.open(str(real.lamina.root)) as opened:
        yield opened


def chain_ids(layers: tuple[Layer, ...]) -> list[str]:
    found: list[str] = []
    for layer in layers:
        text = f"{found[-1]} {layer.diff_id}" if found else ""
        found.append("sha256:" + hashlib.sha256(text.encode()).hexdigest() if found else layer.diff_id)
    return found


def test_the_image_and_its_layers(real: Real, engine: Engine) -> None:
    image = real.image
    size = sum(layer.size for layer in image.layers)
    sql = "SELECT image_id, size, layers, os, architecture, created FROM names JOIN images USING (image_id)"
    (row,) = engine.sql(f"{sql} WHERE names.name = ?", [f"docker.io/library/{real.name}:latest"]).rows
    config = image.config
    kept = (config["os"], config["architecture"], config["created"])
    assert row == (image.config_digest, size, len(image.layers), *kept)
    lines = {number: line for line, number in image.history() if number is not None}
    sql = "SELECT number, diff_id, chain_id, size, created_by FROM image_layers WHERE image_id = ?"
    assert sorted(engine.sql(sql, [image.config_digest]).rows) == [
        (number + 1, layer.diff_id, chain_id, layer.size, lines[number].get("created_by", ""))
        for number, (layer, chain_id) in enumerate(zip(image.layers, chain_ids(image.layers), strict=True))
    ]
    below: str | None = None
    for number, (layer, chain_id) in enumerate(zip(image.layers, chain_ids(image.layers), strict=True), 1):
        sql = "SELECT parent, diff_id, number, size FROM layers WHERE chain_id = ?"
        assert list(engine.sql(sql, [chain_id]).rows) == [(below, layer.diff_id, number, layer.size)]
        sql = "SELECT size, tar_size FROM diffs WHERE diff_id = ?"
        ((found, tar_size),) = engine.sql(sql, [layer.diff_id]).rows
        assert found == layer.size and tar_size == layer.tar_size
        below = chain_id


def test_each_row_of_each_layer(real: Real, engine: Engine) -> None:
    for layer in real.image.layers:
        found = list(engine.sql(f"SELECT {COLUMNS} FROM files WHERE diff_id = ?", [layer.diff_id]).rows)
        implied = {"/" + os.fsdecode(path) for path, entry in layer.entries.items() if entry.implied}
        want = Counter[tuple[object, ...]](_rows(layer))
        have = Counter[tuple[object, ...]](row for row in found if row[0] not in implied and row[0] != "/")
        assert sorted(map(str, (want - have) + (have - want)))[:6] == [], layer.diff_id
        sql = "SELECT entries FROM diffs WHERE diff_id = ?"
        assert list(engine.sql(sql, [layer.diff_id]).rows) == [(len(found),)]


def _rows(layer: Layer) -> Iterator[tuple[object, ...]]:
    for path, entry in layer.entries.items():
        if path and not entry.implied:
            kind = "hard link" if entry.is_hard_link else TYPES.get(entry.type, entry.type)
            link = entry.inode if entry.is_hard_link else entry.link
            mode = 0o777 if entry.type == "link" else entry.mode
            words = (kind, mode, entry.uid, entry.gid, entry.size, entry.mtime, os.fsdecode(link))
            yield (*_names(path), *words, entry.sha256, int(path in layer.opaque))
    for path in layer.whiteouts:
        if path not in layer.entries:
            yield (*_names(path), "whiteout", 0, 0, 0, 0, 0, "", "", 0)


def _names(path: bytes) -> tuple[str, str]:
    return "/" + os.fsdecode(path), os.fsdecode(path.rpartition(b"/")[2])


def test_what_is_to_be_seen(real: Real, engine: Engine) -> None:
    """Files whose topmost row is theirs are all that is visible, and those that went with their folder."""
    found = {os.fsencode(str(row[0]))[1:] for row in engine.sql(ABOVE, [real.image.config_digest]).rows}
    state = real.image.state
    visible = {path for path, entry in state.items() if entry.type == "file"}
    assert visible <= found
    for path in found - visible:
        number, what = real.image.events(path)[-1]
        assert what == "deleted" and path not in real.image.layers[number].whiteouts
