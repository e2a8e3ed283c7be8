"""A full disk while something is fetched, unpacked, mounted or written out: one clear line, no half files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.build.elsewhere import tar
from tests.e2e.lamina_command import Lamina
from tests.e2e.refusals import check_error, unchanged
from tests.e2e.test_full_disk import FULL, Ballast, context, on_small_disk
from tests.fetch.server import Repository, serve

BIG = 6 << 20
Case = Callable[[Lamina, str, Path], tuple[tuple[str | Path, ...], bytes]]


def add_url(lamina: Lamina, url: str, folder: Path) -> tuple[tuple[str | Path, ...], bytes]:
    return ("-",), f"FROM scratch\nADD {url}/big /\n".encode()


def add_archive(lamina: Lamina, url: str, folder: Path) -> tuple[tuple[str | Path, ...], bytes]:
    return ("-",), f"FROM scratch\nADD --unpack {url}/big.tar /\n".encode()


def add_git(lamina: Lamina, url: str, folder: Path) -> tuple[tuple[str | Path, ...], bytes]:
    return ("-",), f"FROM scratch\nADD {url}/a.git /\n".encode()


def archive_on_stdin(lamina: Lamina, url: str, folder: Path) -> tuple[tuple[str | Path, ...], bytes]:
    return ("-",), tar({"Dockerfile": "FROM scratch\nCOPY . /\n", "big": os.urandom(BIG)})


def named_archive(lamina: Lamina, url: str, folder: Path) -> tuple[tuple[str | Path, ...], bytes]:
    return (f"--build-context=n={url}/big.tar", "-"), b"FROM scratch\nCOPY --from=n / /\n"


def bind_mount(lamina: Lamina, url: str, folder: Path) -> tuple[tuple[str | Path, ...], bytes]:
    made = context(folder, "FROM busybox\nRUN --mount=type=bind,target=/b true\n", big=os.urandom(BIG))
    return (made,), b""


def cache_seed(lamina: Lamina, url: str, folder: Path) -> tuple[tuple[str | Path, ...], bytes]:
    text = "FROM busybox\nRUN --mount=type=cache,from=seed,source=/,target=/c true\n"
    made = context(folder, text)
    (folder / "seed").mkdir()
    (folder / "seed/big").write_bytes(os.urandom(BIG))
    return (f"--build-context=seed={folder}/seed", made), b""


CASES: list[Case] = [add_url, add_archive, add_git, archive_on_stdin, named_archive, bind_mount, cache_seed]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_disk_of_the_store(case: Case) -> None:
    if case is add_git and shutil.which("git") is None:
        pytest.skip("git is not installed")

    def test(lamina: Lamina, elsewhere: Path) -> None:
        with serve() as site:
            site.repositories = str(elsewhere)
            if case is add_git:
                Repository(elsewhere, "a").commit({"big": os.urandom(BIG)})
            site.pages["/big"] = os.urandom(BIG)
            site.pages["/big.tar"] = tar({"big": os.urandom(BIG)})
            args, stdin = case(lamina, site.url, elsewhere)
            ballast = Ballast(lamina)
            ballast.leave(3 << 20)
            with unchanged(lamina.root):
                _, err = lamina.both("build", "--no-cache", *args, status=1, stdin=stdin)
            check_error(err, FULL, hint=False)
            ballast.gone()
            lamina.both("build", "--no-cache", *args, stdin=stdin)

    on_small_disk(test)


@pytest.mark.parametrize(
    "flag",
    [
        "-o=type=local,dest={}/out",
        "-o=type=tar,dest={}/out",
        "-o=type=oci,compression=uncompressed,dest={}/out",
        "-o=type=oci,compression=uncompressed,tar=false,dest={}/out",
        "--iidfile={}/out",
        "--metadata-file={}/out",
    ],
)
def test_the_disk_of_an_output(flag: str) -> None:
    def test(lamina: Lamina, elsewhere: Path) -> None:
        made = context(elsewhere, "FROM scratch\nCOPY big /\n", big=os.urandom(BIG))
        full = elsewhere / "full"
        full.mkdir()
        lamina.build(made)
        about = os.statvfs(full)
        left = 0 if "file=" in flag else 2 << 20
        with open(elsewhere / "ballast", "wb") as out:
            os.posix_fallocate(out.fileno(), 0, about.f_bavail * about.f_bsize - left)
        _, err = lamina.both("build", flag.format(full), made, status=1)
        check_error(err, FULL, hint=False)
        # A layout gets its blobs one by one, each of them whole, and its index last.
        found = [path.name for path in full.rglob("*") if path.is_file()]
        assert [name for name in found if "tar=false" not in flag or len(name) != 64] == []
        (elsewhere / "ballast").unlink()
        lamina.both("build", flag.format(full), made)
        assert os.path.lexists(full / "out")

    on_small_disk(test)
