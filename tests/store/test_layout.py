"""Where things lie, and whose they are."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lamina.errors import Denied, InvalidInput
from lamina.oci.digest import DiffID, Digest
from lamina.store.layout import Layout, temp_owner
from tests.store.processes import as_nobody, open_up


def test_making_it_touches_nothing(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path / "a" / "root"))
    assert not layout.exists()
    assert list(tmp_path.iterdir()) == []


def test_prepare_makes_it_private_and_only_once(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path / "a" / "root"))
    layout.prepare()
    layout.prepare()
    assert layout.exists()
    assert stat.S_IMODE(os.stat(layout.root).st_mode) == 0o700
    for folder in (*layout.temp_folders(), layout.leases):
        assert os.path.isdir(folder)


def test_a_half_made_root_is_completed(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path / "root"))
    os.mkdir(layout.root)
    os.mkdir(layout.diff)
    assert not layout.exists()
    layout.prepare()
    assert layout.exists() and os.path.isdir(layout.blobs)


def test_a_root_of_someone_else_is_denied(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    try:
        os.chown(root, 12345, 12345)
    except OSError:  # not root, or root of one user only
        root = Path("/proc/1") if os.geteuid() == os.stat("/usr").st_uid else Path("/usr")
    for action in (Layout(str(root)).prepare, Layout(str(root)).exists):
        with pytest.raises(Denied) as caught:
            action()
        assert caught.value.hint is not None and "LAMINA_ROOT" in caught.value.hint
        assert str(root) in caught.value.message


def test_a_root_that_cannot_be_made_is_denied(tmp_path: Path) -> None:
    def action() -> None:
        with pytest.raises(Denied, match="permission denied"):
            Layout(str(tmp_path / "root")).prepare()

    open_up(tmp_path)
    os.chmod(tmp_path, 0o555)
    as_nobody(action)
    os.chmod(tmp_path, 0o755)


def test_a_file_in_place_of_the_root(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in ("file", "file/below"):
        with pytest.raises(InvalidInput, match="not a folder"):
            Layout(str(tmp_path / path)).prepare()


def test_names_cannot_lead_elsewhere(layout: Layout) -> None:
    for bad in ("sha256:../../etc/passwd", "sha256:" + "A" * 64, "", "md5:" + "0" * 64):
        with pytest.raises(InvalidInput):
            layout.blob(Digest(bad))
        with pytest.raises(InvalidInput):
            layout.diff_dir(DiffID(bad))
    for bad in ("", ".", "..", "a/b"):
        with pytest.raises(InvalidInput):
            layout.snapshot_dir(bad)


def test_the_owner_of_a_temporary_name() -> None:
    assert temp_owner(".tmp-0123456789abcdef-1f") == "0123456789abcdef"
    for other in ("0" * 64, ".tmp-", ".tmp-0123", "tmp-0123-1"):
        assert temp_owner(other) is None
