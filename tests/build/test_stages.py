"""Several stages: which run, side by side, ONBUILD, bases, and the image that comes out."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from lamina.build.errors import BuildFailed
from lamina.dockerfile import DockerfileError
from lamina.errors import InvalidInput, NotFound
from lamina.events import Notice, StepFailed, StepStarted
from lamina.mount.userns import current_ids
from lamina.oci.config import ContainerConfig
from lamina.store.lease import Lease

from .kitchen import HOST, Kitchen

pytestmark = pytest.mark.timeout(120)

STAGES = """\
FROM busybox AS one
RUN echo 1 > /one
FROM busybox AS unused
RUN false
FROM one AS two
RUN cat /one > /two; echo 2 >> /two
FROM scratch
COPY --from=two /two /result
"""


def test_only_needed_stages_run(kitchen: Kitchen) -> None:
    result = kitchen.build(STAGES)
    assert kitchen.read(result.image_id, "result") == "1\n2\n"
    assert not any("false" in text for text in kitchen.started)
    assert len(kitchen.config(result.image_id).diff_ids) == 1


@pytest.mark.parametrize(("target", "path"), [("one", "one"), ("TWO", "two"), ("0", "one"), ("2", "two")])
def test_target(kitchen: Kitchen, target: str, path: str) -> None:
    result = kitchen.build(STAGES, target=target)
    assert path in kitchen.listing(result.image_id)


def test_a_target_that_is_not_there(kitchen: Kitchen) -> None:
    with pytest.raises(NotFound, match="could not be found"):
        kitchen.build(STAGES, target="nine")


def test_steps_are_numbered_over_all_stages(kitchen: Kitchen) -> None:
    kitchen.build(STAGES)
    started = [event for event in kitchen.events if isinstance(event, StepStarted)]
    assert sorted(event.step for event in started) == [1, 2, 3, 4, 5, 6]
    assert {event.total for event in started} == {6}
    by_step = {event.step: event for event in started}
    assert (by_step[1].stage, by_step[1].text, by_step[1].line) == ("one", "FROM busybox AS one", 1)
    assert (by_step[5].stage, by_step[5].text, by_step[5].line) == ("stage-3", "FROM scratch", 7)


def test_independent_stages_run_side_by_side(kitchen: Kitchen) -> None:
    """Each of two stages waits for the other: one after the other they would never end."""
    shared = "ls /proc/sys/kernel/random/boot_id > /dev/null; "
    text = (
        f"FROM busybox AS a\nRUN {shared} sleep 1.5\n"
        f"FROM busybox AS b\nRUN {shared} sleep 1.4\n"
        "FROM scratch\nCOPY --from=a /etc/passwd /a\nCOPY --from=b /etc/passwd /b\n"
    )
    start = time.monotonic()
    kitchen.build(text)
    assert time.monotonic() - start < 2.7


def test_a_failure_stops_the_other_stages(kitchen: Kitchen) -> None:
    text = (
        "FROM busybox AS a\nRUN sleep 60\n"
        "FROM busybox AS b\nRUN sleep 0.5; exit 9\n"
        "FROM scratch\nCOPY --from=a /etc/passwd /a\nCOPY --from=b /etc/passwd /b\n"
    )
    start = time.monotonic()
    with pytest.raises(BuildFailed) as caught:
        kitchen.build(text)
    assert time.monotonic() - start < 20
    assert (caught.value.status, caught.value.line) == (9, 4)
    assert sum(isinstance(event, StepFailed) for event in kitchen.events) == 1
    (kept,) = Path(kitchen.layout.mnt).iterdir()
    assert kept.name.startswith("failed-")


def test_the_same_step_in_two_stages_runs_once(kitchen: Kitchen) -> None:
    step = "RUN cat /proc/sys/kernel/random/uuid > /id; sleep 0.5"
    text = (
        f"FROM busybox AS a\n{step}\nFROM busybox AS b\n{step}\n"
        "FROM scratch\nCOPY --from=a /id /a\nCOPY --from=b /id /b\n"
    )
    result = kitchen.build(text)
    assert kitchen.read(result.image_id, "a") == kitchen.read(result.image_id, "b")
    again = kitchen.build(text, no_cache=True)
    assert kitchen.read(again.image_id, "a") == kitchen.read(again.image_id, "b")
    assert kitchen.read(again.image_id, "a") != kitchen.read(result.image_id, "a")


def test_two_builds_at_once_share_their_layers(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /id; sleep 0.5\nRUN echo more > /more\n"
    kitchen.tools()
    ids: list[str] = []
    other = Kitchen.__new__(Kitchen)
    other.__dict__.update(kitchen.__dict__)
    other.lease = Lease.acquire(kitchen.layout)
    other.ctx = kitchen.ctx._replace(lease=other.lease)

    def one(cook: Kitchen) -> None:
        ids.append(cook.build(text).image_id)
        cook.db.close()

    threads = [threading.Thread(target=one, args=(cook,)) for cook in (kitchen, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.lease.release()
    assert len(ids) == 2
    assert len(set(ids)) == 1


# --- bases ---------------------------------------------------------------------------------------


def test_scratch_with_nothing_in_it(kitchen: Kitchen) -> None:
    result = kitchen.build('FROM scratch\nLABEL a=b\nCMD ["/x"]\n')
    config = kitchen.config(result.image_id)
    assert config.diff_ids == ()
    assert config.config.working_dir == "/"
    assert kitchen.build('FROM scratch\nLABEL a=b\nCMD ["/x"]\n').image_id == result.image_id


def test_a_base_by_its_id(kitchen: Kitchen) -> None:
    image = kitchen.tag("docker.io/library/busybox:latest")
    assert image is not None
    for name in (image, image[7:], image[7:15]):
        assert kitchen.build(f"FROM {name}\nENV A=1\n").steps == ()


def test_a_base_that_is_not_there(kitchen: Kitchen) -> None:
    with pytest.raises(DockerfileError, match="image not found in the store: nosuch") as caught:
        kitchen.build("ARG A\nFROM nosuch\nRUN true\n")
    assert (caught.value.line, caught.value.column) == (2, 6)
    assert "lamina load" in (caught.value.hint or "")
    with pytest.raises(DockerfileError, match="invalid reference format"):
        kitchen.build("FROM Bad:Name:x\n")


def test_a_base_that_no_stage_needs_may_be_missing(kitchen: Kitchen) -> None:
    kitchen.build("FROM nosuch AS x\nFROM busybox\nRUN true\n")


def test_an_image_that_was_built_is_a_base(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nENV A=1\nRUN echo 1 > /a\nWORKDIR /w\nUSER 5\n", tags=("mine:1",))
    result = kitchen.build("FROM mine:1\nRUN echo $A; id -u; pwd\n")
    user = 0 if current_ids().single else 5
    assert kitchen.output == f"1\n{user}\n/w\n"
    assert len(kitchen.config(result.image_id).diff_ids) == 4


# --- ONBUILD -------------------------------------------------------------------------------------


def test_onbuild_of_an_image(kitchen: Kitchen) -> None:
    kitchen.write({"src.txt": "source"})
    base = kitchen.build(
        "FROM busybox\nONBUILD COPY src.txt /src\nONBUILD RUN cat /src > /built; cat /src\nONBUILD ENV A=1\n",
        tags=("base",),
    )
    assert kitchen.config(base.image_id).config.on_build == (
        "COPY src.txt /src",
        "RUN cat /src > /built; cat /src",
        "ENV A=1",
    )
    assert kitchen.started == ["FROM busybox"]
    result = kitchen.build("FROM base\nRUN echo $A\n")
    assert kitchen.output == "source1\n"
    assert kitchen.read(result.image_id, "built") == "source"
    config = kitchen.config(result.image_id)
    assert config.config.on_build == ()
    assert [line.created_by for line in config.history[-4:]] == [
        "COPY src.txt /src",
        "RUN /bin/sh -c cat /src > /built; cat /src",
        "ENV A=1",
        "RUN /bin/sh -c echo $A",
    ]
    assert kitchen.started[1] == "ONBUILD COPY src.txt /src"
    assert kitchen.build("FROM base\nRUN echo $A\n").cached


def test_onbuild_of_a_stage_runs_in_the_next_only(kitchen: Kitchen) -> None:
    text = (
        "FROM busybox AS a\nONBUILD RUN echo a\n"
        "FROM a AS b\nONBUILD RUN echo b\nRUN echo in b\n"
        "FROM b\nRUN echo c\n"
    )
    kitchen.build(text)
    assert kitchen.output.split("\n")[:-1] == ["a", "in b", "b", "c"]


def test_onbuild_can_need_a_stage(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nONBUILD COPY --from=tools /tool /tool\n", tags=("base",))
    result = kitchen.build("FROM busybox AS tools\nRUN echo t > /tool\nFROM base\n")
    assert kitchen.read(result.image_id, "tool") == "t\n"


def test_an_error_in_a_trigger_points_at_from(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nONBUILD RUN exit 4\n", tags=("base",))
    with pytest.raises(BuildFailed) as caught:
        kitchen.build("FROM busybox AS x\nFROM base\n")
    assert (caught.value.line, caught.value.status) == (2, 4)


# --- the result ----------------------------------------------------------------------------------


def test_the_whole_config(kitchen: Kitchen) -> None:
    text = """\
FROM busybox
ARG V=1
LABEL org.example=x
ENV A=1
WORKDIR /app
RUN echo hi > hi
USER worker
EXPOSE 80
VOLUME /data
HEALTHCHECK --interval=5s CMD true
STOPSIGNAL SIGINT
ENTRYPOINT ["/bin/sh"]
CMD ["-c", "cat hi"]
"""
    config = kitchen.config(kitchen.build(text).image_id)
    made = config.history[-2].created
    assert config.to_json() | {"rootfs": None, "history": None} == {
        "architecture": HOST.architecture,
        **({"variant": HOST.variant} if HOST.variant else {}),
        "os": "linux",
        "created": made,
        "rootfs": None,
        "history": None,
        "config": {
            "User": "worker",
            "ExposedPorts": {"80/tcp": {}},
            "Env": ["PATH=/bin", "A=1"],
            "Entrypoint": ["/bin/sh"],
            "Cmd": ["-c", "cat hi"],
            "Volumes": {"/data": {}},
            "WorkingDir": "/app",
            "Labels": {"org.example": "x"},
            "StopSignal": "SIGINT",
            "ArgsEscaped": True,
            "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 5_000_000_000},
        },
    }
    assert [(h.created_by, h.empty_layer) for h in config.history] == [
        ("made by a test", False),
        ("ARG V=1", True),
        ("LABEL org.example=x", True),
        ("ENV A=1", True),
        ("WORKDIR /app", False),
        ("RUN |1 V=1 /bin/sh -c echo hi > hi", False),
        ("USER worker", True),
        ("EXPOSE [80/tcp]", True),
        ("VOLUME [/data]", True),
        (
            (
                "HEALTHCHECK {Test:[CMD-SHELL true] Interval:5s Timeout:0s "
                "StartPeriod:0s StartInterval:0s Retries:0}"
            ),
            True,
        ),
        ("STOPSIGNAL SIGINT", True),
        ('ENTRYPOINT ["/bin/sh"]', True),
        ('CMD ["-c" "cat hi"]', True),
    ]
    assert config.history[0].created == "2024-01-01T00:00:00Z"
    workdir = config.history[4].created
    assert [h.created for h in config.history[1:5]] == [workdir] * 4
    assert [h.created for h in config.history[5:]] == [made] * 8
    assert workdir < made


def test_a_base_config_keeps_what_we_do_not_know(kitchen: Kitchen) -> None:
    config = ContainerConfig(env=("PATH=/bin",), extra={"Hostname": "h", "Cmd": None})
    kitchen.add_image("odd", config, {"f": b"x"})
    made = kitchen.config(kitchen.build("FROM odd\nENV A=1\n").image_id)
    assert made.config.to_json()["Hostname"] == "h"


def test_tags_move(kitchen: Kitchen) -> None:
    one = kitchen.build("FROM busybox\nENV A=1\n", tags=("x", "y:2", "localhost:5000/z"))
    assert one.tags == ("docker.io/library/x:latest", "docker.io/library/y:2", "localhost:5000/z:latest")
    two = kitchen.build("FROM busybox\nENV A=2\n", tags=("x",))
    assert kitchen.tag("docker.io/library/x:latest") == two.image_id
    back = kitchen.build("FROM busybox\nENV A=1\n", tags=("x",))
    assert back.image_id == one.image_id == kitchen.tag("docker.io/library/x:latest")


def test_a_bad_tag_is_refused_before_anything_runs(kitchen: Kitchen) -> None:
    with pytest.raises(InvalidInput, match="invalid reference format"):
        kitchen.build("FROM busybox\nRUN echo x\n", tags=("UPPER",))
    assert kitchen.events == []


def test_build_args_that_nothing_uses(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nARG A\n", build_args={"A": "1", "B": "2", "C": "3"})
    (notice,) = [event.text for event in kitchen.events if isinstance(event, Notice)]
    assert notice == "[Warning] One or more build-args [B C] were not consumed"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("RUN --device=gpu true", "RUN --device is not supported"),
        ("BOGUS x", "unknown instruction: BOGUS"),
        ("RUN --bogus x", "bogus"),
        ("EXPOSE x", "invalid containerPort"),
    ],
)
def test_refused_before_anything_runs(kitchen: Kitchen, line: str, message: str) -> None:
    with pytest.raises(DockerfileError, match=message) as caught:
        kitchen.build(f"FROM busybox\nENV A=1\n{line}\n")
    assert caught.value.line == 3


def test_a_build_from_the_cache_starts_nothing(kitchen: Kitchen) -> None:
    kitchen.write({"a": "1"})
    text = "FROM busybox\nRUN true\nCOPY a /a\n"
    kitchen.build(text)
    kitchen.entered = 0

    def never() -> object:
        raise AssertionError("nothing has to run")

    kitchen.tools = never  # type: ignore[method-assign,assignment]
    assert kitchen.build(text).cached
    assert kitchen.entered == 0
