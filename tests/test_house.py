"""The rules of the house that a program can check; import-linter checks who may import whom."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[1] / "src" / "lamina"
FILES = sorted(SOURCES.rglob("*.py"))
LONGEST_FILE = 400
LONGEST_FUNCTION = 60


def name(path: Path) -> str:
    return str(path.relative_to(SOURCES))


@pytest.fixture(params=FILES, ids=name)
def file(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_one_purpose_of_a_size_to_be_read(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= LONGEST_FILE
    for function in functions(ast.parse(text)):
        assert function.end_lineno is not None
        assert function.end_lineno - function.lineno < LONGEST_FUNCTION, function.name


def test_what_is_public_says_what_it_does(file: Path) -> None:
    tree = ast.parse(file.read_text())
    if not tree.body or "testing" in file.relative_to(SOURCES).parts:
        return  # an empty __init__.py; checks are named after what they check
    assert ast.get_docstring(tree), "the module's purpose"
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        assert ast.get_docstring(node), node.name
        bases = {ast.unparse(base) for base in getattr(node, "bases", [])}
        if isinstance(node, ast.ClassDef) and bases <= {"NamedTuple", "Protocol"}:  # else the base says it
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    assert ast.get_docstring(method), f"{node.name}.{method.name}"


def test_only_the_top_speaks_to_the_outside(file: Path) -> None:
    """Only the command line prints, exits and reads argv; only it and the engine read the environment."""
    room = file.relative_to(SOURCES).parts[0]
    text = file.read_text()
    if room not in ("cli", "__main__.py", "testing"):
        assert not re.search(r"\bsys\.(argv|exit|stdout|stderr|stdin)\b|^\s*print\(", text, re.M)
        if room != "engine":
            assert not re.search(r"\bos\.(environ|getenv|environb)\b", text)


def test_no_folder_of_tests_is_passed_over(pytestconfig: pytest.Config) -> None:
    """pytest has names that it does not look into: `build` is one of them."""
    tests = Path(__file__).parent
    passed_over = pytestconfig.getini("norecursedirs")
    for path in tests.rglob("test_*.py"):
        for folder in path.relative_to(tests).parts[:-1]:
            assert not any(fnmatch(folder, pattern) for pattern in passed_over), folder


def test_sqlite_is_given_values_by_place_or_by_name(file: Path) -> None:
    assert not re.search(r"[(=<>, ]\?\d", file.read_text())  # numbered ones of a tuple: Python 3.14 refuses
