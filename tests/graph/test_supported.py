"""Parts of the language that are not built yet are refused, by name and place."""

from __future__ import annotations

import pytest

from lamina.dockerfile import DockerfileError, parse
from lamina.graph.supported import check_supported


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("RUN --device=gpu y", "RUN --device"),
        ("ONBUILD RUN --device=gpu y", "RUN --device"),
    ],
)
def test_refused(line: str, name: str) -> None:
    dockerfile = parse(f"FROM a\nRUN fine\n{line}\n".encode())
    with pytest.raises(DockerfileError, match=name) as caught:
        check_supported(dockerfile, dockerfile.instructions)
    assert caught.value.line == 3
    assert caught.value.column > 1


@pytest.mark.parametrize(
    "line",
    ["RUN --network=none x", "RUN --security=sandbox x", "COPY --chown=1 --chmod=1 --from=a b c", "ADD a b"],
)
def test_supported(line: str) -> None:
    dockerfile = parse(f"FROM a\n{line}\n".encode())
    check_supported(dockerfile, dockerfile.instructions)
