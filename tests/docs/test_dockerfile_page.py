"""docs/dockerfile.md: each part of the language and each flag of `build` has a row, and each row a test."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from lamina.cli.main import command_of
from lamina.cli.verbs import VERBS
from lamina.dockerfile import Instruction, flags
from lamina.graph.scope import PROXY_NAMES
from tests.peers.buildkit import CASES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "dockerfile.md").read_text()

INSTRUCTIONS = sorted(kind.keyword for kind in Instruction.__subclasses__())
MOUNTS = {
    "bind": "target source from rw",
    "cache": "id target ro sharing from source mode uid gid",
    "tmpfs": "target size",
    "secret": "id target env required mode uid gid",
    "ssh": "id target required mode uid gid",
}
ARGUMENTS = [
    *(side + what for side in ("TARGET", "BUILD") for what in ("PLATFORM", "OS", "ARCH", "VARIANT")),
    *sorted(name for name in PROXY_NAMES if name.isupper()),
    "SOURCE_DATE_EPOCH",
    "BUILDKIT_CACHE_MOUNT_NS",
    "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
    "BUILDKIT_INLINE_CACHE",
    "BUILDKIT_MULTI_PLATFORM",
    "BUILDKIT_SANDBOX_HOSTNAME",
    "BUILDKIT_SYNTAX",
    "BUILDKIT_DOCKERFILE_CHECK",
]
DIRECTIVES = ["syntax", "escape", "check"]


class Row:
    """One row of a table: what it is about, and the tests that it names."""

    def __init__(self, line: str) -> None:
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip("|\n "))]
        self.about = re.findall(r"`([^`]+)`", cells[0])
        shown_by = re.findall(r"`([^`]+)`", cells[-1])
        self.tests = [name.split("::") for name in shown_by if "::" in name]
        self.cases = [name for name in shown_by if "::" not in name]
        self.out_of_scope = "out of scope" in cells[-1]
        self.line = line


ROWS = [
    Row(line)
    for line in PAGE.splitlines()
    if line.startswith("|") and not line.startswith(("| ---", "| what "))
]
KNOWN = {about for row in ROWS for about in row.about}


@cache
def _names(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(row.about) or row.line[:40])
def test_every_row_names_tests_that_are_there(row: Row) -> None:
    assert row.about, f"a row begins with what it is about, as code: {row.line}"
    assert row.tests or row.cases or row.out_of_scope, f"no test: {row.line}"
    for path, name in row.tests:
        assert (ROOT / "tests" / path).is_file(), path
        assert name in _names(f"tests/{path}"), f"{path} has no {name}"
    for case in row.cases:
        assert case in {each.name for each in CASES}, f"tests/peers has no case {case}"


@pytest.mark.parametrize("keyword", INSTRUCTIONS)
def test_every_instruction_has_a_row(keyword: str) -> None:
    assert keyword in KNOWN
    for flag in flags.known(keyword):
        assert f"{keyword} --{flag}" in KNOWN


@pytest.mark.parametrize("kind", MOUNTS)
def test_every_option_of_a_mount_has_a_row(kind: str) -> None:
    for option in MOUNTS[kind].split():
        assert f"RUN --mount=type={kind},{option}" in KNOWN


@pytest.mark.parametrize("name", [*ARGUMENTS, *(f"# {name}" for name in DIRECTIVES)])
def test_every_argument_and_directive_has_a_row(name: str) -> None:
    assert name in KNOWN


def test_every_flag_of_build_has_a_row() -> None:
    command = command_of("build", VERBS["build"])
    names = [flag.name for flag in command.flags()] + list(command.refused())
    written = [f"--{name}" if len(name) > 1 else f"-{name}" for name in names]
    assert [flag for flag in written if flag not in KNOWN] == []
