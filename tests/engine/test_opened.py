"""The store behind an Engine: not made by questions, and seen as soon as somebody makes it."""

from __future__ import annotations

from pathlib import Path

import lamina


def test_questions_do_not_make_a_store(tmp_path: Path) -> None:
    with lamina.Engine.open(str(tmp_path / "root")) as engine:
        assert engine.images() == []
    assert not (tmp_path / "root").exists()


def test_a_store_that_another_process_makes_is_seen(tmp_path: Path) -> None:
    root = str(tmp_path / "root")
    with lamina.Engine.open(root) as asking, lamina.Engine.open(root) as working:
        assert asking.images() == []
        working.build(lamina.BuildRequest(None, b'FROM scratch\nCMD ["a"]', tags=("one",)))
        assert [image.tags for image in asking.images()] == [("one:latest",)]
