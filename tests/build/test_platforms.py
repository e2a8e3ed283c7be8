"""Images for other platforms: --platform, FROM --platform, the platform ARGs, bases of several platforms."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.build import foreign
from lamina.build.errors import BuildFailed
from lamina.dockerfile import DockerfileError
from lamina.errors import InvalidInput
from lamina.events import Notice, StepStarted
from lamina.layers.write import LayerItem, write_layer
from lamina.oci import platform as platforms
from lamina.oci.config import ContainerConfig, History, ImageConfig, RootFS
from lamina.oci.platform import Platform
from lamina.transfer.index import make_index, part_of, register_index
from lamina.transfer.register import register_image
from lamina.tree.entry import Entry, Kind
from tests.build.kitchen import HOST, Kitchen
from tests.machine import REPOSITORY, busybox, quick_place

if TYPE_CHECKING:
    from lamina.oci.digest import ImageID

OTHER = platforms.parse("linux/arm64" if HOST.architecture != "arm64" else "linux/amd64")
WHEN = "2024-01-01T00:00:00Z"


def add_foreign(
    kitchen: Kitchen, name: str, platform: Platform, files: dict[str, bytes] | None = None
) -> ImageID:
    """An image for a platform, with one file that says so."""
    content = {"platform": str(platform).encode()} | (files or {})
    items = [
        LayerItem(Entry(path.encode(), Kind.FILE, 0o755, size=len(data)), data)
        for path, data in content.items()
    ]
    diff = write_layer(kitchen.ctx, items)
    config = ImageConfig(
        platform.architecture,
        platform.os,
        RootFS((diff.diff_id,)),
        ContainerConfig(env=(f"BASE={platform}",)),
        (History(WHEN, "made by a test"),),
        WHEN,
        variant=platform.variant,
    )
    return register_image(kitchen.ctx, config, [diff.diff_id], [name] if name else []).image_id


def add_both(kitchen: Kitchen, name: str) -> tuple[ImageID, ImageID]:
    """One name for two images: this machine's, and another's."""
    ids = add_foreign(kitchen, "", HOST), add_foreign(kitchen, "", OTHER)
    parts = [part_of(kitchen.ctx, image_id) for image_id in ids]
    register_index(kitchen.ctx, make_index(parts), parts, [name], HOST)
    return ids


def notices(kitchen: Kitchen) -> list[str]:
    return [event.text for event in kitchen.events if isinstance(event, Notice)]


ARGS = """FROM scratch
ARG BUILDPLATFORM
ARG BUILDOS
ARG BUILDARCH
ARG BUILDVARIANT
ARG TARGETPLATFORM
ARG TARGETOS
ARG TARGETARCH
ARG TARGETVARIANT
ENV BUILD=$BUILDPLATFORM,$BUILDOS,$BUILDARCH,$BUILDVARIANT \
    TARGET=$TARGETPLATFORM,$TARGETOS,$TARGETARCH,$TARGETVARIANT
"""


def test_platform_args_name_the_machine_and_the_target(kitchen: Kitchen) -> None:
    made = kitchen.build(ARGS, platforms=("linux/arm/v7",))
    config = kitchen.config(made.image_id)
    env = dict(item.split("=", 1) for item in config.config.env)
    assert env["BUILD"] == f"{HOST},{HOST.os},{HOST.architecture},{HOST.variant}"
    assert env["TARGET"] == "linux/arm/v7,linux,arm,v7"
    assert config.platform == Platform("linux", "arm", "v7")


def test_without_platform_all_args_are_the_machines(kitchen: Kitchen) -> None:
    config = kitchen.config(kitchen.build(ARGS).image_id)
    env = dict(item.split("=", 1) for item in config.config.env)
    assert env["BUILD"] == env["TARGET"]
    assert config.platform == HOST


def test_copies_for_another_architecture_need_no_help(kitchen: Kitchen) -> None:
    kitchen.write({"a": "x"})
    made = kitchen.build("FROM scratch\nWORKDIR /app\nCOPY a .\n", platforms=("linux/riscv64",))
    config = kitchen.config(made.image_id)
    assert (config.os, config.architecture) == ("linux", "riscv64")
    assert kitchen.read(made.image_id, "app/a") == "x"


def test_several_platforms_make_an_image_each(kitchen: Kitchen) -> None:
    kitchen.write({"a": "x"})
    text = "FROM scratch\nCOPY a /a\nARG TARGETARCH\nCOPY a /$TARGETARCH\n"
    made = kitchen.build(text, platforms=(str(OTHER), str(HOST)), tags=("t",))
    assert [str(image.platform) for image in made.images] == [str(OTHER), str(HOST)]
    assert made.image_id == made.images[1].image_id  # this machine's stands for all
    for image in made.images:
        assert sorted(kitchen.listing(image.image_id)) == sorted(["a", image.platform.architecture])
        assert kitchen.config(image.image_id).architecture == image.platform.architecture
    again = kitchen.build(text, platforms=(str(OTHER), str(HOST)))
    assert again.cached and again.images == made.images


def test_the_same_platform_twice_is_one_image(kitchen: Kitchen) -> None:
    made = kitchen.build("FROM scratch\nLABEL a=b\n", platforms=(str(HOST), "local", str(HOST)))
    assert [image.platform for image in made.images] == [HOST]


def test_steps_are_named_with_their_platform(kitchen: Kitchen) -> None:
    kitchen.write({"a": "x"})
    text = (
        "FROM --platform=$BUILDPLATFORM scratch AS tools\nCOPY a /tool\n"
        "FROM --platform=$BUILDPLATFORM scratch AS cross\nARG TARGETARCH\nCOPY a /$TARGETARCH\n"
        "FROM scratch\nCOPY --from=tools /tool /\nCOPY --from=cross / /\n"
    )
    kitchen.build(text, platforms=(str(HOST), str(OTHER)))
    begun = [event for event in kitchen.events if isinstance(event, StepStarted)]
    labels = list(dict.fromkeys(event.stage for event in begun))
    assert labels == [
        f"{HOST} tools", f"{HOST} cross", f"{HOST} stage-2",
        f"{HOST}->{OTHER.architecture} cross", f"{OTHER} stage-2",
    ]  # fmt: skip
    assert len({event.step for event in begun}) == len(begun)
    assert max(event.step for event in begun) == begun[-1].total
    kitchen.build(text)
    assert {event.stage for event in kitchen.events if isinstance(event, StepStarted)} == {
        "tools", "cross", "stage-2",
    }  # fmt: skip


def test_a_stage_of_the_build_platform_is_built_once(kitchen: Kitchen) -> None:
    text = (
        "FROM --platform=$BUILDPLATFORM busybox AS tools\nRUN cat /proc/sys/kernel/random/uuid > /id\n"
        "FROM scratch\nARG TARGETARCH\nENV FOR=$TARGETARCH\nCOPY --from=tools /id /\n"
    )
    for no_cache in (False, True):
        made = kitchen.build(text, platforms=(str(HOST), str(OTHER)), no_cache=no_cache)
        first, second = (kitchen.read(image.image_id, "id") for image in made.images)
        assert first == second
        assert kitchen.ran(made).count("RUN cat") == 1


def test_from_platform_decides_which_base_it_is(kitchen: Kitchen) -> None:
    add_both(kitchen, "both")
    text = f"FROM --platform={OTHER} both AS other\nFROM both\nCOPY --from=other /platform /other\n"
    made = kitchen.build(text)
    assert kitchen.read(made.image_id, "platform") == str(HOST)
    assert kitchen.read(made.image_id, "other") == str(OTHER)
    assert kitchen.config(made.image_id).platform == HOST
    assert not notices(kitchen)


def test_platform_decides_which_base_it_is(kitchen: Kitchen) -> None:
    add_both(kitchen, "both")
    text = "FROM both\nCOPY --from=both /platform /copied\n"
    made = kitchen.build(text, platforms=(str(HOST), str(OTHER)))
    for image in made.images:
        assert kitchen.read(image.image_id, "platform") == str(image.platform)
        assert kitchen.read(image.image_id, "copied") == str(image.platform)
        assert f"BASE={image.platform}" in kitchen.config(image.image_id).config.env


def test_an_index_without_the_platform_is_an_error(kitchen: Kitchen) -> None:
    add_both(kitchen, "both")
    with pytest.raises(
        DockerfileError, match="does not match the specified platform: wanted linux/s390x"
    ) as e:
        kitchen.build("FROM both\n", platforms=("linux/s390x",))
    assert e.value.line == 1


def test_a_base_of_another_platform_is_taken_with_a_warning(kitchen: Kitchen) -> None:
    add_foreign(kitchen, "alien", OTHER)
    kitchen.write({"a": "x"})
    made = kitchen.build("FROM alien\nCOPY a /a\n", platforms=(str(HOST),))
    assert kitchen.config(made.image_id).platform == HOST  # as asked for
    expected = (
        f'InvalidBaseImagePlatform: Base image alien was pulled with platform "{OTHER}", expected "{HOST}"'
    )
    assert any(expected in text for text in notices(kitchen))


def test_a_base_of_another_platform_keeps_it_when_none_was_asked_for(kitchen: Kitchen) -> None:
    add_foreign(kitchen, "alien", OTHER)
    made = kitchen.build("FROM alien\nLABEL a=b\n")
    assert kitchen.config(made.image_id).platform == OTHER


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM --platform=$NONE scratch", "empty platform value from expression \\$NONE"),
        ("FROM --platform=linux/amd64/v1/x scratch", "failed to parse platform linux/amd64/v1/x"),
        ("FROM --platform=nonsense scratch", "failed to parse platform nonsense: unknown platform"),
    ],
)
def test_bad_from_platform_names_its_line(kitchen: Kitchen, text: str, message: str) -> None:
    with pytest.raises(DockerfileError, match=message) as error:
        kitchen.build(f"ARG X=1\n{text}\n")
    assert error.value.line == 2


def test_bad_platform(kitchen: Kitchen) -> None:
    with pytest.raises(InvalidInput, match="unknown platform 'nonsense'"):
        kitchen.build("FROM scratch\n", platforms=("nonsense",))


@pytest.mark.parametrize("system", ["windows", "darwin", "freebsd"])
def test_other_systems_can_be_copied_for(kitchen: Kitchen, system: str) -> None:
    """No RUN works there, but a stage for this machine can make the files."""
    text = (
        "FROM --platform=$BUILDPLATFORM busybox AS build\nARG TARGETOS\nRUN echo $TARGETOS > /made\n"
        "FROM scratch\nCOPY --from=build /made /\nENTRYPOINT /made\n"
    )
    image = kitchen.build(text, platforms=(f"{system}/amd64",)).image_id
    config = kitchen.config(image)
    assert (config.os, kitchen.read(image, "made")) == (system, f"{system}\n")
    shell = ("cmd", "/S", "/C") if system == "windows" else ("/bin/sh", "-c")
    assert config.config.entrypoint == (*shell, "/made")
    assert bool(config.config.env) == (system != "windows")


def test_a_run_for_another_architecture_depends_on_it(kitchen: Kitchen) -> None:
    """The programs are this machine's own, so it can be run; its key is another one all the same."""
    text = "FROM busybox\nRUN echo a > /a\n"
    assert kitchen.ran(kitchen.build(text)) == ["RUN echo"]
    assert kitchen.ran(kitchen.build(text, platforms=(str(HOST),))) == []
    assert kitchen.ran(kitchen.build(text.replace("FROM", f"FROM --platform={OTHER}"))) == ["RUN echo"]


def foreign_program(machine: int) -> bytes:
    """The first bytes of a program for another machine (its number in ELF): the kernel refuses it."""
    with open(busybox(), "rb") as file:
        data = bytearray(file.read(4096))
    data[18:20] = machine.to_bytes(2, "little")
    return bytes(data)


def test_a_run_without_a_handler_says_what_to_install(kitchen: Kitchen) -> None:
    add_foreign(kitchen, "alien", platforms.parse("linux/s390x"), {"bin/sh": foreign_program(0x16)})
    with pytest.raises(BuildFailed, match="exec format error") as error:
        kitchen.build("FROM alien\nRUN true\n", platforms=("linux/s390x",))
    assert error.value.line == 2
    hint = "this machine does not run programs for linux/s390x: install qemu-user-static and binfmt-support"
    assert hint in (error.value.hint or "")


def test_what_runs_here() -> None:
    assert foreign.can_run(HOST, HOST)
    assert foreign.can_run(platforms.parse("linux/386"), platforms.parse("linux/amd64"))
    assert foreign.can_run(platforms.parse("linux/arm/v7"), platforms.parse("linux/arm64"))
    assert not foreign.can_run(platforms.parse("windows/amd64"), platforms.parse("linux/amd64"))
    assert not foreign.has_handler("no-such-architecture")


# --- real emulation: Debian's qemu and busybox for arm64, where apt can give them


@pytest.fixture(scope="session")
def emulated() -> Path:
    """A folder with Debian's busybox for arm64, and qemu-aarch64-static; fetched once."""
    if HOST.architecture != "amd64" or not shutil.which("apt-get"):
        pytest.skip("needs Debian on amd64")
    wanted = REPOSITORY / ".cache/tests/emulated"
    if not (wanted / "qemu").exists():
        with tempfile.TemporaryDirectory(dir=quick_place()) as folder:
            _fetch(Path(folder), wanted)
    return wanted


def _fetch(folder: Path, wanted: Path) -> None:
    (folder / "lists/partial").mkdir(parents=True)
    (folder / "apt.conf").write_text(
        'APT::Architectures {"amd64"; "arm64";};\nAPT::Sandbox::User "";\n'
        f'Dir::State::lists "{folder}/lists";\nDir::Cache "{folder}";\n'
    )
    environ = os.environ | {"APT_CONFIG": str(folder / "apt.conf")}
    for command in (["update", "-q"], ["download", "-q", "busybox-static:arm64", "qemu-user-static"]):
        done = subprocess.run(
            ["apt-get", *command], cwd=folder, env=environ, capture_output=True, timeout=300, check=False
        )
        if done.returncode:
            pytest.skip(f"apt-get {command[0]} does not work here: {done.stderr.decode()[-200:]}")
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, folder / "x"], check=True)
    try:
        wanted.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        pytest.skip(f"cannot keep what was fetched: {error}")
    shutil.copy(folder / "x/bin/busybox", wanted / "busybox-arm64")
    shutil.copy(folder / "x/usr/bin/qemu-aarch64-static", wanted / "qemu")


FOREIGN = "FROM scratch\nCOPY busybox-arm64 /bin/busybox\nCOPY busybox-arm64 /bin/sh\n"


def test_qemu_inside_the_image_runs_its_programs(kitchen: Kitchen, emulated: Path) -> None:
    text = FOREIGN + 'COPY qemu /qemu\nRUN ["/qemu", "/bin/busybox", "sh", "-c", "echo $0 > /made"]\n'
    made = kitchen.build(text, context=str(emulated), platforms=("linux/arm64",))
    assert kitchen.read(made.image_id, "made") == "sh\n"
    assert kitchen.config(made.image_id).architecture == "arm64"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may register a handler")
def test_a_binfmt_handler_runs_what_is_foreign(kitchen: Kitchen, emulated: Path, tmp_path: Path) -> None:
    """With flag F, as Debian's qemu-user-static registers it: it works inside of every root."""
    magic = r"\x7fELF\x02\x01\x01" + r"\x00" * 9 + r"\x02\x00\xb7\x00"
    mask = r"\xff" * 7 + r"\x00" + r"\xff" * 8 + r"\xfe\xff\xff\xff"
    rule = f":lamina-test-aarch64:M::{magic}:{mask}:{emulated}/qemu:F"
    place = tmp_path / "binfmt"
    place.mkdir()
    mount = ["mount", "-t", "binfmt_misc", "none", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("binfmt_misc cannot be mounted here")
    try:
        (place / "register").write_text(rule)
        text = FOREIGN + "RUN uname -m > /machine\n"
        made = kitchen.build(text, context=str(emulated), platforms=("linux/arm64",))
        assert kitchen.read(made.image_id, "machine") == "aarch64\n"
    finally:
        if (place / "lamina-test-aarch64").exists():
            (place / "lamina-test-aarch64").write_text("-1")
        subprocess.run(["umount", str(place)], check=True)
