"""The rules of reuse at the command line: what is shown, --cache-rule, --cache-ttl, and the Python API."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from lamina.build.request import BuildRequest
from lamina.engine.engine import Engine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.lamina_command import Lamina

pytestmark = pytest.mark.timeout(120)

TEXT = "FROM busybox\nWORKDIR /app\nCOPY . .\nRUN cat hello > /made\n"


@pytest.fixture
def project(program: Lamina, tmp_path: Path) -> Path:
    """A project that was built; each test's is another one."""
    if program("info", "-f", "{{.Tracing}}").strip() != "true":
        pytest.skip("steps cannot be traced here")
    (tmp_path / "Dockerfile").write_text(f"{TEXT}LABEL project={tmp_path.name}\n")
    (tmp_path / ".dockerignore").write_text("Dockerfile\n.dockerignore\n")
    (tmp_path / "hello").write_text(f"hello from {tmp_path.name}\n")
    (tmp_path / "app.py").write_text("1")
    program("build", tmp_path)
    return tmp_path


def endings(program: Lamina, *args: str | Path) -> list[str]:
    """How the steps after FROM ended."""
    shown = program.both("build", "--progress=plain", *args)[1]
    ends = [line.partition(" ")[2] for line in shown.splitlines() if line.startswith("#")]
    found = [end.split(" 0.")[0].split(" 1.")[0] for end in ends if end.startswith(("CACHED", "DONE "))]
    return found[1:]


def test_what_is_shown(program: Lamina, project: Path) -> None:
    (project / "app.py").write_text("2")
    assert endings(program, project) == ["CACHED", "DONE", "CACHED (untouched)"]
    assert endings(program, project) == ["CACHED", "CACHED", "CACHED"]
    moved = (project / "Dockerfile").read_text().replace("WORKDIR", "RUN echo > /first\nWORKDIR")
    (project / "Dockerfile").write_text(moved)
    reused = ["CACHED (independent)", "CACHED (independent)", "CACHED (untouched)"]
    assert endings(program, project)[1:] == reused


def test_rules_that_are_switched_off(program: Lamina, project: Path) -> None:
    (project / "app.py").write_text("2")
    assert endings(program, "--cache-rule=-untouched", project) == ["CACHED", "DONE", "DONE"]
    (project / "app.py").write_text("3")
    assert endings(program, project) == ["CACHED", "DONE", "CACHED (untouched)"], (
        "what it read is known still"
    )
    off = "--cache-rule=-independent", "--cache-rule=-untouched"
    assert endings(program, *off, project) == ["CACHED", "CACHED", "DONE"]


def test_what_is_done_with_the_rule_off_is_not_traced(program: Lamina, project: Path) -> None:
    text = (project / "Dockerfile").read_text() + "RUN echo only > /this\n"
    (project / "Dockerfile").write_text(text)
    endings(program, "--cache-rule=-untouched", project)
    (project / "app.py").write_text("2")
    assert endings(program, project) == ["CACHED", "DONE", "CACHED (untouched)", "DONE"]


def test_verify(program: Lamina, project: Path) -> None:
    (project / "app.py").write_text("2")
    shown = program.both("build", "--progress=plain", "--cache-rule=verify", project)[1]
    assert "verify: step 4, RUN cat hello > /made: the same as untouched would reuse\n" in shown
    assert "[Warning]" not in shown
    assert endings(program, project) == ["CACHED", "CACHED", "CACHED"]


def test_an_age(program: Lamina, project: Path) -> None:
    assert endings(program, "--cache-ttl=1h", project) == ["CACHED", "CACHED", "CACHED"]
    assert endings(program, "--cache-ttl=0s", project) == ["CACHED", "CACHED", "DONE"]
    assert endings(program, "--cache-ttl=0s", "--network=none", project) == ["CACHED", "CACHED", "DONE"]
    assert endings(program, "--cache-ttl=0s", "--network=none", project) == ["CACHED", "CACHED", "CACHED"]


def test_what_is_found_by_its_key_costs_no_more_than_ever(program: Lamina, project: Path) -> None:
    """Nothing of the other rules is loaded."""
    argv = [program.argv[0], "-X", "importtime", *program.argv[1:], "build", "--progress=plain", str(project)]
    done = subprocess.run(argv, env=program.environ, capture_output=True, text=True, check=True)
    assert done.stderr.count("CACHED") == 4
    imported = [line for line in done.stderr.splitlines() if line.startswith("import time")]
    loaded = {line.rpartition("|")[2].strip() for line in imported}
    others = (
        "build.reuse build.adopting build.identity graph.rules db.traces trace tree.readset layers.lookup"
    )
    assert loaded & {f"lamina.{name}" for name in others.split()} == set()


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("--cache-rule=nonsense", "invalid cache rule: nonsense"),
        ("--cache-rule=untouched", "invalid cache rule: untouched"),
        ("--cache-ttl=soon", "invalid value for --cache-ttl: soon"),
    ],
)
def test_nonsense(program: Lamina, project: Path, flag: str, told: str) -> None:
    assert told in program.both("build", flag, project, status=1)[1]


def test_the_python_api(program: Lamina, project: Path) -> None:
    request = BuildRequest.of_folder(project)
    (project / "app.py").write_text("2")
    with Engine.open(str(program.root)) as engine:
        assert [step.rule for step in engine.build(request).steps] == ["exact", "", "untouched"]
        off = request._replace(rules_off=frozenset(["untouched"]))
        assert [step.rule for step in engine.build(off).steps] == ["exact", "exact", ""]
        assert [step.rule for step in engine.build(off).steps] == ["exact", "exact", "exact"]
