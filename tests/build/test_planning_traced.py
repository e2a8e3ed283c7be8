"""`build --plan` where steps are traced: RUN over layers that are not there yet is judged as in the build."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .kitchen import opened
from .planned import agreed
from .untouched.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.mount.userns import IdMap

    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def traced(inside: IdMap) -> Iterator[Kitchen]:
    """A kitchen that records what its steps read."""
    with opened(Lab) as made:
        made.add_busybox()
        yield made


PROJECT = """FROM busybox AS made
WORKDIR /app
COPY . .
RUN cat requirements.txt > /installed
RUN echo docs/* > /index
COPY --chown=worker late /late
RUN cat src/app.py > /compiled; [ -e /etc/app.conf ] && cat /etc/app.conf; true
FROM busybox
COPY --from=made /installed /compiled /
RUN wc -c /installed > /size
"""
SWAPPED = PROJECT.replace(
    "RUN cat requirements.txt > /installed\nRUN echo docs/* > /index\n",
    "RUN echo docs/* > /index\nRUN cat requirements.txt > /installed\n",
)
EDITS: dict[str, tuple[str, dict[str, str]]] = {
    "a source": (PROJECT, {"src/app.py": "2"}),
    "a document": (PROJECT, {"docs/a": "2"}),
    "a new document": (PROJECT, {"docs/b": "1"}),
    "what is installed": (PROJECT, {"requirements.txt": "flask\nclick\n"}),
    "the order of two steps": (SWAPPED, {}),
    "a new step above": (SWAPPED.replace("WORKDIR", "COPY <<E /opt/x\nx\nE\nWORKDIR", 1), {}),
    "a file that was looked for": (
        SWAPPED.replace("WORKDIR", "COPY <<E /etc/app.conf\nx\nE\nWORKDIR", 1),
        {},
    ),
    "a variable": (PROJECT.replace("RUN cat src", "ENV A=1\nRUN cat src"), {"src/app.py": "3"}),
    "everything back": (PROJECT, {"src/app.py": "1", "docs/a": "1"}),
}


def test_a_build_of_traced_steps_does_what_its_plan_said(traced: Kitchen) -> None:
    traced.write({"requirements.txt": "flask\n", "src/app.py": "1", "docs/a": "1", "late": "1"})
    agreed(traced, PROJECT)
    rules: dict[str, list[str]] = {}
    for what, (text, files) in EDITS.items():
        traced.write(files)
        found, _ = agreed(traced, text)
        rules[what] = [step.rule or step.status for step in found.steps if step.text.startswith("RUN")]
    assert rules["a source"] == ["untouched", "untouched", "run", "unknown"]
    assert rules["a document"] == ["untouched"] * 3 + ["exact"]
    assert rules["a new document"][:2] == ["untouched", "run"]
    assert rules["what is installed"][:2] == ["run", "unknown"]
    assert rules["the order of two steps"][:2] == ["untouched", "untouched"]
    assert rules["a new step above"][:3] == ["untouched"] * 3
    assert rules["a file that was looked for"][:3] == ["untouched", "untouched", "run"]
    assert "unknown" not in rules["everything back"]
