"""history and layers: lines, counts, bases; checked against the oracle's walk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lamina.db import builds, imagedb
from lamina.insight.baseimage import base_images
from lamina.insight.config import config_of
from lamina.insight.counts import Counts
from lamina.insight.history import history
from lamina.insight.layers import layers
from lamina.insight.rows import Rows
from lamina.insight.stack import stack
from tests.insight.archiving import TRICKY, archive, asked, loaded, random_layers

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.layers.context import Layers
    from tests.insight import oracle

OTHER = "docker.io/library/other:latest"


def rows_of(ctx: Layers) -> Rows:
    return Rows(ctx.db.read(), ctx.blobs, ctx.layout)


def counted(image: oracle.Image) -> list[Counts]:
    """Paths added, changed and deleted by each layer: the states before and after it, compared."""
    found = []
    before: oracle.State = {}
    for layer, after in zip(image.layers, image.states(), strict=True):
        added = sum(path not in before for path in after if path)
        deleted = sum(path not in after for path in before)
        changed = 0
        for path, entry in layer.entries.items():
            old = before.get(path)
            if path and old is not None:
                same = old.type == entry.type == "dir" and _kept(old) == _kept(entry)
                changed += not same
        found.append(Counts(added, changed, deleted))
        before = after
    return found


def _kept(entry: oracle.Entry) -> tuple[object, ...]:
    return entry.mode, entry.uid, entry.gid, entry.xattrs


@pytest.mark.parametrize("seed", [None, *range(6)])
def test_counts_and_sizes(store: Layers, tmp_path: Path, seed: int | None) -> None:
    found = asked(store, tmp_path / "a.tar", TRICKY if seed is None else random_layers(seed))
    items = layers(rows_of(store), found.image_id)
    assert [Counts(item.added, item.changed, item.deleted) for item in items] == counted(found.image)
    assert [item.size for item in items] == [layer.size for layer in found.image.layers]
    assert [item.diff_id for item in items] == [layer.diff_id for layer in found.image.layers]
    assert [item.instruction for item in items] == [f"step {number + 1}" for number in range(len(items))]


def test_history_pairs_lines_with_layers_as_the_oracle_does(store: Layers, tmp_path: Path) -> None:
    lines = [
        {"created_by": "one"},
        {"created_by": "nothing", "empty_layer": True},
        {"created_by": "two", "created": "not a time"},
    ]
    found = asked(store, tmp_path / "a.tar", TRICKY, history=lines)  # five layers: it says too little
    items = history(rows_of(store), found.image_id)[::-1]
    pairs = found.image.history()
    assert len(items) == len(pairs) == 6
    for item, (line, layer) in zip(items, pairs, strict=True):
        assert item.created_by == line.get("created_by", "")
        assert item.layer == (0 if layer is None else layer + 1)
        assert item.diff_id == ("" if layer is None else found.image.layers[layer].diff_id)
        assert item.size == (0 if layer is None else found.image.layers[layer].size)
    done = counted(found.image)
    assert [(i.added, i.changed, i.deleted) for i in items if i.layer] == [tuple(each) for each in done]


def test_uncounted_is_quick_and_says_nothing(store: Layers, tmp_path: Path) -> None:
    found = asked(store, tmp_path / "a.tar", TRICKY)
    rows = rows_of(store)
    assert {item.added for item in layers(rows, found.image_id, counted=False)} == {0}
    assert {item.added for item in history(rows, found.image_id, counted=False)} == {0}


def test_a_history_that_names_more_than_there_is(store: Layers, tmp_path: Path) -> None:
    lines = [{"created_by": f"line {number}"} for number in range(9)]
    found = asked(store, tmp_path / "a.tar", TRICKY, history=lines)
    items = history(rows_of(store), found.image_id)[::-1]
    assert [item.layer for item in items] == [1, 2, 3, 4, 5, 0, 0, 0, 0]


def _two(store: Layers, tmp_path: Path) -> tuple[str, str]:
    """A base image, and one that stands on it."""
    below: list[dict[str, object]] = [
        {"created_by": "FROM nothing"},
        {"created_by": "CMD", "empty_layer": True},
    ]
    base = loaded(store, archive(tmp_path / "base.tar", TRICKY[:1], name=OTHER, history=below))
    more: list[dict[str, object]] = [
        *below,
        {"created_by": "ENV", "empty_layer": True},
        {"created_by": "RUN x"},
    ]
    app = loaded(store, archive(tmp_path / "app.tar", [*TRICKY[:1], TRICKY[2]], history=more))
    return base.image_id, app.image_id


def test_lines_of_bases_and_of_what_made_no_layer(store: Layers, tmp_path: Path) -> None:
    base, app = _two(store, tmp_path)
    with store.db.write() as tx:
        builds.put_lines(tx, base, "base/Dockerfile", "2 3")
        builds.put_lines(tx, app, "Dockerfile", "0 7")
        builds.put_lines(tx, "sha256:" + "0" * 64, "nowhere", "1")  # no image: nothing
    found = history(rows_of(store), app)[::-1]  # type: ignore[arg-type]
    assert [(item.dockerfile, item.line, item.base) for item in found] == [
        ("base/Dockerfile", 2, "other:latest"),
        ("base/Dockerfile", 3, "other:latest"),
        ("", 0, ""),
        ("Dockerfile", 7, ""),
    ]
    assert [item.base for item in layers(rows_of(store), app)] == ["other:latest", ""]  # type: ignore[arg-type]
    assert stack(rows_of(store), app).base_layers == 1  # type: ignore[arg-type]
    with store.db.write() as tx:
        imagedb.delete_image(tx, app)  # type: ignore[arg-type]
        assert tx.execute("SELECT image_id FROM image_lines").fetchall() == [(base,)]


def test_bases_by_annotations_and_labels(store: Layers, tmp_path: Path) -> None:
    name, digest = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"
    labels = {name: "registry.example/base:1", digest: "sha256:" + "a" * 64}
    found = asked(store, tmp_path / "a.tar", TRICKY, config={"Labels": labels})
    rows = rows_of(store)
    (base,) = base_images(rows, found.image_id, config_of(rows, found.image_id))
    assert base == ("registry.example/base:1", "sha256:" + "a" * 64, 0, "labels")
    manifest = json.loads(
        store.blobs.read(imagedb.need_image(rows.connection, found.image_id).manifest, 1 << 20)
    )
    manifest["annotations"] = {name: "other/base"}
    with store.db.write() as tx:
        made = store.blobs.put(json.dumps(manifest).encode())
        tx.execute("UPDATE images SET manifest = ? WHERE image_id = ?", (made, found.image_id))
    (base,) = base_images(rows_of(store), found.image_id, config_of(rows, found.image_id))
    assert base == ("other/base", "", 0, "annotations")
    assert [item.base for item in layers(rows, found.image_id)] == [""] * 5


def test_lines_of_layers_outlive_the_records_of_builds(store: Layers, tmp_path: Path) -> None:
    base, app = _two(store, tmp_path)
    with store.db.write() as tx:
        builds.put_lines(tx, base, "base/Dockerfile", "2 3")
        builds.put_lines(tx, app, "Dockerfile", "0 7")
    items = layers(rows_of(store), app)  # type: ignore[arg-type]
    assert [(item.dockerfile, item.line, item.instruction) for item in items] == [
        ("base/Dockerfile", 2, "FROM nothing"),
        ("Dockerfile", 7, "RUN x"),
    ]
