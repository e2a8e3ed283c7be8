"""ADD of URLs and of Git repositories, archives and URLs as contexts: as Docker builds them."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from lamina.testing.docker_engine import DockerEngine, docker_engine, missing
from tests.build.elsewhere import tar
from tests.e2e.conftest import remove
from tests.e2e.lamina_command import Lamina
from tests.e2e.trees import differences
from tests.fetch.server import Repository, Site, serve
from tests.peers.images import Shown, read_images
from tests.peers.test_like_buildkit import WHY_NOT

pytestmark = [
    pytest.mark.peers,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(WHY_NOT or missing()), reason=WHY_NOT or missing() or "-"),
]


class Build(NamedTuple):
    """A Dockerfile on STDIN, or a context: an archive on STDIN, or a place below the server's URL."""

    dockerfile: str = ""
    archive: bytes = b""
    place: str = ""
    args: tuple[str, ...] = ()


FILES: Mapping[str, str] = {
    "Dockerfile": "FROM scratch\nCOPY . /c\nCOPY --chown=3:4 d /d\n",
    "x": "1",
    "d/y": "2",
    "other/D": "FROM scratch\nCOPY x /o\n",
}
BUILDS = {
    "add-url": Build("FROM scratch\nADD {url}/f.txt /a/\nADD {url}/f.txt /b\nADD {url}/f.txt /c/d/e\n"),
    "add-url-no-name": Build("FROM scratch\nADD {url}/ /t/\n"),
    "add-url-query": Build("FROM scratch\nADD {url}/f.txt?a=/b /t/\n"),
    "add-url-redirected": Build("FROM scratch\nADD {url}/moved /t/\n"),
    "add-url-disposition": Build("FROM scratch\nADD {url}/named /t/\n"),
    "add-url-archive": Build("FROM scratch\nADD {url}/t.tgz /t/\n"),
    "add-url-chown": Build("FROM scratch\nADD --chown=5:6 {url}/f.txt /o\n"),
    "add-url-several": Build("FROM scratch\nADD {url}/t.tgz {url}/f.txt /t/\n"),
    "add-url-workdir": Build("FROM scratch\nWORKDIR /w\nADD {url}/f.txt .\nADD {url}/f.txt sub/\n"),
    "add-url-packed": Build("FROM scratch\nADD {url}/packed /t/\n"),
    "archive": Build(archive=tar(FILES)),
    "archive-gz": Build(archive=tar(FILES, "w:gz")),
    "archive-xz": Build(archive=tar(FILES, "w:xz")),
    "archive-bz2": Build(archive=tar(FILES, "w:bz2")),
    "archive-file": Build(archive=tar(FILES), args=("-f", "other/D")),
    "url-archive": Build(place="/c.tgz"),
    "url-archive-file": Build(place="/c.tgz", args=("-f", "other/D")),
    "url-dockerfile": Build(place="/any"),
    "git": Build(place="/a.git"),
    "git-tag": Build(place="/a.git#v1"),
    "git-file": Build(place="/a.git", args=("-f", "other/D")),
    "git-keep": Build(place="/a.git", args=("--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=0")),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("repositories")
    with serve() as made:
        made.repositories = str(folder)
        # This old engine asks for a branch `master` where none is named.
        repository = Repository(folder, "a", "-b", "master")
        (repository.tree / "run").write_text("run")
        (repository.tree / "run").chmod(0o777)
        repository.commit({**FILES, "x": "old"})
        repository.run("tag", "v1")
        repository.commit({**FILES, "x": "git"})  # this old engine would take files of other owners for these
        made.pages |= {
            "/": b"root",
            "/f.txt": b"hello",
            "/t.tgz": tar({"a": "a"}, "w:gz"),
            "/c.tgz": tar(FILES, "w:gz"),
            "/any": b"FROM scratch\nCOPY . /c\n",
            "/moved": lambda handler: handler.reply(302, Location="/f.txt"),
            "/named": lambda handler: handler.reply(
                200, b"x", Content_Disposition='attachment; filename="other.txt"'
            ),
            "/packed": lambda handler: handler.reply(200, gzip.compress(b"x"), Content_Encoding="gzip"),
        }
        yield made


@pytest.fixture(scope="module")
def tools() -> Iterator[tuple[Lamina, DockerEngine]]:
    folder = tempfile.mkdtemp(prefix="lamina-peers-", dir="/dev/shm")
    docker_folder = tempfile.mkdtemp(prefix="lamina-docker-", dir="/dev/shm")
    try:
        with docker_engine(docker_folder) as docker:
            yield Lamina(Path(folder) / "root"), docker
    finally:
        remove(folder)


@pytest.mark.parametrize("name", BUILDS)
def test_builds_the_same(name: str, site: Site, tools: tuple[Lamina, DockerEngine], tmp_path: Path) -> None:
    if "git" in name and shutil.which("git") is None:
        pytest.skip("git is not installed")
    lamina, docker = tools
    build = BUILDS[name]
    stdin = build.archive or build.dockerfile.replace("{url}", site.url).encode()
    words = ["build", "-q", "-t", name, *build.args, site.url + build.place if build.place else "-"]
    lamina(*words, stdin=stdin)
    docker(*words, stdin=stdin)
    ours, theirs = tmp_path / "ours.tar", tmp_path / "theirs.tar"
    lamina("save", "-o", ours, name)
    docker("save", "-o", str(theirs), name)
    mine, their = read_images(ours)[name], read_images(theirs)[name]
    assert differences(mine.tree, their.tree) == []
    assert mine.config["config"].get("Cmd") == their.config["config"].get("Cmd")
    if "COPY --ch" not in str(mine.config["history"]) and "ADD --ch" not in str(mine.config["history"]):
        assert _history(mine) == _history(their)


def _history(shown: Shown) -> list[str]:
    return [line["created_by"].removesuffix(" # buildkit") for line in shown.config["history"]]
