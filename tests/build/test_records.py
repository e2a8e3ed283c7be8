"""Every build leaves a record: what it was, how each step went, and all that its processes wrote."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.build import logs, records, trimming
from lamina.build.build import build
from lamina.build.errors import BuildFailed
from lamina.build.request import BuildRequest
from lamina.db import recorded
from lamina.dockerfile import DockerfileError
from lamina.errors import InvalidInput, LaminaError
from lamina.events import Notice, StepOutput

from .kitchen import HOST

if TYPE_CHECKING:
    from lamina.db.recorded import Build, BuildStep
    from lamina.events import Event, Observer

    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)


def last(kitchen: Kitchen) -> tuple[Build, list[BuildStep]]:
    c = kitchen.db.read()
    build = recorded.find(c)
    return build, recorded.steps(c, build.id)


def log_of(kitchen: Kitchen, build_id: str, step: int) -> list[logs.Piece]:
    return list(logs.read(kitchen.layout.build_dir(build_id), step))


def observed(kitchen: Kitchen, dockerfile: bytes, observer: Observer) -> None:
    request = BuildRequest(None, dockerfile)
    build(kitchen.ctx, request, HOST, observer, kitchen.enter, kitchen.tools)


def test_a_build_that_ran(kitchen: Kitchen) -> None:
    kitchen.write({"a": "12345"})
    result = kitchen.build("FROM busybox\nENV A=1\nCOPY a /a\nRUN echo hi; echo oh >&2\n", tags=("app",))
    record, steps = last(kitchen)
    assert result.build_id == record.id
    assert (record.status, record.error, record.error_line) == ("completed", "", 0)
    assert record.image_id == result.image_id
    assert record.tags == "docker.io/library/app:latest"
    assert (record.dockerfile, record.context) == ("Dockerfile", str(kitchen.context))
    assert (record.total, record.cached, record.run) == (3, 1, 2)
    assert record.seconds > 0
    assert [(step.step, step.line, step.status) for step in steps] == [
        (1, 1, "cached"),
        (2, 3, "run"),
        (3, 4, "run"),
    ]
    assert [step.text for step in steps] == ["FROM busybox", "COPY a /a", "RUN echo hi; echo oh >&2"]
    assert [step.diff_id for step in steps] == ["", *(step.diff_id for step in result.steps)]
    assert steps[1].size == 5
    assert all(step.key for step in steps[1:])
    assert steps[2].seconds > 0
    assert record.log_bytes == os.stat(f"{kitchen.layout.build_dir(record.id)}/3.log").st_size


def test_one_from_the_cache(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nRUN echo 12 > /x\n")
    first = last(kitchen)[0]
    assert kitchen.build("FROM busybox\nRUN echo 12 > /x\n").cached
    record, steps = last(kitchen)
    assert record.id != first.id
    assert (record.status, record.total, record.cached, record.run, record.log_bytes) == (
        "completed",
        2,
        2,
        0,
        0,
    )
    assert not os.path.exists(kitchen.layout.build_dir(record.id)), "it wrote no log"
    assert steps[1].size == 3, "the size of its layer is known all the same"
    assert (steps[1].status, steps[1].seconds) == ("cached", 0.0)


def test_a_failed_one(kitchen: Kitchen) -> None:
    with pytest.raises(BuildFailed):
        kitchen.build("FROM busybox AS base\nRUN true\nRUN exit 3\nRUN never\nFROM base\nRUN never\n")
    record, steps = last(kitchen)
    assert (record.status, record.error_line, record.image_id) == ("error", 3, "")
    assert "exit code: 3" in record.error
    assert [step.status for step in steps] == [
        "cached",
        "run",
        "failed",
        "not reached",
        "not reached",
        "not reached",
    ]
    assert [step.stage for step in steps] == ["base", "base", "base", "base", "stage-1", "stage-1"]


@pytest.mark.parametrize(
    ("dockerfile", "line", "states"),
    [
        ("FROM busybox\nBOGUS x\n", 2, []),
        ("FROM busybox\nCOPY missing /x\nRUN true\n", 2, ["cached", "failed", "not reached"]),
    ],
)
def test_one_that_the_dockerfile_fails(
    kitchen: Kitchen, dockerfile: str, line: int, states: list[str]
) -> None:
    with pytest.raises(DockerfileError):
        kitchen.build(dockerfile)
    record, steps = last(kitchen)
    assert (record.status, record.error_line) == ("error", line)
    assert [step.status for step in steps] == states


def test_one_with_a_bad_request(kitchen: Kitchen) -> None:
    with pytest.raises(InvalidInput):
        kitchen.build("FROM scratch\n", tags=("NOT A TAG",))
    assert last(kitchen)[0].status == "error"


def test_one_that_is_interrupted(kitchen: Kitchen) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, StepOutput):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        observed(kitchen, b"FROM busybox\nRUN echo go; sleep 60\nRUN true\n", stop)
    found, steps = last(kitchen)
    assert found.status == "canceled"
    assert [step.status for step in steps] == ["cached", "canceled", "not reached"]
    assert log_of(kitchen, found.id, 2)[0].data == b"go\n"


def test_logs_are_complete_and_marked(kitchen: Kitchen) -> None:
    script = "RUN seq 20000; echo err >&2; sleep 0.3; printf 'no newline \\r \\000 \\377'"
    kitchen.build(f"FROM busybox\n{script}\n")
    record = last(kitchen)[0]
    pieces = log_of(kitchen, record.id, 2)
    out = b"".join(piece.data for piece in pieces if not piece.stderr)
    assert out == b"".join(b"%d\n" % n for n in range(1, 20001)) + b"no newline \r \0 \377"
    assert b"".join(piece.data for piece in pieces if piece.stderr) == b"err\n"
    times = [piece.seconds for piece in pieces]
    assert times == sorted(times)
    assert times[-1] - times[0] >= 0.25
    assert log_of(kitchen, record.id, 1) == []


def test_a_log_that_ends_in_the_midst(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nRUN echo one; sleep 0.1; echo two\n")
    record = last(kitchen)[0]
    path = Path(kitchen.layout.build_dir(record.id)) / "2.log"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert b"one\ntwo\n".startswith(b"".join(piece.data for piece in log_of(kitchen, record.id, 2)))
    path.write_bytes(b"rubbish\n" + whole)
    with pytest.raises(LaminaError, match="damaged"):
        log_of(kitchen, record.id, 2)


def test_the_record_is_there_while_it_runs(kitchen: Kitchen) -> None:
    seen: list[tuple[str, list[str]]] = []

    def look(event: Event) -> None:
        if isinstance(event, StepOutput):
            record, steps = last(kitchen)
            seen.append((record.status, [step.status for step in steps]))

    observed(kitchen, b"FROM busybox\nRUN true\nRUN echo 1\nRUN true\n", look)
    assert seen == [("running", ["cached", "run", "running", "not reached"])]


def test_stages_side_by_side(kitchen: Kitchen) -> None:
    text = "FROM busybox AS a\nRUN echo in a; echo 1 > /a\nFROM busybox AS b\nRUN echo in b; echo 1 > /b\n"
    kitchen.build(text + "FROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /\n")
    record, steps = last(kitchen)
    assert [step.status for step in steps].count("run") == record.run == 4
    by_text = {step.text[:12]: step.step for step in steps}
    assert log_of(kitchen, record.id, by_text["RUN echo in "])[0].data == b"in b\n"


def test_the_oldest_records_go(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MOST", 4)
    monkeypatch.setattr(records, "_BATCH", 2)
    ids = [kitchen.build(f"FROM busybox\nRUN echo {n}\n").build_id for n in range(3)]
    ids += [kitchen.build("FROM busybox\nRUN echo 2\n").build_id for _ in range(3)]
    left = [build.id for build in recorded.builds(kitchen.db.read())]
    assert left == ids[:2:-1], "six are more than four: two batches of cached ones went"
    assert sorted(os.listdir(kitchen.layout.builds)) == sorted(set(ids[:3]) & set(left))


def test_logs_are_bounded_over_all(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MOST_BYTES", 1500)
    ids = [kitchen.build(f"FROM busybox\nRUN : {n}; seq 300\n").build_id for n in range(2)]
    assert [build.id for build in recorded.builds(kitchen.db.read())] == [ids[1]]
    assert os.listdir(kitchen.layout.builds) == [ids[1]], "a log that is too long by itself is not clipped"


def test_a_record_that_cannot_be_written(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    kitchen.build("FROM busybox\nRUN true\n")
    kitchen.db.read().execute("ALTER TABLE builds RENAME TO away")
    assert kitchen.build("FROM busybox\nRUN true\n").cached, "the build goes on all the same"
    notices = [event.text for event in kitchen.events if isinstance(event, Notice)]
    assert len(notices) == 1
    assert "could not be kept" in notices[0]
    kitchen.db.read().execute("ALTER TABLE away RENAME TO builds")


def test_a_log_that_cannot_be_written(kitchen: Kitchen) -> None:
    Path(kitchen.layout.builds).write_text("a file in the way")
    kitchen.build("FROM busybox\nRUN echo 1; sleep 0.1; echo 2\n")
    notices = [event.text for event in kitchen.events if isinstance(event, Notice)]
    assert [text for text in notices if "not complete" in text] == [notices[0]]
    os.unlink(kitchen.layout.builds)


def test_strays_are_removed(kitchen: Kitchen) -> None:
    result = kitchen.build("FROM busybox\nRUN echo 1\n")
    os.mkdir(f"{kitchen.layout.builds}/c3stray")
    trimming.remove_strays(kitchen.ctx)
    assert os.listdir(kitchen.layout.builds) == [result.build_id]


def test_ids_are_short_and_unlike_commands() -> None:
    ids = {records._new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(one) == 12 and one[0].isalpha() and one[1].isdigit() and one.isalnum() for one in ids)


def test_no_cache_filter(kitchen: Kitchen) -> None:
    text = "FROM busybox AS Left\nRUN echo 1 > /l\nFROM busybox AS right\nRUN echo 1 > /r\n"
    text += "FROM scratch\nCOPY --from=left /l /\nCOPY --from=right /r /\n"
    kitchen.build(text)
    again = kitchen.build(text, no_cache_filter=("LEFT",))
    assert kitchen.ran(again) == ["RUN echo"]
    assert [step.line for step in again.steps if not step.cached] == [2]
    both = kitchen.build(text, no_cache_filter=("left", "right"))
    assert [step.line for step in both.steps if not step.cached] == [2, 4]
    assert kitchen.build(text).cached


def test_no_cache_filter_reaches_stages_that_stand_on_it_only_by_what_changes(kitchen: Kitchen) -> None:
    text = "FROM busybox AS base\nRUN cat /proc/uptime > /t\nFROM base AS top\nRUN echo 1 > /x\n"
    kitchen.build(text)
    time.sleep(0.02)
    again = kitchen.build(text, no_cache_filter=("base",))
    assert [step.cached for step in again.steps] == [False, False], "its base changed"


def test_no_cache_filter_with_a_name_that_no_stage_has(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox AS a\nRUN true\n", no_cache_filter=("a", "nobody"))
    assert any("nobody" in event.text for event in kitchen.events if isinstance(event, Notice))
