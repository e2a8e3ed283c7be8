"""diff, commit, export, mount: what is done with a container's writable layer."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.containers import mounting
from lamina.containers.changes import changes
from lamina.containers.commit import commit
from lamina.containers.export import export
from lamina.containers.remove import remove
from lamina.db import cachedb, layerdb
from lamina.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from tests.containers.conftest import Dock


def shown(dock: Dock, name: str) -> list[str]:
    return [f"{change.kind} {change.path}" for change in changes(dock.ctx, name)]


def test_changes(dock: Dock) -> None:
    dock.sh("rm /etc/group; echo x >> /etc/passwd; mkdir -p /new/deep; touch /new/deep/f", name="box")
    assert shown(dock, "box") == [
        "C /etc",
        "D /etc/group",
        "C /etc/passwd",
        "A /new",
        "A /new/deep",
        "A /new/deep/f",
    ]


def test_mount_points_are_no_changes(dock: Dock) -> None:
    (dock.folder / "v").mkdir()
    dock.run("true", name="box", volumes=(f"{dock.folder}/v:/deep/in/it",))
    assert shown(dock, "box") == []


def test_commit(dock: Dock) -> None:
    dock.sh("rm /etc/group; echo hi > /greeting", name="box", env=("A=1",), user="root")
    image = commit(
        dock.ctx, "box", "made:1", message="why", author="me", changes=["ENV B=2", 'CMD ["cat", "/greeting"]']
    )
    assert dock.kitchen.tag("docker.io/library/made:1") == image
    config = dock.kitchen.config(image)
    assert config.config.env == ("A=1", "PATH=/bin", "B=2")
    assert config.config.cmd == ("cat", "/greeting")
    assert config.history[-1].comment == "why"
    assert config.history[-1].created_by == "sh -c rm /etc/group; echo hi > /greeting"
    assert (config.author, len(config.diff_ids)) == ("me", 2)
    assert dock.run(image="made:1").out == "hi\n"
    top = cachedb.files(dock.kitchen.db.read(), config.diff_ids[-1])
    assert [entry.path for entry in top] == [b"etc", b"etc/group", b"greeting"]
    # The container is as it was, and says the same again.
    assert commit(dock.ctx, "box") != image
    assert "D /etc/group" in shown(dock, "box")


def test_commit_of_no_change_makes_no_layer(dock: Dock) -> None:
    dock.run("true", name="box")
    config = dock.kitchen.config(commit(dock.ctx, "box", "same"))
    assert len(config.diff_ids) == 1
    assert config.history[-1].empty_layer


def test_bad_changes_make_nothing(dock: Dock) -> None:
    dock.run("touch", "/x", name="box")
    before = len(layerdb.diffs(dock.kitchen.db.read()))
    with pytest.raises(InvalidInput):
        commit(dock.ctx, "box", changes=["RUN true"])
    with pytest.raises(InvalidInput):
        commit(dock.ctx, "box", "Not A Name")
    with pytest.raises(NotFound):
        commit(dock.ctx, "nosuch")
    assert len(layerdb.diffs(dock.kitchen.db.read())) == before


def test_export(dock: Dock) -> None:
    dock.sh("rm /etc/group; echo hi > /greeting", name="box")
    sink = io.BytesIO()
    export(dock.ctx, "box", sink)
    sink.seek(0)
    with tarfile.open(fileobj=sink) as tar:
        names = tar.getnames()
        found = tar.extractfile("greeting")
        assert found is not None
        assert found.read() == b"hi\n"
    assert "etc/passwd" in names
    assert "bin/busybox" in names
    assert "etc/group" not in names
    assert "proc" not in names


def test_mount_container_and_image(dock: Dock) -> None:
    dock.sh("echo hi > /greeting", name="box")
    inside = Path(mounting.mount(dock.ctx, "box"))
    assert (inside / "greeting").read_text() == "hi\n"
    assert mounting.mount(dock.ctx, "box") == str(inside)
    (inside / "more").write_text("x")
    image = Path(mounting.mount(dock.ctx, "busybox"))
    assert (image / "etc/passwd").exists()
    assert not (image / "greeting").exists()
    with pytest.raises(OSError, match="Read-only"):
        (image / "x").touch()
    assert [each.name for each in mounting.mounts(dock.ctx)] == ["box", "busybox"]
    mounting.umount(dock.ctx, "busybox")
    mounting.umount(dock.ctx, "box")
    assert mounting.mounts(dock.ctx) == []
    assert "A /more" in shown(dock, "box")
    assert os.listdir(f"{dock.kitchen.layout.root}/mounts") == []
    with pytest.raises(NotFound, match="is not mounted"):
        mounting.umount(dock.ctx, "box")
    with pytest.raises(NotFound):
        mounting.mount(dock.ctx, "nosuch")


def test_removing_a_mounted_container(dock: Dock) -> None:
    dock.run("true", name="box")
    path = mounting.mount(dock.ctx, "box")
    remove(dock.ctx, "box")
    assert not os.path.exists(path)
    assert path not in Path("/proc/self/mountinfo").read_text()
