"""apply_layer: other people's archives, good and bad."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
from typing import TYPE_CHECKING

import pytest
import zstandard

from lamina.errors import Corrupt, Denied, InvalidInput, LaminaError
from lamina.layers.apply import apply_layer
from lamina.layers.lookup import Lookup
from lamina.oci.digest import DiffID, Digest, sha256
from lamina.tree.entry import Entry, Kind
from tests.layers.stores import (
    content,
    file,
    member,
    named,
    on_disk,
    packed_bytes,
    paths,
    rows,
    state,
    tar_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.layers.context import Layers

TAR = tar_of(
    member("dir", "d"), file("dir/file", b"content", mtime=12.5), member("dir/link", "l", link="/etc")
)


def apply(ctx: Layers, data: bytes, **more: object) -> DiffID:
    """Applies an archive; its diff ID."""
    return apply_layer(ctx, io.BytesIO(data), **more).diff_id  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pack", "media_type"),
    [
        (bytes, "application/vnd.oci.image.layer.v1.tar"),
        (lambda data: gzip.compress(data, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip"),
        (zstandard.ZstdCompressor().compress, "application/vnd.oci.image.layer.v1.tar+zstd"),
    ],
)
def test_a_blob_is_kept_as_received(store: Layers, pack: Callable[[bytes], bytes], media_type: str) -> None:
    blob = pack(TAR)
    diff = apply_layer(store, io.BytesIO(blob), diff_id=named(TAR), blob=sha256(blob))
    assert (diff.blob, diff.media_type, diff.tar_size) == (sha256(blob), media_type, len(TAR))
    assert store.blobs.read(sha256(blob)) == blob
    assert packed_bytes(store, diff.diff_id) == TAR
    assert paths(rows(store, diff.diff_id)) == on_disk(store, diff.diff_id)
    assert apply_layer(store, io.BytesIO(blob), blob=sha256(blob)) == diff


def test_wrong_digests_leave_nothing(store: Layers) -> None:
    before = state(store)
    with pytest.raises(Corrupt):
        apply(store, TAR, diff_id=DiffID("sha256:" + "0" * 64))
    with pytest.raises(Corrupt):
        apply(store, TAR, blob=Digest("sha256:" + "0" * 64))
    assert state(store) == before
    apply(store, TAR)
    with pytest.raises(Corrupt):  # the blob is there, but these are not its bytes
        apply(store, tar_of(file("other")), blob=sha256(TAR))


def test_what_follows_the_end_counts_for_the_digest(store: Layers) -> None:
    data = TAR + bytes(10240)
    assert apply(store, data) == named(data)
    assert packed_bytes(store, named(data)) == data


def test_xz_and_bzip2_are_no_layers(store: Layers) -> None:
    for pack in (lzma.compress, bz2.compress):
        with pytest.raises(LaminaError):
            apply(store, pack(TAR))


def look(store: Layers, *members: object) -> Lookup:
    """The merged view of one archive's layer."""
    return Lookup(store, [apply(store, tar_of(*members))])  # type: ignore[arg-type]


def test_folders_that_are_missing_are_plain(store: Layers) -> None:
    found = look(store, file("a/b/c"))
    assert found.get(b"a/b") == Entry(b"a/b", Kind.DIR)


def test_of_two_entries_for_a_path_the_last_counts(store: Layers) -> None:
    found = look(
        store,
        file("f", b"first"),
        member("d", "d"),
        file("f", b"second"),
        file("l"),
        member("l", "l", link="f"),
    )
    assert content(found, b"f") == b"second"
    assert found.get(b"l").kind is Kind.SYMLINK  # type: ignore[union-attr]
    found = look(store, member("d", "d", mtime=1), file("d/f"), member("d", "d", mtime=2, uid=5))
    assert found.get(b"d").uid == 5  # type: ignore[union-attr]
    assert found.get(b"d/f") is not None


def test_a_file_lives_on_under_its_other_names(store: Layers) -> None:
    found = look(
        store,
        file("a", b"shared"),
        member("b", "h", link="a"),
        member("c", "h", link="./b"),
        file("a", b"replaced"),
    )
    assert content(found, b"a") == b"replaced"
    assert content(found, b"b") == b"shared"
    kinds = {entry.path: (entry.kind, entry.link) for entry in found.children(b"")}
    assert kinds == {b"a": (Kind.FILE, b""), b"b": (Kind.FILE, b""), b"c": (Kind.HARDLINK, b"b")}
    root = store.layout.diff_dir(found.chain[0])
    assert os.stat(f"{root}/b").st_ino == os.stat(f"{root}/c").st_ino != os.stat(f"{root}/a").st_ino


def test_a_hard_link_to_its_own_file_changes_nothing(store: Layers) -> None:
    found = look(store, file("a", b"x"), member("b", "h", link="a"), member("a", "h", link="b"))
    assert content(found, b"a") == b"x"
    assert found.get(b"b").kind is Kind.HARDLINK  # type: ignore[union-attr]


def test_a_hard_link_to_a_link_is_a_link(store: Layers) -> None:
    found = look(store, member("l", "l", link="target"), member("h", "h", link="l"))
    assert found.get(b"h").link == b"target"  # type: ignore[union-attr]


def test_what_lies_below_a_link_goes_where_it_leads(store: Layers) -> None:
    found = look(store, member("usr/lib", "d"), member("lib", "l", link="usr/lib"), file("lib/so", b"so"))
    assert content(found, b"usr/lib/so") == b"so"
    found = look(store, member("x/a", "l", link="../y/./z"), file("x/a/f", b"f"))
    assert content(found, b"y/z/f") == b"f"


def test_deletions(store: Layers) -> None:
    low = apply(store, tar_of(file("d/one"), file("d/two"), file("e/f"), file("g"), file("h")))
    high = apply(
        store,
        tar_of(
            file("d/.wh..wh..opq", b""),
            file("d/three"),
            file("d/.wh.two", b""),
            file(".wh.e", b""),
            member("e", "d"),
            file("g", b"new"),
            file(".wh.g", b""),
            file(".wh.h", b""),
            file(".wh..wh.plnk/1.2"),
            file(".wh..wh.aufs"),
        ),
    )
    found = Lookup(store, [high, low])
    assert paths(found.walk()) == [b"", b"d", b"d/three", b"e", b"g"]
    assert content(found, b"g") == b"new"
    entries = {entry.path: entry for entry in rows(store, high)}
    assert entries[b"d"].opaque
    assert entries[b"e"].opaque
    assert b"d/two" not in entries
    assert set(entries) == set(on_disk(store, high))
    assert [entry.path for entry in found.tree() if entry.path] == [b"d", b"d/three", b"e", b"g"]


def test_attributes_of_the_machine_stay_out(store: Layers) -> None:
    headers = {
        "SCHILY.xattr.user.note": "kept",
        "SCHILY.xattr.user.overlay.opaque": "y",
        "SCHILY.xattr.trusted.overlay.opaque": "y",
        "SCHILY.xattr.security.selinux": "label",
    }
    info = member("f")
    info.pax_headers = headers
    found = look(store, (info, b"x"))
    assert found.get(b"f").xattrs == ((b"user.note", b"kept"),)  # type: ignore[union-attr]


def header(name: bytes, size: int, kind: bytes = b"0") -> bytes:
    """A header by hand, for what tarfile does not write."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108], block[108:116], block[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    block[124:136], block[136:148] = b"%011o\0" % size, b"00000000000\0"
    block[148:156], block[156:157], block[257:265] = b" " * 8, kind, b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


HOSTILE = {
    "absolute path": tar_of(file("/etc/passwd")),
    "path with ..": tar_of(file("../escape")),
    "path with .. inside": tar_of(file("a/../../escape")),
    "link out of the root": tar_of(member("l", "l", link="../../.."), file("l/escape")),
    "absolute link": tar_of(member("l", "l", link="/tmp"), file("l/escape")),
    "link out by way of a link": tar_of(
        member("a/b", "l", link=".."), member("c", "l", link="a/b/../.."), file("c/x")
    ),
    "links in a circle": tar_of(member("a", "l", link="b"), member("b", "l", link="a"), file("a/x")),
    "the root is a link": tar_of(member("./", "l", link="/tmp"), file("x")),
    "the root is a link, again": tar_of(member("/.", "l", link="/tmp"), file("x")),
    "the root is a file": tar_of(file(".")),
    "whiteout below a link": tar_of(member("l", "l", link="/etc"), file("l/.wh.passwd", b"")),
    "opaque link": tar_of(member("l", "l", link="/etc"), file("l/.wh..wh..opq", b"")),
    "hard link to nothing": tar_of(member("h", "h", link="nothing")),
    "hard link out": tar_of(member("h", "h", link="../../etc/passwd")),
    "hard link to /": tar_of(member("h", "h", link="/")),
    "hard link to a folder": tar_of(member("d", "d"), member("h", "h", link="d")),
    "hard link below a link": tar_of(member("l", "l", link="/etc"), member("h", "h", link="l/passwd")),
    "hard link to a deletion": tar_of(file(".wh.f", b""), member("h", "h", link="f")),
    "file as a folder": tar_of(file("f"), file("f/inner")),
    "folder then file": tar_of(file("d/inner"), file("d")),
    "file then folder": tar_of(file("d"), member("d", "d")),
    "device 0/0": tar_of(member("c", "c")),
    "truncated content": tar_of(file("f", b"x" * 2000))[:1200],
    "truncated header": tar_of(file("f"))[:300],
    "size that lies": header(b"f", 1 << 40) + b"data".ljust(512, b"\0"),
    "negative size": header(b"f", 0)[:124] + b"\xff" * 12 + header(b"f", 0)[136:],
    "bad checksum": bytes([TAR[0] ^ 1]) + TAR[1:],
    "over-long name": header(b"././@LongLink", 1 << 30, b"L") + bytes(1024),
    "name of 256 bytes": tar_of(file("n" * 256)),
    "path of 5000 bytes": tar_of(file("/".join(["n" * 99] * 50))),
    "owner out of range": tar_of(file("f", uid=2**32 - 1)),
    "impossible time": tar_of(file("f", mtime=2**40)),
    "no tar at all": b"GIF89a" * 1000,
    "gzip cut short": gzip.compress(tar_of(file("f", os.urandom(5000))))[:-20],
    "gzip and something else": gzip.compress(TAR) + b"something",
    "gzip bomb": gzip.compress(header(b"f", 4 << 30) + bytes(64), 9) + gzip.compress(bytes(64 << 20), 9) * 30,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_archives_leave_no_trace(store: Layers, data: bytes, folder: str) -> None:
    before = state(store)
    outside = sorted(os.listdir(folder)), sorted(os.listdir("/tmp"))
    with pytest.raises(InvalidInput) as caught:
        apply(store, data)
    assert "\n" not in caught.value.message
    assert state(store) == before
    assert sorted(os.listdir(folder)) == outside[0]
    assert "escape" not in os.listdir("/tmp")


def test_a_zip_bomb_of_zstd_is_refused(store: Layers) -> None:
    frame = zstandard.ZstdCompressor(level=19).compress(bytes(256 << 20))
    before = state(store)
    with pytest.raises(InvalidInput, match="grows beyond"):
        apply(store, zstandard.ZstdCompressor().compress(header(b"f", 8 << 30)) + frame * 8)
    assert state(store) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may make devices")
def test_devices_need_root(store: Layers) -> None:
    with pytest.raises(Denied, match="device"):
        apply(store, tar_of(member("null", "c", devmajor=1, devminor=3)))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make devices and other owners")
def test_root_gets_devices_and_owners(store: Layers) -> None:
    found = look(
        store,
        member("null", "c", devmajor=1, devminor=3),
        file("f", uid=1000, gid=2000, mode=0o6755),
    )
    root = store.layout.diff_dir(found.chain[0])
    assert os.stat(f"{root}/null").st_rdev == os.makedev(1, 3)
    info = os.stat(f"{root}/f")
    assert (info.st_uid, info.st_gid, info.st_mode & 0o7777) == (1000, 2000, 0o6755)


def test_sparse_files_are_expanded(store: Layers, folder: str) -> None:
    with open(f"{folder}/sparse", "wb") as out:
        out.seek(1 << 20)
        out.write(b"end")
    if os.system("tar --version >/dev/null 2>&1") != 0:
        pytest.skip("tar is not installed")
    for form in ("gnu", "pax"):
        os.system(f"tar -C {folder} --format={form} -S -cf {folder}/s.tar sparse")
        with open(f"{folder}/s.tar", "rb") as stream:
            diff = apply_layer(store, stream)
        data = content(Lookup(store, [diff.diff_id]), b"sparse")
        assert data == bytes(1 << 20) + b"end"


def test_a_second_store_gets_the_same_rows_from_a_foreign_blob(make_store: Callable[[], Layers]) -> None:
    first, second = make_store(), make_store()
    diff_id = apply(first, TAR)
    assert apply(second, packed_bytes(first, diff_id)) == diff_id
    assert rows(first, diff_id) == rows(second, diff_id)


def test_old_formats_are_read(store: Layers) -> None:
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as tar:
            tar.addfile(member("n" * 90 + "/" + "m" * 60, size=4), io.BytesIO(b"data"))
        assert apply(store, out.getvalue()) == named(out.getvalue())
    assert struct.calcsize("Q") == 8
