"""Configs as Docker, BuildKit and others write them: read, typed, and written back the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InvalidInput
from lamina.oci import canonical, config
from lamina.oci.config import ContainerConfig, Healthcheck, History, ImageConfig, RootFS
from lamina.oci.digest import DiffID, sha256

DIFF = "sha256:" + "a" * 64

BUILDKIT: dict[str, Any] = {
    "architecture": "amd64",
    "config": {
        "User": "app",
        "ExposedPorts": {"53/udp": {}, "80/tcp": {}},
        "Env": ["PATH=/bin", "A=b=c"],
        "Entrypoint": ["/bin/sh", "-c"],
        "Cmd": ["echo", "<hi>"],
        "Volumes": {"/data": {}},
        "WorkingDir": "/srv",
        "Labels": {"a": "1", "b": "2"},
        "StopSignal": "SIGTERM",
        "ArgsEscaped": True,
        "OnBuild": ["RUN true"],
        "Shell": ["/bin/bash", "-c"],
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 30000000000, "StartInterval": 5, "Retries": 3},
    },
    "created": "2024-01-02T03:04:05.678901234Z",
    "history": [
        {
            "created": "2024-01-02T03:04:05Z",
            "created_by": "COPY x / # buildkit",
            "comment": "buildkit.dockerfile.v0",
        },
        {"created_by": "CMD", "empty_layer": True, "author": "me"},
    ],
    "os": "linux",
    "rootfs": {"type": "layers", "diff_ids": [DIFF]},
    "variant": "v2",
}
DOCKER_20: dict[str, Any] = {
    "architecture": "amd64",
    "config": {
        "Hostname": "",
        "Domainname": "",
        "User": "",
        "AttachStdin": False,
        "Tty": False,
        "Env": None,
        "Cmd": ["/bin/sh"],
        "Image": "sha256:" + "b" * 64,
        "Volumes": None,
        "WorkingDir": "",
        "Entrypoint": None,
        "OnBuild": None,
        "Labels": {},
        "Healthcheck": None,
    },
    "container": "c" * 64,
    "container_config": {"Hostname": "c", "Cmd": ["/bin/sh", "-c", "#(nop) "]},
    "created": "2021-01-01T00:00:00Z",
    "docker_version": "20.10.24",
    "history": [
        {"created": "2021-01-01T00:00:00Z", "created_by": "/bin/sh -c #(nop)  CMD", "empty_layer": True}
    ],
    "os": "linux",
    "rootfs": {"type": "layers", "diff_ids": None},
    "moby.buildkit.cache.v0": {"deep": [1, {"x": None}]},
}
ODD: dict[str, Any] = {
    "architecture": "",
    "os": "",
    "created": None,
    "author": "",
    "history": None,
    "os.features": [],
    "config": {"Shell": [], "ExposedPorts": {}, "ArgsEscaped": False, "Healthcheck": {}, "StopTimeout": 5},
    "rootfs": {"type": "layers", "diff_ids": [], "base_layer": "x"},
}
MINIMAL: dict[str, Any] = {
    "architecture": "arm64",
    "os": "linux",
    "config": {},
    "rootfs": {"type": "layers", "diff_ids": []},
}


@pytest.mark.parametrize("value", [BUILDKIT, DOCKER_20, ODD, MINIMAL])
def test_reading_and_writing_gives_the_same(value: dict[str, Any]) -> None:
    assert config.from_json(value).to_json() == value


def test_fields_are_typed() -> None:
    made = config.from_json(BUILDKIT)
    assert made.config == ContainerConfig(
        user="app",
        exposed_ports=("53/udp", "80/tcp"),
        env=("PATH=/bin", "A=b=c"),
        entrypoint=("/bin/sh", "-c"),
        cmd=("echo", "<hi>"),
        volumes=("/data",),
        working_dir="/srv",
        labels={"a": "1", "b": "2"},
        stop_signal="SIGTERM",
        args_escaped=True,
        on_build=("RUN true",),
        shell=("/bin/bash", "-c"),
        healthcheck=Healthcheck(("CMD", "true"), interval=30_000_000_000, start_interval=5, retries=3),
    )
    assert made.diff_ids == (DIFF,)
    assert made.history[1] == History(created_by="CMD", empty_layer=True, author="me")
    assert str(made.platform) == "linux/amd64/v2"
    assert not made.extra


def test_a_value_that_is_set_later_wins_over_an_empty_one_that_was_kept() -> None:
    made = config.from_json(DOCKER_20)
    changed = made._replace(config=made.config._replace(env=("A=1",), user="root", labels={"x": "y"}))
    out: Any = changed.to_json()
    assert (out["config"]["Env"], out["config"]["User"], out["config"]["Labels"]) == (
        ["A=1"],
        "root",
        {"x": "y"},
    )
    assert out["config"]["Tty"] is False


def test_bytes_are_fixed() -> None:
    """An image ID: must never change from one version of Lamina to the next."""
    made = ImageConfig(
        "amd64",
        "linux",
        rootfs=RootFS((DiffID(DIFF),)),
        config=ContainerConfig(env=("PATH=/bin",), labels={"b": "<", "a": ""}, healthcheck=Healthcheck()),
        history=(History("2024-01-01T00:00:00Z", "RUN x", comment="c"),),
        created="2024-01-01T00:00:00Z",
    )
    assert made.to_bytes() == (
        b'{"architecture":"amd64","config":{"Env":["PATH=/bin"],"Labels":{"a":"","b":"\\u003c"},"Healthcheck":{}},'
        b'"created":"2024-01-01T00:00:00Z","history":[{"created":"2024-01-01T00:00:00Z","created_by":"RUN x",'
        b'"comment":"c"}],"os":"linux","rootfs":{"type":"layers","diff_ids":["' + DIFF.encode() + b'"]}}'
    )
    assert config.parse(made.to_bytes()) == made
    assert sha256(made.to_bytes()) == sha256(config.parse(made.to_bytes()).to_bytes())


@pytest.mark.parametrize(
    "change",
    [
        {"rootfs": None},
        {"rootfs": {"diff_ids": ["sha256:../../etc"]}},
        {"rootfs": {"diff_ids": [5]}},
        {"rootfs": []},
        {"config": []},
        {"config": {"Cmd": "sh"}},
        {"config": {"Env": [1]}},
        {"config": {"Labels": {"a": 1}}},
        {"config": {"ExposedPorts": ["80"]}},
        {"config": {"ArgsEscaped": "yes"}},
        {"config": {"Healthcheck": {"Interval": 1.5}}},
        {"history": {}},
        {"history": [None]},
        {"history": [{"empty_layer": 1}]},
        {"os": 5},
        {"created": 5},
    ],
)
def test_wrong_types_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"image config|digest"):
        config.from_json({**MINIMAL, **change})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
    max_leaves=8,
)
NAMES = sorted({*BUILDKIT, *BUILDKIT["config"], *BUILDKIT["history"][0], "Interval", "diff_ids", "type"})


@given(st.dictionaries(st.sampled_from(NAMES), JSON | st.dictionaries(st.sampled_from(NAMES), JSON)))
def test_no_json_breaks_the_reader(value: dict[str, Any]) -> None:
    try:
        made = config.from_json({**MINIMAL, **value})
    except InvalidInput:
        return
    again = config.parse(canonical.dumps(made.to_json()))
    assert again.to_json() == made.to_json()
