"""lamina why, and build --why: which build, which step, as text and as JSON, and how they end."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.lamina_command import Lamina

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def twice(program: Lamina, context: Path) -> str:
    """Two builds, the second with another file and an ARG that is a secret; the ID of the second."""
    (context / "Dockerfile").write_text(
        f"FROM busybox AS base\nARG TOKEN\nENV AT={context}\nCOPY hello /hello\nRUN cat /hello > /made\n"
    )
    (context / "hello").write_text(f"{context.parent.name}\n")
    tag = f"why-{context.parent.name}".lower()
    program("build", "-q", "-t", tag, "--build-arg", "TOKEN=abcdef", context)
    (context / "hello").write_text(f"{context.parent.name} again\n")
    program("build", "-q", "-t", tag, "--build-arg", "TOKEN=ghijkl", context)
    return program("build", "ls", "-q").splitlines()[0]


def test_the_last_build(program: Lamina, twice: str) -> None:
    out = program("why").splitlines()
    assert out[0].startswith(f"Build {twice} of context: 2 of 2 steps ran, ")
    assert out[1] == "Cause: #2 [base] COPY hello /hello (Dockerfile:4): hello: content, 21 -> 27 bytes"
    assert out[2] == (
        " Also: #3 [base] RUN cat /hello > /made (Dockerfile:5): ARG TOKEN changed: ***, and 1 more"
    ), "the RUN saw what the COPY did, and would run without that, too"
    assert out[3] == ""
    assert "   - ARG TOKEN changed: ***" in out
    assert "abcdef" not in "".join(out)
    assert "ghijkl" not in "".join(out)


def test_which_build(program: Lamina, twice: str, context: Path) -> None:
    tag = f"why-{context.parent.name}".lower()
    out = program("why")
    for words in ([twice], [twice[:6]], ["^0"], [tag], [f"{tag}:latest"]):
        assert program("why", *words) == out
    first = program("build", "ls", "-q").splitlines()[1]
    assert program("why", "^1") == program("why", first) != out
    with tarfile.open(context.parent / "empty.tar", "w"):
        program("import", context.parent / "empty.tar", "brought")
    for wrong, said in (
        ("brought", "no build of image brought is recorded"),
        ("nobody", "No such build or image"),
    ):
        assert said in program.both("why", wrong, status=1)[1]


def test_which_step(program: Lamina, twice: str) -> None:
    whole = program("why").splitlines()
    shown = program("why", "3").splitlines()
    assert shown == program("why", twice, "#3").splitlines()
    assert [line for line in shown if line.startswith("#")] == [whole[whole.index(shown[4])]]
    assert program("why", "base") == program("why")
    assert program("why", twice, "BASE") == program("why")
    assert "has no step or stage 9" in program.both("why", "9", status=1)[1]
    assert "has no step or stage what" in program.both("why", twice, "what", status=1)[1]


def test_json(program: Lamina, twice: str) -> None:
    found = json.loads(program("why", "--json", twice))
    assert (found["ID"], found["Causes"]) == (twice, [2, 3])
    assert [step["Status"] for step in found["Steps"]] == ["cached", "run", "run"]
    assert found["Steps"][1]["Reason"]["Changes"][0]["What"] == "content"
    assert "***" in json.dumps(found["Steps"][2]["Reason"])
    assert "abcdef" not in json.dumps(found)
    assert len(json.loads(program("why", "--json", twice, "2"))["Steps"]) == 1


def test_whole(program: Lamina, context: Path) -> None:
    for number in range(30):
        (context / f"{number:02}").write_text("1")
    (context / "Dockerfile").write_text("FROM busybox\nCOPY . /app/\n")
    program("build", "-q", context)
    for number in range(30):
        (context / f"{number:02}").write_text("2")
    program("build", "-q", context)
    assert "   - and 20 more\n" in program("why")
    assert program("why", "--no-trunc").count(": content\n") == 30
    assert "more" not in program("why", "--no-trunc", "2").replace("and 29 more", "")


def test_build_why(program: Lamina, context: Path) -> None:
    out, err = program.both("build", "--why", "--progress=plain", context)
    assert out.startswith("Build ")
    assert "#2 [base] COPY hello /hello (Dockerfile:3)" in out
    assert "[base] COPY" not in out.replace("#2 [base] COPY", "")
    assert "Build " not in err
    out = program("build", "--why", "-q", context)
    assert out.splitlines()[0].startswith("sha256:")
    assert out.splitlines()[1].split(":")[1].startswith(" all 2 steps were reused")
    (context / "Dockerfile").write_text("FROM busybox\nRUN exit 3\n")
    out, err = program.both("build", "--why", context, status=1)
    assert "#2 RUN exit 3 (Dockerfile:2)\n   failed after " in out
    assert "failed after" not in err
    out, err = program.both("build", "--why", "-q", "-o", "-", context.parent / "context", status=1)
    assert out == ""
    assert "#2 RUN exit 3 (Dockerfile:2)\n   failed after " in err


def test_no_build_yet(program: Lamina, tmp_path: Path) -> None:
    assert "no build is recorded" in program.both("--root", tmp_path / "none", "why", status=1)[1]
