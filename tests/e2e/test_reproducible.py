"""The same source gives the same image, whoever builds it, where and when, with SOURCE_DATE_EPOCH set."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from tests.e2e.conftest import make_base, remove
from tests.e2e.lamina_command import Lamina
from tests.e2e.ordinary import Ids, ordinary_lamina
from tests.machine import REPOSITORY, quick_place

if TYPE_CHECKING:
    from collections.abc import Iterator

EPOCH = "1700000000"
DOCKERFILE = """\
FROM base AS build
ARG WHAT=nothing
WORKDIR /src
COPY . .
RUN mkdir -p /out/deep && cat main.txt > /out/made && date > /dev/null && ln /out/made /out/hard && \\
    ln -s made /out/link && touch -d '2001-02-03 04:05:06' /out/old && touch -d '2030-01-01 00:00:00' /out/new
RUN rm /out/old && mkdir /out/old && echo 1 > /out/old/file && chmod 750 /out/deep && echo x >> /etc/group

FROM base
COPY --from=build /out /app
COPY --chmod=640 sub /app/sub
ADD packed.tar /app/unpacked
RUN <<EOF
    echo $((1 + 1)) > /app/sum
    mkdir -p /var/lib/thing && : > /var/lib/thing/empty
EOF
WORKDIR /app/work
ENV A=b
LABEL c=d
CMD ["cat", "/app/made"]
"""


def write_source(folder: Path, *, order: int = 1, mtime: int = 0) -> Path:
    """The source, its files made in another order, with other times."""
    folder.mkdir(parents=True)
    files = {
        "Dockerfile": DOCKERFILE,
        "main.txt": "main\n",
        "sub/one": "1",
        "sub/two": "2",
        ".dockerignore": "no\n",
    }
    for name in sorted(files)[::order]:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(files[name])
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("inner")
        info.size, info.mtime = 3, 1_600_000_000
        tar.addfile(info, io.BytesIO(b"tar"))
    (folder / "packed.tar").write_bytes(out.getvalue())
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (mtime, mtime))
    return folder


def archive_digest(lamina: Lamina, folder: Path, *flags: str, **environ: str) -> tuple[str, str]:
    """The image ID and the SHA-256 of the OCI archive of a build of `folder`."""
    environ = {"SOURCE_DATE_EPOCH": EPOCH} | environ
    out = lamina.both("build", "-q", "-t", "made", *flags, folder, **environ)[0].strip()
    data = subprocess.run(
        [*lamina.argv, "save", "--format", "oci-archive", "made"],
        env=lamina.environ,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    return out, hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the base that everybody builds on: it is part of the source."""
    folder = tempfile.mkdtemp(prefix="lamina-test-", dir=quick_place())
    lamina = Lamina(Path(folder) / "root")
    make_base(lamina, "busybox")
    lamina("tag", "busybox", "base")
    path = tmp_path_factory.mktemp("base") / "base.tar"
    lamina("save", "-o", path, "base")
    path.chmod(0o644)
    remove(folder)
    return path


@pytest.fixture
def fresh(base: Path) -> Iterator[Lamina]:
    """Lamina on a root of its own, with the base."""
    folder = tempfile.mkdtemp(prefix="lamina-test-", dir=quick_place())
    lamina = Lamina(Path(folder) / "root")
    lamina("load", "-i", base)
    yield lamina
    remove(folder)


@pytest.fixture(scope="module")
def expected(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """What the first build gave."""
    folder = tempfile.mkdtemp(prefix="lamina-test-", dir=quick_place())
    lamina = Lamina(Path(folder) / "root")
    lamina("load", "-i", base)
    found = archive_digest(
        lamina, write_source(tmp_path_factory.mktemp("first") / "source", mtime=1_650_000_000)
    )
    remove(folder)
    return found


def test_another_folder_and_other_times(fresh: Lamina, expected: tuple[str, str], tmp_path: Path) -> None:
    source = write_source(tmp_path / "else/where", order=-1, mtime=1_999_999_999)
    assert archive_digest(fresh, source) == expected


def test_built_anew_in_the_same_store(fresh: Lamina, expected: tuple[str, str], tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    assert archive_digest(fresh, source) == expected
    time.sleep(1.1)  # files that a RUN writes are a second later
    assert archive_digest(fresh, source, "--no-cache") == expected


def test_another_umask(fresh: Lamina, expected: tuple[str, str], tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    before = os.umask(0o077)
    try:
        assert archive_digest(fresh, source) == expected
    finally:
        os.umask(before)


def test_the_epoch_as_a_build_arg(fresh: Lamina, expected: tuple[str, str], tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    flags = ("--build-arg", f"SOURCE_DATE_EPOCH={EPOCH}")
    assert archive_digest(fresh, source, *flags, SOURCE_DATE_EPOCH="1") == expected


def test_another_snapshotter(fresh: Lamina, expected: tuple[str, str], tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    assert archive_digest(fresh, source, "--snapshotter", "native") == expected


def faketime() -> str:
    """Debian's libfaketime, fetched and not installed."""
    folder = REPOSITORY / ".cache/tests/libfaketime"
    found = [str(path) for path in folder.rglob("libfaketime.so.1")]
    if not found and os.access(REPOSITORY, os.W_OK) and shutil.which("apt-get"):
        subprocess.run([REPOSITORY / "scripts/apt-fetch", folder, "libfaketime"], check=False)
        found = [str(path) for path in folder.rglob("libfaketime.so.1")]
    if not found:
        pytest.skip("libfaketime is not there, and cannot be fetched")
    return found[0]


@pytest.fixture
def clean_faketime() -> Iterator[None]:
    """Removes what libfaketime leaves in /dev/shm when a process ends without its exit handlers."""
    before = set(os.listdir("/dev/shm"))
    yield
    for name in set(os.listdir("/dev/shm")) - before:
        if "faketime_s" in name:
            os.unlink(f"/dev/shm/{name}")


@pytest.mark.usefixtures("clean_faketime")
@pytest.mark.parametrize("days", ["+1d", "+400d", "-3d"])
def test_another_day(fresh: Lamina, expected: tuple[str, str], tmp_path: Path, days: str) -> None:
    """Lamina's own clock is another; what a RUN writes has the kernel's time, which the epoch clamps."""
    source = write_source(tmp_path / "source")
    environ = {"LD_PRELOAD": faketime(), "FAKETIME": days, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    assert archive_digest(fresh, source, **environ) == expected


@pytest.mark.parametrize("ids", ["one", "many"])
def test_an_ordinary_user(base: Path, expected: tuple[str, str], ids: Ids) -> None:
    folder = Path(tempfile.mkdtemp(prefix="lamina-test-", dir=quick_place()))
    try:
        lamina = ordinary_lamina(folder, ids)
        shutil.copy(base, folder / "base.tar")
        lamina("load", "-i", folder / "base.tar")
        source = lamina.owned(write_source(folder / "source", mtime=1_234_567_890))
        assert archive_digest(lamina, source) == expected
    finally:
        remove(str(folder))


def test_several_platforms(base: Path, fresh: Lamina, tmp_path: Path) -> None:
    """The index is the same, too."""
    dockerfile = "FROM scratch\nCOPY main.txt /\nARG TARGETARCH\nLABEL arch=$TARGETARCH\n"
    found = set()
    for number, mtime in enumerate((1, 1_800_000_000)):
        source = write_source(tmp_path / str(number), mtime=mtime)
        (source / "Dockerfile").write_text(dockerfile)
        found.add(archive_digest(fresh, source, "--platform", "linux/amd64,linux/arm64", "--no-cache"))
    assert len(found) == 1


def test_rewrite_timestamp_and_compressed_archives(fresh: Lamina, tmp_path: Path) -> None:
    digests = set()
    for number, mtime in enumerate((1, 1_800_000_000)):
        source = write_source(tmp_path / str(number), mtime=mtime)
        options = "rewrite-timestamp=true,compression=zstd"
        output = f"type=oci,dest={tmp_path}/{number}.tar,{options}"
        archive_digest(fresh, source, "--no-cache", "--output", output)
        digests.add(hashlib.sha256((tmp_path / f"{number}.tar").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_no_file_that_was_built_is_later_than_the_epoch(fresh: Lamina, tmp_path: Path) -> None:
    archive_digest(fresh, write_source(tmp_path / "source", mtime=1_999_999_999))
    fresh("save", "-o", tmp_path / "made.tar", "made")
    config = fresh.inspect("made")
    count = len(fresh.inspect("base")["RootFS"]["Layers"])
    seen: dict[str, int] = {}
    with tarfile.open(tmp_path / "made.tar") as tar:
        for diff_id in config["RootFS"]["Layers"][count:]:
            layer = tar.extractfile(f"blobs/sha256/{diff_id[7:]}")
            assert layer is not None
            with tarfile.open(fileobj=layer) as inner:
                seen.update({member.name: int(member.mtime) for member in inner})
        manifest = json.load(cast("io.BufferedReader", tar.extractfile("manifest.json")))
        loaded = json.load(cast("io.BufferedReader", tar.extractfile(manifest[0]["Config"])))
    assert max(seen.values()) == int(EPOCH)
    when = "2023-11-14T22:13:20Z"
    assert loaded["created"] == when
    own = loaded["history"][len(fresh("history", "-q", "base").split()) :]
    assert {line["created"] for line in own} == {when}


def test_without_an_epoch_a_rebuild_from_the_cache_is_the_same(fresh: Lamina, tmp_path: Path) -> None:
    """What was built has the time when it was; a rebuild does not change it."""
    source = write_source(tmp_path / "source")
    first = archive_digest(fresh, source, SOURCE_DATE_EPOCH="")
    time.sleep(1.1)
    fresh("rmi", "made")
    assert archive_digest(fresh, source, SOURCE_DATE_EPOCH="") == first
