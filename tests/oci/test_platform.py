"""Platforms: one spelling for each."""

from __future__ import annotations

import pytest

from lamina.errors import InvalidInput
from lamina.oci import platform
from lamina.oci.platform import Platform

HERE = Platform("linux", "amd64")


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("Linux/X86_64", "linux/amd64"),
        ("aarch64", "linux/arm64"),
        ("armhf", "linux/arm/v7"),
        ("armel", "linux/arm/v6"),
        ("i686", "linux/386"),
        ("windows", "windows/amd64"),
        ("macos/arm64", "darwin/arm64"),
        ("linux", "linux/amd64"),
        ("linux/riscv64", "linux/riscv64"),
    ],
)
def test_spellings(text: str, spelling: str) -> None:
    assert str(platform.parse(text, HERE)) == spelling


@pytest.mark.parametrize("text", ["", "/", "linux/", "a/b/c/d", "linux/a b", "nonsense", "linux/é", "../x"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(InvalidInput, match="platform"):
        platform.parse(text, HERE)


def test_host() -> None:
    assert str(platform.host("x86_64")) == "linux/amd64"
    assert str(platform.host("aarch64")) == "linux/arm64"
    assert str(platform.host("armv7l")) == "linux/arm/v7"
    assert str(platform.host("riscv64")) == "linux/riscv64"


def test_which_runs() -> None:
    assert Platform("linux", "arm64", "v8").runs(Platform("linux", "arm64"))
    assert not Platform("linux", "arm", "v6").runs(Platform("linux", "arm", "v7"))
    assert not Platform("windows", "amd64").runs(HERE)
