"""RUN end to end: forms, environment, layers, failures."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.build.errors import BuildFailed
from lamina.dockerfile import DockerfileError
from lamina.events import StepFailed, StepFinished, StepOutput
from lamina.transfer.register import register_image

if TYPE_CHECKING:
    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)


def leftovers(kitchen: Kitchen) -> list[str]:
    """Snapshots and temporary names that a build left behind; what is kept of a failed step is none."""
    root = Path(kitchen.layout.root)
    temps = [str(p) for d in ("diff", "blobs/sha256", "layers") for p in (root / d).glob(".tmp*")]
    return temps + [str(p) for p in (root / "mnt").iterdir() if not p.name.startswith("failed-")]


def test_a_build_that_runs(kitchen: Kitchen) -> None:
    result = kitchen.build("FROM busybox\nRUN echo hello > /greeting\nCMD cat /greeting\n", tags=("app",))
    assert kitchen.read(result.image_id, "greeting") == "hello\n"
    assert kitchen.tag("docker.io/library/app:latest") == result.image_id
    assert result.tags == ("docker.io/library/app:latest",)
    assert kitchen.config(result.image_id).config.cmd == ("/bin/sh", "-c", "cat /greeting")
    assert leftovers(kitchen) == []


def test_output_is_passed_on(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nRUN echo out; echo err >&2; seq 3\n")
    assert sorted(kitchen.output.split()) == ["1", "2", "3", "err", "out"]
    errors = [e.data for e in kitchen.events if isinstance(e, StepOutput) and e.stderr]
    assert b"".join(errors) == b"err\n"


@pytest.mark.parametrize(
    ("line", "output"),
    [
        ("RUN echo $0 a b", "/bin/sh a b"),
        ('RUN ["echo", "$A", "b c"]', "$A b c"),
        ("RUN <<EOF\necho one\necho two\nEOF", "one\ntwo"),
        ("RUN <<-EOF\n\techo tabs\n\tEOF", "tabs"),
        ("RUN cat <<A && cat <<B\nfirst\nA\nsecond\nB", "first\nsecond"),
        ("RUN <<EOF\n#!/bin/cat\nmyself\nEOF", "#!/bin/cat\nmyself"),
        ("RUN <<'EOF'\necho $((1 + 1))\nEOF", "2"),
        ('SHELL ["/bin/sh", "-x", "-c"]\nRUN true', "+ true"),
        ("ENV A=1\nARG B=2\nENV C=$B\nRUN echo $A $B $C", "1 2 2"),
        ("ARG A=1\nENV A=2\nRUN echo $A", "2"),
        ("WORKDIR /some/where\nRUN pwd", "/some/where"),
        ("USER worker\nRUN echo $HOME", "/home/worker"),
        ("RUN echo ${UNSET:-shell}", "shell"),
        ("RUN env | sort", "HOME=/root\nPATH=/bin"),
        ("RUN --network=none cat /proc/net/route | wc -l", "1"),
    ],
)
def test_forms(kitchen: Kitchen, line: str, output: str) -> None:
    kitchen.build(f"FROM busybox\n{line}\n")
    shown = [
        text for text in kitchen.output.splitlines() if not text.startswith(("PWD=", "SHLVL=", "HOSTNAME="))
    ]
    assert "\n".join(shown) == output


@pytest.mark.parametrize(("user", "ids"), [("worker", "1234\n4321\n"), ("7:8", "7\n8\n")])
def test_users(kitchen: Kitchen, many_ids: None, user: str, ids: str) -> None:
    kitchen.build(f"FROM busybox\nUSER {user}\nRUN id -u && id -g\n")
    assert kitchen.output == ids


def test_a_script_leaves_nothing_in_the_layer(kitchen: Kitchen) -> None:
    result = kitchen.build("FROM busybox\nRUN <<EOF\n#!/bin/sh\ntouch /made\nEOF\n")
    assert "made" in kitchen.listing(result.image_id)
    assert not any(name.startswith("dev") for name in kitchen.listing(result.image_id))
    assert leftovers(kitchen) == []


def test_layers_have_what_changed(kitchen: Kitchen) -> None:
    result = kitchen.build(
        "FROM busybox\nRUN rm -r /home/worker && mkdir /new && echo x > /new/x && ln -s x /new/l\nRUN true\n"
    )
    shown = kitchen.listing(result.image_id)
    assert "home/worker" not in shown
    assert shown["new/x"] == "f 644 0:0"
    assert shown["new/l"] == "l 777 0:0 -> x"
    *_, second, empty = kitchen.config(result.image_id).diff_ids
    assert empty == "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
    assert second != empty


def test_a_failing_run(kitchen: Kitchen) -> None:
    with pytest.raises(BuildFailed) as caught:
        kitchen.build(
            "FROM busybox\n\nRUN echo before; echo why >&2; \\\n    exit 3\nRUN echo never\n", tags=("x",)
        )
    error = caught.value
    assert (error.status, error.exit_code, error.line) == (3, 1, 3)
    assert b"why" in error.output
    assert "Dockerfile:3" in error.message
    assert "exit code: 3" in error.message
    assert any(isinstance(event, StepFailed) for event in kitchen.events)
    assert kitchen.tag("docker.io/library/x:latest") is None
    assert "never" not in kitchen.output
    assert leftovers(kitchen) == []
    again = pickle.loads(pickle.dumps(error))
    assert (again.message, again.status, again.output) == (error.message, 3, error.output)


def test_a_command_that_is_not_there(kitchen: Kitchen) -> None:
    with pytest.raises(BuildFailed, match="nosuch") as caught:
        kitchen.build('FROM busybox\nRUN ["nosuch", "x"]\n')
    assert caught.value.status == 127
    with pytest.raises(BuildFailed) as caught:
        kitchen.build("FROM busybox\nRUN nosuch\n")
    assert caught.value.status == 127
    assert caught.value.hint is not None


def test_a_user_that_is_not_there(kitchen: Kitchen) -> None:
    with pytest.raises(DockerfileError, match="stranger") as caught:
        kitchen.build("FROM busybox\nUSER stranger\nRUN true\n")
    assert caught.value.line == 3


def test_a_signal_ends_a_run(kitchen: Kitchen) -> None:
    with pytest.raises(BuildFailed) as caught:
        kitchen.build("FROM busybox\nRUN sh -c 'kill -9 $$'; exit $?\n")
    assert caught.value.status == 137


def test_what_a_run_leaves_behind_is_killed(kitchen: Kitchen) -> None:
    start = time.monotonic()
    kitchen.build("FROM busybox\nRUN sleep 60 & echo done\n")
    assert time.monotonic() - start < 30
    assert kitchen.output == "done\n"


def test_ctrl_c_ends_a_run_and_leaves_nothing(kitchen: Kitchen) -> None:
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        kitchen.build("FROM busybox\nRUN sleep 60\n")
    assert leftovers(kitchen) == []


def test_proxies_reach_the_process_only(kitchen: Kitchen) -> None:
    result = kitchen.build("FROM busybox\nRUN echo $http_proxy $HTTP_PROXY\n", build_args={"http_proxy": "p"})
    assert kitchen.output == "p p\n"
    config = kitchen.config(result.image_id)
    assert "p" not in config.history[-1].created_by.split()
    again = kitchen.build("FROM busybox\nRUN echo $http_proxy $HTTP_PROXY\n", build_args={"http_proxy": "q"})
    assert again.cached
    assert again.image_id == result.image_id


def test_finished_steps_say_what_they_made(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nRUN echo 12345 > /x\n")
    (finished,) = [event for event in kitchen.events if isinstance(event, StepFinished)]
    assert finished.size == 6
    assert finished.seconds > 0
    assert finished.diff_id.startswith("sha256:")


def test_no_environment_of_ours_gets_in(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_SECRET", "1")
    kitchen.build("FROM busybox\nRUN env\n")
    assert "LAMINA_SECRET" not in kitchen.output


@pytest.mark.parametrize("snapshotter", ["overlay", "native"])
def test_both_snapshotters_make_the_same_layer(kitchen: Kitchen, snapshotter: str) -> None:
    kitchen.snapshotter = snapshotter
    result = kitchen.build(
        "FROM busybox\nRUN mkdir /d && touch -d '2020-01-01 00:00:00' /d/f && rm /bin/ls && "
        "touch -d '2020-01-01 00:00:00' /d /bin\n"
    )
    assert kitchen.config(result.image_id).diff_ids[-1] == (
        "sha256:" + result.steps[0].diff_id.removeprefix("sha256:")
    )
    shown = kitchen.listing(result.image_id)
    assert "bin/ls" not in shown
    assert shown["d/f"] == "f 644 0:0"


def test_equal_layers_in_one_stack(kitchen: Kitchen) -> None:
    """Overlay refuses a folder that it gets twice."""
    kitchen.write({"a": "a", "b": "b"})
    result = kitchen.build(
        "FROM busybox\nRUN true\nRUN true 2\nCOPY a /x\nCOPY b /x\nCOPY a /x\nRUN cat /x\nRUN true 3\n"
    )
    assert kitchen.output == "a"
    assert kitchen.read(result.image_id, "x") == "a"
    assert len(kitchen.config(result.image_id).diff_ids) == 8


def test_ctrl_c_ends_stages_side_by_side(kitchen: Kitchen) -> None:
    text = (
        "FROM busybox AS a\nRUN sleep 60\nFROM busybox AS b\nRUN sleep 61\n"
        "FROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n"
    )
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        kitchen.build(text)
    assert leftovers(kitchen) == []


def test_a_working_folder_that_the_base_lacks(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nRUN true\n", tags=("b",))
    base = kitchen.tag("docker.io/library/busybox:latest")
    assert base is not None
    config = kitchen.config(base)
    register_image(
        kitchen.ctx,
        config._replace(config=config.config._replace(working_dir="/not/there")),
        config.diff_ids,
        ["odd"],
    )
    kitchen.build("FROM odd\nRUN pwd\n")
    assert kitchen.output == "/not/there\n"


def test_mount_points_are_there_and_never_in_a_layer(kitchen: Kitchen) -> None:
    """Also below a folder that the image lacks, that a step makes, and that a step deletes."""
    bare = kitchen.build("FROM scratch\nCOPY --from=busybox /bin /bin\n")
    assert kitchen.listing(bare.image_id).keys() & {"proc", "dev", "sys", "etc"} == set()
    lines = ["test -s /etc/hosts && test -d /proc/1", "echo x > /etc/mine", "rm -r /etc/mine; ls /etc"]
    steps = "".join(f"RUN {line}\n" for line in lines)
    result = kitchen.build(f"FROM scratch\nCOPY --from=busybox /bin /bin\n{steps}")
    assert kitchen.output.split() == ["hostname", "hosts", "resolv.conf"]
    assert kitchen.listing(result.image_id, "etc") == {}
    assert kitchen.listing(result.image_id)["etc"] == "d 755 0:0"
    assert kitchen.listing(result.image_id).keys() & {"proc", "dev", "sys"} == set()
    assert leftovers(kitchen) == []
