"""What the parser makes of whole files: golden/CASE/{Dockerfile,result.json}.

The results follow BuildKit's parser; each was checked against it or, where it changed lately (what
follows a JSON array, the escape character in flags), against its sources.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.dockerfile import parse, to_json

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.name for path in GOLDEN.iterdir())


@pytest.mark.parametrize("case", CASES)
def test_result(case: str) -> None:
    result = to_json(parse((GOLDEN / case / "Dockerfile").read_bytes()))
    assert result == json.loads((GOLDEN / case / "result.json").read_text())


def test_every_instruction_has_a_case() -> None:
    seen = {
        item["instruction"]
        for case in CASES
        for item in json.loads((GOLDEN / case / "result.json").read_text())
    }
    keywords = "FROM ARG ENV LABEL RUN COPY ADD WORKDIR USER EXPOSE VOLUME CMD ENTRYPOINT SHELL STOPSIGNAL"
    assert seen == {*keywords.split(), "HEALTHCHECK", "ONBUILD", "MAINTAINER"}
