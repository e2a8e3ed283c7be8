"""A store with a busybox image, and containers in it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from lamina.containers import mounting
from lamina.containers.context import Containers
from lamina.containers.request import RunRequest, RunResult
from lamina.containers.run import run
from lamina.containers.stdio import Stdio
from lamina.snapshot.probe import choose
from lamina.store.files import remove_tree
from tests.build.kitchen import Kitchen
from tests.machine import quick_place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.mount.userns import IdMap


class Ran(NamedTuple):
    """A container's end and its output."""

    result: RunResult
    out: str
    err: str

    @property
    def id(self) -> str:
        return self.result.container_id

    @property
    def status(self) -> int:
        return self.result.status

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Dock:
    """Runs containers in one store."""

    def __init__(self, folder: Path, snapshotter: str | None = None) -> None:
        self.folder = folder
        self.kitchen = Kitchen(folder, snapshotter)
        self.image = self.kitchen.add_busybox()
        chosen = choose(snapshotter, self.kitchen.layout, self.kitchen.lease)
        self.ctx = Containers(self.kitchen.ctx, lambda: chosen, lambda: self.kitchen.tools().runtime)

    def run(self, *command: str, stdin: bytes | None = None, **more: object) -> Ran:
        """Runs `command` in the busybox image to its end."""
        fds = [os.memfd_create(name) for name in ("in", "out", "err")]
        try:
            os.pwrite(fds[0], stdin or b"", 0)
            values: dict[str, object] = {"image": "busybox", "command": command, **more}
            if stdin is not None:
                values["interactive"] = True
            result = run(self.ctx, RunRequest(**values), Stdio(*fds))  # type: ignore[arg-type]
            texts = [os.pread(fd, 1 << 20, 0).decode() for fd in fds[1:]]
            return Ran(result, *texts)
        finally:
            for fd in fds:
                os.close(fd)

    def sh(self, script: str, **more: object) -> Ran:
        return self.run("sh", "-c", script, **more)


@pytest.fixture(params=["overlay", "native"])
def dock(request: pytest.FixtureRequest, inside: IdMap) -> Iterator[Dock]:
    folder = tempfile.mkdtemp(prefix="lamina-containers-", dir=quick_place())
    made = Dock(Path(folder), request.param)
    try:
        yield made
    finally:
        for each in mounting.mounts(made.ctx):
            mounting.umount(made.ctx, each.name)
        made.kitchen.close()
        remove_tree(folder)
