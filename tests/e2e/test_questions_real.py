"""history, layers and blame of real images give what an independent walk of their archives gives."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from tests.insight.test_layers import counted

if TYPE_CHECKING:
    from tests.e2e.real_images import Real


def test_layers(real: Real) -> None:
    items = json.loads(real.lamina("layers", "--json", real.name))
    expected = [
        (number, layer.diff_id, layer.size, *counts)
        for number, (layer, counts) in enumerate(zip(real.image.layers, counted(real.image), strict=True), 1)
    ]
    assert [
        (item["number"], item["diff_id"], item["size"], item["added"], item["changed"], item["deleted"])
        for item in items
    ] == expected


def test_history(real: Real) -> None:
    items = json.loads(real.lamina("history", "--json", real.name))[::-1]
    pairs = real.image.history()
    assert len(items) == len(pairs)
    for item, (line, layer) in zip(items, pairs, strict=True):
        assert item["created_by"] == line.get("created_by", "")
        assert item["layer"] == (0 if layer is None else layer + 1)
        assert item["size"] == (0 if layer is None else real.image.layers[layer].size)


def test_lines_of_what_was_built_here(real: Real) -> None:
    if real.kind.endswith("-apt"):
        return  # the records of others say nothing to us
    items = json.loads(real.lamina("history", "--json", real.name))[::-1]
    own = [item for item in items if not item["base"]]
    assert own and all(item["line"] > 0 and item["dockerfile"] == "Dockerfile" for item in own)
    assert [item["line"] for item in own] == sorted(item["line"] for item in own)
    assert all(item["base"] for item in items[: len(items) - len(own)])


def test_blame_of_all(real: Real) -> None:
    image, state = real.image, real.image.state
    found = json.loads(real.lamina("blame", "--json", "-a", "--folders", real.name, "/"))
    said = {os.fsencode(item["path"]).strip(b"/"): item for item in found}
    assert set(said) == {path for layer in image.layers for path in layer.entries if path}
    for path, item in said.items():
        deed, entry = item["deeds"][-1], state.get(path)
        number, what = image.events(path)[-1]
        assert (deed["layer"], deed["what"]) == (number + 1, what), path
        assert item["layer"] == (number + 1 if entry else 0)
        if entry is not None:
            now = (deed["mode"], deed["uid"], deed["gid"], deed["size"], deed["digest"])
            assert now == (entry.mode, entry.uid, entry.gid, entry.size, entry.sha256), path


def test_blame_of_each_path_that_more_than_one_layer_had(real: Real) -> None:
    image = real.image
    paths = {
        path for layer in image.layers for path, entry in layer.entries.items() if path and not entry.implied
    }
    several = sorted(path for path in paths if len(image.events(path)) > 1)[:200]
    asked = ["/" + os.fsdecode(path) for path in several]
    found = json.loads(real.lamina("blame", "--json", "-d", real.name, *asked)) if asked else []
    said = {os.fsencode(item["path"]).strip(b"/"): item for item in found}
    for path in several:
        if path in said:  # else a link leads elsewhere now
            events = [(number + 1, what) for number, what in image.events(path)]
            assert [(deed["layer"], deed["what"]) for deed in said[path]["deeds"]] == events, path
    assert len(said) >= len(several) * 0.9
