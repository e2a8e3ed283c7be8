"""Outputs into odd places: devices, pipes, links, folders that cannot be written; and the other way round."""

from __future__ import annotations

import os
import stat
import tarfile
import threading
from pathlib import Path

import pytest

from lamina.mount import apply
from lamina.mount.types import Mount
from lamina.testing import isolate
from tests.e2e.conftest import make_base
from tests.e2e.lamina_command import Lamina
from tests.e2e.refusals import check_error, refused

pytestmark = pytest.mark.timeout(300)
SMALL = "FROM scratch\nCOPY a /\n"
FILES = ("-o=type=tar,dest={}", "-o=type=oci,dest={}", "-o=type=docker,dest={}", "--iidfile={}")


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "a").write_text("a")
    (folder / "Dockerfile").write_text(SMALL)
    return folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
@pytest.mark.parametrize("flag", [*FILES, "--metadata-file={}"])
def test_a_device_is_written_to_and_stays_one(
    steady: Lamina, context: Path, tmp_path: Path, flag: str
) -> None:
    null = tmp_path / "null"
    os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    steady("build", flag.format(null), context)
    assert stat.S_ISCHR(null.lstat().st_mode)
    assert sorted(os.listdir(tmp_path)) == ["context", "null"]


def test_a_pipe_gets_what_is_written(steady: Lamina, context: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    steady("build", f"-o=type=tar,dest={pipe}", context)
    reader.join(timeout=30)
    (tmp_path / "got").write_bytes(got[0])
    with tarfile.open(tmp_path / "got") as tar:
        assert tar.getnames() == ["a"]
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


@pytest.mark.parametrize("flag", [*FILES, "--metadata-file={}", "-o=type=oci,tar=false,dest={}", "-o={}"])
def test_a_place_that_cannot_be(steady: Lamina, context: Path, tmp_path: Path, flag: str) -> None:
    (tmp_path / "file").write_text("mine")
    places = [tmp_path / "file/below"]
    if "tar=false" not in flag and not flag.startswith("-o={}"):
        (tmp_path / "folder").mkdir()
        places += [tmp_path / "folder", tmp_path / "nothing/below"]
    for place in places:
        _, err = steady.both("build", flag.format(place), context, status=1)
        check_error(err, str(place), hint=False)
    assert (tmp_path / "file").read_text() == "mine"
    assert [name for name in os.listdir(tmp_path) if name not in ("context", "file", "folder")] == []


@pytest.mark.parametrize("flag", [*FILES, "--metadata-file={}", "-o=type=oci,tar=false,dest={}", "-o={}"])
def test_a_read_only_place(flag: str) -> None:
    def test(folder: str) -> None:
        place = Path(folder) / "place"
        place.mkdir()
        (Path(folder) / "a").write_text("a")
        (Path(folder) / "Dockerfile").write_text(SMALL)
        apply.apply(Mount("tmpfs", str(place), options="size=1m,mode=700", read_only=True))
        lamina = Lamina(Path(folder) / "root")
        make_base(lamina, "busybox")
        _, err = lamina.both("build", flag.format(place / "x"), folder, status=1)
        check_error(err, r"(?i)read-only file system", hint=False)

    try:
        isolate.run(test, "root" if os.geteuid() == 0 else "one")
    except isolate.Skip as skip:
        pytest.skip(str(skip))


def test_links_in_the_folder_are_replaced_and_not_followed(
    steady: Lamina, context: Path, tmp_path: Path
) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    (outside / "d").mkdir(parents=True)
    (outside / "f").write_text("mine")
    (context / "d").mkdir()
    for name in ("d/f", "f", "new"):
        (context / name).write_text("theirs")
    (context / "Dockerfile").write_text("FROM scratch\nCOPY d /d\nCOPY f new /\n")
    for mode in ("copy", "delete"):
        out.mkdir()
        (out / "d").symlink_to(outside / "d")
        (out / "f").symlink_to(outside / "f")
        (out / "new").symlink_to(outside / "new")
        steady("build", f"-o=type=local,mode={mode},dest={out}", context)
        assert (out / "d/f").read_text() == (out / "f").read_text() == (out / "new").read_text() == "theirs"
        assert not (out / "d").is_symlink()
        assert (outside / "f").read_text() == "mine"
        assert sorted(str(path.relative_to(outside)) for path in outside.rglob("*")) == ["d", "f"]
        out.rename(tmp_path / mode)


def test_an_image_with_links_outside_writes_nothing_there(
    steady: Lamina, context: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (context / "Dockerfile").write_text(
        f"FROM busybox AS made\nRUN mkdir /o && ln -s {outside} /o/link && ln -s ../outside /o/up\n"
        "FROM scratch\nCOPY --from=made /o /\n"
    )
    steady("build", f"-o={tmp_path}/out", context)
    (context / "Dockerfile").write_text("FROM scratch\nCOPY a /link/\nCOPY a /up/\n")
    steady("build", f"-o={tmp_path}/out", context)
    assert os.listdir(outside) == []
    assert (tmp_path / "out/link/a").read_text() == (tmp_path / "out/up/a").read_text() == "a"


def test_two_outputs_to_stdout_are_refused(steady: Lamina, context: Path) -> None:
    refused(steady, "build", "-o=type=tar,dest=-", "-o=type=oci,dest=-", context, says="only one output")


def test_a_secret_from_a_pipe(steady: Lamina, context: Path, tmp_path: Path) -> None:
    """`--secret id=s,src=<(command)` of a shell: it can be read once, and is."""
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(b"by pipe"))
    writer.start()
    (context / "Dockerfile").write_text(
        "FROM busybox\nRUN --mount=type=secret,id=s test \"$(cat /run/secrets/s)\" = 'by pipe'\n"
    )
    steady("build", "--no-cache", f"--secret=id=s,src={tmp_path}/pipe", context)
    writer.join(timeout=30)
