"""--call targets and --call outline: stages, and what one of them takes."""

from __future__ import annotations

from lamina.dockerfile import parse
from lamina.graph.lint.outline import outline_of, targets_of
from lamina.graph.lint.scan import scan
from lamina.graph.scope import platform_args
from lamina.oci.platform import Platform

TEXT = b"""# syntax=docker/dockerfile:1
# GO says which Go
ARG GO=1.22
ARG BASE=golang:${GO}
ARG UNUSED=x

# build makes the program
FROM ${BASE} AS build
# VERSION ends up in the program
ARG VERSION=dev
ARG TARGETARCH
ARG GO
RUN --mount=type=secret,id=netrc,required=true --mount=type=secret,target=/run/secrets/token true
RUN --mount=type=ssh true

FROM scratch AS other
ARG NOTHING

# not a description
FROM --platform=$BUILDPLATFORM build
ARG DEBUG=$VERSION
COPY --from=build /x /x
"""
OWN = platform_args(Platform("linux", "amd64"), "")


def test_targets_in_the_order_of_the_file() -> None:
    found = targets_of(parse(TEXT))
    assert [(one.name, one.default, one.description, one.line) for one in found] == [
        ("build", False, "makes the program", 8),
        ("other", False, "", 16),
        ("", True, "", 20),
    ]
    assert found[0].base == "${BASE}"
    assert found[2].platform == "$BUILDPLATFORM"


def test_the_outline_of_the_last_stage_has_what_its_bases_take() -> None:
    outline = outline_of(scan(parse(TEXT), {}, OWN, lambda _: None), 2)
    assert (outline.name, outline.description) == ("", "")
    assert [(one.name, one.value, one.description, one.line) for one in outline.args] == [
        ("GO", "1.22", "says which Go", 3),
        ("BASE", "golang:1.22", "", 4),
        ("VERSION", "dev", "ends up in the program", 10),
        ("DEBUG", "dev", "", 21),
    ]
    assert [(one.name, one.required) for one in outline.secrets] == [("netrc", True), ("token", False)]
    assert [one.name for one in outline.ssh] == ["default"]


def test_the_outline_of_one_target_with_values_from_the_user() -> None:
    scenes = scan(parse(TEXT), {"VERSION": "9", "NOTHING": "n"}, OWN, lambda _: None)
    build = outline_of(scenes, 0)
    assert (build.name, build.description) == ("build", "makes the program")
    assert [(one.name, one.value) for one in build.args] == [
        ("GO", "1.22"),
        ("BASE", "golang:1.22"),
        ("VERSION", "9"),
    ]
    other = outline_of(scenes, 1)
    assert [(one.name, one.value) for one in other.args] == [("NOTHING", "n")]
    assert other.secrets == ()
