"""Lamina as a library in a program with threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina import Engine
from lamina.build.request import BuildRequest, BuildResult
from lamina.events import Event, StepStarted
from tests.e2e.lamina_command import Lamina
from tests.e2e.test_kill import agree_with_the_disk, context, leftovers, processes_of


def request(folder: Path, tag: str) -> BuildRequest:
    """A build of a folder."""
    return BuildRequest(context=str(folder), dockerfile=(folder / "Dockerfile").read_bytes(), tags=(tag,))


def in_threads(*works: Callable[[], object]) -> list[object]:
    """Does all at once; what they returned, or the first thing that one of them raised."""
    results: list[object] = [None] * len(works)
    errors: list[BaseException] = []

    def one(number: int) -> None:
        try:
            results[number] = works[number]()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def test_an_engine_for_each_thread(busybox: Lamina, tmp_path: Path) -> None:
    folders = [context(tmp_path / str(number)) for number in range(2)]

    def one(folder: Path, tag: str) -> BuildResult:
        with Engine.open(str(busybox.root)) as engine:
            return engine.build(request(folder, tag))

    same = in_threads(*[lambda tag=tag: one(folders[0], tag) for tag in ("a", "b")])
    assert len({result.image_id for result in same}) == 1  # type: ignore[attr-defined]
    in_threads(*[lambda f=f: one(f, f"app:{f.name}") for f in folders])
    for tag in ("a", "b", "app:0", "app:1"):
        assert busybox("run", "--rm", tag) == "done\n"
    assert leftovers(busybox.root) == []
    assert processes_of(busybox.root) == []
    agree_with_the_disk(busybox)


def test_one_engine_in_one_thread_after_the_other(busybox: Lamina, tmp_path: Path) -> None:
    """The process that starts all others must not end with the thread that first needed it."""
    folder = context(tmp_path / "context")
    with Engine.open(str(busybox.root)) as engine:
        for number in range(3):
            (folder / "data" / "0").write_text(str(number))
            in_threads(lambda: engine.build(request(folder, "app")))
            assert len(engine.images()) >= 2
        assert [tag for image in in_threads(engine.images)[0] for tag in image.tags] != []  # type: ignore[attr-defined]


def test_an_observer_that_raises(busybox: Lamina, tmp_path: Path) -> None:
    """The build ends with what it raised, whenever that was; nothing is left, and the Engine goes on."""
    folder = context(tmp_path / "context")
    with Engine.open(str(busybox.root)) as engine:
        for moment in range(0, 40, 3):
            seen: list[Event] = []

            def observer(event: Event, seen: list[Event] = seen, moment: int = moment) -> None:
                seen.append(event)
                if len(seen) == moment + 1:
                    raise ZeroDivisionError(f"event {moment}")

            (folder / "data" / "0").write_text(str(moment))
            try:
                engine.build(request(folder, "app"), observer)
            except ZeroDivisionError as error:
                assert str(error) == f"event {moment}"
            else:
                assert len(seen) <= moment
            assert leftovers(busybox.root) == []
        assert engine.build(request(folder, "app")).image_id
    assert processes_of(busybox.root) == []
    assert busybox("run", "--rm", "app") == "done\n"


def test_closed_and_used_again(busybox: Lamina, tmp_path: Path) -> None:
    """close gives back what is held; the Engine itself is a name for the store, and opens it again."""
    folder = context(tmp_path / "context")
    engine = Engine.open(str(busybox.root))
    engine.close()
    engine.close()
    assert len(engine.images()) == 1
    engine.close()
    events: list[Event] = []
    engine.build(request(folder, "app"), events.append)
    assert any(isinstance(event, StepStarted) for event in events)
    engine.close()
    assert list((busybox.root / "leases").iterdir()) == []
    assert processes_of(busybox.root) == []
    assert engine.df().images.total == 2
    engine.close()
    with pytest.raises(ZeroDivisionError), engine:
        raise ZeroDivisionError
    assert list((busybox.root / "leases").iterdir()) == []
