"""`lamina report` of real images has just the files that an independent walk of their archives finds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.real_images import Real


def test_the_files(real: Real) -> None:
    found = json.loads(real.lamina("report", "--json", real.name))
    paths: list[str] = []
    seen = set()
    for folder in found["files"]["folders"]:
        paths.append(f"{paths[folder['parent']]}/{folder['name']}" if folder["parent"] >= 0 else "")
        seen |= {
            (f"{paths[-1]}/{file['name']}", file["size"], file["layer"])
            for file in folder["files"]
            if file["is_seen"]
        }
    expected = set()
    for path, entry in real.image.state.items():
        if entry.type != "dir":
            size = entry.size if entry.type == "file" and not entry.is_hard_link else 0
            name = "/" + path.decode(errors="surrogateescape")
            expected.add((name, size, real.image.owner(path) + 1))
    assert seen == expected and found["files"]["seen"] == len(expected)
    assert found["size"] == sum(layer.size for layer in real.image.layers)


def test_the_page(real: Real) -> None:
    text = real.lamina("report", real.name)
    assert f"<h1>{real.name}:latest</h1>" in text
    assert text.count("<tr data-layer=") == len(real.image.layers)
