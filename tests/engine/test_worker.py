"""A program of an ordinary user: work that a forked worker does, while other threads ask as well."""

from __future__ import annotations

import io
import threading
import time
from typing import TYPE_CHECKING

import pytest

import lamina
from lamina.engine import inside as workers
from lamina.engine.files import ImagePath
from lamina.errors import LaminaError
from lamina.events import Event, Notice, ignore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lamina.mount.userns import IdMap

BASE = b"FROM scratch\nCOPY <<EOF /a\nhello\nEOF\n"


@pytest.fixture
def engine(inside: IdMap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[lamina.Engine]:
    """An Engine with the image `base`, whose work is done by workers from now on."""
    with lamina.Engine.open(str(tmp_path / "root")) as made:
        made.build(lamina.BuildRequest(None, BASE, tags=("base",)))
        made.build(lamina.BuildRequest(None, b"FROM base\nCOPY <<EOF /b\nx\nEOF\n", tags=("app",)))
    with lamina.Engine.open(str(tmp_path / "root")) as made:
        monkeypatch.setattr(made, "_in_place", lambda: False)
        yield made


def test_threads_that_ask_at_once(engine: lamina.Engine) -> None:
    found: list[bytes] = []

    def ask() -> None:
        for _ in range(8):
            engine.layers("app")
            out = io.BytesIO()
            engine.files.cat(ImagePath("app", "/a"), out)
            found.append(out.getvalue())

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [b"hello\n"] * 32


def test_a_lock_that_another_thread_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is held for good in what was forked then; the next worker does the work, once."""
    monkeypatch.setattr(workers, "_PATIENCE", (0.2, 0.2, 20.0))
    lock, is_taken = threading.Lock(), threading.Event()

    def hold() -> None:
        with lock:
            is_taken.set()
            time.sleep(0.1)

    thread = threading.Thread(target=hold)
    thread.start()
    is_taken.wait()
    out = io.BytesIO()
    assert workers.in_worker(lambda _, sink: sink.write(b"done"), ignore, out, lock.acquire) == 4
    assert out.getvalue() == b"done"
    thread.join()
    with lock, pytest.raises(LaminaError, match="cannot begin"):
        monkeypatch.setattr(workers, "_PATIENCE", (0.1,))
        workers.in_worker(lambda *_: None, ignore, None, lock.acquire)


def test_what_an_operation_tells(engine: lamina.Engine) -> None:
    """Observers are called here, not in the worker."""
    engine.tag("base", "other")
    events: list[Event] = []
    engine.surgery.fold("app", observer=events.append)
    engine.surgery.squash("app", observer=events.append)
    assert [event.text[:40] for event in events if isinstance(event, Notice)] == [
        "the lower 1 layers of app:latest are tho"
    ] * 2
