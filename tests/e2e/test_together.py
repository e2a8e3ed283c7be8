"""Several Lamina processes share one root."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.lamina_command import Lamina
from tests.e2e.test_kill import agree_with_the_disk, context, leftovers


def finished(*processes: subprocess.Popen[bytes]) -> list[tuple[int, str]]:
    """Waits for all; their statuses and what they printed."""
    texts = [process.communicate(timeout=300)[0].decode() for process in processes]
    for text in texts:
        assert "Traceback" not in text and "bug in Lamina" not in text, text
    return [(process.returncode, text) for process, text in zip(processes, texts, strict=True)]


def all_well(*processes: subprocess.Popen[bytes]) -> list[str]:
    """Waits for all, which must succeed; what they printed."""
    done = finished(*processes)
    assert {status for status, _ in done} == {0}, "\n".join(text for _, text in done)
    return [text for _, text in done]


@contextmanager
def over_and_over(lamina: Lamina, *args: str) -> Iterator[list[tuple[int, str]]]:
    """Runs a command again and again in the background; what came of it."""
    import threading

    results: list[tuple[int, str]] = []
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            results.extend(finished(lamina.start(*args)))

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield results
    finally:
        stop.set()
        thread.join()


@contextmanager
def container(lamina: Lamina, image: str) -> Iterator[None]:
    """A container that runs all the while, so that its image is in use."""
    process = lamina.start("run", "--rm", "--name", "keeper", image, "sh", "-c", "echo up; exec sleep 1000")
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    try:
        yield
    finally:
        lamina("rm", "-f", "keeper")
        process.communicate(timeout=60)


def test_two_builds_at_once_share_their_layers(busybox: Lamina, tmp_path: Path) -> None:
    folder = context(tmp_path / "context")
    all_well(*[busybox.start("build", "-t", name, folder) for name in ("one", "two")])
    one, two = busybox.inspect("one"), busybox.inspect("two")
    assert one["RootFS"]["Layers"] == two["RootFS"]["Layers"]
    assert one["Id"] == two["Id"]
    assert leftovers(busybox.root) == []
    assert busybox("run", "--rm", "one") == busybox("run", "--rm", "two") == "done\n"


def test_four_builds_of_different_folders(busybox: Lamina, tmp_path: Path) -> None:
    folders = [context(tmp_path / str(number)) for number in range(4)]
    all_well(*[busybox.start("build", "-t", f"app:{folder.name}", folder) for folder in folders])
    for folder in folders:
        assert busybox("run", "--rm", f"app:{folder.name}") == "done\n"
        data = busybox("run", "--rm", f"app:{folder.name}", "md5sum", "/data/7")
        assert (
            data.split()[0] == subprocess.check_output(["md5sum", folder / "data" / "7"]).split()[0].decode()
        )
    agree_with_the_disk(busybox)


def test_builds_while_everything_idle_is_pruned(busybox: Lamina, tmp_path: Path) -> None:
    folder = context(tmp_path / "context")
    original = (folder / "Dockerfile").read_text()
    with container(busybox, "busybox"), over_and_over(busybox, "prune", "-a", "-f") as pruned:
        for number in range(8):
            # Half of the builds find steps of the one before, or just not any more.
            (folder / "Dockerfile").write_text(original.replace("$i", f"{number // 2}-$i"))
            all_well(*[busybox.start("build", "-t", "app", folder) for _ in range(2)])
    assert len(pruned) > 4
    assert {status for status, _ in pruned} == {0}, pruned
    busybox.build("-t", "app", folder)
    assert busybox("run", "--rm", "app") == "done\n"
    busybox("save", "-o", tmp_path / "saved", "app")  # every byte is there
    agree_with_the_disk(busybox)


def test_one_archive_is_loaded_four_times_at_once(busybox: Lamina, tmp_path: Path) -> None:
    busybox.build("-t", "app", context(tmp_path / "context"))
    busybox("save", "-o", tmp_path / "app.tar", "app")
    image_id = busybox.inspect("app")["Id"]
    for _ in range(3):
        busybox("rmi", "app")
        busybox("prune", "-f")
        done = all_well(*[busybox.start("load", "-i", tmp_path / "app.tar") for _ in range(4)])
        assert done == ["Loaded image: app:latest\n"] * 4
        assert busybox.inspect("app")["Id"] == image_id
    assert leftovers(busybox.root) == []
    assert busybox("run", "--rm", "app") == "done\n"
    agree_with_the_disk(busybox)


def test_an_image_is_removed_while_it_is_built_and_run_on(busybox: Lamina, tmp_path: Path) -> None:
    busybox("save", "-o", tmp_path / "base.tar", "busybox")
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN sleep 0.05; date > /made\n")
    outcomes = set()
    for number in range(6):
        build = busybox.start("build", "--no-cache", "-t", "app", "-f", tmp_path / "Dockerfile", tmp_path)
        run = busybox.start("run", "--rm", "busybox", "true")
        time.sleep(number * 0.05)
        if number == 5:
            build.wait(60)
        remove = [busybox.start("rmi", "-f", "busybox"), busybox.start("prune", "-f")]
        for (status, text), name in zip(
            finished(build, run, *remove), ("build", "run", "rmi", "prune"), strict=True
        ):
            outcomes.add((name, status))
            if status:
                assert "busybox" in text or "image" in text, (name, text)
        if busybox.start("inspect", "app", stdout=subprocess.DEVNULL).wait() == 0:
            busybox("save", "-o", tmp_path / "saved", "app")
        busybox("load", "-i", tmp_path / "base.tar")
    assert ("build", 0) in outcomes
    agree_with_the_disk(busybox)


def test_a_container_that_runs_for_long_does_not_keep_what_others_leave(
    busybox: Lamina, tmp_path: Path
) -> None:
    busybox.build("-t", "app", context(tmp_path / "context"))
    busybox("save", "-o", tmp_path / "app.tar", "app")
    busybox("rmi", "app")
    busybox("prune", "-f")
    subprocess.run(["gzip", tmp_path / "app.tar"], check=True)
    before = sorted(each.name for each in (busybox.root / "blobs/sha256").iterdir())
    with container(busybox, "busybox"):
        time.sleep(0.05)
        busybox("load", "-i", tmp_path / "app.tar.gz")
        busybox("rmi", "app")
        busybox("prune", "-f")
        assert sorted(each.name for each in (busybox.root / "blobs/sha256").iterdir()) == before
