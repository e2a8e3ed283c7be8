"""What the pages name exists: files, commands, flags, methods; and the read-mes can be followed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lamina
from lamina.cli.main import command_of, find, program
from tests.docs.page import commands
from tests.e2e.lamina_command import REPOSITORY, Lamina

PAGES = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for pattern in ("*.md", "docs/*.md", "bench/*.md", "examples/*.md")
    for path in REPOSITORY.glob(pattern)
)
WRITTEN = [page for page in PAGES if page != "docs/cli.md"]  # the rest is generated from --help

# Words that stand after `lamina` in a sentence, a package or a command that is said to be missing.
NO_VERBS = {"layer", "COMMAND"}
# Flags of the Dockerfile language, and those that are named because they are refused or are other programs'.
OTHER_FLAGS = {
    *("attest", "cap-add", "checksum", "chmod", "chown", "device", "exclude", "from", "keep-git-dir", "link"),
    *("mount", "parents", "platform", "peers", "security", "unpack"),
    *("interval", "retries", "start-interval", "start-period", "timeout"),
}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", (REPOSITORY / page).read_text()):
        if "://" not in target:
            path = (REPOSITORY / page).parent / target.partition("#")[0]
            assert path.exists(), f"{page} leads to {target}"


@pytest.mark.parametrize("page", WRITTEN)
def test_verbs_exist(page: str) -> None:
    text = (REPOSITORY / page).read_text()
    for verb in re.findall(r"(?:^\$ |`|\| )lamina ([a-z]+(?:-[a-z]+)*)", text, re.MULTILINE):
        if verb not in NO_VERBS:
            _command([verb, "ls", "prune"])  # the words after it are for management commands


@pytest.mark.parametrize("page", WRITTEN)
def test_flags_exist(page: str) -> None:
    known = {flag.name for flag in program().flags()} | {"help"} | OTHER_FLAGS | _flags()
    named = set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", _prose(page)))
    assert named <= known, f"{page}: {sorted(named - known)}"


@pytest.mark.parametrize("page", WRITTEN)
def test_flags_fit_their_command(page: str) -> None:
    for line in _prose(page).splitlines():
        for verb, rest in re.findall(r"^\$ lamina ([a-z]+)((?: --[a-z-]+(?:=\S+)?)+)", line):
            path, found, _ = find([verb])
            flags = {flag.name for flag in command_of(path, found).flags()}
            assert set(re.findall(r"--([a-z-]+)", rest)) <= flags, line


def test_every_method_of_engine_is_named() -> None:
    text = (REPOSITORY / "docs" / "python.md").read_text()
    methods = {name for name in vars(lamina.Engine) if not name.startswith("_")}
    assert {name for name in methods if not re.search(rf"\b{name}[(.]", text)} == set()


def test_the_glossary_is_the_one_that_is_shared() -> None:
    shared = REPOSITORY.parent / "shared" / "GLOSSARY.md"
    if not shared.exists():
        pytest.skip("only the project's own machines have shared/")
    assert (REPOSITORY / "docs" / "glossary.md").read_text() == shared.read_text()


@pytest.mark.parametrize("page", ["README.md", "examples/README.md"])
def test_a_reader_can_follow(page: str, lamina: Lamina, tmp_path: Path) -> None:
    """Runs the commands for the static site; what sets up a machine or serves for ever is not run here."""
    program = tmp_path / "lamina"
    program.write_text(f'#!/bin/sh\nexec {" ".join(lamina.argv)} "$@"\n')
    program.chmod(0o755)
    checkout = Path(shutil.copytree(REPOSITORY / "examples", tmp_path / "checkout" / "examples")).parent
    shutil.copytree(REPOSITORY / "scripts", checkout / "scripts")
    environ = lamina.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "CACHE": str(REPOSITORY / ".cache" / "bases"),
    }
    text = (REPOSITORY / page).read_text()
    lines = [command.text.replace("/tmp/", f"{tmp_path}/") for command in commands(text)]
    ran = [line for line in lines if re.match(r"lamina|examples/bases/build busybox", line) and _ends(line)]
    assert len(ran) >= 2
    for line in ran:
        done = subprocess.run(["sh", "-c", line], cwd=checkout, env=environ, capture_output=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stderr.decode()}"
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        subprocess.run([sys.executable, "-c", block], cwd=checkout, env=environ, check=True)


def _ends(line: str) -> bool:
    return "PORT=" not in line and not line.startswith("lamina tag node")


def _command(words: list[str]) -> None:
    path, verb, _ = find(words)
    command_of(path, verb)


def _flags() -> set[str]:
    """The flags of all commands, as the page made from --help has them, and those that `build` refuses."""
    path, verb, _ = find(["build"])
    shown = set(re.findall(r"--([a-z][a-z-]+)", (REPOSITORY / "docs" / "cli.md").read_text()))
    return shown | set(command_of(path, verb).refused())


def _prose(page: str) -> str:
    """A page without what commands printed, and without the commands of other programs."""
    text = (REPOSITORY / page).read_text()
    return "\n".join(
        line.partition(" | ")[0] if line.startswith("$ ") else line
        for block in re.split(r"^```", text, flags=re.MULTILINE)
        for line in block.splitlines()
        if not block.startswith("console") or line.startswith("$ lamina")
    )
