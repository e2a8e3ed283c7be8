"""Export and import: all metadata comes back, hostile archives give nothing."""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import subprocess
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lamina.cachemounts import objects
from lamina.cachemounts.archive import export
from lamina.cachemounts.restore import restore
from lamina.cachemounts.wanted import CacheWanted
from lamina.db import cachemounts as rows
from lamina.errors import Conflict, Corrupt, InvalidInput, LaminaError, NoSpace, NotFound
from lamina.fs.walk import scan, sha256
from lamina.gc.recover import recover
from lamina.layers.canonical import plain
from lamina.store.lock import let_go
from tests.cachemounts.conftest import open_store
from tests.cachemounts.test_objects import make, on_disk
from tests.store.processes import kill, line_of, spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.db.cachemounts import CacheMount
    from lamina.layers.context import Layers
    from lamina.tree.entry import Entry

WANTED = CacheWanted(
    "/root/.cache", sharing="locked", created_by="RUN --mount=type=cache,target=/root/.cache make"
)


def exported(ctx: Layers, *names: str) -> bytes:
    out = io.BytesIO()
    export(ctx, names, out.write)
    return out.getvalue()


def taken(ctx: Layers, data: bytes, mount_id: str = "") -> list[CacheMount]:
    return restore(ctx, io.BytesIO(data), mount_id)


def contents(ctx: Layers, row: CacheMount) -> list[Entry]:
    return [plain(entry) for entry in scan(objects.data_folder(ctx, row.name), read=sha256)]


def fill(folder: Path) -> None:
    """A bit of everything."""
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "file").write_bytes(os.urandom(3_000_000))
    os.link(folder / "deep" / "file", folder / "also")
    (folder / "empty").touch(0o600)
    (folder / "link").symlink_to("/etc/passwd")
    (folder / ".wh.file").write_text("no deletion")
    (folder / ("long" * 40)).write_text("x")
    os.mkfifo(folder / "pipe", 0o640)
    (folder / "shut").mkdir()
    (folder / "shut").chmod(0o000)
    (folder / "tool").write_text("#!/bin/sh\n")
    (folder / "tool").chmod(0o4755)
    os.utime(folder / "tool", (1_000_000_000, 1_000_000_000))
    with open(folder / "holes", "wb") as file:
        file.truncate(10_000_000)
    try:
        os.setxattr(folder / "tool", "user.note", b"kept")
    except OSError:
        pass
    folder.chmod(0o1777)


def test_everything_comes_back(ctx: Layers, other: Layers) -> None:
    row = make(ctx, WANTED)
    fill(Path(objects.data_folder(ctx, row.name)))
    data = exported(ctx, "/root/.cache")
    (back,) = taken(other, data)
    assert contents(other, back) == contents(ctx, row)
    assert back._replace(name=row.name, created=row.created, last_used=row.last_used) == row
    assert exported(other, "/root/.cache") == data


def test_owners_come_back(ctx: Layers, other: Layers, many_ids: None) -> None:
    row = make(ctx, WANTED._replace(uid=5, gid=6), file="x")
    os.chown(Path(objects.data_folder(ctx, row.name), "file"), 7, 8)
    (back,) = taken(other, exported(ctx))
    found = os.stat(Path(objects.data_folder(other, back.name), "file"))
    assert (found.st_uid, found.st_gid) == (7, 8)
    folder = os.stat(objects.data_folder(other, back.name))
    assert (folder.st_uid, folder.st_gid, back.uid, back.gid) == (5, 6, 5, 6)


def test_several_in_one_archive(ctx: Layers, other: Layers) -> None:
    pip, npm = make(ctx, CacheWanted("pip"), p="1"), make(ctx, CacheWanted("npm", seed_key="s"), n="2")
    second = make(ctx, CacheWanted("pip"), q="3")
    assert [row.id for row in taken(other, exported(ctx, "npm"))] == ["npm"]
    back = taken(other, exported(ctx))
    assert [row.id for row in back] == ["npm", "pip", "pip"]
    for row, copy in zip([npm, pip, second], back, strict=True):
        assert contents(other, copy) == contents(ctx, row) and copy.key == row.key
    assert len(rows.mounts(other.db.read())) == 3  # the first npm was replaced


def test_sockets_and_deletions_are_left_out(ctx: Layers, other: Layers) -> None:
    row = make(ctx, WANTED, file="x")
    folder = objects.data_folder(ctx, row.name)
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(folder + "/socket")
    bound.close()
    os.mknod(folder + "/deleted", 0o20000 | 0o600, 0)  # overlay's own; anyone may make one
    (back,) = taken(other, exported(ctx))
    assert os.listdir(objects.data_folder(other, back.name)) == ["file"]


def test_a_use_keeps_an_export_away(ctx: Layers) -> None:
    row = make(ctx, WANTED)
    descriptor = objects.lock(ctx, row.name, shared=True)
    assert descriptor is not None
    with pytest.raises(Conflict, match="in use"):
        exported(ctx, row.id)
    let_go(descriptor)
    assert exported(ctx, row.id)
    with pytest.raises(NotFound):
        exported(ctx, "no-such")


def test_nothing_to_export(ctx: Layers) -> None:
    with pytest.raises(NotFound):
        exported(ctx)


def test_import_takes_the_place_of_what_a_build_would_have_used(ctx: Layers, other: Layers) -> None:
    make(ctx, WANTED, new="1")
    old, unlike = make(other, WANTED, old="1"), make(other, WANTED._replace(mode=0o700), unlike="1")
    busy = make(other, WANTED, busy="1")
    descriptor = objects.lock(other, busy.name)
    assert descriptor is not None
    (back,) = taken(other, exported(ctx))
    assert rows.with_key(other.db.read(), WANTED.key) == [back]
    assert on_disk(other) == sorted([back.name, unlike.name, busy.name])
    assert old.name not in on_disk(other)
    let_go(descriptor)
    objects.tidy(other, busy.name)
    assert on_disk(other) == sorted([back.name, unlike.name])


def test_a_plain_tar_and_a_compressed_one(ctx: Layers, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_text("hello")
    os.link(tmp_path / "in" / "file", tmp_path / "in" / "same")
    packed = subprocess.run(["tar", "-C", tmp_path / "in", "-c", "."], capture_output=True, check=True).stdout
    with pytest.raises(InvalidInput) as caught:
        taken(ctx, packed)
    assert "--id" in (caught.value.hint or "")
    (row,) = taken(ctx, gzip.compress(packed), "/var/cache/apt")
    assert (row.id, row.key) == ("/var/cache/apt", CacheWanted("/var/cache/apt").key)
    folder = Path(objects.data_folder(ctx, row.name))
    assert (folder / "same").read_text() == "hello" and (folder / "file").stat().st_nlink == 2


def test_another_id(ctx: Layers, other: Layers) -> None:
    make(ctx, WANTED, file="x")
    data = exported(ctx)
    (row,) = taken(other, data, "renamed")
    assert (row.id, row.sharing) == ("renamed", "locked")
    make(ctx, CacheWanted("second"))
    with pytest.raises(InvalidInput, match="2 cache mounts"):
        taken(other, exported(ctx), "renamed")


# --- archives that are not what they should be


def entry(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def tar_of(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def head(**changes: object) -> tuple[tarfile.TarInfo, bytes]:
    mount: dict[str, object] = {
        "folder": "0", "id": "c", "sharing": "shared", "mode": 0o755, "uid": 0, "gid": 0, "seed": "",
        "created_by": "",
    }  # fmt: skip
    return entry("lamina-cache.json", json.dumps({"format": 1, "mounts": [mount | changes]}).encode())


SYMLINK: dict[str, Any] = {"type": tarfile.SYMTYPE}
HARDLINK: dict[str, Any] = {"type": tarfile.LNKTYPE}
DEVICE: dict[str, Any] = {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}
HOSTILE = {
    "dots": [entry("../escape", b"x")],
    "dots inside": [entry("a/../../escape", b"x")],
    "absolute": [entry("/tmp/lamina-escape", b"x")],
    "through a link": [entry("out", linkname="/tmp", **SYMLINK), entry("out/lamina-escape", b"x")],
    "through dots": [entry("out", linkname="../../..", **SYMLINK), entry("out/lamina-escape", b"x")],
    "hard link to outside": [entry("hard", linkname="../info.json", **HARDLINK)],
    "hard link to nothing": [entry("hard", linkname="nothing", **HARDLINK)],
    "hard link through a link": [
        entry("out", linkname="/etc", **SYMLINK), entry("hard", linkname="out/passwd", **HARDLINK)
    ],
    "device": [entry("null", **DEVICE)],
    "file as a folder": [entry("file", b"x"), entry("file/below", b"y")],
}  # fmt: skip


@pytest.mark.parametrize("entries", HOSTILE.values(), ids=HOSTILE)
def test_hostile_plain_tars(ctx: Layers, entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    kept = make(ctx, CacheWanted("c"), file="x")
    with pytest.raises(LaminaError):
        taken(ctx, tar_of(entry("first", b"1"), *entries), "c")
    assert on_disk(ctx) == [kept.name] and rows.mounts(ctx.db.read()) == [kept]
    assert not os.path.lexists("/tmp/lamina-escape") and not os.path.lexists(ctx.layout.root + "/escape")


ODD = {
    "cut short": [head(), entry("0", type=tarfile.DIRTYPE)],
    "wrong sums": [head(), entry("0/file", b"x"), entry("lamina-cache.sums", b'{"0": "00"}')],
    "sums that are none": [head(), entry("0/file", b"x"), entry("lamina-cache.sums", b"[")],
    "another folder": [head(), entry("1/file", b"x"), entry("lamina-cache.sums", b"{}")],
    "hard link between mounts": [head(), entry("0/hard", linkname="1/file", **HARDLINK)],
    "device": [head(), entry("0/null", **DEVICE)],
    "dots": [head(), entry("0/../../escape", b"x")],
    "no json": [entry("lamina-cache.json", b"{"), entry("0/file", b"x")],
    "another format": [entry("lamina-cache.json", b'{"format": 2}')],
    "no mounts": [entry("lamina-cache.json", b'{"format": 1, "mounts": []}')],
    "mode": [head(mode=0o10000)],
    "owner": [head(uid=2**32)],
    "owner as text": [head(uid="0")],
    "folder": [head(folder="../..")],
    "sharing": [head(sharing="all")],
    "no id": [head(id="")],
}


@pytest.mark.parametrize("entries", ODD.values(), ids=ODD)
def test_odd_archives(ctx: Layers, entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    kept = make(ctx, CacheWanted("c"), file="x")
    with pytest.raises((InvalidInput, Corrupt)):
        taken(ctx, tar_of(*entries))
    assert on_disk(ctx) == [kept.name] and rows.mounts(ctx.db.read()) == [kept]
    assert not os.path.lexists(ctx.layout.root + "/escape")


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    place = data.index(b"precious")
    return data[:place] + b"P" + data[place + 1 :]


def add(data: bytes) -> bytes:
    return data[:-1024] + tar_of(entry("more", b"x"))


@pytest.mark.parametrize("damage", [cut, flip, add, lambda data: b"", lambda data: b"\0" * 1024], ids=str)
def test_damage_is_noticed(ctx: Layers, other: Layers, damage: Callable[[bytes], bytes]) -> None:
    make(ctx, WANTED, file="precious")
    with pytest.raises((InvalidInput, Corrupt)):
        taken(other, damage(exported(ctx)))
    assert on_disk(other) == []
    with pytest.raises((InvalidInput, Corrupt)):
        taken(other, cut(gzip.compress(exported(ctx))))
    assert on_disk(other) == []


def test_a_full_disk(ctx: Layers, tmp_path: Path) -> None:
    make(ctx, CacheWanted("small"), file="x")
    (row,) = rows.mounts(ctx.db.read())
    small = exported(ctx)
    Path(objects.data_folder(ctx, row.name), "big").write_bytes(os.urandom(5_000_000))
    big = exported(ctx)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", tmp_path], check=False)
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        store = open_store(str(tmp_path / "root"))
        with pytest.raises(NoSpace):
            taken(store, big)
        assert on_disk(store) == [] and rows.mounts(store.db.read()) == []
        assert [row.id for row in taken(store, small)] == ["small"]
        store.db.close()
        store.lease.release()
    finally:
        subprocess.run(["umount", tmp_path], check=True)


IMPORTER = """
import sys
from lamina.engine.opened import Opened
from lamina.cachemounts.restore import restore

print("ready", flush=True)
restore(Opened(sys.argv[1], None).ctx, sys.stdin.buffer)
"""


def test_kill_in_the_midst_of_an_import(ctx: Layers, other: Layers) -> None:
    kept = make(other, WANTED, old="1")
    row = make(ctx, WANTED)
    Path(objects.data_folder(ctx, row.name), "big").write_bytes(os.urandom(2_000_000))
    process = spawn(IMPORTER, other.layout.root)
    assert line_of(process) == "ready" and process.stdin is not None
    process.stdin.write(exported(ctx)[:1_500_000])
    process.stdin.flush()
    while len(on_disk(other)) < 2:
        time.sleep(0.01)
    kill(process)
    recover(other.layout, other.db)
    assert on_disk(other) == [kept.name] and rows.mounts(other.db.read()) == [kept]
