"""lamina waste: the page, --json, and limits as dive has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.machine import has_sub_ids

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.lamina_command import Lamina

DOCKERFILE = """FROM busybox
COPY app /app
RUN chown -R 7:8 /app
RUN mkdir -p /root/.cache/pip && head -c 5000 /dev/zero >/root/.cache/pip/wheel
RUN head -c 4000 /dev/zero >/made
COPY dep /tmp/dep
RUN rm -r /made /tmp/dep
COPY again /srv/file
COPY again /srv/copy
"""


PAGE = """5kB      cache, pip: /root/.cache/pip/wheel
  in layer {3}: RUN mkdir -p /root/.cache/pip && head -c 5000 /dev/zero >/root/.cache/pip/wheel (Dockerfile:4)
  -> end the RUN of Dockerfile:4 with `&& pip cache purge`, or use `pip install --no-cache-dir`, \
or keep it out of the image with `RUN --mount=type=cache,target=/root/.cache/pip`

4kB      deleted: /made
  in layer {4}: RUN head -c 4000 /dev/zero >/made (Dockerfile:5)
  deleted by layer {6}: RUN rm -r /made /tmp/dep (Dockerfile:7)
  -> end the RUN of Dockerfile:5 with `&& rm -rf /made`, after joining to it what needs them in between: \
the RUN of Dockerfile:7 only hides them

3kB      metadata, owner: /app
  in layer {2}: RUN chown -R 7:8 /app (Dockerfile:3)
  a copy of what is in layer {1}: COPY app /app (Dockerfile:2)
  -> write `COPY --chown=7:8` in the COPY of Dockerfile:2, not in the RUN of Dockerfile:3, which copies them

2kB      deleted, temporary files: /tmp/dep
  in layer {5}: COPY dep /tmp/dep (Dockerfile:6)
  deleted by layer {6}: RUN rm -r /made /tmp/dep (Dockerfile:7)
  -> write `RUN --mount=type=bind,source=dep,target=/tmp/dep` in the RUN of Dockerfile:7, \
in place of the COPY of Dockerfile:6: no layer has it then

1kB      duplicate: /srv/copy
  in layer {8}: COPY again /srv/copy (Dockerfile:9)
  the same as in layer {7}: COPY again /srv/file (Dockerfile:8)
  -> the COPY of Dockerfile:9 copies what the COPY of Dockerfile:8 has: leave it out and \
`RUN ln -sf /srv/file /srv/copy`"""


@pytest.fixture(scope="module")
def image(program: Lamina, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with one of each."""
    if not has_sub_ids():
        pytest.skip("with a single user ID chown changes nothing")
    folder = tmp_path_factory.mktemp("wasteful")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    for name, size in {"app": 3000, "dep": 2000, "again": 1000}.items():
        (folder / name).write_bytes(name.encode() * (size // len(name)))
    program("build", "-q", "-t", "wasteful", folder)
    return "wasteful"


def test_the_page(program: Lamina, image: str) -> None:
    head, *findings, end = program("waste", image).split("\n\n")
    words = [line.split() for line in head.splitlines()]
    assert [line[:2] for line in words[1:-1]] == [
        ["wasted", "15kB"],
        ["deleted", "6kB"],
        ["metadata", "3kB"],
        ["cache", "5kB"],
        ["duplicate", "1kB"],
    ]
    own = len(program("layers", "-q", "busybox").split())
    assert "\n\n".join(findings) == PAGE.format(own, *(own + number for number in range(1, 9)))
    assert end == "`lamina fold wasteful:latest` saves 9kB of it without a build\n"


def test_the_changes_do_what_they_promise(program: Lamina, tmp_path: Path, image: str) -> None:
    (tmp_path / "Dockerfile").write_text(
        """FROM busybox
COPY --chown=7:8 app /app
RUN mkdir -p /root/.cache/pip && head -c 5000 /dev/zero >/root/.cache/pip/wheel && rm -r /root/.cache/pip
RUN head -c 4000 /dev/zero >/made && rm -rf /made
RUN --mount=type=bind,source=dep,target=/tmp/dep test -s /tmp/dep
COPY again /srv/file
RUN ln -sf /srv/file /srv/copy
"""
    )
    for name in ("app", "dep", "again"):
        (tmp_path / name).write_text(name)
    program("build", "-q", "-t", "thrifty", tmp_path)
    assert "nothing is wasted" in program("waste", "thrifty")


def test_json_is_the_whole_answer(program: Lamina, image: str) -> None:
    found = json.loads(program("waste", "--json", image))
    assert found["wasted"] == sum(each["size"] for each in found["findings"]) == 14998
    assert found["efficiency"] == 1 - found["hidden"] / found["size"]
    (cache,) = [each for each in found["findings"] if each["kind"] == "cache"]
    assert cache["change"]["snippet"] == "&& pip cache purge"
    assert (cache["line"], cache["base"]) == (4, "")


def test_fold_saves_what_is_said(program: Lamina, image: str) -> None:
    program("fold", "-q", "-t", "folded", image)
    before, after = (json.loads(program("waste", "--json", name)) for name in (image, "folded"))
    assert before["foldable"] == before["hidden"] == before["size"] - after["size"] == 8998
    assert after["hidden"] == after["foldable"] == 0


def test_limits(program: Lamina, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = program("waste", "--ci", image, status=1)  # dive's default: 10% of what the image's own layers have
    assert "FAIL  highestUserWastedPercent (too many bytes wasted" in out
    assert "SKIP  highestWastedBytes (disabled)" in out
    assert "PASS  lowestEfficiency (0.9)" in out
    assert out.endswith("\nFAIL [pass:1 fail:1 skip:1]\n")
    (tmp_path / ".dive-ci").write_text("rules:\n  highestWastedBytes: 9kB\n  highestUserWastedPercent: 1\n")
    assert program("waste", "--ci", image).endswith("\nPASS [pass:3]\n")
    out = program("waste", "--highest-wasted-bytes", "8.9kB", image, status=1)
    assert "highestWastedBytes (too many bytes wasted (wasted-bytes=8998 > threshold=8900))" in out
    assert json.loads(program("waste", "--ci", "--json", image))["passed"] is True


def test_limits_that_are_none(program: Lamina, image: str, tmp_path: Path) -> None:
    _, err = program.both("waste", "--lowest-efficiency", "95", image, status=1)
    assert "invalid ratio: '95'" in err
    (tmp_path / "ci").write_text("rules: {")
    _, err = program.both("waste", "--ci-config", tmp_path / "ci", image, status=1)
    assert "ci is no YAML" in err and "Traceback" not in err
    _, err = program.both("waste", "--ci-config", tmp_path / "none", image, status=1)
    assert "No such file" in err


def test_an_earlier_build_is_no_base(program: Lamina, tmp_path: Path) -> None:
    """While somebody works on a Dockerfile, all that he built before lies below, and is his own still."""
    text = "FROM busybox\nENV A=b\nRUN head -c 4000 /dev/zero >/grown\nRUN chmod 700 /grown\n"
    for number in range(2):
        (tmp_path / "Dockerfile").write_text(text)
        program("build", "-q", "-t", "grown", tmp_path)
        text += "RUN echo more >/more\n"
        found = json.loads(program("waste", "--json", "grown"))
        assert {(each["kind"], each["base"]) for each in found["findings"]} == {("metadata", "")}
        assert [each["base"] for each in found["layers"] if each["base"] != "busybox:latest"] == [""] * (
            2 + number
        )
    (tmp_path / "Dockerfile").write_text("FROM grown\nRUN echo app >/app\n")
    program("build", "-q", "-t", "app", tmp_path)
    found = json.loads(program("waste", "--json", "app"))
    assert {each["base"] for each in found["findings"]} == {"grown:latest"}
