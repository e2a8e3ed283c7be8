"""Every error that BuildKit and buildx raise: one line with file, line and column, a caret below, a status.

The cases are in bad_builds.py.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.e2e.bad_builds import CHECKSUM, DOCKERFILES, FLAGS, REFUSED, TAKEN
from tests.e2e.lamina_command import Lamina
from tests.e2e.refusals import check_error, refused


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A context with files, a folder, and a file that is left out."""
    folder = tmp_path / "context"
    (folder / "d").mkdir(parents=True)
    for name in ("a", "b", "d/x", "ignored"):
        (folder / name).write_text(name)
    (folder / ".dockerignore").write_text("ignored\n")
    return folder


@pytest.mark.parametrize("name", DOCKERFILES)
def test_dockerfile(steady: Lamina, context: Path, name: str) -> None:
    marked, says = DOCKERFILES[name]
    lines = marked.split("\n")
    line = next(number for number, text in enumerate(lines) if text.strip() == "^")
    column = lines.pop(line).index("^") + 1
    (context / "Dockerfile").write_text("\n".join(lines) + "\n")
    _, err = steady.both("build", "--progress=plain", "-t", "bad", context, status=1)
    check_error(err, rf"^lamina: Dockerfile:{line}:{column}: .*{says}", hint=False)
    shown = f"{line:4} | {lines[line - 1]}\n     | {' ' * (column - 1)}^\n"
    assert re.sub(r"\S*" + CHECKSUM + r".*\n", "", shown) in re.sub(
        r"\S*" + CHECKSUM + r".*\n", "", err + "\n"
    )
    assert "bad" not in steady("images", "--format", "{{.Repository}}").split()


def test_a_run_that_fails_shows_all_its_lines(steady: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN wh\\\nat\nENV bar=baz\n")
    _, err = steady.both("build", "--progress=plain", context, status=1)
    check_error(err, r"^lamina: Dockerfile:2: RUN what: did not complete: exit code: 127")
    assert "   2 | >>> RUN wh\\\n   3 | >>> at\n" in err


def test_text_after_json_makes_it_a_command_for_the_shell(steady: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text('FROM busybox\nRUN ["echo", "hello"]this is invalid\n')
    _, err = steady.both("build", "--progress=plain", context, status=1)
    check_error(err, r'^lamina: Dockerfile:2: RUN \["echo", "hello"\]this is invalid: did not complete')


@pytest.mark.parametrize(
    ("text", "says"), [("!\n", 'illegal exclusion pattern: "!"'), ("[a\n", "syntax error in pattern")]
)
def test_dockerignore(steady: Lamina, context: Path, text: str, says: str) -> None:
    (context / ".dockerignore").write_text(f"x\n{text}")
    (context / "Dockerfile").write_text("FROM busybox\nCOPY a /\n")
    refused(steady, "build", context, says=rf"\.dockerignore:2: {says}", hint=False)


@pytest.mark.parametrize("name", FLAGS)
def test_flag(steady: Lamina, context: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    flags, says, status = FLAGS[name]
    (context / "Dockerfile").write_text("FROM busybox\nRUN false\n")
    _, err = steady.both("build", *flags, context, status=status)
    assert re.search(says, err.splitlines()[0]), err
    assert "Traceback" not in err and "#1" not in err, "it began to build"
    assert not os.path.exists("x.tar")


@pytest.mark.parametrize("flag", REFUSED.split())
def test_flag_that_is_refused(steady: Lamina, context: Path, flag: str) -> None:
    (context / "Dockerfile").write_text("FROM busybox\n")
    name = flag.partition("=")[0]
    refused(steady, "build", flag, context, says=rf"^lamina: {name} is not supported$")


def test_every_flag_of_buildx_is_known(steady: Lamina) -> None:
    page = steady("build", "--help")
    assert [name for name in TAKEN.split() if not re.search(rf"--{name}\b", page)] == []


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["-f", "-", "-"], "can't use stdin for both build context and dockerfile"),
        (["-f", "x", "-"], "ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles"),
        (["nothere"], "unable to prepare context: path 'nothere' not found"),
    ],
)
def test_places(steady: Lamina, args: list[str], says: str) -> None:
    refused(steady, "build", *args, says=says, hint=False, stdin=b"FROM busybox\n")


def test_a_dockerfile_in_small_letters(steady: Lamina, context: Path) -> None:
    (context / "dockerfile").write_text("FROM busybox\nLABEL small=yes\n")
    steady("build", "-q", "-t", "small", context)
    assert steady.inspect("small")["Config"]["Labels"] == {"small": "yes"}
    (context / "Dockerfile").write_text("FROM busybox\nLABEL small=no\n")
    steady("build", "-q", "-t", "small", context)
    assert steady.inspect("small")["Config"]["Labels"] == {"small": "no"}
    steady("rmi", "small")


def test_a_dockerfile_that_is_a_link(steady: Lamina, context: Path) -> None:
    (context / "Dockerfile.web").write_text("FROM busybox\n")
    (context / "Dockerfile").symlink_to("Dockerfile.web")
    steady("build", "-q", context)


def test_buildkit_multi_platform_makes_an_index_of_one(steady: Lamina, context: Path, tmp_path: Path) -> None:
    (context / "Dockerfile").write_text("FROM scratch\nCOPY a /\n")
    asked = ["build", "-q", "--build-arg", "BUILDKIT_MULTI_PLATFORM=1"]
    steady(*asked, "-o", f"type=oci,tar=false,dest={tmp_path}/layout", context)
    index = (tmp_path / "layout" / "index.json").read_text()
    assert "application/vnd.oci.image.index.v1+json" in index.partition('"manifests"')[2]
    steady(*asked, "-o", tmp_path / "files", context)
    (folder,) = (tmp_path / "files").iterdir()
    assert folder.name.startswith("linux_") and (folder / "a").read_text() == "a"
