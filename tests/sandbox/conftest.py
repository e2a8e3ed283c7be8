"""A root file system with busybox on tmpfs, and a runtime that ends with each test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from lamina.fs.xattr import in_first_namespace
from lamina.mount.types import Mount
from lamina.mount.userns import IdMap
from lamina.sandbox.native import NativeProcess, NativeRuntime
from lamina.sandbox.spec import ProcessSpec
from tests.machine import busybox, quick_place

APPLETS = (
    "sh cat ls id env grep sleep true false mount ps hostname kill mknod chown touch mkdir stat "
    "tty stty ip unshare chmod"
)


def make_root(folder: Path) -> Path:
    """The files of a very small image."""
    (folder / "bin").mkdir(parents=True)
    shutil.copy(busybox(), folder / "bin/busybox")
    for name in APPLETS.split():
        (folder / "bin" / name).symlink_to("busybox")
    (folder / "etc").mkdir()
    (folder / "tmp").mkdir(mode=0o1777)
    (folder / "tmp").chmod(0o1777)
    (folder / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\n"
    )
    (folder / "etc/group").write_text("root:x:0:\nwheel:x:10:root,app\napp:x:1001:\nstaff:x:50:app\n")
    return folder


class Ran(NamedTuple):
    """What a finished process left."""

    status: int
    out: str
    err: str
    stubs: tuple[bytes, ...]

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Box:
    """One image, one writable layer, and processes that run in it."""

    def __init__(self, folder: Path, runtime: NativeRuntime, options: str = "") -> None:
        self.folder = folder
        self.lower = make_root(folder / "lower")
        self.upper = folder / "upper"
        for name in ("upper", "work", "merged"):
            (folder / name).mkdir()
        self.runtime = runtime
        self.options = options

    def spec(self, *args: str, **more: object) -> ProcessSpec:
        root = Mount(
            "overlay",
            str(self.folder / "merged"),
            lowers=(str(self.lower),),
            upper=str(self.upper),
            work=str(self.folder / "work"),
            options=self.options,
        )
        values: dict[str, object] = {"env": (("PATH", "/bin"),), **more}
        return ProcessSpec(args=args, root=(root,), **values)  # type: ignore[arg-type]

    def start(self, *args: str, stdin: int = -1, stdout: int = -1, **more: object) -> NativeProcess:
        null = os.open("/dev/null", os.O_RDWR)
        try:
            fds = [null if fd < 0 else fd for fd in (stdin, stdout, stdout)]
            return self.runtime.start(self.spec(*args, **more), *fds)
        finally:
            os.close(null)

    def run(self, *args: str, **more: object) -> Ran:
        """Run to the end, and collect the (short) output."""
        out, err = os.memfd_create("out"), os.memfd_create("err")
        null = os.open("/dev/null", os.O_RDWR)
        try:
            process = self.runtime.start(self.spec(*args, **more), null, out, err)
            try:
                status = process.wait()
                texts = [os.pread(fd, 1 << 20, 0).decode() for fd in (out, err)]
                return Ran(status, texts[0], texts[1], process.stubs)
            finally:
                process.close()
        finally:
            for fd in (out, err, null):
                os.close(fd)

    def sh(self, script: str, **more: object) -> Ran:
        return self.run("/bin/sh", "-c", script, **more)


@pytest.fixture
def runtime(inside: IdMap) -> Iterator[NativeRuntime]:
    runtime = NativeRuntime()
    yield runtime
    runtime.close()


@pytest.fixture
def scratch(inside: IdMap) -> Iterator[Path]:
    """A folder on tmpfs: overlay cannot lie on overlay, and this is quick."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="lamina-test-", dir=quick_place()))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def box(scratch: Path, runtime: NativeRuntime) -> Box:
    return Box(scratch, runtime, "" if in_first_namespace() else "userxattr")


BoxMaker = Callable[[], Box]
