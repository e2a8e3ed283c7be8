"""The program as a whole: commands found, help, errors as lines and exit codes, and a light start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.cli import errors, helping, verbs
from lamina.cli.main import command_of, find, main
from lamina.errors import Cancelled, InvalidInput, ProcessFailed

ROOT = Path(__file__).resolve().parents[2]
HEAVY = "argparse asyncio ctypes datetime logging rich shutil sqlite3 subprocess tarfile tempfile threading"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    words = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")}
    assert words >= {name.split()[0] for name in (*verbs.VERBS, *verbs.GROUPS)}


@pytest.mark.parametrize("name", verbs.VERBS)
def test_every_command_has_a_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "--help"]) == 0
    page = capsys.readouterr().out
    assert page.startswith(f"Usage:  lamina {name}")
    assert verbs.VERBS[name].summary in page


@pytest.mark.parametrize("group", verbs.GROUPS)
def test_every_group_has_a_page(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (group.split(), [*group.split(), "--help"]):
        assert main(words) == 0
        page = capsys.readouterr().out
        assert all(f"\n  {name} " in page for name in verbs.GROUPS[group].verbs)


def test_the_reference_is_up_to_date() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    assert page == helping.reference(), "run scripts/cli-docs"
    assert all(f"## lamina {name}\n" in page for name in verbs.VERBS)


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        ("image ls", "images"),
        ("image list", "images"),
        ("image rm", "rmi"),
        ("container ls", "ps"),
        ("container ps", "ps"),
        ("container rm", "rm"),
        ("container run", "run"),
        ("system df", "df"),
        ("system prune", "prune"),
        ("build ls", "build ls"),
        ("build show", "build show"),
        ("buildx history inspect", "build show"),
        ("builder history ls", "build ls"),
        ("buildx build", "build"),
        ("build ./ls", "build"),
    ],
)
def test_management_commands(words: str, verb: str) -> None:
    path, found, rest = find([*words.split(), "-x"])
    assert found is verbs.VERBS[verb]
    assert path.split()[0] == words.split()[0]
    assert rest[-1] == "-x"


def test_prune_depends_on_its_group() -> None:
    paths = ("container prune", "builder prune", "image prune", "prune")
    pages = {path: command_of(*find(path.split())[:2]).help() for path in paths}
    assert "--all" not in pages["container prune"]
    assert "Remove all stopped containers" in pages["container prune"]
    assert "build cache" in pages["builder prune"]
    assert "container" not in pages["builder prune"]
    assert "Remove unused images\n" in pages["image prune"]
    assert "unused images" in pages["prune"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nope"], 1, "lamina: unknown command: lamina nope\n\nRun 'lamina --help'"),
        (["image", "nope"], 1, "lamina: unknown command: lamina image nope\n\nUsage:  lamina image COMMAND"),
        (["--nope"], 125, "unknown flag: --nope\n\nUsage:  lamina [OPTIONS] COMMAND"),
        (["run", "--nope", "x"], 125, "unknown flag: --nope\n\nUsage:  lamina run [OPTIONS] IMAGE"),
        (["run", "-p", "80:80", "x"], 125, "lamina: -p is not supported\nhint: the container has the host's"),
        (["build", "--isolation=x", "."], 1, "lamina: --isolation is not supported\nhint:"),
        (
            ["build", "/no/such/folder"],
            1,
            "lamina: unable to prepare context: path '/no/such/folder' not found",
        ),
        (["build", "--progress", "loud", "."], 1, "lamina: invalid progress mode 'loud'\nhint: one of auto"),
        (["build", "--network", "bridge", str(ROOT)], 1, "lamina: "),
        (["dockerfile", "parse", "/no/such/file"], 1, "lamina: /no/such/file: no such file"),
        (["dockerfile", "eat", "x"], 1, "lamina: lamina dockerfile has no 'eat'"),
        (
            ["version", "--format", "{{.Nope"],
            64,
            "lamina: template parsing error: template: :1: unclosed action",
        ),
    ],
)
def test_failures(words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(message)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert main(["version"]) == 0
    assert main(["version", "--format", "{{.Server.Os}}"]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("Lamina version 0.")
    assert rest[0] == "Lamina:"
    assert rest[-1] == "linux"


def test_dockerfile_parse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "Dockerfile", tmp_path / "bad"
    good.write_text("FROM scratch\nCOPY a b\n")
    bad.write_text("FROM scratch\nNOPE\n")
    assert main(["dockerfile", "parse", "--json", str(good)]) == 0
    assert '"instruction": "COPY"' in capsys.readouterr().out
    assert main(["dockerfile", "parse", "--json", str(bad)]) == 1
    error = capsys.readouterr().err
    assert f"{bad}:2:1" in error
    assert "   2 | NOPE" in error


@pytest.mark.parametrize(
    ("error", "ours", "code", "text"),
    [
        (InvalidInput("bad", hint="do this"), None, 1, "lamina: bad\nhint: do this\n"),
        (InvalidInput("bad"), 125, 125, "lamina: bad\n"),
        (Cancelled("stopped"), 125, 130, "lamina: stopped\n"),
        (ProcessFailed("exit code: 3", 3), None, 1, "lamina: exit code: 3\n"),
        (KeyboardInterrupt(), None, 130, ""),
        (PermissionError(13, "Permission denied", "/x"), None, 1, "lamina: /x: Permission denied\n"),
        (KeyError("k"), None, 1, "lamina: KeyError: 'k'\nhint: this is a bug in Lamina"),
    ],
)
def test_errors(
    error: BaseException, ours: int | None, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert errors.report(error, ours=ours) == code
    assert capsys.readouterr().err.startswith(text)


def test_debug_shows_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--debug", "build", "/no/such/folder"]) == 1
    assert "Traceback" in capsys.readouterr().err


def _python(*words: str, **streams: int) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        [sys.executable, *words],
        env=environ,
        text=True,
        timeout=60,
        check=False,
        **streams,  # type: ignore[call-overload]
    )


def test_python_m_lamina() -> None:
    done = _python("-m", "lamina", "nope", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.startswith("lamina: unknown command")


def test_a_reader_that_leaves_is_no_error() -> None:
    code = (
        "import os, sys\n"
        "read, write = os.pipe(); os.close(read); os.dup2(write, 1)\n"
        "from lamina.cli.main import entry\n"
        "sys.argv[1:] = ['--help']\n"
        "entry()\n"
    )
    done = _python("-c", code, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    "module", ["lamina.cli.main", "lamina.cli.commands.build", "lamina.cli.progress.plain"]
)
def test_a_light_start(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set({HEAVY!r}.split()) & set(sys.modules)))"
    done = _python("-S", "-c", code, stdout=subprocess.PIPE)
    assert done.stdout.strip() == ""
