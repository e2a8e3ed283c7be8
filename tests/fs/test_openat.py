"""open_in_root: openat2 and the same rule by hand never differ, and neither leaves the root."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.fs.openat import open_by_hand, open_in_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NAMES = ("a", "b", "f", "up", "abs", "self", "loop", "out", "dots", "..", ".", "", "missing")


@pytest.fixture(scope="module")
def root() -> Iterator[str]:
    path = tempfile.mkdtemp()
    os.makedirs(path + "/a/b/a")
    for name in ("f", "a/f", "a/b/f"):
        with open(f"{path}/{name}", "w") as out:
            out.write(name)
    links = {
        "up": "../a",
        "a/up": "../../../../a/b",
        "abs": "/a/b",
        "a/abs": "/f",
        "self": "/proc/self/root/etc/passwd",
        "loop": "loop",
        "a/loop": "../a/loop/x",
        "out": "/etc/passwd",
        "a/out": "../../../../../../../../etc",
        "dots": "a/./b/..//b/",
        "a/b/dots": "..",
    }
    for name, target in links.items():
        os.symlink(target, f"{path}/{name}")
    yield path
    shutil.rmtree(path)


def _result(opens: Callable[[int, bytes, int], int], root: str, path: bytes, flags: int) -> object:
    """What became of the attempt: the inode, or the error."""
    base = os.open(root, os.O_RDONLY)
    try:
        fd = opens(base, path, flags)
    except OSError as error:
        return os.strerror(error.errno or 0)
    else:
        info = os.fstat(fd)
        os.close(fd)
        return info.st_dev, info.st_ino
    finally:
        os.close(base)


@given(
    st.lists(st.sampled_from(_NAMES), max_size=6),
    st.sampled_from([0, os.O_NOFOLLOW, os.O_DIRECTORY, os.O_PATH]),
)
@settings(max_examples=600, deadline=None, database=None)
def test_both_ways_agree_and_stay_inside(root: str, names: list[str], flags: int) -> None:
    path = os.fsencode("/".join(names))
    result = _result(open_in_root, root, path, flags)
    assert _result(open_by_hand, root, path, flags) == result
    if isinstance(result, tuple):
        inside = {
            root,
            *(os.path.join(at, name) for at, folders, files in os.walk(root) for name in folders + files),
        }
        assert result in {(info.st_dev, info.st_ino) for info in map(os.lstat, inside)}


@pytest.mark.parametrize("opens", [open_in_root, open_by_hand])
def test_links_lead_where_they_would_inside(opens: Callable[[int, bytes, int], int], root: str) -> None:
    same = {"abs/f": "a/b/f", "a/up/f": "a/b/f", "a/abs": "f", "/../../f": "f", "a/b/dots/f": "a/f", "": "."}
    for path, real in same.items():
        info = os.stat(f"{root}/{real}")
        assert _result(opens, root, os.fsencode(path), os.O_RDONLY) == (info.st_dev, info.st_ino)


@pytest.mark.parametrize("opens", [open_in_root, open_by_hand])
def test_nothing_is_created_and_no_descriptor_leaks(
    opens: Callable[[int, bytes, int], int], root: str
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for path in (b"new", b"a/b/f", b"loop", b"abs/../dots", b"a/b/a/../../missing/x"):
        _result(opens, root, path, os.O_RDONLY | (os.O_CREAT if opens is open_in_root else 0))
    assert not os.path.lexists(root + "/new")
    assert len(os.listdir("/proc/self/fd")) == before
