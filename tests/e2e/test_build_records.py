"""Records and failed steps across processes: killed builds, ordinary users, snapshotters, the Python API."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from lamina import BuildRequest, Engine, LaminaError, RunRequest
from lamina.engine.steps import StepRef
from tests.e2e.lamina_command import Lamina
from tests.e2e.ordinary import OrdinaryLamina
from tests.e2e.test_kill import leftovers, processes_of
from tests.e2e.test_ordinary_user import ids as ids
from tests.e2e.test_ordinary_user import user as user

FAILS = """\
FROM busybox
ENV A=1
WORKDIR /work
RUN echo first > first
RUN echo second > second; rm first; chmod 700 /tmp; echo why >&2; exit 9
"""
LOOK = "pwd; ls; cat second; stat -c %a /tmp; echo $A"
SEEN = "/work\nsecond\nsecond\n700\n1\n"
CHANGED = "C /tmp\nC /work\nD /work/first\nA /work/second\n"


def written(folder: Path, dockerfile: str) -> Path:
    folder.mkdir()
    (folder / "Dockerfile").write_text(dockerfile)
    return folder


def shown(lamina: Lamina, *words: str) -> dict[str, object]:
    found = json.loads(lamina("build", "show", "--format", "json", *words))
    assert isinstance(found, dict)
    return found


def statuses(record: dict[str, object]) -> list[str]:
    steps = record["Steps"]
    assert isinstance(steps, list)
    return [step["Status"] for step in steps]


def wait_for_log(root: Path, step: int) -> None:
    deadline = time.monotonic() + 30
    while not any(path.stat().st_size for path in (root / "builds").glob(f"*/{step}.log")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_build_was_interrupted(busybox: Lamina, tmp_path: Path) -> None:
    folder = written(tmp_path / "app", "FROM busybox\nRUN echo 1\nRUN echo before; sleep 1000\nRUN echo 3\n")
    build = busybox.start("build", "--progress=plain", folder)
    wait_for_log(busybox.root, 3)
    assert re.search(r"app +Running +1 run, 1 cached, 2 not done", busybox("build", "ls"))
    running = shown(busybox)
    assert statuses(running) == ["cached", "run", "running", "not reached"]
    assert "is running" in busybox.both("build", "rm", str(running["ID"]), status=1)[1]
    os.kill(build.pid, signal.SIGKILL)
    build.communicate(timeout=30)
    found = shown(busybox)
    assert (found["ID"], found["Status"]) == (running["ID"], "interrupted")
    assert statuses(found) == ["cached", "run", "interrupted", "not reached"]
    assert busybox("build", "logs", "--step", "3") == "before\n"
    busybox("ps")
    busybox("build", "-q", written(tmp_path / "next", "FROM busybox\nRUN echo next\n"))
    assert leftovers(busybox.root) == []
    assert shown(busybox, "^1")["Status"] == "interrupted"
    assert busybox("build", "rm", "^1") == f"{running['ID']}\n"
    assert str(running["ID"]) not in os.listdir(busybox.root / "builds")


def test_kills_leave_only_what_is_bounded(busybox: Lamina, tmp_path: Path) -> None:
    """A failing build is killed at many moments: what stays has a record, or goes with the next prune."""
    folder = tmp_path / "app"
    written(folder, FAILS)
    for number in range(12):
        (folder / "Dockerfile").write_text(FAILS.replace("first", f"first{number}"))
        build = busybox.start("build", folder)
        time.sleep(0.05 + 0.02 * number)
        os.kill(build.pid, signal.SIGKILL)
        build.communicate(timeout=30)
    (folder / "Dockerfile").write_text(FAILS)
    busybox("build", folder, status=1)
    assert busybox("run", "--rm", "--failed", "sh", "-c", LOOK) == SEEN
    kept = [path for path in leftovers(busybox.root) if "/mnt/failed-" in path]
    assert leftovers(busybox.root) == kept
    assert len(kept) <= 5
    known = busybox("build", "ls", "-q").split()
    assert {path.rpartition("/")[2].split("-")[1] for path in kept} <= set(known)
    assert set(os.listdir(busybox.root / "builds")) <= set(known)
    busybox("prune", "-f")
    assert leftovers(busybox.root) == []


def test_ctrl_c_is_canceled(busybox: Lamina, tmp_path: Path) -> None:
    folder = written(tmp_path / "app", "FROM busybox\nRUN echo 1\nRUN echo before; sleep 1000\n")
    build = busybox.start("build", folder)
    wait_for_log(busybox.root, 3)
    os.kill(build.pid, signal.SIGINT)
    build.communicate(timeout=30)
    found = shown(busybox)
    assert (found["Status"], statuses(found)) == ("canceled", ["cached", "run", "canceled"])
    assert leftovers(busybox.root) == [], "what was stopped is not kept"


@pytest.mark.parametrize("snapshotter", ["overlay", "native"])
def test_a_failed_step_with_each_snapshotter(busybox: Lamina, tmp_path: Path, snapshotter: str) -> None:
    folder = written(tmp_path / "app", FAILS)
    busybox("--snapshotter", snapshotter, "build", folder, status=1)
    assert busybox("run", "--rm", "--failed", "sh", "-c", LOOK) == SEEN
    assert busybox("diff", "--failed") == CHANGED
    busybox("--snapshotter", snapshotter, "run", "--rm", "--failed", "rm", "second")
    assert busybox("--snapshotter", snapshotter, "run", "--rm", "--failed", "ls") == "second\n"


def test_a_failed_step_of_an_ordinary_user(user: OrdinaryLamina) -> None:
    folder = user.owned(
        written(user.folder / "app", FAILS.replace("chmod", "chown 33 second || true; chmod"))
    )
    for _ in range(7):
        user("build", folder, status=1)
    assert len(os.listdir(user.root / "mnt")) == 5
    assert user("run", "--rm", "--failed", "sh", "-c", LOOK) == SEEN
    assert user("diff", "--failed") == CHANGED
    assert user("run", "--rm", "--step", "3", "ls") == "first\n"
    assert shown(user)["Status"] == "error"
    assert "why" in user("build", "logs")
    assert len(user("build", "rm", "--all").split()) >= 7
    assert os.listdir(user.root / "mnt") == []
    user("build", folder, status=1)
    user("builder", "prune", "-f")
    assert os.listdir(user.root / "mnt") == []
    assert processes_of(user.root) == []


def test_an_output_that_fails_is_the_builds_error(busybox: Lamina, tmp_path: Path) -> None:
    folder = written(tmp_path / "app", "FROM busybox\n")
    busybox("build", "-o", "type=tar,dest=/proc/no/such", folder, status=1)
    found = shown(busybox)
    assert (found["Status"], bool(found["Image"])) == ("error", True)
    assert found["Error"]


def test_records_of_the_python_api(busybox: Lamina, tmp_path: Path) -> None:
    folder = written(tmp_path / "app", FAILS)
    with Engine.open(str(busybox.root)) as engine:
        with pytest.raises(LaminaError) as caught:
            engine.build(BuildRequest.of_folder(folder))
        last = engine.records.ls()[0]
        assert (last.status, last.id) == ("error", caught.value.build_id)  # type: ignore[attr-defined]
        detail = engine.records.show(last.id[:6])
        assert [step.status for step in detail.steps] == ["cached", "run", "run", "failed"]
        assert [piece.data for piece in engine.records.log(last.id, 4)] == [b"why\n"]
        changes = engine.records.diff(StepRef())
        assert "".join(f"{change.kind} {change.path}\n" for change in changes) == CHANGED
        assert (
            engine.records.run(StepRef(), RunRequest("", ("test", "-e", "second"), remove=True)).status == 0
        )
        (folder / "Dockerfile").write_text("FROM busybox\nRUN true\n")
        result = engine.build(BuildRequest.of_folder(folder))
        assert engine.records.show(result.build_id).build.image_id == result.image_id
        assert engine.records.rm([result.build_id, last.id]) == [result.build_id, last.id]
        assert not {result.build_id, last.id} & {build.id for build in engine.records.ls()}
