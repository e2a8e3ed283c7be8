"""Where `lamina build` takes its context and its Dockerfile from, as buildx tells them apart."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from tests.build.elsewhere import tar
from tests.fetch.server import Repository, Site, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.lamina_command import Lamina

pytestmark = pytest.mark.timeout(120)
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
FILES = {
    "Dockerfile": "FROM busybox\nCOPY x /\nRUN echo x is $(cat /x)\n",
    "other/D": "FROM busybox\nCOPY x /\nRUN echo other $(cat /x)\n",
    "x": "here",
}


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as made:
        yield made


def build(program: Lamina, *args: str | Path, stdin: bytes = b"", status: int = 0, **environ: str) -> str:
    """The progress of a build without the cache."""
    return program.both(
        "build", "--progress=plain", "--no-cache", *args, stdin=stdin, status=status, **environ
    )[1]


def temporaries(program: Lamina) -> list[str]:
    """The temporary names in the store; one that goes while we look makes us look again."""
    while True:
        try:
            return [str(path) for path in program.root.rglob(".tmp-*")]
        except FileNotFoundError:
            continue


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_on_stdin(program: Lamina, mode: str) -> None:
    assert "x is here" in build(program, "-", stdin=tar(FILES, mode))
    assert temporaries(program) == []


def test_an_archive_on_stdin_with_another_dockerfile(program: Lamina, tmp_path: Path) -> None:
    assert "other here" in build(program, "-f", "other/D", "-", stdin=tar(FILES))
    mine = tmp_path / "Mine"
    mine.write_text("FROM busybox\nCOPY x /\nRUN echo mine $(cat /x)\n")
    assert "mine here" in build(program, "-f", mine, "-", stdin=tar(FILES))
    text = build(program, "-f", "no/D", "-", stdin=tar(FILES), status=1)
    assert "failed to read dockerfile: no/D: no such file in the build context" in text


def test_a_dockerfile_on_stdin(program: Lamina) -> None:
    assert "no context" in build(program, "-", stdin=b"FROM busybox\nRUN echo no context\n")


def test_stdin_cannot_be_both(program: Lamina) -> None:
    text = build(program, "-f", "-", "-", stdin=tar(FILES), status=1)
    assert "can't use stdin for both build context and dockerfile" in text
    text = build(program, "-f", "Other", "-", stdin=b"FROM busybox\n", status=1)
    assert "ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles" in text


@needs_git
def test_a_git_url(program: Lamina, site: Site, tmp_path: Path) -> None:
    site.repositories = str(tmp_path)
    made = Repository(tmp_path, "a")
    made.commit({**FILES, "sub/Dockerfile": "FROM busybox\nRUN echo in the folder\n"})
    url = f"{site.url}/a.git"
    assert "x is here" in build(program, url)
    assert "in the folder" in build(program, f"{url}#main:sub")
    assert "other here" in build(program, "-f", "other/D", url)
    assert "from stdin here" in build(
        program, "-f", "-", url, stdin=b"FROM busybox\nCOPY x /\nRUN echo from stdin $(cat x)\n"
    )
    assert "does not contain ref nope" in build(program, f"{url}#nope", status=1)
    assert temporaries(program) == []


@needs_git
def test_a_step_of_a_git_context_that_fails_shows_where(program: Lamina, site: Site, tmp_path: Path) -> None:
    site.repositories = str(tmp_path)
    Repository(tmp_path, "a").commit({"Dockerfile": "FROM busybox\nRUN exit 7\n"})
    text = build(program, f"{site.url}/a.git", status=1)
    assert "Dockerfile:2\n" in text
    assert "   2 | >>> RUN exit 7\n" in text


@needs_git
def test_a_folder_goes_before_a_url_that_looks_like_it(program: Lamina, tmp_path: Path) -> None:
    folder = tmp_path / "github.com/me/repo"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM busybox\nRUN echo local\n")
    before = os.getcwd()
    os.chdir(tmp_path)
    try:
        assert "local" in build(program, "github.com/me/repo")
    finally:
        os.chdir(before)


def test_a_url_of_an_archive_and_of_a_dockerfile(program: Lamina, site: Site, tmp_path: Path) -> None:
    site.pages["/c.tgz"], site.pages["/D"] = tar(FILES, "w:gz"), b"FROM busybox\nRUN echo from a url\n"
    assert "x is here" in build(program, site.url + "/c.tgz")
    assert "from a url" in build(program, site.url + "/D")
    assert "from a url" in build(program, "-f", site.url + "/D", tmp_path)


def test_ssh_without_a_key(program: Lamina) -> None:
    environ = {"SSH_AUTH_SOCK": ""}
    text = build(program, "git@host.invalid:a/b.git", status=1, **environ)
    assert "--ssh default" in text


@needs_git
def test_the_agent_is_used_for_a_git_context_over_ssh(program: Lamina, tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(path))
        text = build(program, "git@host.invalid:a/b.git", status=1, SSH_AUTH_SOCK=str(path))
    assert "failed to fetch remote git@host.invalid:a/b.git" in text


@pytest.mark.parametrize("place", ["nothing-there", "ftp://h/x", "file:///etc"])
def test_what_is_no_context(program: Lamina, place: str) -> None:
    assert f"unable to prepare context: path '{place}' not found" in build(program, place, status=1)


def test_build_context(program: Lamina, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("named")
    stdin = b"FROM base\nCOPY --from=more f /\nRUN echo got $(cat /f)\n"
    flags = [f"--build-context=more={tmp_path}", "--build-context=base=docker-image://busybox"]
    assert "got named" in build(program, *flags, "-", stdin=stdin)
    assert "invalid context value: x" in build(program, "--build-context=x", "-", stdin=stdin, status=1)


def test_proxies_of_the_environment(program: Lamina, site: Site) -> None:
    site.pages["/D"] = b"FROM busybox\nRUN echo by proxy\n"
    text = build(program, "http://example.test/D", http_proxy=site.url)
    assert "by proxy" in text
    assert site.paths == ["http://example.test/D"]


def test_a_build_that_is_killed_leaves_nothing_for_long(program: Lamina) -> None:
    stdin = tar({"Dockerfile": "FROM busybox\nCOPY x /\nRUN sleep 60\n", "x": "1"})
    reading, writing = os.pipe()
    process = program.start("build", "--no-cache", "-", stdin=reading)
    os.close(reading)
    os.write(writing, stdin)
    os.close(writing)
    try:
        end = time.monotonic() + 30
        while not temporaries(program) and time.monotonic() < end:
            time.sleep(0.05)
        assert temporaries(program)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    end = time.monotonic() + 30
    while temporaries(program) and time.monotonic() < end:
        program("tag", "busybox", "again")
        time.sleep(0.2)
    assert temporaries(program) == []
