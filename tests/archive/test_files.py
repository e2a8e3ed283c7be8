"""The files of an archive by name: a tar, a folder, a pipe."""

from __future__ import annotations

import gzip
import io
import os
from typing import TYPE_CHECKING

import pytest

from lamina.archive.files import FolderFiles, TarFiles, check_name, read_small
from lamina.archive.opening import Spools, open_files, spool_stream
from lamina.archive.reading import detect
from lamina.errors import InvalidInput, NotFound
from tests.transfer.images import tar

if TYPE_CHECKING:
    from pathlib import Path

FILES: dict[str, bytes | str | None] = {
    "a/": None,
    "a/file": b"content",
    "a/link": "../b/other",
    "b/other": b"other" * 1000,
    "b/far": "../a/link",
    "manifest.json": b"[]",
}


def test_a_tar_by_name(tmp_path: Path) -> None:
    files = open_files(io.BytesIO(gzip.compress(tar(FILES))), str(tmp_path))
    assert read_small(files, "a/file") == b"content"
    assert read_small(files, "b/far") == b"other" * 1000
    with files.open("a/file") as one, files.open("b/other") as two:  # both at once
        assert (one.read(3), two.read(3), one.read()) == (b"con", b"oth", b"tent")
    assert not files.has("missing")
    with pytest.raises(InvalidInput):
        files.open("missing")
    with pytest.raises(InvalidInput):
        read_small(files, "b/other", 10)
    assert detect(files) == "docker-archive"
    files.close()
    assert os.listdir(tmp_path) == []  # the copy never had a name


def test_a_tar_in_place(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar(FILES))
    files = open_files(str(path), "/nonexistent")  # nothing is copied
    assert files.size("a/link") == 5000
    files.close()


def test_links_in_a_tar_that_lead_nowhere(tmp_path: Path) -> None:
    for link in ("/etc/passwd", "../outside", "../../outside"):
        with pytest.raises(InvalidInput):
            open_files(io.BytesIO(tar({"a": link})), str(tmp_path))
    files = open_files(io.BytesIO(tar({"a": "b", "b": "a", "c": "missing"})), str(tmp_path))
    assert not files.has("c")
    with pytest.raises(InvalidInput):
        files.has("a")
    files.close()


def test_a_tar_that_was_cut_after_it_was_looked_at(tmp_path: Path) -> None:
    stream = spool_stream(io.BytesIO(tar(FILES)), str(tmp_path))
    files = TarFiles(stream)
    os.ftruncate(stream.fileno(), 600)
    with files.open("b/other") as other, pytest.raises(InvalidInput):
        other.read()
    files.close()


def test_a_folder_by_name(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "x").write_bytes(b"blob")
    (tmp_path / "link").symlink_to(tmp_path / "blobs")
    (tmp_path / "blobs" / "y").symlink_to("x")
    files = FolderFiles(str(tmp_path))
    assert read_small(files, "blobs/x") == b"blob"
    for name in ("link/x", "blobs/y", "blobs", "blobs/missing", "../x", "blobs/x/y"):
        assert not files.has(name)
    files.close()
    with pytest.raises(NotFound):
        open_files(str(tmp_path / "missing"), str(tmp_path))


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "a\0b", "x" * 5000, 7, None])
def test_names_that_are_none(name: object) -> None:
    with pytest.raises(InvalidInput):
        check_name(name)


def test_spools_can_be_opened_again(tmp_path: Path) -> None:
    with Spools(str(tmp_path)) as spools:
        opener = spools.add(lambda write: write(b"bytes"))
        for _ in range(2):
            with opener() as stream:
                assert stream.read() == b"bytes"
        assert os.listdir(tmp_path) == []
