"""Containers in lists and as inspect objects; names that mean an image or a container."""

from __future__ import annotations

import json

import pytest

from lamina.db import containerdb, imagedb
from lamina.errors import NotFound
from lamina.insight.containers import summary
from lamina.insight.info import counts
from lamina.insight.inspect import inspect
from lamina.oci.digest import sha256
from tests.insight.conftest import MOMENT, Shelf

APP = "docker.io/library/app:latest"
SETTINGS = {
    "Config": {"Hostname": "h", "Env": ["A=1"], "Entrypoint": ["sh"], "Cmd": ["-c", "x"]},
    "HostConfig": {"Binds": ["/a:/b:ro", "/c:/d"], "NetworkMode": "host", "AutoRemove": False},
}


def _container(shelf: Shelf, name: str, **more: object) -> containerdb.Container:
    image = shelf.put(["base", "made"], [], APP)
    chain = imagedb.layers_of(shelf.db.read(), image)
    row = containerdb.Container(
        id=sha256(name.encode())[7:],
        name=name,
        image_id=image,
        image_name="app",
        chain_id=chain[-1],
        config_json=json.dumps(SETTINGS),
        snapshotter="overlay",
        state="exited",
        pid=0,
        pid_start=0,
        exit_code=3,
        created=MOMENT,
        started=MOMENT,
        finished=MOMENT,
        command="sh -c x",
    )._replace(**more)  # type: ignore[arg-type]
    with shelf.db.write() as tx:
        containerdb.create(tx, row)
    return row


def test_summary(shelf: Shelf) -> None:
    row = _container(shelf, "one")
    found = summary(shelf.rows, row)
    assert (found.name, found.image, found.state, found.exit_code) == ("one", "app", "exited", 3)
    assert (found.image_size, found.size) == (8, None)
    assert summary(shelf.rows, row, 5).size == 5


def test_inspect_a_container(shelf: Shelf) -> None:
    row = _container(shelf, "one")
    found = inspect(shelf.rows, "one")
    assert found == inspect(shelf.rows, row.id[:8], "container")
    assert (found["Id"], found["Name"], found["Path"], found["Args"]) == (row.id, "/one", "sh", ["-c", "x"])
    state, driver, config = found["State"], found["GraphDriver"], found["Config"]
    assert isinstance(state, dict) and isinstance(driver, dict) and isinstance(config, dict)
    assert (state["Status"], state["Running"], state["ExitCode"]) == ("exited", False, 3)
    assert driver["Data"]["UpperDir"] == f"{shelf.layout.mnt}/{row.id}/upper"
    lowers = driver["Data"]["LowerDir"].split(":")
    assert [lower[-64:] for lower in lowers] == [sha256(b"made")[7:], sha256(b"base")[7:]]
    assert config["Image"] == "app"
    mounts = found["Mounts"]
    assert isinstance(mounts, list)
    assert [(one["Source"], one["Destination"], one["RW"]) for one in mounts] == [
        ("/a", "/b", False),
        ("/c", "/d", True),
    ]


def test_a_container_that_never_ran(shelf: Shelf) -> None:
    _container(shelf, "new", state="created", exit_code=None, started="", finished="", snapshotter="native")
    found = inspect(shelf.rows, "new")
    state, driver = found["State"], found["GraphDriver"]
    assert isinstance(state, dict) and isinstance(driver, dict)
    assert state["StartedAt"] == state["FinishedAt"] == "0001-01-01T00:00:00Z"
    assert "RootDir" in driver["Data"]


def test_names(shelf: Shelf) -> None:
    _container(shelf, "app")
    assert "State" in inspect(shelf.rows, "app")  # a container comes before an image
    assert "RootFS" in inspect(shelf.rows, "app", "image")
    for kind, message in (
        (None, "No such object: x"),
        ("image", "No such image: x"),
        ("container", "No such con"),
    ):
        with pytest.raises(NotFound, match=message):
            inspect(shelf.rows, "x", kind)
    with pytest.raises(NotFound, match="No such object: No/Name"):
        inspect(shelf.rows, "No/Name")


def test_counts(shelf: Shelf) -> None:
    _container(shelf, "one")
    _container(shelf, "two", state="running")
    assert counts(shelf.rows)._asdict() == {"images": 2, "containers": 2, "running": 1, "layers": 2}
