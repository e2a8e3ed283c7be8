"""Arguments that speak to the builder (BUILDKIT_*), `# syntax=`, and what has no effect and is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.build.request import BuildRequest
from lamina.dockerfile import DockerfileError
from lamina.events import Notice
from lamina.oci.config import ContainerConfig

if TYPE_CHECKING:
    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)


def notices(kitchen: Kitchen) -> list[str]:
    """The warnings of the last build."""
    return [event.text for event in kitchen.events if isinstance(event, Notice)]


def test_buildkit_sandbox_hostname(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN cat /proc/sys/kernel/hostname; busybox grep -c testhost /etc/hosts; true\n"
    kitchen.build(text)
    assert kitchen.output == "lamina\n0\n"
    kitchen.build(text, build_args={"BUILDKIT_SANDBOX_HOSTNAME": "testhost"})
    assert kitchen.output == "testhost\n1\n"
    kitchen.build(text)  # the name counts in the cache
    assert kitchen.output == ""


def test_buildkit_inline_cache_is_an_inline_cache(kitchen: Kitchen) -> None:
    text = "FROM busybox\nWORKDIR /w\n"
    for value, wanted in (("1", True), ("0", False), ("x", False)):
        made = kitchen.build(text, build_args={"BUILDKIT_INLINE_CACHE": value})
        assert ("lamina.cache.v1" in kitchen.config(made.image_id).extra) is wanted
        assert notices(kitchen) == []


def test_buildkit_build_name_has_no_effect_and_says_so(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\n", build_args={"BUILDKIT_BUILD_NAME": "x"})
    assert "BUILDKIT_BUILD_NAME has no effect" in notices(kitchen)[0]


def test_a_buildkit_argument_that_nobody_knows_is_not_passed_over(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\n", build_args={"BUILDKIT_NONSENSE": "1"})
    assert notices(kitchen) == ["[Warning] One or more build-args [BUILDKIT_NONSENSE] were not consumed"]


@pytest.mark.parametrize(
    "image",
    [
        "docker/dockerfile:1",
        "docker/dockerfile:1.7-labs",
        "docker.io/docker/dockerfile-upstream:master",
        "mirror.example:5000/docker/dockerfile:1@sha256:" + "0" * 64,
    ],
)
def test_syntax_that_names_our_language(kitchen: Kitchen, image: str) -> None:
    kitchen.build(f"# syntax={image}\nFROM busybox\n")
    assert notices(kitchen) == []


def test_syntax_that_names_another_language(kitchen: Kitchen) -> None:
    with pytest.raises(DockerfileError, match=r"Dockerfile:2:10: the front end foobar cannot be loaded"):
        kitchen.build("# escape=`\n# syntax=foobar\nFROM busybox\n")


def test_buildkit_syntax_goes_before_the_directive(kitchen: Kitchen) -> None:
    kitchen.build("# syntax=foobar\nFROM busybox\n", build_args={"BUILDKIT_SYNTAX": "dockerfile.v0"})
    assert notices(kitchen) == []


def test_buildkit_multi_platform_asks_for_an_index() -> None:
    one = BuildRequest(None, b"")
    assert one.is_plain and not one.wants_index
    for text, wanted in (("1", True), ("true", True), ("0", False), ("", False)):
        asked = one._replace(build_args={"BUILDKIT_MULTI_PLATFORM": text})
        assert (asked.wants_index, asked.is_plain) == (wanted, not wanted)


# --- what a build is told, and what has no effect


def test_mount_options_without_effect_are_named(kitchen: Kitchen) -> None:
    kitchen.build(
        "FROM busybox\nRUN true\nRUN --mount=type=tmpfs,target=/x,id=a \\\n  --mount=target=/y,env=B true\n"
    )
    assert notices(kitchen) == [
        "[Warning] Dockerfile:3:34: id has no effect on this type of mount",
        "[Warning] Dockerfile:4:21: env has no effect on this type of mount",
    ]


def test_mount_options_with_an_effect_are_not(kitchen: Kitchen) -> None:
    kitchen.build(
        "FROM busybox\nRUN --mount=type=cache,target=/x,id=a,mode=0700 --mount=type=secret,id=a,env=B "
        "--mount=type=ssh,id=x --mount=from=busybox,source=/etc,target=/y true\n"
    )
    assert notices(kitchen) == []


def test_keep_git_dir_without_a_repository_is_named(kitchen: Kitchen) -> None:
    kitchen.write({"a": "a"})
    kitchen.build("FROM scratch\nADD --keep-git-dir a /\n")
    assert notices(kitchen) == [
        "[Warning] Dockerfile:2:5: --keep-git-dir has no effect: no source is a Git repository"
    ]


def test_a_short_name_is_no_beginning_of_an_id(kitchen: Kitchen) -> None:
    image = kitchen.add_image("other", ContainerConfig())
    with pytest.raises(DockerfileError, match="image not found in the store"):
        kitchen.build(f"FROM {image.removeprefix('sha256:')[:4]}\n")
