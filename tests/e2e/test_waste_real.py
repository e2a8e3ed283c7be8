"""`lamina waste` of real images sums up to what an independent walk of their archives gives."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from lamina.insight.wasted.caches import Caches
from tests.insight.test_waste import needed_files

if TYPE_CHECKING:
    from tests.e2e.real_images import Real


def test_the_sums(real: Real) -> None:
    found = json.loads(real.lamina("waste", "--json", real.name))
    needed = needed_files(real.image)
    assert [layer["size"] for layer in found["layers"]] == [layer.size for layer in real.image.layers]
    assert found["size"] - found["hidden"] == sum(entry.size for entry in needed.values())
    assert found["wasted"] == sum(each["size"] for each in found["findings"])
    caches = Caches()
    names: dict[tuple[int, bytes], list[bytes]] = {}
    for path, entry in real.image.state.items():
        for number, layer in enumerate(real.image.layers):
            own = layer.entries.get(path)
            if own is not None and (number, own.inode) in needed and own.sha256 == entry.sha256:
                names.setdefault((number, own.inode), []).append(path)
    kept = {key: each for key, each in needed.items() if any(caches.of(name) is None for name in names[key])}
    cached = sum(each.size for key, each in needed.items() if key not in kept)
    assert _sum(found, "cache") == cached
    distinct = {entry.sha256: entry.size for entry in kept.values()}
    assert found["size"] - found["hidden"] - cached - _sum(found, "duplicate") == sum(distinct.values())


def _sum(found: dict[str, Any], kind: str) -> int:
    return sum(each["size"] for each in found["findings"] if each["kind"] == kind)


def test_what_each_finding_says(real: Real) -> None:
    found = json.loads(real.lamina("waste", "--json", real.name))
    state = real.image.state
    for each in found["findings"]:
        carrier, other = real.image.layers[each["layer"] - 1], real.image.layers[each["by"] - 1]
        for one in each["biggest"]:
            path = os.fsencode(one["path"])[1:]
            assert carrier.entries[path].size == one["size"]
            if each["kind"] == "deleted":
                assert other.clears(path) and path not in other.entries
            elif each["kind"] == "overwritten":
                assert path in other.entries
            elif each["kind"] == "metadata":
                assert other.entries[path].sha256 == carrier.entries[path].sha256
            elif each["kind"] == "duplicate":
                assert state[os.fsencode(one["other"])[1:]].sha256 == state[path].sha256


def test_the_causes(real: Real) -> None:
    """What the makers of these images did on purpose is found, with its layer."""
    found = json.loads(real.lamina("waste", "--json", real.name))
    said = {(each["kind"], each["what"], each["layer"], each["by"]) for each in found["findings"]}
    if real.kind == "debian-20":
        assert ("metadata", "mode", 4, 3) in said  # chmod 600 one
        assert ("metadata", "owner", 5, 3) in said  # chown -R
        assert ("deleted", "", 18, 19) in said  # big
        assert ("deleted", "moved", 8, 12) in said  # json -> json2
    elif real.kind in ("docker-apt", "buildah-apt"):
        assert ("deleted", "apt lists", 2, 3) in said
        assert ("metadata", "mode", 3, 2) in said
