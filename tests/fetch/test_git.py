"""find_commit and check_out: the files of a commit, over HTTP, smart and dumb, and over ssh's front door."""

from __future__ import annotations

import os
import shutil
import stat
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.dockerfile.remotes import GitSource, parse_git
from lamina.errors import Cancelled, Corrupt, Denied, NotFound
from lamina.fetch.failures import FetchFailed
from lamina.fetch.git import Commit, check_out, find_commit
from lamina.fetch.gitprogram import GitAccess
from lamina.fetch.stopping import NeverStops, Stopper
from tests.fetch.server import MODIFIED, Handler, Repository, Site
from tests.fetch.test_http import Stop

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
OPEN = GitAccess()


class Bench:
    """One server with repositories, and folders to check out into."""

    def __init__(self, folder: Path, site: Site) -> None:
        self.folder = folder
        self.site = site
        site.repositories = str(folder / "repositories")
        self.count = 0

    def repository(self, name: str, *arguments: str) -> Repository:
        return Repository(self.folder / "repositories", name, *arguments)

    def source(self, rest: str) -> GitSource:
        found = parse_git(f"{self.site.url}/{rest}")
        assert found is not None
        return found

    def work(self) -> str:
        self.count += 1
        path = self.folder / f"work{self.count}"
        path.mkdir()
        return str(path)

    def find(self, rest: str, access: GitAccess = OPEN) -> Commit:
        return find_commit(self.source(rest), access, NeverStops(), self.work())

    def out(self, rest: str, access: GitAccess = OPEN, stopper: Stopper | None = None) -> Path:
        """Checks out; the folder with the files."""
        source, work = self.source(rest), self.work()
        commit = find_commit(source, access, NeverStops(), work)
        tree = f"{work}/tree"
        self.time = check_out(source, commit, tree, access, stopper or NeverStops(), work)
        return Path(tree)


@pytest.fixture
def bench(tmp_path: Path, site: Site) -> Bench:
    return Bench(tmp_path, site)


def names(tree: Path) -> list[str]:
    return sorted(str(path.relative_to(tree)) for path in tree.rglob("*") if ".git/" not in str(path))


def test_the_default_branch(bench: Bench) -> None:
    made = bench.repository("a")
    commit = made.commit({"x": "1", "d/y": "2"})
    assert bench.find("a.git") == Commit(commit, "refs/heads/main")
    tree = bench.out("a.git")
    assert names(tree) == ["d", "d/y", "x"]
    assert (tree / "x").read_text() == "1"


def test_branch_tag_and_commit(bench: Bench) -> None:
    made = bench.repository("a")
    first = made.commit({"x": "1"})
    made.run("tag", "v1")
    made.run("tag", "-a", "v2", "-m", "annotated")
    made.run("branch", "feature/one")
    second = made.commit({"x": "2"})
    tag = made.run("rev-parse", "v2")
    assert bench.find("a.git#feature/one") == Commit(first, "refs/heads/feature/one")
    assert bench.find("a.git#v1") == Commit(first, "refs/tags/v1")
    assert bench.find("a.git?tag=v2") == Commit(first, "refs/tags/v2", tag)
    assert bench.find("a.git?branch=main") == Commit(second, "refs/heads/main")
    assert bench.find("a.git#refs/heads/main") == Commit(second, "refs/heads/main")
    assert bench.find(f"a.git#{first}") == Commit(first)
    for rest in ("feature/one", "v1", "v2", first, "refs/tags/v2"):
        assert (bench.out(f"a.git#{rest}") / "x").read_text() == "1"


def test_a_branch_goes_before_a_tag_of_its_name(bench: Bench) -> None:
    made = bench.repository("a")
    made.commit({"x": "tag"})
    made.run("tag", "same")
    branch = made.commit({"x": "branch"})
    made.run("branch", "same")
    made.publish()
    assert bench.find("a.git#same").id == branch
    assert (bench.out("a.git#same") / "x").read_text() == "branch"


def test_a_commit_that_no_branch_points_to(bench: Bench) -> None:
    made = bench.repository("a")
    old = made.commit({"x": "old"})
    made.commit({"x": "new"})
    assert (bench.out(f"a.git#{old}") / "x").read_text() == "old"


def test_only_one_commit_is_fetched(bench: Bench) -> None:
    made = bench.repository("a")
    for number in range(3):
        made.commit({"x": str(number)})
    tree = bench.out("a.git?keep-git-dir=1")
    assert made.run("rev-list", "--count", "HEAD", cwd=tree) == "1"


@pytest.mark.parametrize("commit", [False, True])
def test_a_server_that_only_serves_files(bench: Bench, commit: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bench.repository("a")
    old = made.commit({"x": "old"})
    made.commit({"x": "new"})
    files = {f"/a.git/{path.relative_to(made.folder)}": path for path in made.folder.rglob("*")}
    made.publish()
    files = {f"/a.git/{path.relative_to(made.folder)}": path for path in made.folder.rglob("*")}
    bench.site.pages.update({name: path.read_bytes() for name, path in files.items() if path.is_file()})
    bench.site.repositories = ""
    tree = bench.out(f"a.git#{old}" if commit else "a.git")
    assert (tree / "x").read_text() == ("old" if commit else "new")


def test_a_checksum(bench: Bench) -> None:
    made = bench.repository("a")
    commit = made.commit({"x": "1"})
    made.run("tag", "-a", "v2", "-m", "annotated")
    made.publish()
    tag = made.run("rev-parse", "v2")
    assert bench.find(f"a.git?tag=v2&checksum={commit[:8]}").id == commit
    assert bench.find(f"a.git?tag=v2&checksum={tag[:8].upper()}").id == commit
    assert bench.find(f"a.git?ref={commit}&checksum={commit}").id == commit
    with pytest.raises(Corrupt, match=f"expected checksum to match 0000, got {tag} or {commit}"):
        bench.find("a.git?tag=v2&checksum=0000")
    with pytest.raises(Corrupt, match=f"expected checksum to match abcd0, got {commit}"):
        bench.find(f"a.git?ref={commit}&checksum=abcd0")


def test_modes_and_times(bench: Bench) -> None:
    made = bench.repository("a")
    (made.tree / "run.sh").write_text("#!/bin/sh\n")
    (made.tree / "run.sh").chmod(0o777)
    os.symlink("run.sh", made.tree / "link")
    made.commit({"d/y": "2"})
    old = os.umask(0o077)
    try:
        tree = bench.out("a.git")
    finally:
        os.umask(old)
    assert bench.time == MODIFIED
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in (tree, *tree.rglob("*"))}
    assert modes == {"tree": 0o755, "run.sh": 0o755, "d": 0o755, "y": 0o644, "link": 0o777}
    assert os.readlink(tree / "link") == "run.sh"
    assert {path.lstat().st_mtime for path in (tree, *tree.rglob("*"))} == {MODIFIED}


def test_a_kept_git_dir_is_a_repository_without_secrets(bench: Bench) -> None:
    made = bench.repository("a")
    commit = made.commit({"x": "1"})
    source = parse_git(bench.site.url.replace("://", "://me:s3cret@") + "/a.git?keep-git-dir=true")
    assert source is not None
    work = bench.work()
    check_out(source, Commit(commit, "refs/heads/main"), f"{work}/tree", OPEN, NeverStops(), work)
    tree = Path(work) / "tree"
    assert made.run("rev-parse", "HEAD", cwd=tree) == commit
    assert made.run("status", "--porcelain", cwd=tree) == ""
    assert "xxxxx@localhost" in made.run("remote", "get-url", "origin", cwd=tree)
    assert not any(b"s3cret" in path.read_bytes() for path in tree.rglob("*") if path.is_file())
    assert not (tree / ".git/FETCH_HEAD").exists()
    assert not (bench.out("a.git") / ".git").exists()


def test_submodules_come_along_unless_they_are_not_wanted(bench: Bench) -> None:
    inner = bench.repository("inner")
    inner.commit({"i": "inner"})
    made = bench.repository("a")
    made.commit({"x": "1"})
    made.run("submodule", "--quiet", "add", f"{bench.site.url}/inner.git", "sub")
    made.commit({})
    assert names(bench.out("a.git")) == [".gitmodules", "sub", "sub/i", "x"]
    assert names(bench.out("a.git?submodules=false")) == [".gitmodules", "sub", "x"]
    kept = bench.out("a.git?keep-git-dir")
    assert (kept / "sub/.git").is_file()
    assert inner.run("status", "--porcelain", cwd=kept / "sub") == ""


def test_a_submodule_cannot_be_a_folder_of_this_machine(bench: Bench) -> None:
    inner = bench.repository("inner")
    inner.commit({"i": "inner"})
    made = bench.repository("a")
    made.commit({"x": "1"})
    made.run("submodule", "--quiet", "add", str(inner.tree), "sub")
    made.commit({})
    with pytest.raises(FetchFailed, match="transport 'file' not allowed"):
        bench.out("a.git")


def test_nothing_of_the_repository_is_run(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither filters that .gitattributes names, nor what the caller's own config says."""
    trap = tmp_path / "trap"
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f'[filter "evil"]\n smudge = touch {trap}\n[core]\n hooksPath = {home}\n[user]\n name = x\n'
    )
    hook = home / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {trap}\n")
    hook.chmod(0o755)
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.hookspath={home}'")
    monkeypatch.setenv("GIT_DIR", str(home))
    made = bench.repository("a")
    made.commit({"x": "1", ".gitattributes": "* filter=evil\n"})
    assert names(bench.out("a.git")) == [".gitattributes", "x"]
    assert not trap.exists()


def test_a_token_is_sent_to_its_host(bench: Bench) -> None:
    bench.repository("a").commit({"x": "1"})
    bench.out("a.git", GitAccess("basic c2VjcmV0"))
    assert set(bench.site.header("Authorization")) == {"basic c2VjcmV0"}


def test_a_token_is_not_in_the_arguments(bench: Bench) -> None:
    """Every user of the machine can read those."""
    seen: list[str] = []

    def look(handler: Handler) -> None:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                seen.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
        handler.reply(404)

    bench.site.pages["/a.git/info/refs"] = look
    with pytest.raises(NotFound):
        bench.find("a.git", GitAccess("basic c2VjcmV0"))
    assert any("ls-remote" in line for line in seen)
    assert not any("c2VjcmV0" in line for line in seen)


@pytest.mark.parametrize(
    ("status", "kind", "hint"),
    [(401, Denied, "GIT_AUTH_TOKEN"), (403, Denied, "GIT_AUTH_TOKEN"), (404, NotFound, "")],
)
def test_a_server_that_refuses(bench: Bench, status: int, kind: type[Denied], hint: str) -> None:
    def refuse(handler: Handler) -> None:
        headers = {"WWW_Authenticate": "Basic"} if status == 401 else {}
        handler.reply(status, b"", **headers)

    bench.site.pages["/a.git/info/refs"] = refuse
    with pytest.raises(kind, match="failed to fetch remote http://localhost") as caught:
        bench.find("a.git")
    assert hint in (caught.value.hint or "")


def test_a_ref_that_is_not_there(bench: Bench) -> None:
    bench.repository("a").commit({"x": "1"})
    with pytest.raises(NotFound, match=r"a\.git does not contain ref nothing"):
        bench.find("a.git#nothing")
    with pytest.raises(NotFound, match=r"does not have commit 0{40}"):
        bench.out("a.git#" + "0" * 40)


def test_an_empty_repository(bench: Bench) -> None:
    made = bench.repository("a")
    made.folder.mkdir()
    made.run("init", "--quiet", "--bare", cwd=made.folder)
    with pytest.raises(NotFound, match="could not find default branch"):
        bench.find("a.git")


def test_a_server_that_is_not_there(bench: Bench) -> None:
    source = GitSource("http://nothing.invalid/a.git")
    with pytest.raises(FetchFailed, match=r"nothing\.invalid"):
        find_commit(source, OPEN, NeverStops(), bench.work())


def test_without_the_program(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.fetch.gitprogram._PATH", "/nowhere")
    with pytest.raises(NotFound, match="git is not installed") as caught:
        bench.find("a.git")
    assert caught.value.hint == "install it: apt-get install git"


def test_a_proxy_is_used(bench: Bench) -> None:
    made = bench.repository("a")
    commit = made.commit({"x": "1"})
    source = GitSource("http://example.test/a.git")

    def through(handler: Handler) -> None:
        from tests.fetch.server import git_http

        handler.path = handler.path.removeprefix("http://example.test")
        git_http(handler, bench.site.repositories)

    bench.site.pages["/a.git/info/refs"] = bench.site.pages["/a.git/git-upload-pack"] = through
    access = GitAccess(proxies={"HTTP_PROXY": bench.site.url})
    assert find_commit(source, access, NeverStops(), bench.work()).id == commit


def test_sha256_repositories(bench: Bench) -> None:
    made = bench.repository("a", "--object-format=sha256")
    made.folder.mkdir()
    made.run("init", "--quiet", "--bare", "--object-format=sha256", cwd=made.folder)
    commit = made.commit({"x": "1"})
    assert len(commit) == 64
    assert names(bench.out("a.git#main")) == ["x"]
    assert names(bench.out(f"a.git#{commit}")) == ["x"]


def _ssh_words(program: str, access: Callable[[str], GitAccess], tmp_path: Path) -> str:
    """What `ssh` is called with, as a program in its place sees it."""
    log = tmp_path / "log"
    folder = tmp_path / "bin"
    folder.mkdir()
    ssh = folder / "ssh"
    ssh.write_text(f'#!/bin/sh\necho "$@" > {log}\nexit 255\n')
    ssh.chmod(0o755)
    (folder / "git").symlink_to(program)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lamina.fetch.gitprogram._PATH", f"{folder}:/usr/bin:/bin")
        with pytest.raises(FetchFailed):
            find_commit(
                GitSource("git@host.test:a/b.git"), access(str(tmp_path)), NeverStops(), str(tmp_path)
            )
    return log.read_text()


def test_ssh_gets_the_agent_or_the_keys_and_no_config(tmp_path: Path) -> None:
    program = shutil.which("git")
    assert program is not None
    words = _ssh_words(program, lambda _: GitAccess(agent="/run/agent.sock"), tmp_path)
    assert "-F /dev/null" in words
    assert "IdentityAgent=/run/agent.sock" in words
    assert "BatchMode=yes" in words
    assert "git@host.test" in words
    (tmp_path / "two").mkdir()
    words = _ssh_words(program, lambda _: GitAccess(keys=("/a key",)), tmp_path / "two")
    assert "-i /a key" in words
    assert "IdentityAgent=none" in words
    assert "IdentitiesOnly=yes" in words


def test_git_can_be_stopped(bench: Bench) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def hang(handler: Handler) -> None:
        asked.set()
        go_on.wait(20)
        handler.reply(500)

    bench.site.pages["/a.git/info/refs"] = hang
    stop = Stop()

    def stop_soon() -> None:
        asked.wait(20)
        stop.stop()

    thread = threading.Thread(target=stop_soon)
    thread.start()
    start = time.monotonic()
    with pytest.raises(Cancelled):
        find_commit(bench.source("a.git"), OPEN, stop, bench.work())
    assert time.monotonic() - start < 10
    go_on.set()
    thread.join()
