"""BuildKit's 21 rules: what the documentation of each shows as bad is found at its line, what it shows as
good is not; and the cases of BuildKit's own tests."""

from __future__ import annotations

from contextlib import suppress

import pytest

from lamina.dockerfile import DockerfileError, IgnoreFile, parse
from lamina.dockerfile.lint.linter import Linter, Warning
from lamina.dockerfile.lint.options import build_options
from lamina.graph.lint.check import check
from lamina.graph.lint.scan import scan
from lamina.graph.scope import platform_args
from lamina.oci.config import ContainerConfig
from lamina.oci.platform import Platform

HOST = Platform("linux", "amd64")
IMAGES = {
    "alpine": ContainerConfig(env=("PATH=/bin",)),
    "python": ContainerConfig(env=("PATH=/bin", "PYTHON_VERSION=3.13")),
    "shelled": ContainerConfig(env=("PATH=/bin",), shell=("/bin/bash", "-c"), working_dir="/base"),
}


def lint(
    text: str,
    *,
    ignore: str | None = None,
    files: tuple[str, ...] = (),
    stages: tuple[int, ...] | None = None,
    **build_args: str,
) -> list[Warning]:
    """The warnings of a Dockerfile; experimental rules count."""
    build_args.setdefault("BUILDKIT_DOCKERFILE_CHECK", "experimental=all")
    dockerfile = parse(text.encode())
    linter = Linter(dockerfile, build_options(dockerfile, build_args))
    scenes = scan(dockerfile, build_args, platform_args(HOST, ""), IMAGES.get)
    patterns = None if ignore is None else IgnoreFile.parse(ignore.encode())
    check(linter, scenes, stages or range(len(scenes.stages)), patterns, files.__contains__)
    return linter.warnings


def of(rule: str, text: str, **more: object) -> list[tuple[int, str]]:
    """Lines and messages of one rule."""
    found = lint(text, **more)  # type: ignore[arg-type]
    return [(warning.line, warning.message) for warning in found if warning.rule.name == rule]


BAD = [
    ("StageNameCasing", "FROM alpine AS BuilderBase\n", [1]),
    ("FromAsCasing", "FROM debian:latest as builder\n", [1]),
    ("NoEmptyContinuation", "FROM alpine\nEXPOSE \\\n\n80\n", [4]),
    ("NoEmptyContinuation", "FROM alpine\nRUN apk add \\\n\n    gnupg \\\n\n    curl\n", [6]),
    (
        "ConsistentInstructionCasing",
        'From alpine\nRun echo hello > /greeting.txt\nEntRYpOiNT ["cat", "/greeting.txt"]\n',
        [1, 2, 3],
    ),
    (
        "DuplicateStageName",
        (
            "FROM debian:latest AS builder\nRUN apt-get update; apt-get install -y curl\n\n"
            "FROM golang:latest AS builder\n"
        ),
        [4],
    ),
    ("ReservedStageName", "FROM alpine AS scratch\nFROM alpine AS context\n", [1, 2]),
    ("JSONArgsRecommended", "FROM alpine\nENTRYPOINT my-program start\n", [2]),
    ("MaintainerDeprecated", "FROM alpine\nMAINTAINER moby@example.com\n", [2]),
    ("UndefinedArgInFrom", "FROM node:22${VARIANT} AS jsbuilder\n", [1]),
    ("WorkdirRelativePath", "FROM nginx AS web\nWORKDIR usr/share/nginx/html\nCOPY public .\n", [2]),
    ("UndefinedVar", "FROM alpine AS base\nCOPY $foo .\n", [2]),
    ("UndefinedVar", "FROM alpine AS base\nARG VERSION=$foo\n", [2]),
    ("UndefinedVar", "FROM alpine\nENV PATH=$PAHT:/app/bin\n", [2]),
    (
        "MultipleInstructionsDisallowed",
        'FROM alpine\nCMD echo "Hello, Norway!"\nCMD echo "Hello, Sweden!"\n',
        [2],
    ),
    ("LegacyKeyValueFormat", "FROM alpine\nARG foo bar\n", [2]),
    ("LegacyKeyValueFormat", "FROM alpine\nENV DEPS \\\n    curl \\\n    git \\\n    make\n", [2]),
    ("RedundantTargetPlatform", "FROM --platform=$TARGETPLATFORM alpine AS builder\n", [1]),
    ("SecretsUsedInArgOrEnv", "FROM scratch\nARG AWS_SECRET_ACCESS_KEY\n", [2]),
    ("InvalidDefaultArgInFrom", "ARG TAG\nFROM busybox:${TAG}\n", [2]),
    ("FromPlatformFlagConstDisallowed", "FROM --platform=linux/amd64 alpine AS base\n", [1]),
    (
        "InvalidDefinitionDescription",
        "# a non-descriptive comment\nFROM scratch AS base\n\n# another one\nARG VERSION=1\n",
        [2, 5],
    ),
    ("ExposeProtoCasing", "FROM alpine\nEXPOSE 80/TcP\n", [2]),
    ("ExposeInvalidFormat", "FROM alpine\nEXPOSE 127.0.0.1:80:80\n", [2]),
    ("ExposeInvalidFormat", "FROM alpine\nEXPOSE 80:80\n", [2]),
]
GOOD = [
    ("StageNameCasing", "FROM alpine AS builder-base\n"),
    ("FromAsCasing", "FROM debian:latest AS deb-builder\n"),
    ("FromAsCasing", "from debian:latest as deb-builder\n"),
    ("NoEmptyContinuation", "FROM alpine\nEXPOSE \\\n# Port\n80\n"),
    ("ConsistentInstructionCasing", 'FROM alpine\nRUN echo hello\nENTRYPOINT ["cat", "/x"]\n'),
    ("ConsistentInstructionCasing", 'from alpine\nrun echo hello\nentrypoint ["cat", "/x"]\n'),
    (
        "DuplicateStageName",
        "FROM debian:latest AS deb-builder\nRUN apt-get update\n\nFROM golang:latest AS go-builder\n",
    ),
    ("ReservedStageName", "FROM alpine AS builder\n"),
    ("JSONArgsRecommended", 'FROM alpine\nENTRYPOINT ["my-program", "start"]\n'),
    (
        "JSONArgsRecommended",
        'FROM alpine\nRUN apk add bash\nSHELL ["/bin/bash", "-c"]\nENTRYPOINT echo "hello world"\n',
    ),
    ("MaintainerDeprecated", 'FROM x\nLABEL org.opencontainers.image.authors="moby@example.com"\n'),
    ("UndefinedArgInFrom", 'ARG VARIANT="-alpine3.20"\nFROM node:22${VARIANT} AS jsbuilder\n'),
    ("UndefinedArgInFrom", "ARG ALPINE_VERSION=3.20\n\nFROM alpine:${ALPINE_VERSION}\n"),
    ("WorkdirRelativePath", "FROM nginx AS web\nWORKDIR /usr/share/nginx/html\nCOPY public .\n"),
    ("UndefinedVar", "FROM alpine AS base\nARG foo\nCOPY $foo .\n"),
    ("UndefinedVar", "FROM python AS base\nARG VERSION=$PYTHON_VERSION\n"),
    (
        "MultipleInstructionsDisallowed",
        (
            "FROM python:alpine\nRUN apk add curl\nHEALTHCHECK --interval=1s --timeout=3s \\\n"
            "  CMD curl -f http://localhost:8080 || exit 1\nCMD python -m http.server 8080\n"
        ),
    ),
    ("LegacyKeyValueFormat", "FROM alpine\nARG foo=bar\n"),
    ("LegacyKeyValueFormat", 'FROM x\nENV DEPS="\\\n    curl \\\n    git \\\n    make"\n'),
    ("RedundantTargetPlatform", "FROM alpine AS builder\nRUN apk add --no-cache git\n"),
    ("InvalidDefaultArgInFrom", "ARG TAG=latest\nFROM busybox:${TAG}\n"),
    ("InvalidDefaultArgInFrom", "ARG VARIANT\nFROM busybox:stable${VARIANT}\n"),
    ("InvalidDefaultArgInFrom", "ARG TAG\nFROM alpine:${TAG:-3.14}\n"),
    ("FromPlatformFlagConstDisallowed", "FROM alpine AS base\n"),
    ("FromPlatformFlagConstDisallowed", "FROM --platform=${BUILDPLATFORM} alpine AS base\n"),
    (
        "FromPlatformFlagConstDisallowed",
        (
            "FROM --platform=linux/amd64 alpine AS build_amd64\n\nFROM --platform=linux/arm64 alpine AS "
            "build_arm64\n\nFROM build_${TARGETARCH} AS build\n"
        ),
    ),
    (
        "InvalidDefinitionDescription",
        "# a non-descriptive comment\n\nFROM scratch AS base\n\n# another one\n\nARG VERSION=1\n",
    ),
    (
        "InvalidDefinitionDescription",
        (
            "# base is a stage for compiling source\nFROM scratch AS base\n"
            "# VERSION This is the version number.\nARG VERSION=1\n"
        ),
    ),
    ("ExposeProtoCasing", "FROM alpine\nEXPOSE 80/tcp\n"),
    ("ExposeInvalidFormat", "FROM alpine\nEXPOSE 80\n"),
]


@pytest.mark.parametrize(("rule", "text", "lines"), BAD, ids=[f"{b[0]}-{i}" for i, b in enumerate(BAD)])
def test_what_the_documentation_shows_as_bad_is_found(rule: str, text: str, lines: list[int]) -> None:
    assert [line for line, _ in of(rule, text)] == lines


@pytest.mark.parametrize(("rule", "text"), GOOD, ids=[f"{g[0]}-{i}" for i, g in enumerate(GOOD)])
def test_what_the_documentation_shows_as_good_is_not(rule: str, text: str) -> None:
    assert of(rule, text) == []


def test_copy_ignored_file() -> None:
    bad = "FROM scratch\nCOPY ./tmp/helloworld.txt /helloworld.txt\n"
    assert [line for line, _ in of("CopyIgnoredFile", bad, ignore="*/tmp/*\n")] == [2]
    good = "FROM scratch\nCOPY ./forever/helloworld.txt /helloworld.txt\n"
    assert of("CopyIgnoredFile", good, ignore="*/tmp/*\n") == []
    # .dockerignore does not leave it out, whatever the documentation says: it is there
    assert of("CopyIgnoredFile", bad, ignore="*/tmp/*\n", files=("tmp/helloworld.txt",)) == []
    both = "FROM scratch\nCOPY Dockerfile .\nADD Dockerfile /windy\nCOPY --from=x Dockerfile .\n"
    assert of("CopyIgnoredFile", both, ignore="Dockerfile\n") == [
        (2, 'Attempting to Copy file "Dockerfile" that is excluded by .dockerignore'),
        (3, 'Attempting to Add file "Dockerfile" that is excluded by .dockerignore'),
    ]
    assert of("CopyIgnoredFile", both, ignore="*\n!Dockerfile\n") == []
    assert of("CopyIgnoredFile", both) == []
    whole = "FROM scratch\nCOPY . .\nADD https://example.com/Dockerfile /\n"
    assert of("CopyIgnoredFile", whole, ignore=".*\nDockerfile\n") == []
    assert len(of("CopyIgnoredFile", whole, ignore="*\n")) == 1
    skipped = {"ignore": "Dockerfile\n", "BUILDKIT_DOCKERFILE_CHECK": ""}
    assert of("CopyIgnoredFile", both, **skipped) == []  # experimental


def test_names_and_case_in_from() -> None:
    assert of("StageNameCasing", "FROM scratch AS BadStageName\n") == [
        (1, "Stage name 'BadStageName' should be lowercase")
    ]
    assert of("FromAsCasing", "from scratch AS base\n\nfrom scratch as base2\n") == [
        (1, "'AS' and 'from' keywords' casing do not match")
    ]
    assert of("FromAsCasing", "From scratch as base\n") == []
    assert of("DuplicateStageName", "FROM scratch AS b\nFROM scratch AS B\n") == [
        (2, 'Duplicate stage name "b", stage names should be unique')
    ]
    assert of("ReservedStageName", "FROM scratch AS scratch\nFROM scratch\n") == [
        (1, 'Stage name should not use the same name as reserved stage "scratch"')
    ]


def test_the_majority_decides_about_case() -> None:
    rule = "ConsistentInstructionCasing"
    assert of(rule, "From scratch as base\nFROM scratch AS base2\n") == [
        (1, "Command 'From' should match the case of the command majority (uppercase)")
    ]
    assert of(rule, "from scratch\nCOPY D /foo\ncopy D /bar\n") == [
        (2, "Command 'COPY' should match the case of the command majority (lowercase)")
    ]
    assert of(rule, "arg x\nFROM scratch\nCOPY D /foo\n") == []
    assert of(rule, "FROM alpine\nRUN <<'EOT'\nenv\nEOT\n") == []


def test_json_args() -> None:
    rule = "JSONArgsRecommended"
    message = "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals"
    assert of(rule, "FROM scratch\nCMD mycommand\n") == [(2, message)]
    inherited = 'FROM scratch AS base\nSHELL ["/usr/bin/customshell"]\n\nFROM base\nCMD mycommand\n'
    assert of(rule, inherited) == []
    assert of(rule, "FROM shelled\nCMD mycommand\n") == []
    assert of(rule, "FROM unknown\nCMD mycommand\n") == [(2, message)]


def test_undefined_arguments_in_from() -> None:
    rule = "UndefinedArgInFrom"
    assert of(rule, "FROM --platform=$BULIDPLATFORM scratch\n") == [
        (1, "FROM argument 'BULIDPLATFORM' is not declared (did you mean BUILDPLATFORM?)")
    ]
    assert of(rule, "ARG tag=latest\nFROM busybox:${tag}${version} AS b\n") == [
        (2, "FROM argument 'version' is not declared")
    ]
    for good in (
        "FROM --platform=$BUILDPLATFORM scratch\n",
        "ARG DEBUG\nFROM scratch${DEBUG}\n",
        "ARG DEBUG\nFROM scra${DEBUG:-tch}\n",
        'ARG DEBUG=""\nFROM scratch${DEBUG-@bogus}\n',
    ):
        assert of(rule, good) == []


def test_relative_workdirs() -> None:
    rule = "WorkdirRelativePath"
    assert of(rule, "FROM scratch\nWORKDIR app/\nWORKDIR x\n") == [
        (2, 'Relative workdir "app/" can have unexpected results if the base image changes')
    ]
    assert of(rule, "FROM scratch AS a\nWORKDIR /app\n\nFROM a AS b\nWORKDIR subdir/\n") == []
    assert of(rule, "FROM scratch\nARG d=/x\nWORKDIR $d\n") == []
    assert len(of(rule, "FROM shelled\nWORKDIR app\n")) == 1


def test_undefined_variables() -> None:
    rule = "UndefinedVar"
    assert of(rule, "FROM alpine\nARG DIR_ASSETS=assets/\nCOPY $DIR_ASSET .\n") == [
        (3, "Usage of undefined variable '$DIR_ASSET' (did you mean $DIR_ASSETS?)")
    ]
    assert of(rule, "FROM alpine\nENV PATH=$PAHT:/tmp/bin\n") == [
        (2, "Usage of undefined variable '$PAHT' (did you mean $PATH?)")
    ]
    assert of(rule, "FROM alpine\nCOPY $foo .\nARG foo=bar\nRUN echo $foo\n") == [
        (2, "Usage of undefined variable '$foo'")
    ]
    for good in (
        "FROM scratch\nARG foo\nCOPY Dockerfile${foo} .\n",
        "FROM alpine AS base\nARG foo=Dockerfile\n\nFROM base\nCOPY $foo .\n",
        "FROM alpine\nRUN echo $PATH $nothing\n",
        "FROM alpine\nARG a=1 b=$a\n",
        "FROM alpine\nCOPY ${x:-y} ${z:+w} /a/\n",
        "FROM alpine\nCOPY '$foo' \\$foo /a/\n",
        "FROM alpine\nCOPY <<'EOF' /a\n$foo\nEOF\n",
    ):
        assert of(rule, good) == []
    for text in (
        "ENV a=$u",
        "LABEL a=$u",
        "USER $u",
        "WORKDIR /$u",
        "VOLUME /$u",
        "EXPOSE $u",
        "STOPSIGNAL $u",
        "RUN --mount=type=cache,target=/$u true",
        "COPY <<EOF /a\n$u\nEOF",
        "COPY --chown=$u a b",
        "ADD ${u}x b",
        "COPY ${u:-x} $u /a/",
    ):
        assert of(rule, f"FROM alpine\n{text}\n") == [(2, "Usage of undefined variable '$u'")]


def test_a_base_that_is_not_here_may_define_variables_in_capitals() -> None:
    assert of("UndefinedVar", "FROM elsewhere\nARG V=$PYTHON_VERSION\n") == []
    assert len(of("UndefinedVar", "FROM elsewhere\nARG V=$foo\nENV PATH=$PAHT\n")) == 2
    assert len(of("UndefinedVar", "FROM scratch\nARG V=$PYTHON_VERSION\n")) == 1
    # declared before FROM only, or predefined: in a stage it needs an ARG of its own
    assert len(of("UndefinedVar", "ARG VERSION=1\nFROM elsewhere\nCOPY app-$VERSION /\n")) == 1
    assert len(of("UndefinedVar", "FROM elsewhere\nCOPY app-$TARGETARCH /\n")) == 1


def test_multiple_instructions() -> None:
    text = (
        'FROM scratch\nENTRYPOINT ["/a"]\nENTRYPOINT ["/b"]\nCMD ["/a"]\nCMD ["/b"]\n'
        'HEALTHCHECK CMD ["/a"]\nCOPY <<EOF /a.txt\nx\nEOF\nHEALTHCHECK CMD ["/b"]\n'
    )
    end = "instructions should not be used in the same stage because only the last one will be used"
    assert of("MultipleInstructionsDisallowed", text) == [
        (2, f"Multiple ENTRYPOINT {end}"),
        (4, f"Multiple CMD {end}"),
        (6, f"Multiple HEALTHCHECK {end}"),
    ]
    text = 'FROM scratch AS a\nCMD ["/a"]\n\nFROM a AS b\nCMD ["/b"]\n'
    assert of("MultipleInstructionsDisallowed", text) == []


def test_legacy_pairs() -> None:
    rule = "LegacyKeyValueFormat"
    assert of(rule, "FROM scratch\nENV testkey value\nLABEL key value\n") == [
        (2, '"ENV key=value" should be used instead of legacy "ENV key value" format'),
        (3, '"LABEL key=value" should be used instead of legacy "LABEL key value" format'),
    ]
    for good in (
        "FROM scratch\nENV testkey=value\nLABEL key=value\n",
        "FROM scratch\nARG TARGETOS TARGETARCH\n",
        "FROM scratch\nARG foo bar\nCOPY $foo ${bar} /\n",
        "ARG bar\nFROM scratch\nARG foo bar\n",
        "FROM scratch\nARG foo bar baz\n",
    ):
        assert of(rule, good) == []


def test_platforms_in_from() -> None:
    message = (
        "Setting platform to predefined ${TARGETPLATFORM} in FROM is redundant "
        "as this is the default behavior"
    )
    assert of("RedundantTargetPlatform", "FROM --platform=${TARGETPLATFORM} scratch\n") == [(1, message)]
    assert (
        of("RedundantTargetPlatform", "FROM --platform=$TARGETPLATFORM scratch\n", TARGETPLATFORM="a/b") == []
    )
    assert of("RedundantTargetPlatform", "FROM --platform=$TARGETOS/arm64 scratch\n") == []
    assert of("FromPlatformFlagConstDisallowed", "FROM --platform=linux/amd64 scratch\n") == [
        (1, 'FROM --platform flag should not use constant value "linux/amd64"')
    ]
    for name in ("my_amd64_stage", "linux"):
        text = f"FROM --platform=linux/amd64 scratch AS {name}\n"
        assert of("FromPlatformFlagConstDisallowed", text) == []


def test_secrets() -> None:
    text = (
        "ARG GLOBAL_KEY\nFROM scratch\nARG SECRET_PASSPHRASE\nENV SUPER_Secret=foo\n"
        "ENV password=bar secret=baz\nARG super_duper_secret_token=foo auth=bar\n"
        "ENV apikey=bar sunflower=foo\n"
        "ENV git_key=\nENV PUBLIC_KEY=\nARG public_token\nENV KEY_FILE=x TOKEN_VERSION=2 MONKEY=1\n"
    )
    found = of("SecretsUsedInArgOrEnv", text)
    names = [(line, message.split('"')[1]) for line, message in found]
    assert names == [
        (3, "SECRET_PASSPHRASE"),
        (4, "SUPER_Secret"),
        (5, "password"),
        (5, "secret"),
        (6, "super_duper_secret_token"),
        (6, "auth"),
        (7, "apikey"),
        (8, "git_key"),
    ]
    assert found[0][1] == ('Do not use ARG or ENV instructions for sensitive data (ARG "SECRET_PASSPHRASE")')


def test_defaults_in_from() -> None:
    rule = "InvalidDefaultArgInFrom"
    assert of(rule, "ARG VERSION\nFROM busybox:$VERSION\n", VERSION="latest") == [
        (2, "Default value for ARG busybox:$VERSION results in empty or invalid base image name")
    ]
    assert len(of(rule, "ARG IMAGE\nFROM $IMAGE\n", IMAGE="busybox")) == 1
    assert len(of(rule, 'ARG SFX="box:"\nFROM busy${SFX}\n', SFX="box:latest")) == 1
    assert of(rule, 'ARG VERSION="latest"\nFROM busybox:${VERSION}\n') == []


def test_descriptions() -> None:
    good = (
        "# foo this is the foo\nARG foo=bar\n\n# base this is the base image\nFROM scratch AS base\n\n"
        "# baz this is the baz\nARG foo=baz bar=qux baz=quux\n#\nARG bit=bat\n\n"
        "# comment for something else\nCOPY Dockerfile .\n"
    )
    assert of("InvalidDefinitionDescription", good) == []
    bad = (
        "# bar this is the bar\nARG foo=bar\n# BasE this is the BasE image\nFROM scratch AS base\n"
        "# bad\nARG foo=baz bar=qux\n"
    )
    assert of("InvalidDefinitionDescription", bad) == [
        (2, "Comment for ARG should follow the format: `# foo <description>`"),
        (4, "Comment for FROM should follow the format: `# base <description>`"),
        (6, "Comment for ARG should follow the format: `# <arg_key> <description>`"),
    ]


def test_ports() -> None:
    text = "FROM alpine\nARG p=53/UDP\nEXPOSE $p 8080 9000-9010/tcp\n"
    assert of("ExposeProtoCasing", text) == [
        (3, "Defined protocol '53/UDP' in EXPOSE instruction should be lowercase")
    ]
    assert of("ExposeInvalidFormat", "FROM alpine\nEXPOSE [::1]:80:80\n") == [
        (2, "EXPOSE instruction should not define an IP address or host-port mapping, found '[::1]:80:80'")
    ]


def test_only_the_stages_that_are_asked_for() -> None:
    text = "FROM scratch AS a\nCOPY $foo .\n\nFROM scratch AS B\nCOPY $bar .\n"
    found = [(w.rule.name, w.line) for w in lint(text, stages=(1,))]
    assert found == [("StageNameCasing", 4), ("UndefinedVar", 5)]


def test_columns_point_at_the_word() -> None:
    (warning,) = lint("FROM alpine AS a\nCOPY x $foo \\\n  /b/\n")
    assert warning[2:] == (2, 3, 8)
    assert warning.short() == "UndefinedVar: Usage of undefined variable '$foo' (line 2)"
    (warning,) = lint("FROM alpine\nCOPY x \\\n  $foo/\n")
    assert warning[2:] == (2, 3, 1)


@pytest.mark.parametrize(
    "text", ["FROM ${x\n", "FROM scratch\nENV a=${b\n", "FROM a\nEXPOSE ${\n", 'FROM scratch\nCOPY "a b\n']
)
def test_what_cannot_be_expanded_is_left_to_the_build(text: str) -> None:
    with suppress(DockerfileError):  # of the parser
        lint(text)
