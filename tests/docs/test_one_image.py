"""docs/one-image.md says what is: its commands are run, and print what it shows."""

from __future__ import annotations

import doctest
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.page import Values, commands
from tests.e2e.lamina_command import REPOSITORY, Lamina

PAGE = REPOSITORY / "docs" / "one-image.md"
CACHE = REPOSITORY / ".cache" / "bases"
BUSYBOX = "3d9f2889d6782537624a4e1a10e68a2ddd53e0ee8bac02676f27308f42ec6bf6"  # that of the page

# For machines that lack Debian's sqlite3: one query, columns joined by `|`.
SQLITE3 = """\
import sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]):
    print("|".join("" if v is None else v.decode() if isinstance(v, bytes) else str(v) for v in row))
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the page needs of this checkout, with the modes that the umask 022 gives."""
    folder = tmp_path / "checkout"
    shutil.copytree(REPOSITORY / "examples", folder / "examples")
    shutil.copytree(REPOSITORY / "scripts", folder / "scripts")
    for path in (folder / "examples" / "static").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


@pytest.fixture
def environ(lamina: Lamina, tmp_path: Path) -> dict[str, str]:
    """The reader's environment: `lamina`, `python` and `sqlite3` are commands, and the store is named."""
    programs = tmp_path / "bin"
    programs.mkdir()
    _program(programs / "lamina", " ".join(lamina.argv))
    _program(programs / "python", sys.executable)
    if shutil.which("sqlite3") is None:
        (programs / "query.py").write_text(SQLITE3)
        _program(programs / "sqlite3", f"{sys.executable} {programs}/query.py")
    root = str(lamina.root)
    path = f"{programs}:{os.environ['PATH']}"
    return lamina.environ | {"DB": f"{root}/lamina.db", "CACHE": str(CACHE), "PATH": path, "LC_ALL": "C"}


def _program(path: Path, command: str) -> None:
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o755)


def test_every_command_prints_what_the_page_shows(
    lamina: Lamina, checkout: Path, environ: dict[str, str]
) -> None:
    if '"overlay"' not in lamina("info", "--format", "{{json .Driver}}"):
        pytest.skip("the page shows overlay mounts, which do not work here")
    values: Values | None = None
    for command in commands(PAGE.read_text()):
        done = subprocess.run(
            ["sh", "-c", command.text],
            cwd=checkout,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
        printed = done.stdout.decode().replace(str(lamina.root), "$LAMINA_ROOT").rstrip("\n")
        values = values or Values(exact=_same_busybox())  # it is there after the first command
        expected = command.output
        if "id -un" in command.text and lamina.one_id:
            expected = expected.replace("www", "root")  # without sub-IDs all users are one
        assert values.match(expected, printed), (
            f"docs/one-image.md:{command.line}: $ {command.text}\n"
            f"the page shows:\n{command.output}\nprinted was:\n{printed}"
        )


def test_every_python_block_is_right(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    blocks = re.findall(r"^```pycon\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, str(PAGE), 0)
    found = doctest.DocTestRunner().run(test)
    assert found.attempted > 5
    assert found.failed == 0


def _same_busybox() -> bool:
    """Whether the base has the program whose digests the page shows."""
    return hashlib.sha256((CACHE / "busybox" / "busybox").read_bytes()).hexdigest() == BUSYBOX
