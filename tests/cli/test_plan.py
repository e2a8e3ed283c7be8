"""`lamina build --plan`, as it is run."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from lamina import Engine
from lamina.build.request import BuildRequest
from tests.build.planned import everything

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.lamina_command import Lamina

DOCKERFILE = """FROM busybox AS made
WORKDIR /app
COPY . .
RUN cat requirements.txt > /installed
RUN cat app.py > /compiled
FROM busybox
COPY --link etc /etc/app
COPY --from=made /compiled /compiled
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A context with a step that needs one file of it, and one that needs another."""
    made = tmp_path / "project"
    (made / "etc").mkdir(parents=True)
    (made / "Dockerfile").write_text(DOCKERFILE)
    (made / "requirements.txt").write_text("flask\n")
    (made / "app.py").write_text("1\n")
    (made / "etc/conf").write_text("c\n")
    return made


def page(text: str) -> list[str]:
    """A printed plan, without durations, and with one blank for many."""
    return [re.sub(r"\b\d+\.\d ?s", "N s", " ".join(line.split())) for line in text.splitlines()]


def test_a_page(program: Lamina, project: Path) -> None:
    program("build", "-q", project)
    assert page(program("build", "--plan", project))[-1] == "would reuse 6 steps, run 0"
    (project / "app.py").write_text("2 \n")
    (project / "etc/conf").chmod(0o600)
    before = everything(program.root)
    out, err = program.both("build", "--plan", project)
    assert everything(program.root) == before
    assert err == ""
    if "not traced" in out:
        pytest.skip("steps are not traced here")
    assert page(out) == [
        "STEP WOULD TOOK LINE INSTRUCTION",
        "#1 1 [made 1/5] FROM busybox AS made",
        "#2 reuse (exact) N s 2 [made 2/5] WORKDIR /app",
        "#3 run N s 3 [made 3/5] COPY . .",
        "app.py: content, 2 -> 3 bytes",
        "etc/conf: mode 0644 -> 0600",
        "#4 reuse (untouched) N s 4 [made 4/5] RUN cat requirements.txt > /installed",
        "#5 run N s 5 [made 5/5] RUN cat app.py > /compiled",
        "it looked at /app/app.py: content, 2 -> 3 bytes, by #3 (Dockerfile:3)",
        "#6 6 [stage-1 1/3] FROM busybox",
        "#7 run N s 7 [stage-1 2/3] COPY --link etc /etc/app",
        "etc/conf: mode 0644 -> 0600",
        "#8 not known N s 8 [stage-1 3/3] COPY --from=made /compiled /compiled",
        "waits for #5 (Dockerfile:5)",
        "",
        "would reuse 2 steps, run 3 (about N s), 1 not known yet",
    ]
    ran = program.build(project)
    assert [number for number in range(1, 9) if f"#{number} CACHED" not in ran] == [3, 5, 7, 8]


def test_json(program: Lamina, project: Path) -> None:
    program("build", "-q", project)
    (project / "app.py").write_text("3\n")
    found = json.loads(program("build", "--plan", "--json", project))
    assert (found["Dockerfile"], found["Pull"], found["Notes"]) == ("Dockerfile", [], [])
    steps = found["Steps"]
    assert [step["Line"] for step in steps] == list(range(1, 9))
    assert steps[0]["Status"] == "from"
    assert (steps[1]["Status"], steps[1]["Rule"], steps[1]["Reason"]) == ("reuse", "exact", None)
    copy = steps[2]
    assert copy["Status"] == "run"
    assert copy["Reason"]["Code"] == "changed"
    assert [(change["Name"], change["What"]) for change in copy["Reason"]["Changes"]] == [
        ("app.py", "content")
    ]
    assert found["Run"] == sum(step["Status"] == "run" for step in steps)
    assert found["Reuse"] + found["Run"] + found["Unknown"] == 6


def test_without_a_store(program: Lamina, project: Path, tmp_path: Path) -> None:
    root = tmp_path / "none"
    out = program("--root", root, "build", "--plan", project, LAMINA_OFFLINE="")
    assert page(out)[1:4] == [
        "#1 pull 1 [made 1/5] FROM busybox AS made",
        "busybox:latest is not in the store: it would be pulled",
        "#2 not known 2 [made 2/5] WORKDIR /app",
    ]
    assert page(out)[-1] == "would reuse 0 steps, run 0, pull 1 image, 6 not known yet"
    assert not root.exists()


def test_flags_that_do_not_go_together(program: Lamina, project: Path) -> None:
    for flags in (["--plan", "--check"], ["--plan", "--why"], ["--json"], ["--plan", "--format", "json"]):
        _, err = program.both("build", *flags, project, status=1)
        assert "--plan" in err


def test_a_dockerfile_that_cannot_be_built(program: Lamina, project: Path) -> None:
    (project / "Dockerfile").write_text("# check=error=true\nFROM busybox\nCMD a b\n")
    _, planned = program.both("build", "--plan", project, status=1)
    assert "lint violation found for rules: JSONArgsRecommended" in planned
    (project / "Dockerfile").write_text("FROM busybox\nCOPY nothing /\n")
    _, planned = program.both("build", "--plan", project, status=1)
    assert "Dockerfile:2" in planned
    assert '"/nothing": not found' in planned
    _, err = program.both("build", "--plan", "-", status=1, stdin=b"\x1f\x8b\x08\0" + b"\0" * 40)
    assert "the build context on STDIN is not here" in err


def test_a_dockerfile_on_stdin(program: Lamina) -> None:
    out = program("build", "--plan", "-", stdin=b"FROM busybox\nWORKDIR /plan/of/stdin\n")
    assert page(out)[-1] == "would reuse 0 steps, run 1"


def test_in_python(program: Lamina, project: Path) -> None:
    program("build", "-q", project)
    shutil.rmtree(project / "etc")
    (project / "etc").mkdir()
    with Engine.open(str(program.root)) as engine:
        plan = engine.plan(BuildRequest.of_folder(project))
    assert plan.steps[6].status == "run"
    assert plan.steps[6].reason is not None
    assert [change[:3] for change in plan.steps[6].reason.changes] == [("file", "etc/conf", "removed")]
    assert plan.count("reuse") + plan.count("run") + plan.count("unknown") == 6
