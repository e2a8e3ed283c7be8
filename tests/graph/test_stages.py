"""Stages: names, numbers, targets, what is needed, and the errors that point at a line."""

from __future__ import annotations

import pytest

from lamina.dockerfile import DockerfileError
from lamina.errors import NotFound
from lamina.graph import stages

from .builder import plan

THREE = """\
FROM one AS first
RUN a
FROM two AS second
RUN b
FROM first AS Third
COPY --from=second /x /y
"""


@pytest.mark.parametrize(
    ("target", "number"),
    [("", 2), ("first", 0), ("FIRST", 0), ("third", 2), ("1", 1), ("2", 2)],
)
def test_target(target: str, number: int) -> None:
    assert plan(THREE, target).target == number


def test_a_target_that_is_not_there() -> None:
    with pytest.raises(NotFound, match='target stage "forth" could not be found') as caught:
        plan(THREE, "forth")
    assert caught.value.hint is not None
    assert "first, second, third" in caught.value.hint
    with pytest.raises(NotFound):
        plan(THREE, "3")


@pytest.mark.parametrize(
    ("text", "target", "needed"),
    [
        (THREE, "", (0, 1, 2)),
        (THREE, "second", (1,)),
        ("FROM a AS x\nFROM b AS y\nFROM c", "", (2,)),
        ("FROM a AS x\nFROM b AS y\nFROM x", "", (0, 2)),
        ("FROM a AS x\nFROM b AS y\nFROM c\nCOPY --from=0 / /", "", (0, 2)),
        ("FROM a AS x\nFROM X AS y\nFROM Y AS z\nFROM z", "", (0, 1, 2, 3)),
        ("FROM a AS x\nFROM b\nCOPY --from=x / /\nFROM c\nCOPY --from=1 / /", "", (0, 1, 2)),
        ("FROM a\nFROM b\nCOPY --from=image:tag / /", "", (1,)),
        ("FROM a AS x\nFROM b AS x\nFROM x", "", (1, 2)),
        ("FROM a AS x\nFROM x AS x\nCOPY --from=x / /", "", (0, 1)),
    ],
)
def test_needed(text: str, target: str, needed: tuple[int, ...]) -> None:
    assert stages.needed(plan(text, target)) == needed


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("FROM a AS x\nCOPY --from=x / /", 2, "circular dependency"),
        ("FROM a\nCOPY --from=0 / /", 2, "circular dependency"),
        ("FROM a\nRUN x\nCOPY --from=later / /\nFROM b AS later\nFROM a", 3, "needs to be defined before"),
        ("FROM a AS x\n\nCOPY --from=7 / /", 3, "invalid stage index 7"),
        ("FROM a\nCOPY --from=$x / /", 2, "variable expansion is not supported for --from"),
    ],
)
def test_bad_copy_sources(text: str, line: int, message: str) -> None:
    whole = plan(text, "0")
    with pytest.raises(DockerfileError, match=message) as caught:
        stages.needed(whole)
    assert caught.value.line == line


def test_global_args_expand_from() -> None:
    text = "ARG v=1\nARG name=base:$v\nFROM ${name} AS x\nFROM x"
    assert plan(text).stages[0].base == "base:1"
    assert plan(text, v="2").stages[0].base == "base:2"
    assert plan(text, name="other").stages[0].base == "other"


def test_platform_args_are_global() -> None:
    assert plan("FROM base-$TARGETARCH-$BUILDOS").stages[0].base == "base-amd64-linux"
    assert plan("FROM base-$TARGETSTAGE AS me").stages[0].base == "base-me"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ARG x\nFROM $x", r"base name \(\$x\) should not be blank"),
        ("FROM --platform=$NOTHING a", r"empty platform value from expression \$NOTHING"),
        ("FROM --platform=bogus a", "failed to parse platform bogus"),
        ("FROM ${x:?needed}", "needed"),
    ],
)
def test_bad_from(text: str, message: str) -> None:
    with pytest.raises(DockerfileError, match=message) as caught:
        plan(text)
    assert caught.value.line == text.count("\n") + 1


def test_a_stage_has_a_platform_of_its_own() -> None:
    whole = plan("FROM --platform=linux/arm64 a AS other\nFROM --platform=$BUILDPLATFORM b\nFROM c")
    assert [str(stage.platform) for stage in whole.stages] == ["linux/arm64", "linux/amd64", "linux/amd64"]


@pytest.mark.parametrize("platform", ["linux/amd64", "$BUILDPLATFORM", "$TARGETPLATFORM", "linux/x86_64"])
def test_the_own_platform_is_accepted(platform: str) -> None:
    assert plan(f"FROM --platform={platform} a").stages[0].base == "a"


def test_unused_build_args() -> None:
    text = "ARG g\nFROM a\nARG s\nFROM b\nARG other"
    names = ["g", "s", "other", "typo", "HTTP_PROXY", "TARGETARCH", "BUILDKIT_X", "BUILDKIT_SYNTAX"]
    given = dict.fromkeys(names, "1")
    whole = plan(text, **given)
    assert whole.unused_args == ("BUILDKIT_X", "typo")


def test_triggers_of_a_stage_and_of_an_image() -> None:
    whole = plan("FROM a AS x\nONBUILD RUN one\nONBUILD COPY --from=0 /a /b\nFROM x")
    triggers = stages.stage_triggers(whole.stages[0])
    assert [trigger.keyword for trigger in triggers] == ["RUN", "COPY"]
    grown = whole.add_triggers(1, triggers)
    assert grown.stages[1].instructions == triggers
    (trigger,) = stages.image_triggers(["ENV a=b"], whole.stages[1].source)
    assert trigger.source.start_line == 4


def test_a_bad_trigger_names_its_image() -> None:
    whole = plan("FROM a")
    with pytest.raises(DockerfileError, match="ONBUILD of a"):
        stages.image_triggers(["BOGUS x"], whole.stages[0].source)
