"""What --check says of every Dockerfile among the parser's golden files: nothing that is not so."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.build.request import BuildRequest
from lamina.engine.engine import Engine

GOLDEN = Path(__file__).resolve().parents[1] / "dockerfile/golden"
FOUND = {
    "arg": [("InvalidDefaultArgInFrom", 3)],
    "case-and-blanks": [
        ("StageNameCasing", 1),
        ("FromAsCasing", 1),
        ("ConsistentInstructionCasing", 3),
        ("ConsistentInstructionCasing", 4),
    ],
    "continuations": [("NoEmptyContinuation", 7)],
    "env": [("LegacyKeyValueFormat", 2), ("LegacyKeyValueFormat", 5), ("LegacyKeyValueFormat", 9)],
    "flags": [("UndefinedArgInFrom", 1)],
    "healthcheck": [("MultipleInstructionsDisallowed", line) for line in (2, 3, 4)],
    "heredoc-run": [("JSONArgsRecommended", 21)],
    "onbuild": [("ConsistentInstructionCasing", 4)],
    "stages": [("StageNameCasing", 2), ("FromAsCasing", 4)],
    "words": [("MaintainerDeprecated", 9)],
}


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_nothing_is_said_that_is_not_so(tmp_path: Path, name: str) -> None:
    path = GOLDEN / name / "Dockerfile"
    with Engine.open(str(tmp_path / "root")) as engine:
        report = engine.checks.report(BuildRequest(None, path.read_bytes()))
    assert [(warning.rule.name, warning.line) for warning in report.warnings] == FOUND.get(name, [])
