"""A store that is someone else's, read-only, no folder, or damaged: said clearly, and never made worse."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from lamina.mount import apply
from lamina.mount.types import Mount
from lamina.testing import isolate
from tests.e2e.lamina_command import Lamina
from tests.e2e.refusals import check_error, on_disk, refused

AS_ROOT = os.geteuid() == 0
COMMANDS = (("images",), ("ps", "-a"), ("df",), ("info",), ("prune", "-f"), ("tag", "busybox", "b"))
needs_root = pytest.mark.skipif(not AS_ROOT, reason="giving a folder away needs root")


def build_context(folder: Path) -> Path:
    """A build that has to write."""
    made = folder / "context"
    made.mkdir(exist_ok=True)
    (made / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    return made


@needs_root
def test_a_root_of_someone_else(busybox: Lamina, tmp_path: Path) -> None:
    os.chown(busybox.root, 12345, 12345)
    before = on_disk(busybox.root)
    for command in (*COMMANDS, ("sql", "SELECT 1"), ("build", str(build_context(tmp_path)))):
        _, err = busybox.both(*command, status=1)
        check_error(err, r"belongs to another user \(uid 12345")
    assert on_disk(busybox.root) == before


def test_a_root_below_what_we_may_not_write(tmp_path: Path) -> None:
    for place in ("/proc/lamina", "/sys/lamina"):
        lamina = Lamina(Path(place))
        _, err = lamina.both("build", build_context(tmp_path), status=1)
        check_error(err, f"{place}|denied|not permitted")
        assert lamina("images", "-q") == ""


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "root"
    path.write_text("mine")
    for root in (path, path / "below"):
        for command in (("images",), ("build", str(build_context(tmp_path)))):
            if root != path and command == ("images",):
                continue  # not there: an empty store
            _, err = Lamina(root).both(*command, status=1)
            check_error(err, "is not a folder")
    assert path.read_text() == "mine"


def test_a_read_only_root(busybox: Lamina, tmp_path: Path) -> None:
    """Reading works as far as SQLite can read without writing; the rest says that it is read-only."""

    def test(_: str) -> None:
        apply.apply(Mount("bind", str(busybox.root), str(busybox.root), read_only=True))
        before = on_disk(busybox.root)
        for command in (("build", str(build_context(tmp_path))), ("tag", "busybox", "b"), ("prune", "-f")):
            _, err = busybox.both(*command, status=1)
            check_error(err, "(?i)read-only|cannot write")
        assert "busybox" in busybox("images")
        assert "busybox" in busybox("inspect", "busybox")
        assert "A /bin/busybox" in busybox("diff", "-p", "busybox")
        assert on_disk(busybox.root) == before

    if not AS_ROOT:
        pytest.skip("a mount over the store needs root")
    isolate.run(test, "root")


@pytest.mark.parametrize("damage", ["rubbish", "cut", "page", "empty", "other database", "newer"])
def test_a_damaged_database(busybox: Lamina, tmp_path: Path, damage: str) -> None:
    path = busybox.root / "lamina.db"
    if damage == "rubbish":
        path.write_bytes(os.urandom(20_000))
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[: 3 * 4096 + 100])
    elif damage == "page":
        with open(path, "r+b") as file:
            file.seek(4096)
            file.write(os.urandom(16 * 4096))
    elif damage == "empty":
        path.unlink()
        (path).write_bytes(b"")
    elif damage == "other database":
        path.unlink()
        with sqlite3.connect(path) as c:
            c.execute("CREATE TABLE other (x)")
        c.close()
    else:
        with sqlite3.connect(path) as c:
            c.execute("PRAGMA user_version=99")
        c.close()
    before = on_disk(busybox.root)
    context = build_context(tmp_path)
    if damage == "empty":  # as after a crash before the first transaction: a new store
        busybox.build(context)
        return
    for command in (("images",), ("history", "busybox"), ("build", str(context)), ("prune", "-f")):
        done = busybox.start(*command)
        text = done.communicate(timeout=60)[0].decode()
        assert done.returncode == 1, (command, text)
        check_error(text, "lamina.db")
    assert on_disk(busybox.root) == before
    path.unlink()  # as the hint says
    busybox.build(context)


def tampered(lamina: Lamina, tmp_path: Path) -> Path:
    """An image of a file, and the path of that file in the store."""
    context = build_context(tmp_path)
    (context / "data").write_text("as it was\n")
    (context / "Dockerfile").write_text("FROM scratch\nCOPY data /data\n")
    lamina("build", "-q", "-t", "app", context)
    layer = str(lamina.inspect("app")["RootFS"]["Layers"][-1]).removeprefix("sha256:")
    return lamina.root / "diff" / layer / "data"


@pytest.mark.parametrize("how", ["content", "longer", "shorter", "gone", "folder", "link", "fifo"])
def test_a_layer_that_was_tampered_with(lamina: Lamina, tmp_path: Path, how: str) -> None:
    path = tampered(lamina, tmp_path)
    if how == "content":
        path.write_text("as it wasn\n"[:10])
    elif how == "longer":
        path.write_text("as it was\nand more\n")
    elif how == "shorter":
        path.write_text("")
    else:
        path.unlink()
    if how == "folder":
        path.mkdir()
    elif how == "link":
        path.symlink_to("/etc/passwd")
    elif how == "fifo":
        os.mkfifo(path)
    for flags in (("save", "-o"), ("save", "--format", "oci-archive", "-o")):
        saved = tmp_path / "saved.tar"
        _, err = lamina.both(*flags, saved, "app", status=1)
        check_error(err, "layer sha256:[0-9a-f]{64} is damaged: ")
        assert not saved.exists()
    # A build with the same step must not give the damage on as if it were whole to `save`.
    assert lamina("images", "-q") != ""


@pytest.mark.parametrize("what", ["config", "manifest"])
@pytest.mark.parametrize("how", ["changed", "gone", "empty"])
def test_a_blob_that_was_tampered_with(busybox: Lamina, tmp_path: Path, what: str, how: str) -> None:
    config = busybox.root / "blobs/sha256" / busybox.inspect("busybox")["Id"].removeprefix("sha256:")
    (manifest,) = set((busybox.root / "blobs/sha256").iterdir()) - {config}
    path = config if what == "config" else manifest
    good = path.read_bytes()
    path.chmod(0o600)
    if how == "changed":
        path.write_bytes(good.replace(b"sha256", b"sha255"))
    elif how == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
    # An archive of Docker's has no use for the manifest.
    flags = ("save", "--format", "oci-archive", "-o", str(tmp_path / "saved"), "busybox")
    commands: list[tuple[str, ...]] = [flags]
    if what == "config":
        commands += [("inspect", "busybox"), ("history", "busybox")]
    for command in commands:
        _, err = busybox.both(*command, status=1)
        check_error(err, "damaged|not in the store", hint=False)
    assert not (tmp_path / "saved").exists()
    busybox("images")
    busybox("df")
    busybox("prune", "-f")
    if what == "config":
        busybox.both("run", "busybox", "true", status=125)
        busybox.both("build", tmp_path, status=1)
    assert busybox("rmi", "busybox")  # it can be removed
    shutil.rmtree(tmp_path)


def test_a_folder_of_the_store_that_is_gone(busybox: Lamina, tmp_path: Path) -> None:
    """Somebody tidied up."""
    for name in ("mnt", "layers", "leases", "blobs", "diff"):
        lamina = Lamina(tmp_path / name)
        shutil.copytree(busybox.root, lamina.root, symlinks=True)
        shutil.rmtree(lamina.root / name)
        for command in (
            ("images",),
            ("run", "--rm", "busybox", "true"),
            ("build", str(build_context(tmp_path))),
        ):
            done = lamina.start(*command)
            text = done.communicate(timeout=60)[0].decode()
            assert "Traceback" not in text and "bug in Lamina" not in text, (name, command, text)
            if done.returncode:
                assert "lamina: " in text
    refused(busybox, "inspect", "nothing", says="No such object", hint=False)
