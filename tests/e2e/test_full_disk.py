"""A full disk, wherever it becomes full: one clear line, the store as before, and well once there is room."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.mount import apply
from lamina.mount.types import Mount
from lamina.testing import isolate
from tests.e2e.conftest import make_base
from tests.e2e.lamina_command import Lamina
from tests.e2e.refusals import check_error, on_disk, unchanged

DISK = 40  # MiB
FULL = r"(?i)no space"


def on_small_disk(test: Callable[[Lamina, Path], object]) -> None:
    """Calls `test` with Lamina, which has busybox, on a small disk of its own, and a folder elsewhere."""

    def run(folder: str) -> None:
        for name in ("disk", "elsewhere"):
            os.mkdir(f"{folder}/{name}")
            apply.apply(Mount("tmpfs", f"{folder}/{name}", options=f"size={DISK}m,mode=700"))
        lamina = Lamina(Path(folder) / "disk" / "root")
        make_base(lamina, "busybox")
        test(lamina, Path(folder) / "elsewhere")

    try:
        isolate.run(run, "root" if os.geteuid() == 0 else "one")
    except isolate.Skip as skip:
        pytest.skip(str(skip))


class Ballast:
    """A file that leaves so many bytes free on the store's disk."""

    def __init__(self, lamina: Lamina) -> None:
        self._path = lamina.root.parent / "ballast"

    def leave(self, free: int) -> None:
        """Makes the file anew."""
        self._path.unlink(missing_ok=True)
        about = os.statvfs(self._path.parent)
        with open(self._path, "wb") as out:
            os.posix_fallocate(out.fileno(), 0, about.f_bavail * about.f_bsize - free)

    def gone(self) -> None:
        """Removes it."""
        self._path.unlink()


def context(folder: Path, dockerfile: str, **files: bytes) -> Path:
    """A build context."""
    made = folder / "context"
    made.mkdir()
    (made / "Dockerfile").write_text(dockerfile)
    for name, data in files.items():
        (made / name).write_bytes(data)
    return made


def refused(lamina: Lamina, *args: str | Path, says: str = FULL) -> str:
    """A command that must fail for lack of space, and leave the store as it was."""
    with unchanged(lamina.root):
        _, err = lamina.both(*args, status=1)
    check_error(err, says, hint="exit code" not in err)
    return err


def test_copy() -> None:
    def test(lamina: Lamina, elsewhere: Path) -> None:
        folder = context(elsewhere, "FROM busybox\nCOPY big /\n", big=os.urandom(8 << 20))
        ballast = Ballast(lamina)
        ballast.leave(4 << 20)
        refused(lamina, "build", "-t", "app", folder)
        ballast.gone()
        lamina.build("-t", "app", folder)
        assert lamina("run", "--rm", "app", "wc", "-c", "/big").split()[0] == str(8 << 20)

    on_small_disk(test)


def test_add() -> None:
    def test(lamina: Lamina, elsewhere: Path) -> None:
        from tests.layers.stores import file, tar_of

        data = tar_of(file("big", os.urandom(6 << 20)), file("big2", os.urandom(1 << 20)))
        folder = context(elsewhere, "FROM busybox\nADD a.tar /\n", **{"a.tar": data})
        ballast = Ballast(lamina)
        for free in (4 << 20, 8 << 20):  # while it is unpacked, and while the layer is written
            ballast.leave(free)
            refused(lamina, "build", "-t", "app", folder)
        ballast.gone()
        lamina.build("-t", "app", folder)

    on_small_disk(test)


def test_run() -> None:
    def test(lamina: Lamina, elsewhere: Path) -> None:
        folder = context(elsewhere, "FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=8\n")
        for snapshotter in ("overlay", "native"):
            if snapshotter not in ("native", lamina("info", "-f", "{{.Driver}}").strip()):
                continue
            ballast = Ballast(lamina)
            ballast.leave(4 << 20)
            flags = ("--snapshotter", snapshotter, "build", "--no-cache", "-t", "app", str(folder))
            err = refused(lamina, *flags, says="exit code: 1|no space")
            assert "No space left on device" in err or "no space left" in err
            ballast.gone()
            lamina.both(*flags)
            assert lamina("run", "--rm", "app", "wc", "-c", "/big").split()[0] == str(8 << 20)
            lamina("rmi", "app")
            lamina("prune", "-f")

    on_small_disk(test)


def test_load_and_import() -> None:
    def test(lamina: Lamina, elsewhere: Path) -> None:
        folder = context(elsewhere, "FROM busybox\nCOPY big /\n", big=os.urandom(8 << 20))
        lamina.build("-t", "app", folder)
        lamina("save", "-o", elsewhere / "app.tar", "app")
        for name in ("app", "busybox"):
            lamina("rmi", name)
        lamina("prune", "-a", "-f")
        ballast = Ballast(lamina)
        ballast.leave(4 << 20)
        refused(lamina, "load", "-i", elsewhere / "app.tar")
        refused(lamina, "import", elsewhere / "app.tar", "imported")
        with open(elsewhere / "app.tar", "rb") as stream:
            done = lamina.start("load", stdin=stream)
            assert b"no space" in done.communicate(timeout=60)[0].lower()
            assert done.returncode == 1
        ballast.gone()
        lamina("load", "-i", elsewhere / "app.tar")
        lamina("import", elsewhere / "app.tar", "imported")

    on_small_disk(test)


def test_wherever_the_disk_becomes_full() -> None:
    """The less is left the earlier it fails: while files, rows, the image or the lease are written."""

    def test(lamina: Lamina, elsewhere: Path) -> None:
        files = {f"file{number}": b"%d" % number for number in range(300)}
        folder = context(elsewhere, "FROM busybox\nCOPY file* /files/\nRUN echo made > /made\n", **files)
        ballast = Ballast(lamina)
        failed = 0
        for pages in (*range(0, 40, 3), *range(40, 600, 40), 700, 1000):
            ballast.leave(pages << 12)
            done = lamina.start("build", "-t", "app", folder)
            printed = done.communicate(timeout=60)[0].decode()
            assert done.returncode in (0, 1), printed
            assert "Traceback" not in printed and "bug in Lamina" not in printed, printed
            if done.returncode:
                failed += 1
                assert "no space" in printed.lower(), (pages, printed)
            ballast.gone()
            assert not [path for path, *_ in on_disk(lamina.root) if "/.tmp-" in path], pages
            if not done.returncode:
                break
        assert failed > 5
        assert lamina("run", "--rm", "app", "cat", "/made", "/files/file299") == "made\n299"

    on_small_disk(test)


def test_a_full_disk_can_be_looked_at_and_emptied() -> None:
    def test(lamina: Lamina, elsewhere: Path) -> None:
        folder = context(elsewhere, "FROM busybox\nCOPY big /\n", big=os.urandom(8 << 20))
        lamina.build("-t", "app", folder)
        ballast = Ballast(lamina)
        ballast.leave(0)
        assert "app" in lamina("images")
        assert "COPY big /" in lamina("history", "app")
        check_error(lamina.both("prune", "-a", "-f", status=1)[1], FULL)
        ballast.leave(256 << 10)
        assert "Images" in lamina("df")
        lamina("rmi", "app")
        lamina("prune", "-a", "-f")
        about = os.statvfs(lamina.root)
        assert about.f_bavail * about.f_bsize > 8 << 20

    on_small_disk(test)
