"""The cache key of a RUN with mounts: by content of what they show, never by what they hold."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from .mounted import shown

if TYPE_CHECKING:
    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)


def test_a_bind_counts_by_content_of_the_context(kitchen: Kitchen) -> None:
    kitchen.write({"src/a": "A", "other": "x"})
    text = "FROM busybox\nRUN --mount=source=src,target=/m cat /m/a\n"
    assert not kitchen.build(text).cached
    kitchen.write({"other": "y"})
    os.utime(kitchen.context / "src/a", (1, 1))
    assert kitchen.build(text).cached
    (kitchen.context / "src").rename(kitchen.context / "moved")
    assert kitchen.build(text.replace("source=src", "source=moved")).cached
    kitchen.write({"moved/a": "B"})
    assert not kitchen.build(text.replace("source=src", "source=moved")).cached
    assert kitchen.output == "B"
    (kitchen.context / "moved/a").chmod(0o600)
    assert not kitchen.build(text.replace("source=src", "source=moved")).cached


def test_a_bind_counts_by_content_of_a_stage(kitchen: Kitchen) -> None:
    text = (
        "FROM busybox AS made\nARG n\nRUN echo $n > /elsewhere && mkdir /out && echo same > /out/x\n"
        "FROM busybox\nRUN --mount=from=made,source=out,target=/m cat /m/x\n"
    )
    assert kitchen.ran(kitchen.build(text, build_args={"n": "1"})) == [
        "RUN echo",
        "RUN --mount=from=made,source=out,target=/m",
    ]
    assert kitchen.ran(kitchen.build(text, build_args={"n": "2"})) == ["RUN echo"]
    assert kitchen.build(text, build_args={"n": "2"}).cached
    assert kitchen.ran(kitchen.build(text.replace("same", "new"), build_args={"n": "2"}))[1:] == [
        "RUN --mount=from=made,source=out,target=/m"
    ]


def test_the_times_of_a_context_are_those_on_disk(kitchen: Kitchen) -> None:
    kitchen.write({"a": "A"})
    text = "FROM busybox\nARG n\nRUN --mount=target=/m stat -c %Y /m/a\n"
    for time_ in (1_000_000_000, 1_100_000_000):
        os.utime(kitchen.context / "a", (time_, time_))
        assert shown(kitchen, text, build_args={"n": str(time_)}) == f"{time_}\n"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("--mount=target=/m", "--mount=target=/n"),
        ("--mount=target=/m", "--mount=target=/m,rw"),
        ("--mount=type=tmpfs,target=/m", ""),
        ("--mount=type=tmpfs,target=/m", "--mount=type=tmpfs,target=/m,size=1m"),
        ("--mount=type=cache,target=/m", "--mount=type=cache,target=/m,ro"),
        ("--mount=type=cache,target=/m", "--mount=type=cache,target=/m,mode=0700"),
        ("--mount=type=ssh", ""),
        ("--mount=type=secret,id=x", "--mount=type=secret,id=y"),
        ("--network=none", ""),
    ],
)
def test_what_counts_of_mounts(kitchen: Kitchen, one: str, other: str) -> None:
    kitchen.build(f"FROM busybox\nRUN {one} true\n")
    assert kitchen.build(f"FROM busybox\nRUN {one} true\n").cached
    assert not kitchen.build(f"FROM busybox\nRUN {other} true\n").cached


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("--mount=target=/m", "--mount=type=bind,dst=/m,readonly,source=."),
        ("--mount=type=cache,target=/m", "--mount=type=cache,target=/m,id=x,sharing=locked"),
    ],
)
def test_what_does_not_count_of_mounts(kitchen: Kitchen, one: str, other: str) -> None:
    kitchen.build(f"FROM busybox\nRUN {one} true\n")
    assert kitchen.build(f"FROM busybox\nRUN {other} true\n").cached


def test_history_says_nothing_of_mounts(kitchen: Kitchen) -> None:
    result = kitchen.build("FROM busybox\nRUN --mount=target=/m --network=none echo hi\n")
    assert kitchen.config(result.image_id).history[-1].created_by == "RUN /bin/sh -c echo hi"
