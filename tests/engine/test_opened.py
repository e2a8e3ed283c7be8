"""The store behind an Engine: not made by questions, seen once somebody makes it, given back by its work."""

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


def test_work_that_is_done_keeps_nothing_from_prune(tmp_path: Path) -> None:
    request = lamina.BuildRequest(None, b"FROM scratch\nCOPY <<EOF /a\nb\nEOF\n", tags=("one",))
    with lamina.Engine.open(str(tmp_path / "root")) as engine:
        engine.build(request)
        assert engine.prune(all_images=True, cache=True).deleted
        assert engine.images() == []
        assert list((tmp_path / "root" / "diff").iterdir()) == []
