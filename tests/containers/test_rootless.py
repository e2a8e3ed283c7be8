"""Containers of an ordinary user."""

from __future__ import annotations

import fcntl  # noqa: F401  these: a child that is no longer root may not be able to read root's Python
import gc  # noqa: F401
import io
import os
import select  # noqa: F401
import tarfile
import termios  # noqa: F401
from pathlib import Path

import pytest

from lamina.containers import mounting
from lamina.containers.changes import changes
from lamina.containers.commit import commit
from lamina.containers.export import export
from lamina.containers.remove import remove
from lamina.sandbox import spawner  # noqa: F401
from lamina.testing import isolate
from tests.containers.conftest import Dock
from tests.machine import quick_place


def life(folder: str) -> None:
    """Everything that can be done with a container, once."""
    dock = Dock(Path(folder))
    try:
        ran = dock.sh("id -u; echo hi > /greeting; chown 1234 /greeting; exit 3", name="box")
        assert (ran.status, ran.out) == (3, "0\n")
        assert [change.path for change in changes(dock.ctx, "box")] == ["/greeting"]
        commit(dock.ctx, "box", "made")
        assert dock.run("cat", "/greeting", image="made", remove=True).out == "hi\n"
        sink = io.BytesIO()
        export(dock.ctx, "box", sink)
        sink.seek(0)
        with tarfile.open(fileobj=sink) as tar:
            assert "greeting" in tar.getnames()
        inside = mounting.mount(dock.ctx, "box")
        assert inside.startswith("/proc/")
        assert (Path(inside) / "greeting").read_text() == "hi\n"
        assert mounting.mount(dock.ctx, "box") == inside
        mounting.umount(dock.ctx, "box")
        assert mounting.mounts(dock.ctx) == []
        remove(dock.ctx, "box")
        assert os.listdir(dock.kitchen.layout.mnt) == []
    finally:
        dock.kitchen.close()


@pytest.mark.parametrize("ids", ["one", "many"])
def test_life(ids: isolate.Ids) -> None:
    try:
        isolate.run(life, ids, base=quick_place())
    except isolate.Skip as skip:
        pytest.skip(str(skip))
