"""Copier: all ways of copying give the same file."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from lamina.fs.copy import Copier

if TYPE_CHECKING:
    from pathlib import Path

_MIB = 1024 * 1024


def _copy(tmp_path: Path, copier: Copier) -> tuple[bytes, os.stat_result]:
    with open(tmp_path / "source", "rb") as source, open(tmp_path / "target", "wb") as target:
        assert copier.copy(source.fileno(), target.fileno()) == os.fstat(source.fileno()).st_size
    return (tmp_path / "target").read_bytes(), os.stat(tmp_path / "target")


@pytest.mark.parametrize("in_kernel", [True, False])
@pytest.mark.parametrize("size", [0, 1, 4096, 200_000, 20 * _MIB + 5])
def test_plain_files(tmp_path: Path, size: int, in_kernel: bool) -> None:
    data = os.urandom(size)
    (tmp_path / "source").write_bytes(data)
    copier = Copier()
    copier._in_kernel = in_kernel
    assert _copy(tmp_path, copier)[0] == data


@pytest.mark.parametrize("in_kernel", [True, False])
@pytest.mark.parametrize(
    ("pieces", "size"),
    [
        ({}, 10 * _MIB),
        ({0: b"start"}, 10 * _MIB),
        ({5 * _MIB: b"middle"}, 10 * _MIB + 1),
        ({0: b"start", 3 * _MIB: b"x" * _MIB, 10 * _MIB - 3: b"end"}, 10 * _MIB),
    ],
)
def test_holes_stay_holes(tmp_path: Path, pieces: dict[int, bytes], size: int, in_kernel: bool) -> None:
    with open(tmp_path / "source", "wb") as source:
        source.truncate(size)
        for at, piece in pieces.items():
            source.seek(at)
            source.write(piece)
    copier = Copier()
    copier._in_kernel = in_kernel
    data, info = _copy(tmp_path, copier)
    assert data == (tmp_path / "source").read_bytes()
    assert info.st_blocks * 512 < 2 * _MIB


def test_what_the_disk_cannot_do_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's answer when two file systems cannot share: not easily had for real."""
    tries = []

    def refuse(*_: object) -> int:
        tries.append(1)
        raise OSError(errno.EXDEV, "cross-device")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    (tmp_path / "source").write_bytes(b"x" * _MIB)
    copier = Copier()
    for _ in range(3):
        assert _copy(tmp_path, copier)[0] == b"x" * _MIB
    assert len(tries) == 1
