"""Every block of docs/python.md runs, in order, as a reader would type it."""

from __future__ import annotations

import re

import pytest

from tests.e2e.lamina_command import REPOSITORY, Lamina


def test_the_tour(busybox: Lamina, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_ROOT", str(busybox.root))
    text = (REPOSITORY / "docs" / "python.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 5
    names: dict[str, object] = {"__name__": "tour"}
    for block in blocks:
        line = text[: text.index(block)].count("\n")
        exec(compile("\n" * line + block, "docs/python.md", "exec"), names)
