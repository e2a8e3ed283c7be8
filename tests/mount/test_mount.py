"""Mounts in a namespace of the test's own: by root, and by an ordinary user."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.errors import Denied
from lamina.mount import apply, holder, syscalls, userns
from lamina.mount.types import Mount
from lamina.testing import isolate
from tests.machine import quick_place

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


def isolated(ids: isolate.Ids, test: Callable[[Path], object]) -> None:
    try:
        isolate.run(lambda folder: test(Path(folder)), ids, base=quick_place())
    except isolate.Skip as skip:
        pytest.skip(str(skip))


def overlay(folder: Path, count: int = 2, **more: object) -> Mount:
    lowers = [folder / f"lower{number}" for number in range(count)]
    for number, lower in enumerate(lowers):
        lower.mkdir()
        (lower / "name").write_text(str(number))
        (lower / str(number)).write_text("")
    for name in ("upper", "work", "merged"):
        (folder / name).mkdir()
    options = "" if userns.current_ids().uids[0].length > 1 << 31 else "userxattr"
    names = tuple(map(str, lowers))
    return Mount(
        "overlay",
        str(folder / "merged"),
        lowers=names,
        upper=str(folder / "upper"),
        work=str(folder / "work"),
        options=options,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("ids", isolate.IDS)
def test_overlay(ids: isolate.Ids) -> None:
    def test(folder: Path) -> None:
        apply.apply(overlay(folder))
        assert (folder / "merged/name").read_text() == "0"
        (folder / "merged/new").write_text("x")
        assert (folder / "upper/new").read_text() == "x"
        assert apply.mounts_below(str(folder)) == [str(folder / "merged")]
        apply.unmount(str(folder / "merged"))
        assert apply.mounts_below(str(folder)) == []

    isolated(ids, test)


@pytest.mark.parametrize("ids", isolate.IDS)
def test_300_lowers(ids: isolate.Ids) -> None:
    def test(folder: Path) -> None:
        apply.apply(overlay(folder, 300))
        assert len(list((folder / "merged").iterdir())) == 301

    isolated(ids, test)


def test_odd_names() -> None:
    def test(folder: Path) -> None:
        odd = folder / "a:b,c\\d \n\udcff"
        odd.mkdir()
        apply.apply(overlay(odd))
        assert (odd / "merged/name").read_text() == "0"
        assert apply.mounts_below(str(odd)) == [str(odd / "merged")]

    isolated("root", test)


def test_the_old_call_escapes_and_has_a_limit() -> None:
    def test(folder: Path) -> None:
        odd = folder / "a:b,c\\d"
        odd.mkdir()
        mount = overlay(odd, 3)
        cause = OSError(22, "as the newer call said")
        apply._old_overlay(mount, mount.target, cause)
        assert (odd / "merged/name").read_text() == "0"
        with pytest.raises(OSError, match="as the newer call said"):
            apply._old_overlay(Mount("overlay", mount.target, lowers=mount.lowers * 100), mount.target, cause)

    isolated("root", test)


@pytest.mark.parametrize("ids", isolate.IDS)
def test_read_only_binds(ids: isolate.Ids) -> None:
    def test(folder: Path) -> None:
        (folder / "source").mkdir()
        (folder / "target").mkdir()
        apply.apply(Mount("bind", str(folder / "target"), str(folder / "source"), read_only=True))
        with pytest.raises(OSError, match="Read-only"):
            (folder / "target/x").touch()
        (folder / "source/x").touch()
        assert (folder / "target/x").exists()

    isolated(ids, test)


def test_tmpfs_options() -> None:
    def test(folder: Path) -> None:
        apply.apply(Mount("tmpfs", str(folder), options="size=64k,mode=0711,nosuid,noexec"))
        assert folder.stat().st_mode & 0o7777 == 0o711
        info = os.statvfs(folder)
        assert info.f_flag & os.ST_NOSUID
        assert info.f_flag & os.ST_NOEXEC
        assert info.f_blocks * info.f_frsize == 64 << 10
        with pytest.raises(OSError, match="nonsense"):
            apply.apply(Mount("tmpfs", str(folder), options="nonsense=1"))

    isolated("root", test)


def test_errors_name_the_path() -> None:
    def test(folder: Path) -> None:
        with pytest.raises(FileNotFoundError, match="/no/such/lower"):
            apply.apply(Mount("overlay", str(folder), lowers=("/no/such/lower",)))
        with pytest.raises(FileNotFoundError) as caught:
            apply.apply(Mount("bind", "/no/such/target", str(folder)))
        assert caught.value.filename == "/no/such/target"

    isolated("root", test)


def test_no_descriptor_is_left() -> None:
    def test(folder: Path) -> None:
        before = sorted(os.listdir("/proc/self/fd"))
        apply.apply(overlay(folder))
        with pytest.raises(OSError, match="nosuch"):
            apply.apply(Mount("tmpfs", str(folder), options="nosuch"))
        assert sorted(os.listdir("/proc/self/fd")) == before

    isolated("root", test)


@pytest.mark.parametrize("ids", isolate.IDS)
def test_ids(ids: isolate.Ids) -> None:
    def test(folder: Path) -> None:
        assert userns.is_privileged()
        have = userns.current_ids()
        assert have.single == (ids == "one")
        assert have.has_uid(0)
        assert have.has_gid(0)
        assert have.has_uid(1000) == (ids != "one")
        assert userns.enter() == have  # it is root already: nothing happens

    isolated(ids, test)


def test_enter_refuses_threads() -> None:
    """In a child: EINVAL is what the kernel says to a process with several threads."""
    error = userns._refused(OSError(22, "Invalid argument"))
    assert isinstance(error, Denied)
    assert "threads" in error.message
    assert "max_user_namespaces" in (userns._refused(OSError(28, "No space")).hint or "")


def test_sub_ids(tmp_path: Path) -> None:
    import pwd

    me = pwd.getpwuid(os.getuid()).pw_name
    file = tmp_path / "subuid"
    file.write_text(f"{me}:100000:65536\nother:1:2\n{os.getuid()}:900000:10\n{me}:x:y\n{me}:1\n")
    assert userns._sub_ids(str(file), os.getuid()) == [(100000, 65536), (900000, 10)]
    assert userns._sub_ids(str(tmp_path / "none"), os.getuid()) == []


@pytest.mark.parametrize("ids", isolate.IDS)
def test_holder(ids: isolate.Ids) -> None:
    def test(folder: Path) -> None:
        (folder / "source").mkdir()
        (folder / "source/file").write_text("held")
        (folder / "target").mkdir()
        pid = holder.start([Mount("bind", str(folder / "target"), str(folder / "source"))])
        began = holder.start_time(pid)
        assert began
        try:
            assert Path(f"/proc/{pid}/root{folder}/target/file").read_text() == "held"
            assert not list((folder / "target").iterdir())
            assert not holder.stop(pid, began + 1)
        finally:
            assert holder.stop(pid, began)
        with pytest.raises(OSError, match="/no/such"):
            holder.start([Mount("bind", str(folder / "target"), "/no/such")])

    isolated(ids, test)


def test_openat2_stays_inside(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    root = os.open(tmp_path, os.O_PATH)
    with pytest.raises(FileNotFoundError):
        syscalls.openat2("link", os.O_RDONLY, syscalls.RESOLVE_IN_ROOT, dir_fd=root)
    with pytest.raises(OSError, match="Too many levels"):
        syscalls.openat2("link", os.O_RDONLY, syscalls.RESOLVE_NO_SYMLINKS, dir_fd=root)
    os.close(root)
