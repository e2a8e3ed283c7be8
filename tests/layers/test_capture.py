"""capture: what a process did becomes a layer, and only that; with each snapshotter, as each kind of root."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable

import pytest

from lamina.layers.capture import capture
from lamina.layers.context import Layers
from lamina.layers.lookup import EMPTY_DIFF, Lookup
from lamina.layers.write import LayerItem, write_layer
from lamina.mount import apply
from lamina.snapshot.probe import choose
from lamina.testing import isolate
from lamina.tree.entry import Entry, Kind
from tests.layers.stores import named, on_disk, open_store, packed_bytes, paths, rows, state
from tests.machine import quick_place

SECOND = 1_000_000_000
BASE = [
    LayerItem(Entry(b"etc/passwd", Kind.FILE, 0o644, size=4, mtime=SECOND), b"root"),
    LayerItem(Entry(b"etc/hosts", Kind.FILE, 0o644, size=4, mtime=SECOND), b"hostdata"[:4]),
    LayerItem(Entry(b"srv/data", Kind.FILE, 0o640, 33, 34, size=3, mtime=SECOND), b"www"),
    LayerItem(Entry(b"srv/deep/er/file", Kind.FILE, size=1, mtime=SECOND), b"x"),
    LayerItem(Entry(b"bin/a", Kind.FILE, 0o755, size=1, mtime=SECOND), b"a"),
    LayerItem(Entry(b"bin/b", Kind.HARDLINK, link=b"bin/a")),
    LayerItem(Entry(b"link", Kind.SYMLINK, link=b"etc")),
    LayerItem(Entry(b"tmp", Kind.DIR, 0o1777)),
    *[LayerItem(Entry(b"many/%d" % i, Kind.FILE, size=1, mtime=SECOND), b"m") for i in range(20)],
]
Work = Callable[[str], object]
Check = Callable[[Layers, Lookup, Lookup], object]  # store, parent, what the layer alone says


@pytest.fixture(params=["overlay", "native"])
def snapshotter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=isolate.IDS)
def ids(request: pytest.FixtureRequest) -> isolate.Ids:
    return request.param  # type: ignore[no-any-return]


class Session:
    """A store with a base layer, in a namespace of its own."""

    def __init__(self, folder: str, snapshotter: str) -> None:
        self.ctx = open_store(folder + "/store")
        self.folder = folder
        self.snapshotter = choose(snapshotter, self.ctx.layout, self.ctx.lease)
        self.chain = [write_layer(self.ctx, BASE).diff_id]

    @property
    def parent(self) -> Lookup:
        return Lookup(self.ctx, self.chain)

    def run(self, work: Work, *stubs: bytes) -> dict[bytes, Entry]:
        """Does `work` in a writable layer over all layers so far; the new layer's entries, put on top."""
        key = self.ctx.lease.temp_name()
        target = self.folder + "/merged"
        os.makedirs(target, exist_ok=True)
        self.snapshotter.prepare(key, [self.ctx.layout.diff_dir(diff_id) for diff_id in self.chain])
        for mount in self.snapshotter.mounts(key, target):
            apply.apply(mount)
        try:
            work(target)
        finally:
            apply.unmount(target)
        diff = capture(self.ctx, self.snapshotter, key, self.parent, stubs=stubs)
        self.chain.insert(0, diff.diff_id)
        found = rows(self.ctx, diff.diff_id)
        assert paths(found) == [
            path for path in [b"", *on_disk(self.ctx, diff.diff_id)] if path or b"" in paths(found)
        ]
        assert named(packed_bytes(self.ctx, diff.diff_id)) == diff.diff_id
        assert not [name for name in os.listdir(self.ctx.layout.diff) if name.startswith(".")]
        assert os.listdir(self.ctx.layout.mnt) == []
        for entry in found:
            if entry.kind is not Kind.WHITEOUT:
                assert entry.mtime % SECOND == 0
                path = os.path.join(os.fsencode(self.ctx.layout.diff_dir(diff.diff_id)), entry.path)
                assert os.lstat(path).st_mtime_ns == entry.mtime, entry
        return {entry.path: entry for entry in found}


@pytest.fixture
def session(snapshotter: str, ids: isolate.Ids) -> Callable[[Callable[[Session], object]], None]:
    """Calls a function with a Session, in a child that is root of the wanted kind."""

    def run(test: Callable[[Session], object]) -> None:
        try:
            isolate.run(lambda folder: test(Session(folder, snapshotter)), ids, base=quick_place())
        except isolate.Skip as skip:
            pytest.skip(str(skip))

    return run


Run = Callable[[Callable[[Session], object]], None]


def write(path: str, text: str = "text") -> None:
    with open(path, "w") as out:
        out.write(text)


def test_nothing_done_is_the_empty_layer(session: Run) -> None:
    def test(s: Session) -> None:
        assert s.run(lambda _: None) == {}
        assert s.chain[0] == EMPTY_DIFF
        before = state(s.ctx)
        assert s.run(lambda _: None) == {}
        assert state(s.ctx) == before

    session(test)


def test_only_what_changed_is_in_the_layer(session: Run) -> None:
    def work(root: str) -> None:
        write(root + "/etc/new")
        os.chmod(root + "/etc/new", 0o4755)
        os.unlink(root + "/etc/hosts")
        os.chmod(root + "/etc/passwd", 0o644)  # as it was: overlay copies it up all the same
        os.utime(root + "/etc/passwd", ns=(SECOND, SECOND))
        write(root + "/tmp/gone")
        os.unlink(root + "/tmp/gone")  # touches the folder, no more
        os.symlink("/no/where", root + "/dangling")
        os.mkfifo(root + "/pipe")

    def test(s: Session) -> None:
        found = s.run(work)
        assert set(found) == {b"dangling", b"etc", b"etc/hosts", b"etc/new", b"pipe"}
        assert found[b"etc/hosts"].kind is Kind.WHITEOUT
        assert found[b"etc/new"].mode == 0o4755
        assert found[b"dangling"].link == b"/no/where"
        assert s.parent.get(b"etc/hosts") is None

    session(test)


def test_a_changed_time_alone_keeps_a_file(session: Run) -> None:
    def test(s: Session) -> None:
        found = s.run(lambda root: os.utime(root + "/etc/passwd", ns=(5, 77 * SECOND + 5)))
        assert set(found) == {b"etc", b"etc/passwd"}
        assert found[b"etc/passwd"].mtime == 77 * SECOND

    session(test)


def test_a_folder_made_anew_hides_the_old_one(session: Run) -> None:
    def work(root: str) -> None:
        os.unlink(root + "/srv/deep/er/file")
        os.rmdir(root + "/srv/deep/er")
        write(root + "/srv/deep/other")
        for name in os.listdir(root + "/many"):
            os.unlink(root + "/many/" + name)
        os.rmdir(root + "/many")
        os.mkdir(root + "/many")
        write(root + "/many/5", "again")

    def test(s: Session) -> None:
        found = s.run(work)
        assert not any(entry.opaque for entry in found.values())
        assert found[b"srv/deep/er"].kind is Kind.WHITEOUT
        whiteouts = {path for path, entry in found.items() if entry.kind is Kind.WHITEOUT}
        assert whiteouts == {b"srv/deep/er"} | {b"many/%d" % i for i in range(20) if i != 5}
        assert s.parent.names(b"many") == (b"5",)
        assert s.parent.names(b"srv/deep") == (b"other",)

    session(test)


def test_file_and_folder_change_places(session: Run) -> None:
    def work(root: str) -> None:
        os.unlink(root + "/etc/passwd")
        os.mkdir(root + "/etc/passwd")
        write(root + "/etc/passwd/inner")
        os.unlink(root + "/srv/deep/er/file")
        os.rmdir(root + "/srv/deep/er")
        write(root + "/srv/deep/er")

    def test(s: Session) -> None:
        found = s.run(work)
        assert found[b"etc/passwd"].kind is Kind.DIR
        assert found[b"srv/deep/er"].kind is Kind.FILE
        assert s.parent.names(b"etc/passwd") == (b"inner",)

    session(test)


def test_hard_links_stay_together(session: Run) -> None:
    def work(root: str) -> None:
        os.link(root + "/etc/hosts", root + "/etc/a-name")
        write(root + "/x")
        os.link(root + "/x", root + "/y")

    def test(s: Session) -> None:
        found = s.run(work)
        assert found[b"etc/a-name"].kind is Kind.FILE
        assert (found[b"etc/hosts"].kind, found[b"etc/hosts"].link) == (Kind.HARDLINK, b"etc/a-name")
        assert found[b"y"].link == b"x"
        assert found[b"y"].digest == found[b"x"].digest != ""
        folder = s.ctx.layout.diff_dir(s.chain[0])
        assert os.stat(folder + "/x").st_ino == os.stat(folder + "/y").st_ino

    session(test)


def test_mount_points_leave_no_trace(session: Run) -> None:
    def work(root: str) -> None:
        write(root + "/etc/resolv.conf", "")
        os.mkdir(root + "/proc")
        os.mkdir(root + "/dev")
        write(root + "/dev/kept")
        write(root + "/etc/hostname", "set by the process")

    def test(s: Session) -> None:
        found = s.run(work, b"etc/resolv.conf", b"proc", b"dev", b"etc/hostname")
        assert set(found) == {b"dev", b"dev/kept", b"etc", b"etc/hostname"}
        assert s.run(lambda root: os.mkdir(root + "/sys"), b"sys") == {}

    session(test)


def test_sockets_stay_out(session: Run) -> None:
    def work(root: str) -> None:
        os.chdir(root)
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("sock")
        os.chdir("/")

    session(lambda s: _is({}, s.run(work)))


def _is(expected: object, found: object) -> None:
    assert found == expected


def test_attributes_of_files_are_kept(session: Run) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")

    def work(root: str) -> None:
        write(root + "/f")
        os.setxattr(root + "/f", "user.note", b"\0odd")
        os.setxattr(root + "/f", "security.capability", capability)

    def test(s: Session) -> None:
        found = s.run(work)
        assert found[b"f"].xattrs == ((b"security.capability", capability), (b"user.note", b"\0odd"))

    session(test)


def test_the_root_is_named_only_when_it_changed(session: Run) -> None:
    def test(s: Session) -> None:
        found = s.run(lambda root: os.chmod(root, 0o700))
        assert set(found) == {b""}
        assert found[b""].mode == 0o700
        assert s.parent.get(b"").mode == 0o700  # type: ignore[union-attr]
        assert set(s.run(lambda root: write(root + "/f"))) <= {b"", b"f"}
        assert s.parent.get(b"").mode == 0o700  # type: ignore[union-attr]

    session(test)


def test_owners(session: Run, ids: isolate.Ids) -> None:
    """With one ID the disk says root for all; what the parent had keeps the parent's owner in the rows."""

    def work(root: str) -> None:
        with open(root + "/srv/data", "a") as out:
            out.write(" more")
        write(root + "/mine")

    def test(s: Session) -> None:
        found = s.run(work)
        assert (found[b"srv/data"].uid, found[b"srv/data"].gid) == (33, 34)
        assert (found[b"mine"].uid, found[b"mine"].gid) == (0, 0)
        assert set(found) == {b"mine", b"srv", b"srv/data"}

    session(test)


def test_a_kept_snapshot_can_be_captured_again(session: Run) -> None:
    def test(s: Session) -> None:
        target = s.folder + "/merged"
        os.mkdir(target)
        s.snapshotter.prepare("container", [s.ctx.layout.diff_dir(diff_id) for diff_id in s.chain])
        for mount in s.snapshotter.mounts("container", target):
            apply.apply(mount)
        write(target + "/f")
        first = capture(s.ctx, s.snapshotter, "container", s.parent, keep=True)
        assert capture(s.ctx, s.snapshotter, "container", s.parent, keep=True) == first
        write(target + "/g")
        apply.unmount(target)
        second = capture(s.ctx, s.snapshotter, "container", s.parent)
        assert set(paths(rows(s.ctx, second.diff_id))) == {b"f", b"g"}

    session(test)


def test_deep_trees_and_odd_names(session: Run) -> None:
    def work(root: str) -> None:
        os.chdir(root)
        for _ in range(30):
            os.mkdir("d" * 100)
            os.chdir("d" * 100)
        write("bottom")
        os.chdir("/")
        write(os.fsdecode(os.fsencode(root) + b"/\xff\n " + b"n" * 200))

    def test(s: Session) -> None:
        assert len(s.run(work)) == 32

    session(test)


def test_devices(session: Run, ids: isolate.Ids) -> None:
    if ids != "root":
        pytest.skip("only real root makes devices")

    def test(s: Session) -> None:
        found = s.run(lambda root: os.mknod(root + "/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3)))
        assert found[b"null"].rdev == (1, 3)

    session(test)
