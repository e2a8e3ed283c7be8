"""The small modules: failures, xattr, whiteouts; and the trees that tests are made of."""

from __future__ import annotations

import errno
import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from lamina.errors import Denied, InvalidInput, LaminaError, NoSpace, NotFound
from lamina.fs import xattr
from lamina.fs.failures import failure, shown
from lamina.fs.whiteouts import Whiteouts
from lamina.testing import isolate, trees
from lamina.testing.trees import CAPABILITY, file, folder, hardlink, symlink, whiteout, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, NoSpace),
        (errno.EDQUOT, NoSpace),
        (errno.EACCES, Denied),
        (errno.EPERM, Denied),
        (errno.EROFS, Denied),
        (errno.ENAMETOOLONG, InvalidInput),
        (errno.ENOENT, NotFound),
        (errno.EIO, LaminaError),
    ],
)
def test_failures(number: int, kind: type[LaminaError]) -> None:
    error = failure(OSError(number, os.strerror(number)), b"a/b")
    assert type(error) is kind
    assert error.message == f"a/b: {os.strerror(number)}"


def test_paths_are_shown_on_one_line() -> None:
    assert [shown(path) for path in (b"a b", "ü", b"a\nb", b"\xff", b"")] == [
        "a b",
        "ü",
        "a\\nb",
        "\\xff",
        "/",
    ]


def test_which_attributes_belong_to_a_file() -> None:
    ours = ("user.x", "user.overlayer", "security.capability")
    theirs = (
        "user.overlay.opaque",
        "trusted.overlay.opaque",
        "trusted.x",
        "security.selinux",
        "system.posix_acl_access",
    )
    assert all(map(xattr.belongs, ours))
    assert not any(map(xattr.belongs, theirs))


def test_a_capability_loses_the_namespace_that_set_it() -> None:
    version_3 = bytes.fromhex("0100000300040000000000000000000000000000a0860100")
    assert xattr._plain(version_3) == CAPABILITY
    assert xattr._plain(CAPABILITY) == CAPABILITY
    assert xattr._plain(b"x" * 24) == b"x" * 24


def test_a_capability_set_in_a_namespace_reads_as_the_image_has_it() -> None:
    def check(base: str) -> None:
        write(base + "/r", file("a", b"x", xattrs={"security.capability": CAPABILITY}))
        assert trees.tree(base + "/r")["a"].xattrs == ((b"security.capability", CAPABILITY),)

    isolate.run(check, "one")


def test_the_prefix_is_the_one_that_mounts_here_read(tmp_path: Path) -> None:
    def check(base: str) -> None:
        assert xattr.overlay_prefix() == xattr.USER
        assert not xattr.in_first_namespace()

    isolate.run(check, "one", base=str(tmp_path) if os.geteuid() != 0 else None)
    if os.geteuid() == 0 and xattr.in_first_namespace():
        assert xattr.overlay_prefix() == xattr.TRUSTED


def test_unmark_takes_overlay_s_words_and_nothing_else(tmp_path: Path) -> None:
    write(str(tmp_path / "r"), folder("", xattrs={"user.mine": b"1"}, opaque=True))
    fd = os.open(tmp_path / "r", os.O_RDONLY)
    try:
        whiteouts = Whiteouts()
        whiteouts.mark(fd)
        assert whiteouts.unmark(fd)
        assert not whiteouts.unmark(fd)
        assert os.listxattr(fd) == ["user.mine"]
    finally:
        os.close(fd)


def test_a_tree_as_a_tar() -> None:
    odd = symlink(b"odd\xff", "x" * 150)
    data = trees.tar(
        file("d/f", b"1", 0o600, uid=5, xattrs={"user.a": b"\xff"}),
        hardlink("h", "d/f"),
        odd,
        whiteout("d/gone"),
    )
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as tar:
        members = {member.name: member for member in tar}
    assert list(members) == ["d/f", "h", os.fsdecode(b"odd\xff"), "d/.wh.gone"]
    assert members["d/f"].uid == 5
    assert members["h"].linkname == "d/f"
    assert members[os.fsdecode(b"odd\xff")].linkname == "x" * 150
