"""RUN --mount=type=bind, tmpfs and cache end to end: what the process sees, and what stays of it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.build.build import build
from lamina.build.errors import BuildFailed
from lamina.build.given import Secret, SshForward
from lamina.build.request import BuildRequest
from lamina.dockerfile import DockerfileError
from lamina.errors import LaminaError
from lamina.events import StepOutput
from lamina.oci.config import ContainerConfig

from .kitchen import HOST
from .mounted import STAGES, shown
from .test_run import leftovers

if TYPE_CHECKING:
    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)


# --- bind --------------------------------------------------------------------------------------


def test_bind_is_the_type_without_a_type(kitchen: Kitchen) -> None:
    kitchen.write({"a": "content"})
    assert shown(kitchen, "FROM busybox\nRUN --mount=target=/m cat /m/a\n") == "content"


def test_bind_from_a_stage(either: Kitchen) -> None:
    text = STAGES + "RUN --mount=type=bind,from=made,target=/m cat /m/out/link /m/out/deep/two\n"
    assert shown(either, text) == "one\ntwo\n"


def test_bind_from_an_image(either: Kitchen) -> None:
    either.add_image("other", ContainerConfig(), {"x/y": b"z"})
    assert shown(either, "FROM busybox\nRUN --mount=from=other,target=/m cat /m/x/y\n") == "z"


def test_bind_from_scratch_is_empty(either: Kitchen) -> None:
    assert shown(either, "FROM busybox\nRUN --mount=from=scratch,target=/m ls -A /m | wc -l\n") == "0\n"


def test_bind_from_the_context(either: Kitchen) -> None:
    either.write({"src/a": "A", "src/b/c": "C", "src/skip": "no", ".dockerignore": "**/skip\n"})
    (either.context / "src/b").chmod(0o750)
    text = (
        "FROM busybox\nRUN --mount=type=bind,source=src,target=/m cat /m/a /m/b/c; ls /m; stat -c "
        "'%u:%g %a' /m/b\n"
    )
    assert shown(either, text) == "ACa\nb\n0:0 750\n"


def test_bind_source_is_a_file(either: Kitchen) -> None:
    either.write({"d/requirements.txt": "flask\n"})
    text = (
        "FROM busybox\nRUN --mount=source=d/requirements.txt,target=/tmp/r.txt cat /tmp/r.txt; test "
        "! -d /tmp/r.txt\n"
    )
    assert shown(either, text) == "flask\n"
    text = STAGES + "RUN --mount=from=made,src=/out/deep/two,dst=/two cat /two\n"
    assert shown(either, text) == "two\n"


def test_bind_source_follows_links_inside_the_root(either: Kitchen) -> None:
    either.write({"real/a": "A"})
    (either.context / "link").symlink_to("/real")
    text = "FROM busybox\nRUN --mount=source=link,target=/m cat /m/a\n"
    assert shown(either, text) == "A"
    text = STAGES + "RUN --mount=from=made,source=shortcut,target=/m cat /m/two\n"
    assert shown(either, text) == "two\n"
    text = "FROM busybox AS evil\nRUN ln -s ../../../../etc /e && echo mine > /etc/own\nFROM busybox\n"
    assert shown(either, text + "RUN --mount=from=evil,source=/e/own,target=/m cat /m\n") == "mine\n"


def test_bind_source_never_leads_out_of_the_root(kitchen: Kitchen) -> None:
    kitchen.write({"a": "A"})
    assert shown(kitchen, "FROM busybox\nRUN --mount=source=../../a,target=/m cat /m\n") == "A"
    (kitchen.context / "out").symlink_to("/etc/hostname")
    with pytest.raises(DockerfileError, match='"/out": not found in the build context'):
        kitchen.build("FROM busybox\nRUN --mount=source=out,target=/m cat /m\n")


def test_bind_source_that_is_not_there(kitchen: Kitchen) -> None:
    for line, message in (
        ("RUN --mount=source=nope,target=/m true", '"/nope": not found in the build context'),
        ("RUN --mount=from=made,source=nope,target=/m true", '"/nope": not found in stage made'),
        ("RUN --mount=from=busybox,source=nope,target=/m true", '"/nope": not found in image busybox'),
    ):
        with pytest.raises(DockerfileError, match=message) as caught:
            kitchen.build(STAGES + line + "\n")
        assert caught.value.source[caught.value.column - 1 :].startswith("source=nope")
        assert "--mount" in caught.value.source
    assert leftovers(kitchen) == []


def test_bind_source_that_dockerignore_leaves_out(kitchen: Kitchen) -> None:
    kitchen.write({"secret": "x", ".dockerignore": "secret\n"})
    with pytest.raises(DockerfileError, match=r"excluded from the build context by \.dockerignore"):
        kitchen.build("FROM busybox\nRUN --mount=source=secret,target=/m true\n")


def test_bind_is_read_only(either: Kitchen) -> None:
    either.write({"a": "A"})
    text = STAGES + (
        "RUN --mount=target=/m --mount=from=made,target=/n ! touch /m/x 2>&1 && ! touch /n/x 2>&1 && "
        "! rm /m/a 2>&1 && echo ok\n"
    )
    assert shown(either, text).endswith("ok\n")


@pytest.mark.parametrize("word", ["rw", "readwrite", "rw=true", "readwrite=1", "ro=false", "readonly=0"])
def test_bind_rw_is_seen_and_discarded(kitchen: Kitchen, word: str) -> None:
    kitchen.write({"a": "A"})
    text = (
        f"FROM busybox\nRUN --mount=target=/m,{word} echo new > /m/x && rm /m/a && ls /m\n"
        "RUN --mount=target=/m ls /m\n"
    )
    assert shown(kitchen, text) == "x\na\n"
    assert (kitchen.context / "a").read_text() == "A"
    assert not (kitchen.context / "x").exists()


def test_bind_rw_of_a_stage_is_discarded(either: Kitchen) -> None:
    text = STAGES + (
        "RUN --mount=from=made,source=/out,target=/m,rw echo 3 > /m/one && rm -r /m/deep && ls /m\n"
        "RUN --mount=from=made,source=/out,target=/m cat /m/one && ls /m\n"
    )
    assert shown(either, text) == "link\none\none\ndeep\nlink\none\n"


@pytest.mark.parametrize("word", ["ro", "readonly", "ro=1", "readonly=true", "rw=false"])
def test_readonly_can_be_said(kitchen: Kitchen, word: str) -> None:
    text = f"FROM busybox\nRUN --mount=target=/m,{word} touch /m/x 2>/dev/null || echo refused\n"
    assert shown(kitchen, text) == "refused\n"


def test_target_is_relative_to_the_working_directory(kitchen: Kitchen) -> None:
    kitchen.write({"a": "A"})
    text = "FROM busybox\nWORKDIR /w\nRUN --mount=target=in/here cat /w/in/here/a\n"
    assert shown(kitchen, text) == "A"
    assert shown(kitchen, "FROM busybox\nWORKDIR /w\nRUN --mount=type=bind,source=. cat a /w/a\n") == "AA"


def test_variables_in_mount_options(kitchen: Kitchen) -> None:
    kitchen.write({"one/a": "1", "two/a": "2"})
    text = (
        "FROM busybox\nARG which=one\nENV at=/m\nRUN "
        "--mount=type=${none:-bind},source=$which,target=${at}/x cat /m/x/a\n"
    )
    assert shown(kitchen, text) == "1"
    assert shown(kitchen, text, build_args={"which": "two"}) == "2"


def test_quoted_fields_of_a_mount(kitchen: Kitchen) -> None:
    kitchen.write({"a,b/c": "comma"})
    text = 'FROM busybox\nRUN --mount=type=bind,\\"source=a,b\\",target=/m cat /m/c\n'
    assert shown(kitchen, text) == "comma"


def test_several_mounts_lie_in_each_other(kitchen: Kitchen) -> None:
    kitchen.write({"a/b/x": "inner"})
    text = STAGES + (
        "RUN --mount=type=tmpfs,target=/t --mount=source=a,target=/t/a --mount=from=made,target=/t/made "
        "cat /t/a/b/x /t/made/out/one\n"
    )
    assert shown(kitchen, text) == "innerone\n"


def test_a_mount_point_cannot_be_made_in_a_read_only_mount(kitchen: Kitchen) -> None:
    kitchen.write({"there/x": "x"})
    line = "RUN --mount=target=/m{} --mount=type=tmpfs,target=/m/{} ls /m/{}\n"
    with pytest.raises(DockerfileError, match="cannot mount at /m/new: it is not there, and cannot be made"):
        kitchen.build("FROM busybox\n" + line.format("", "new", "new"))
    assert leftovers(kitchen) == []
    assert shown(kitchen, "FROM busybox\n" + line.format("", "there", "there")) == ""
    assert shown(kitchen, "FROM busybox\n" + line.format(",rw", "new", "new")) == ""


def test_a_named_context_is_mounted(either: Kitchen, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("of the folder\n")
    either.add_image("other", ContainerConfig(), {"a": b"of the image\n"})
    text = "FROM busybox\nRUN --mount=from=NAMED,source=a,target=/a cat /a\n"
    assert shown(either, text, contexts={"named": str(tmp_path)}) == "of the folder\n"
    assert shown(either, text, contexts={"named": "docker-image://other"}) == "of the image\n"
    (tmp_path / "b").write_text("does not count\n")
    assert either.build(text, contexts={"named": str(tmp_path)}).cached


def test_the_later_of_two_mounts_at_one_target_is_seen(kitchen: Kitchen) -> None:
    kitchen.write({"a/x": "first", "b/x": "second"})
    text = "FROM busybox\nRUN --mount=source=a,target=/m --mount=source=b,target=/m cat /m/x\n"
    assert shown(kitchen, text) == "second"


def test_mount_points_are_left_out_of_the_layer(either: Kitchen) -> None:
    either.write({"f": "F"})
    result = either.build(
        "FROM busybox\nRUN --mount=target=/new/deep/point --mount=source=f,target=/file "
        "--mount=type=tmpfs,target=/t touch /kept\n"
    )
    listing = either.listing(result.image_id)
    assert "kept" in listing
    assert not {"new", "file", "t"} & listing.keys()


def test_a_mount_over_a_folder_of_the_image_leaves_it(either: Kitchen) -> None:
    either.write({"x": "X"})
    result = either.build(
        "FROM busybox\nRUN mkdir /d && echo y > /d/y\nRUN --mount=target=/d,rw rm /d/x; ls /d\n"
    )
    assert either.read(result.image_id, "d/y") == "y\n"


def test_a_folder_cannot_be_mounted_over_a_file(kitchen: Kitchen) -> None:
    with pytest.raises(LaminaError, match="cannot mount a folder at /etc/passwd"):
        kitchen.build("FROM busybox\nRUN --mount=target=/etc/passwd true\n")
    assert leftovers(kitchen) == []


def test_a_stage_that_is_only_mounted_is_built(kitchen: Kitchen) -> None:
    result = kitchen.build(STAGES + "RUN --mount=from=made,target=/m true\n")
    assert kitchen.ran(result) == ["RUN mkdir", "RUN --mount=from=made,target=/m"]
    result = kitchen.build(
        STAGES.replace("echo one", "echo uno") + "RUN --mount=from=0,target=/m cat /m/out/one\n"
    )
    assert kitchen.output == "uno\n"


def test_onbuild_run_with_a_mount(kitchen: Kitchen) -> None:
    kitchen.write({"a": "A"})
    kitchen.build("FROM busybox\nONBUILD RUN --mount=source=a,target=/m cat /m\n", tags=("parent",))
    assert kitchen.output == ""
    assert shown(kitchen, "FROM parent\n") == "A"


def test_as_another_user(kitchen: Kitchen, many_ids: None) -> None:
    kitchen.write({"a": "A"})
    text = (
        "FROM busybox\nUSER worker\nRUN --mount=target=/m --mount=type=tmpfs,target=/t cat /m/a && "
        "touch /t/x && id -u\n"
    )
    assert shown(kitchen, text) == "A1234\n"


# --- tmpfs -------------------------------------------------------------------------------------


def test_tmpfs_is_empty_and_goes(kitchen: Kitchen) -> None:
    result = kitchen.build(
        "FROM busybox\nRUN --mount=type=tmpfs,target=/home ls /home | wc -l; touch /home/x; stat -c "
        "%a /home\n"
    )
    assert kitchen.output == "0\n755\n"
    assert "home/x" not in kitchen.listing(result.image_id)
    assert "home/worker" in kitchen.listing(result.image_id)


def test_tmpfs_has_the_mode_of_the_folder_that_it_hides(kitchen: Kitchen) -> None:
    text = (
        "FROM busybox\nRUN mkdir -m 710 /x && mkdir -m 2755 /y\n"
        "RUN --mount=type=tmpfs,target=/x --mount=type=tmpfs,target=/y,ro --mount=type=tmpfs,target=/new "
        "stat -c %a /x /y /new; touch /x/a && ! touch /y/a 2>/dev/null\n"
    )
    assert shown(kitchen, text) == "710\n2755\n1777\n"


def test_tmpfs_size(kitchen: Kitchen) -> None:
    text = (
        "FROM busybox\nRUN --mount=type=tmpfs,target=/t,size=1m "
        "dd if=/dev/zero of=/t/x bs=1024 count=900 && ! dd if=/dev/zero of=/t/y bs=1024 count=900 "
        "2>/dev/null && echo full\n"
    )
    assert "full" in shown(kitchen, text).splitlines()  # before or after what dd says elsewhere


# --- cache: its frame; what a cache mount is, tests/build/test_cache_mounts.py tells -----------


def test_cache_stays_from_build_to_build(kitchen: Kitchen) -> None:
    text = "FROM busybox\nARG n\nRUN --mount=type=cache,target=/c echo $n >> /c/log; cat /c/log\n"
    assert shown(kitchen, text, build_args={"n": "1"}) == "1\n"
    assert shown(kitchen, text, build_args={"n": "2"}) == "1\n2\n"
    result = kitchen.build(text, build_args={"n": "2"})
    assert result.cached
    assert "c" not in kitchen.listing(result.image_id)


def test_cache_readonly(kitchen: Kitchen) -> None:
    text = (
        "FROM busybox\nRUN --mount=type=cache,target=/c echo x > /c/x\nRUN "
        "--mount=type=cache,target=/c,ro cat /c/x; touch /c/y 2>/dev/null || echo shut\n"
    )
    assert shown(kitchen, text) == "x\nshut\n"


def test_cache_begins_with_a_stage(either: Kitchen) -> None:
    run = "RUN --mount=type=cache,target=/c,from=made,source=out"
    text = STAGES + f"{run} cat /c/link; stat -c '%a' /c/deep; echo more > /c/one\n"
    assert shown(either, text) == "one\n700\n"
    assert shown(either, f"{text}{run} cat /c/one\n") == "more\n"
    assert (
        shown(either, STAGES + "RUN --mount=type=cache,target=/c,from=made,src=shortcut cat /c/two\n")
        == "two\n"
    )


def test_cache_source_that_is_no_folder(kitchen: Kitchen) -> None:
    with pytest.raises(LaminaError, match='"/out/one" is a file'):
        kitchen.build(STAGES + "RUN --mount=type=cache,target=/c,from=made,source=/out/one true\n")
    assert leftovers(kitchen) == []


def test_cache_locked_by_two_stages_side_by_side(kitchen: Kitchen) -> None:
    work = (
        "RUN --mount=type=cache,id=l,sharing=locked,target=/c test ! -e /c/busy && touch /c/busy && "
        "sleep 0.3 && rm /c/busy"
    )
    text = (
        f"FROM busybox AS a\n{work} && echo a > /a\nFROM busybox AS b\n{work} && echo b > /b\nFROM "
        f"busybox\nCOPY --from=a /a /\nCOPY --from=b /b /\n"
    )
    result = kitchen.build(text)
    assert {"a", "b"} <= kitchen.listing(result.image_id).keys()


# --- failures ----------------------------------------------------------------------------------


def test_a_failing_run_leaves_no_mounts(kitchen: Kitchen, agent: str) -> None:
    kitchen.write({"a": "A"})
    text = STAGES + (
        "RUN --mount=target=/m,rw --mount=from=made,target=/n --mount=type=cache,target=/c --mount=type=ssh "
        "--mount=type=secret,id=s --mount=type=tmpfs,target=/t exit 7\n"
    )
    with pytest.raises(BuildFailed) as caught:
        kitchen.build(text, ssh=(SshForward("default", (agent,)),), secrets=(Secret("s", value=b"x"),))
    assert caught.value.status == 7
    mine = Path("/proc/self/mounts").read_text()
    assert kitchen.layout.root not in mine


def test_ctrl_c_during_a_mount(kitchen: Kitchen, agent: str, key: str) -> None:
    kitchen.write({"a": "A"})
    text = STAGES + (
        "RUN --mount=target=/m,rw --mount=from=made,target=/n --mount=type=cache,target=/c,sharing=locked "
        "--mount=type=ssh --mount=type=ssh,id=k touch /c/there; echo there; sleep 100\n"
    )

    def interrupt(event: object) -> None:
        kitchen.events.append(event)  # type: ignore[arg-type]
        if isinstance(event, StepOutput) and b"there" in event.data:
            os.kill(os.getpid(), signal.SIGINT)

    request = BuildRequest(
        context=str(kitchen.context),
        dockerfile=text.encode(),
        ssh=(SshForward("default", (agent,)), SshForward("k", (key,))),
    )
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        build(kitchen.ctx, request, HOST, interrupt, kitchen.enter, kitchen.tools)
    assert time.monotonic() - start < 20
    assert leftovers(kitchen) == []
    assert (
        shown(kitchen, "FROM busybox\nRUN --mount=type=cache,target=/c,sharing=locked ls /c\n") == "there\n"
    )
