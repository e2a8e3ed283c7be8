"""Main contexts that lie elsewhere: archives, Git repositories, URLs; and that nothing of them stays."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from typing import TYPE_CHECKING

import pytest

from lamina.build.errors import BuildFailed
from lamina.build.request import BuildRequest
from lamina.dockerfile import DockerfileError
from lamina.errors import InvalidInput, LaminaError, NotFound
from lamina.events import Notice
from lamina.store.recover import recover
from tests.fetch.server import MODIFIED, Site, serve

from .elsewhere import left_over, repository, tar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.build.request import BuildResult

    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
FILES = {
    "Dockerfile": "FROM scratch\nCOPY . /c\n",
    "x": "1",
    "d/y": "2",
    "sub/Other": "FROM scratch\nCOPY x /o\n",
}


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as made:
        yield made


def build_from(
    kitchen: Kitchen, place: str | bytes, inside: str = "Dockerfile", **options: object
) -> BuildResult:
    """A build whose context is a URL, or an archive."""
    archive = io.BytesIO(place) if isinstance(place, bytes) else None
    context = None if isinstance(place, bytes) else place
    return kitchen.build(
        "", context=context, archive=archive, dockerfile_name=inside, dockerfile_inside=inside, **options
    )


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz", "zstd"])
def test_an_archive(kitchen: Kitchen, mode: str) -> None:
    data = tar(FILES, "w" if mode == "zstd" else mode)
    if mode == "zstd":
        import zstandard

        data = zstandard.compress(data)
    result = build_from(kitchen, data)
    assert kitchen.listing(result.image_id, "c") == {
        "Dockerfile": "f 644 1000:1000",
        "d": "d 755 0:0",
        "d/y": "f 644 1000:1000",
        "sub": "d 755 0:0",
        "sub/Other": "f 644 1000:1000",
        "x": "f 644 1000:1000",
    }
    entry = kitchen.files(result.image_id).get(b"c/x")
    assert entry is not None
    assert entry.mtime == MODIFIED * 10**9
    assert left_over(kitchen) == []
    assert build_from(kitchen, data).cached
    assert left_over(kitchen) == []


def test_another_dockerfile_in_it(kitchen: Kitchen) -> None:
    image = build_from(kitchen, tar(FILES), "sub/Other").image_id
    assert sorted(kitchen.listing(image)) == ["o"]
    assert build_from(kitchen, tar(FILES), "/sub/../sub/Other").cached
    with pytest.raises(NotFound, match="failed to read dockerfile: nope: no such file in the build context"):
        build_from(kitchen, tar(FILES), "nope")
    assert left_over(kitchen) == []


def test_a_dockerfile_in_small_letters(kitchen: Kitchen) -> None:
    assert build_from(kitchen, tar({"dockerfile": "FROM scratch\nCOPY dockerfile /\n"})).image_id


def test_a_dockerfile_of_its_own_beside_an_archive(kitchen: Kitchen) -> None:
    archive = io.BytesIO(tar(FILES))
    image = kitchen.build("FROM scratch\nCOPY x /mine\n", context=None, archive=archive).image_id
    assert sorted(kitchen.listing(image)) == ["mine"]


@pytest.mark.parametrize(
    ("ignore", "kept"),
    [
        ({".dockerignore": "d\n.dockerignore\n"}, ["Dockerfile", "sub", "sub/Other", "x"]),
        ({".dockerignore": "x\n", "Dockerfile.dockerignore": "**\n!x\n"}, ["x"]),
    ],
)
def test_dockerignore_counts(kitchen: Kitchen, ignore: dict[str, str], kept: list[str]) -> None:
    image = build_from(kitchen, tar(FILES | ignore)).image_id
    assert sorted(kitchen.listing(image, "c")) == kept


def test_run_mounts_it(kitchen: Kitchen) -> None:
    data = tar({"Dockerfile": "FROM busybox\nRUN --mount=target=/m cat /m/x > /o\n", "x": "1"})
    assert kitchen.read(build_from(kitchen, data).image_id, "o") == "1"


def _hostile(*members: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return out.getvalue()


def _member(name: str, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size = 1
    for key, value in fields.items():
        setattr(made, key, value)
    if made.type != tarfile.REGTYPE:
        made.size = 0
    return made


@pytest.mark.parametrize(
    "data",
    [
        _hostile(_member("../../escaped")),
        _hostile(_member("l", type=tarfile.SYMTYPE, linkname="{outside}"), _member("l/escaped")),
        _hostile(_member("l", type=tarfile.SYMTYPE, linkname="../../.."), _member("l/escaped")),
        _hostile(_member("h", type=tarfile.LNKTYPE, linkname="/etc/passwd")),
        _hostile(_member("h", type=tarfile.LNKTYPE, linkname="../../../../../../../etc/passwd")),
        tar(FILES)[:700],
        tar(FILES, "w:gz")[:-20],
        b"\x1f\x8bno gzip",
    ],
)
def test_hostile_and_broken_archives(kitchen: Kitchen, data: bytes) -> None:
    outside = kitchen.folder / "outside"
    outside.mkdir()
    data = data.replace(b"{outside}", str(outside).encode().ljust(9, b"/")[:9])
    before = sorted(os.listdir(kitchen.folder))
    with pytest.raises(LaminaError) as caught:
        build_from(kitchen, data)
    assert isinstance(caught.value, InvalidInput | NotFound)
    assert sorted(os.listdir(kitchen.folder)) == before
    assert list(outside.iterdir()) == []
    assert left_over(kitchen) == []


def test_links_in_an_archive_lead_nowhere_else(kitchen: Kitchen) -> None:
    link = _member("passwd", type=tarfile.SYMTYPE, linkname="/etc/passwd")
    dockerfile = tarfile.TarInfo("Dockerfile")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        text = b"FROM scratch\nCOPY passwd /p\n"
        dockerfile.size = len(text)
        archive.addfile(dockerfile, io.BytesIO(text))
        archive.addfile(link)
    with pytest.raises(DockerfileError, match="not found in the build context"):
        build_from(kitchen, out.getvalue())


def test_names_that_no_layer_can_hold_are_left_out_and_named(kitchen: Kitchen) -> None:
    image = build_from(kitchen, tar({**FILES, ".wh.x": "", "d/.wh..wh..opq": ""})).image_id
    assert sorted(kitchen.listing(image, "c")) == ["Dockerfile", "d", "d/y", "sub", "sub/Other", "x"]
    notices = [event.text for event in kitchen.events if isinstance(event, Notice)]
    assert any(".wh.x of the build context on STDIN is left out" in text for text in notices)


# --- Git


@needs_git
def test_a_git_repository(kitchen: Kitchen, site: Site) -> None:
    repository(kitchen, site).commit(FILES)
    result = build_from(kitchen, f"{site.url}/a.git")
    assert kitchen.listing(result.image_id, "c") == {
        "Dockerfile": "f 644 0:0",
        "d": "d 755 0:0",
        "d/y": "f 644 0:0",
        "sub": "d 755 0:0",
        "sub/Other": "f 644 0:0",
        "x": "f 644 0:0",
    }
    assert build_from(kitchen, f"{site.url}/a.git").cached
    assert left_over(kitchen) == []


@needs_git
def test_ref_folder_and_dockerfile(kitchen: Kitchen, site: Site) -> None:
    made = repository(kitchen, site)
    made.commit({**FILES, "sub/Dockerfile": "FROM scratch\nCOPY Other /old\n"})
    made.run("tag", "v1")
    made.commit({"sub/Dockerfile": "FROM scratch\nCOPY Other /new\n"})
    for rest, name in {"#v1:sub": "old", "#main:sub": "new", "?branch=main&subdir=sub": "new"}.items():
        assert sorted(kitchen.listing(build_from(kitchen, f"{site.url}/a.git{rest}").image_id)) == [name]
    image = build_from(kitchen, f"{site.url}/a.git", "sub/Other").image_id
    assert sorted(kitchen.listing(image)) == ["o"]
    with pytest.raises(NotFound, match="failed to read dockerfile: Dockerfile"):
        build_from(kitchen, f"{site.url}/a.git#:d")


@needs_git
def test_dockerignore_of_a_repository(kitchen: Kitchen, site: Site) -> None:
    repository(kitchen, site).commit({**FILES, ".dockerignore": "*\n!x\n"})
    assert sorted(kitchen.listing(build_from(kitchen, f"{site.url}/a.git").image_id, "c")) == ["x"]


@needs_git
def test_keep_git_dir(kitchen: Kitchen, site: Site) -> None:
    commit = repository(kitchen, site).commit(FILES)
    args = {"BUILDKIT_CONTEXT_KEEP_GIT_DIR": "1"}
    image = build_from(kitchen, f"{site.url}/a.git", build_args=args).image_id
    assert kitchen.read(image, "c/.git/HEAD").strip() == commit
    assert ".git" not in kitchen.listing(build_from(kitchen, f"{site.url}/a.git").image_id, "c")


@needs_git
def test_what_failed_is_cleared_away(kitchen: Kitchen, site: Site) -> None:
    repository(kitchen, site).commit({"Dockerfile": "FROM busybox\nRUN false\n"})
    with pytest.raises(BuildFailed, match="Dockerfile:2") as caught:
        build_from(kitchen, f"{site.url}/a.git")
    assert getattr(caught.value, "dockerfile", b"") == b"FROM busybox\nRUN false\n"
    with pytest.raises(NotFound, match="does not contain ref nope"):
        build_from(kitchen, f"{site.url}/a.git#nope")
    assert [path for path in left_over(kitchen) if "/mnt/" in path or "/diff/" in path] == []


# --- URLs


def test_a_url_of_an_archive(kitchen: Kitchen, site: Site) -> None:
    site.pages["/c"] = tar(FILES, "w:gz")
    result = build_from(kitchen, site.url + "/c")
    assert kitchen.read(result.image_id, "c/x") == "1"
    assert build_from(kitchen, site.url + "/c").cached
    assert build_from(kitchen, site.url + "/c", "sub/Other").image_id
    assert left_over(kitchen) == []


def test_a_url_of_a_dockerfile(kitchen: Kitchen, site: Site) -> None:
    site.pages["/any.txt"] = b"FROM scratch\nCOPY . /c\n"
    image = build_from(kitchen, site.url + "/any.txt").image_id
    assert sorted(kitchen.listing(image, "c")) == ["context"]


def test_a_dockerfile_at_a_url_for_a_folder(kitchen: Kitchen, site: Site) -> None:
    kitchen.write({"x": "mine"})
    site.pages["/D"] = b"FROM scratch\nCOPY x /y\n"
    image = kitchen.build("", dockerfile_inside=site.url + "/D").image_id
    assert kitchen.read(image, "y") == "mine"


@pytest.mark.parametrize(
    ("place", "message"),
    [("{}/nothing", "answered 404"), ("http://localhost:1/", "refused"), ("/nowhere", "not found")],
)
def test_places_that_are_not_there(kitchen: Kitchen, site: Site, place: str, message: str) -> None:
    with pytest.raises(LaminaError, match=message):
        build_from(kitchen, place.replace("{}", site.url))
    assert left_over(kitchen) == []


def test_a_file_is_no_context(kitchen: Kitchen) -> None:
    kitchen.write({"x": "mine"})
    with pytest.raises(NotFound, match="is not a folder"):
        build_from(kitchen, str(kitchen.context / "x"))


# --- SOURCE_DATE_EPOCH=context


@needs_git
def test_the_time_of_the_context_as_epoch(kitchen: Kitchen, site: Site) -> None:
    args = {"SOURCE_DATE_EPOCH": "context"}
    repository(kitchen, site).commit(FILES)
    site.pages["/c"] = tar(FILES)
    places: list[str | bytes] = [f"{site.url}/a.git", site.url + "/c", tar(FILES)]
    for place in places:
        config = kitchen.config(build_from(kitchen, place, build_args=args).image_id)
        assert config.created == "2020-09-13T12:26:40Z"


def test_a_folder_has_no_time_of_its_own(kitchen: Kitchen) -> None:
    kitchen.write({"x": "1"})
    result = kitchen.build("FROM scratch\nCOPY x /\n", build_args={"SOURCE_DATE_EPOCH": "context"})
    assert kitchen.read(result.image_id, "x") == "1"
    notices = [event.text for event in kitchen.events if isinstance(event, Notice)]
    assert notices == ["[Warning] SOURCE_DATE_EPOCH=context says nothing for a context on this machine"]


def test_after_a_kill_recover_clears_away(kitchen: Kitchen) -> None:
    """A process that dies with its context unpacked leaves it to the next one."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        from .kitchen import Kitchen as Again  # a lease of its own

        os.close(reading)
        (kitchen.folder / "context").rename(kitchen.folder / "context-before")
        mine = Again(kitchen.folder)
        try:
            from lamina.build.contexts import Contexts
            from lamina.events import ignore

            from .kitchen import HOST

            request = BuildRequest(None, b"", archive=io.BytesIO(tar(FILES)), dockerfile_inside="Dockerfile")
            Contexts(mine.ctx, request, HOST, ignore, lambda: None).begin()
            os.write(writing, b"x")
        finally:
            os._exit(9)
    os.close(writing)
    assert os.read(reading, 1) == b"x"
    os.close(reading)
    os.waitpid(child, 0)
    assert left_over(kitchen)
    recover(kitchen.layout)
    assert left_over(kitchen) == []
