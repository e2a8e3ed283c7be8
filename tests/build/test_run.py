"""RUN end to end: forms, environment, layers, failures."""

from __future__ import annotations

import pytest

from lamina.build.errors import BuildFailed
from lamina.events import StepFailed

from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)


def test_a_build_that_runs(kitchen: Kitchen) -> None:
    result = kitchen.build("FROM busybox\nRUN echo hello > /greeting\nCMD cat /greeting\n", tags=("app",))
    assert kitchen.read(result.image_id, "greeting") == "hello\n"
    assert kitchen.tag("docker.io/library/app:latest") == result.image_id
    assert result.tags == ("docker.io/library/app:latest",)
    assert kitchen.config(result.image_id).config.cmd == ("/bin/sh", "-c", "cat /greeting")


def test_output_is_passed_on(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nRUN echo out; echo err >&2; seq 3\n")
    assert sorted(kitchen.output.split()) == ["1", "2", "3", "err", "out"]
