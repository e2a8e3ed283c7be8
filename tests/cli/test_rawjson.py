"""--progress=rawjson, none and quiet, and BUILDKIT_PROGRESS."""

from __future__ import annotations

import base64
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lamina.cli.progress.drawer import Drawer, choose
from lamina.cli.progress.rawjson import RawJson
from lamina.events import (
    Event,
    Notice,
    Progress,
    StepCached,
    StepFailed,
    StepFinished,
    StepOutput,
    StepStarted,
)
from tests.e2e.lamina_command import Lamina


def _lines(out: io.StringIO) -> list[dict[str, list[dict[str, Any]]]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def _drawn(*events: Event) -> tuple[RawJson, io.StringIO]:
    out = io.StringIO()
    drawer = RawJson(out)
    for event in events:
        drawer(event)
    return drawer, out


def _start(step: int, text: str) -> StepStarted:
    return StepStarted(step, 3, "base", text, 1, step, 3)


def test_vertexes() -> None:
    _, out = _drawn(
        _start(1, "COPY a b"),
        StepCached(1, "sha256:x"),
        _start(2, "RUN x"),
        StepFinished(2, 1.0, "sha256:y", 1),
    )
    begun, cached, _, done = [line["vertexes"][0] for line in _lines(out)]
    assert begun["name"] == "[base 1/3] COPY a b"
    assert begun["digest"].startswith("sha256:")
    assert "completed" not in begun
    assert (cached["cached"], cached["digest"], cached["started"]) == (
        True,
        begun["digest"],
        begun["started"],
    )
    assert datetime.fromisoformat(done["completed"][:26]) >= datetime.fromisoformat(done["started"][:26])
    assert "rule" not in cached
    assert "cached" not in done
    assert "error" not in done


def test_the_rule_of_a_step_that_was_reused() -> None:
    _, out = _drawn(_start(1, "COPY a b"), StepCached(1, "sha256:x", "independent"))
    assert _lines(out)[-1]["vertexes"][0]["rule"] == "independent"


def test_logs_have_every_byte() -> None:
    data = bytes(range(256)) * 300
    _, out = _drawn(_start(1, "RUN x"), StepOutput(1, data, False), StepOutput(1, b"e", True))
    vertex, first, second = _lines(out)
    log = first["logs"][0]
    assert base64.b64decode(log["data"]) == data
    assert (log["stream"], second["logs"][0]["stream"]) == (1, 2)
    assert log["vertex"] == vertex["vertexes"][0]["digest"]
    assert log["timestamp"].endswith("Z")


def test_errors_and_what_was_stopped() -> None:
    drawer, out = _drawn(_start(1, "RUN x"), _start(2, "RUN y"), StepFailed(1, 0.1, "exit code: 1"))
    assert drawer.failed() is None, "no report among lines of JSON"
    failed, stopped = [line["vertexes"][0] for line in _lines(out)[2:]]
    assert failed["error"] == "exit code: 1"
    assert (stopped["name"], stopped["error"]) == ("[base 2/3] RUN y", "context canceled")
    assert stopped["completed"]


def test_statuses_and_warnings() -> None:
    drawer, out = _drawn(
        Progress("loading", 5, 10),
        Progress("loading", 10, 10),
        Progress("no end", 7, 0),
        Notice("be careful"),
    )
    drawer.succeeded(["writing image sha256:1"])
    half, whole, open_end, warning, vertex, result = _lines(out)
    status = half["statuses"][0]
    assert (status["id"], status["current"], status["total"]) == ("loading", 5, 10)
    assert "completed" not in status
    assert whole["statuses"][0]["started"] == status["started"]
    assert whole["statuses"][0]["completed"]
    assert "total" not in open_end["statuses"][0]
    assert base64.b64decode(warning["warnings"][0]["short"]) == b"be careful"
    assert vertex["vertexes"][0]["name"] == "exporting to image"
    assert result["statuses"][0]["vertex"] == vertex["vertexes"][0]["digest"]


def test_none_and_quiet_draw_nothing() -> None:
    for kind in ("none", "quiet"):
        out = io.StringIO()
        drawer = choose(kind, out)
        assert type(drawer) is Drawer
        for event in (_start(1, "RUN x"), StepOutput(1, b"out\n", False), StepFailed(1, 0.1, "no")):
            drawer(event)
        step = drawer.failed()
        assert step is not None, "a failure can still be reported"
        assert out.getvalue() == ""


def test_a_build_in_json(program: Lamina, context: Path) -> None:
    out, err = program.both("build", "--no-cache", "--progress=rawjson", "-t", "raw", context)
    assert out == ""
    lines = [json.loads(line) for line in err.splitlines()]
    names = [vertex["name"] for line in lines for vertex in line.get("vertexes", ()) if "completed" in vertex]
    assert names[-1] == "exporting to image"
    assert any("RUN echo made for" in name for name in names)


def test_a_failed_build_in_json(program: Lamina, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo why; exit 3\n")
    err = program.both("build", "--progress=rawjson", tmp_path, status=1)[1]
    *lines, error, hint = err.splitlines()
    found = [json.loads(line) for line in lines]
    logs = [base64.b64decode(log["data"]) for line in found for log in line.get("logs", ())]
    assert b"".join(logs) == b"why\n"
    errors = [vertex["error"] for line in found for vertex in line.get("vertexes", ()) if "error" in vertex]
    assert len(errors) == 1
    assert "exit code: 3" in errors[0]
    assert error.startswith("lamina: Dockerfile:2:")
    assert hint.startswith("hint: ")


def test_progress_none(program: Lamina, context: Path) -> None:
    assert program.both("build", "--progress=none", context) == ("", "")


def test_progress_quiet_prints_the_image(program: Lamina, context: Path) -> None:
    out, err = program.both("build", "--progress=quiet", context)
    assert out.startswith("sha256:")
    assert err == ""
    assert program("build", "-q", context) == out


def test_failures_are_reported_whatever_the_progress(program: Lamina, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo why; exit 3\n")
    for kind in ("none", "quiet"):
        err = program.both("build", f"--progress={kind}", tmp_path, status=1)[1]
        assert " why\n" in err
        assert ">>> RUN echo why" in err


def test_the_environment_says_which_progress(program: Lamina, context: Path) -> None:
    err = program.both("build", context, BUILDKIT_PROGRESS="rawjson")[1]
    assert all(json.loads(line) for line in err.splitlines())
    assert program.both("build", "--progress=none", context, BUILDKIT_PROGRESS="plain") == ("", "")
    assert program("build", "-q", context, BUILDKIT_PROGRESS="plain").startswith("sha256:")
    assert (
        "invalid progress mode 'loud'"
        in program.both("build", context, BUILDKIT_PROGRESS="loud", status=1)[1]
    )


def test_quiet_with_another_progress(program: Lamina, context: Path) -> None:
    err = program.both("build", "-q", "--progress=plain", context, status=1)[1]
    assert "progress=plain and quiet cannot be used together" in err


@pytest.mark.parametrize("kind", ["auto", "none", "plain", "quiet", "rawjson", "tty"])
def test_each_kind_is_known(kind: str) -> None:
    assert isinstance(choose(kind, io.StringIO()), Drawer)
