"""Rearranged layers of real images: an independent walk of the archives finds the same files as before."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.insight import oracle
from tests.machine import quick_place

if TYPE_CHECKING:
    from tests.e2e.real_images import Real

OPERATIONS = {
    "squash": ["squash", "IMAGE"],
    "squash a range": ["squash", "IMAGE", "1..2"],
    "flatten": ["flatten", "IMAGE"],
    "fold": ["fold", "IMAGE"],
    "fold all": ["fold", "--base", "IMAGE"],
    "split by size": ["split", "IMAGE", "1", "--by", "size=20MB"],
    "split by package": ["split", "IMAGE", "1..-1", "--by", "package=9"],
}


def seen(image: oracle.Image) -> dict[bytes, tuple[oracle.Entry, list[bytes]]]:
    """What a container sees at each path: all that is known of it, and which other names the file has."""
    state = image.state
    names: dict[tuple[int, bytes], list[bytes]] = {}
    found: dict[bytes, tuple[oracle.Entry, list[bytes]]] = {}
    groups: dict[bytes, tuple[int, bytes]] = {}
    for path, entry in state.items():
        if entry.type == "file":
            groups[path] = (image.owner(path), entry.inode)
            names.setdefault(groups[path], []).append(path)
    for path, entry in state.items():
        if path:
            others = sorted(names[groups[path]]) if path in groups else []
            found[path] = (entry._replace(inode=b"", implied=False), others)
    return found


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_container_sees_no_difference(real: Real, operation: str) -> None:
    command = [word.replace("IMAGE", real.name) for word in OPERATIONS[operation]]
    try:
        real.lamina(*command, "-t", "rearranged")
        with tempfile.TemporaryDirectory(dir=quick_place()) as folder:
            real.lamina("save", "-o", Path(folder) / "image.tar", "rearranged")
            made = oracle.only(Path(folder) / "image.tar")
        checked = json.loads(real.lamina("inspect", "rearranged"))
    finally:
        real.lamina("rmi", "-f", "rearranged")
    before, after = seen(real.image), seen(made)
    assert after.keys() == before.keys()
    assert [path for path in before if after[path] != before[path]] == []
    assert checked[0]["Config"] == json.loads(real.lamina("inspect", real.name))[0]["Config"]
    if operation.startswith("fold"):
        assert sum(layer.size for layer in made.layers) <= sum(layer.size for layer in real.image.layers)
    if operation == "fold all":
        carried = sum(entry.size for entry, names in after.values() if not names or names[0] == entry.path)
        assert sum(layer.size for layer in made.layers) == carried, "nothing but what is seen"
