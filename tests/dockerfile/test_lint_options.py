"""Which rules count: the directive, the build argument, and a comment above one instruction."""

from __future__ import annotations

import pytest

from lamina.dockerfile import parse
from lamina.dockerfile.lint import rules
from lamina.dockerfile.lint.comments import comments_above, description
from lamina.dockerfile.lint.lenient import parse_before_error
from lamina.dockerfile.lint.linter import Linter
from lamina.dockerfile.lint.options import Options, build_options, options_of
from lamina.dockerfile.lint.options import parse as parse_options
from lamina.dockerfile.lint.text import check_text
from lamina.errors import InvalidInput


def found(text: str, **build_args: str) -> list[str]:
    """The rules that the text of a Dockerfile breaks."""
    dockerfile = parse(text.encode())
    linter = Linter(dockerfile, build_options(dockerfile, build_args))
    check_text(linter)
    return [warning.rule.name for warning in linter.warnings]


def test_there_are_21_rules_of_buildkit_each_with_its_page() -> None:
    assert len(rules.BUILDKIT_RULES) == 21
    assert len({rule.name for rule in rules.RULES}) == 26
    for rule in rules.BUILDKIT_RULES:
        page = rule.url.removeprefix("https://docs.docker.com/go/dockerfile/rule/").removesuffix("/")
        assert page.replace("-", "") == rule.name.lower()
        assert rule.severity == "warning"
    experimental = {rule.name for rule in rules.RULES if rule.experimental}
    assert experimental == {"CopyIgnoredFile", "InvalidDefinitionDescription"}


def test_options_are_read() -> None:
    assert parse_options("") == Options()
    assert parse_options(" skip = A , B ; error = true ") == Options(frozenset("AB"), error=True)
    assert parse_options("skip=all;experimental=all") == Options(skip_all=True, experimental_all=True)
    assert parse_options("experimental=X;error=0") == Options(experimental=frozenset("X"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("skip", 'invalid check option "skip"'),
        ("skip=A;", 'invalid check option ""'),
        ("fail=true", 'invalid check option "fail"'),
        ("error=maybe", 'failed to parse check option "error=maybe": "maybe" is no boolean'),
    ],
)
def test_malformed_options_are_errors_in_buildkits_words(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        options_of({"check": text}, {})
    assert caught.value.message == f"failed to parse check options: {message}"
    with pytest.raises(InvalidInput) as caught:
        options_of({}, {"BUILDKIT_DOCKERFILE_CHECK": text})
    assert caught.value.message == f"failed to parse build-arg:BUILDKIT_DOCKERFILE_CHECK: {message}"


def test_only_the_first_word_of_a_directive_counts() -> None:
    assert options_of({"check": "skip=A and a remark"}, {}) == Options(frozenset("A"))


@pytest.mark.parametrize(
    ("first", "names"),
    [
        ("#", ["FromAsCasing", "ConsistentInstructionCasing"]),
        ("# check=skip=all", []),
        ("#check=skip=all;error=true", []),
        ("# check=skip=ConsistentInstructionCasing,FromAsCasing", []),
        ("# check=skip=ConsistentInstructionCasing", ["FromAsCasing"]),
        ("# syntax=docker/dockerfile:1\n# check=skip=FromAsCasing", ["ConsistentInstructionCasing"]),
        ("# too late\n# check=skip=all\n", ["FromAsCasing", "ConsistentInstructionCasing"]),
    ],
)
def test_the_directive_skips_rules(first: str, names: list[str]) -> None:
    assert found(f"{first}\nFROM scratch as base\ncopy Dockerfile .\nCOPY x .\n") == names


def test_the_build_argument_replaces_the_directive() -> None:
    text = "# check=skip=all\nFROM scratch as base\nCOPY Dockerfile .\n"
    assert found(text, BUILDKIT_DOCKERFILE_CHECK="skip=StageNameCasing") == ["FromAsCasing"]
    text = "# check=error=true\nFROM scratch as base\nCOPY Dockerfile .\n"
    assert found(text, BUILDKIT_DOCKERFILE_CHECK="skip=all") == []


def test_a_comment_above_an_instruction_is_for_that_one_alone() -> None:
    text = "\n# check=skip=FromAsCasing\nFROM scratch as a\nFROM scratch as b\n"
    assert found(text) == ["FromAsCasing"]
    assert found("\n# check=nonsense\nFROM scratch as a\n") == ["FromAsCasing"]
    text = "\n# check=experimental=InvalidDefinitionDescription\n# what\nFROM scratch AS a\n"
    assert found(text) == ["InvalidDefinitionDescription"]


def test_comments_end_at_an_empty_line_a_bare_mark_and_the_directives() -> None:
    dockerfile = parse(b"# escape=\\\n# one\n#\n# two\n # three\nFROM x AS y\n\n# four\n\nARG a\n")
    source, arg = dockerfile.instructions
    assert comments_above(dockerfile, source) == ["two", "three"]
    assert comments_above(dockerfile, arg) == []
    dockerfile = parse(b"# check=skip=all\nFROM x\n")
    assert comments_above(dockerfile, dockerfile.instructions[0]) == []


def test_a_description_begins_with_the_name() -> None:
    comments = ["base is for all", "y makes it", "y twice"]
    assert description(comments, "y") == "makes it"
    assert description(comments, "bas") == ""
    assert description(comments, "") == ""


def test_what_stands_before_an_error_is_checked() -> None:
    data = b"FROM scratch AS BadName\nMAINTAINER me\nRUN a \\\n b\nBADCMD x\nCOPY\n"
    dockerfile, error = parse_before_error(data, "Dockerfile")
    assert error is not None and error.line == 5
    assert dockerfile is not None and len(dockerfile.instructions) == 3
    assert parse_before_error(b"BADCMD\n", "Dockerfile")[0] is None
    dockerfile, error = parse_before_error(b"FROM x\nRUN a \\\n --x\nCOPY --bad=1 \\\n a b\n", "Dockerfile")
    assert dockerfile is not None and len(dockerfile.instructions) == 2
