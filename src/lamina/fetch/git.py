"""Trees out of Git repositories, by the program `git`: which commit a name means, and the files of a commit.

As little as possible is fetched: one commit without its history where the server can give that. All files
get the commit's time, so that the same commit is the same layer whenever it is fetched.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.dockerfile.remotes import redacted
from lamina.errors import Corrupt, NotFound
from lamina.fetch.gitprogram import Git, GitFailed, is_too_shallow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.dockerfile.remotes import GitSource
    from lamina.fetch.gitprogram import GitAccess
    from lamina.fetch.stopping import Stopper

_SHA256 = 64  # hex digits of a commit in a repository of that kind


class Commit(NamedTuple):
    """What a GitSource means now. `ref` is the full name that leads to it, "" when it was asked by its ID.

    `tag` is the ID of the annotated tag on the way, "" for none.
    """

    id: str
    ref: str = ""
    tag: str = ""


def find_commit(source: GitSource, access: GitAccess, stopper: Stopper, folder: str) -> Commit:
    """Asks the server, unless the source names the commit itself. `folder` is one that git may put notes in.

    NotFound when there is no such ref; Corrupt when it is not the commit that the source's checksum names;
    Denied, FetchFailed.
    """
    if source.is_commit:
        found = Commit(source.ref)
    else:
        git = Git(access, stopper, folder, source.remote)
        found = _named(git, source) if source.ref else _default_branch(git, source)
    _check(source, found)
    return found


def check_out(
    source: GitSource, commit: Commit, tree: str, access: GitAccess, stopper: Stopper, folder: str
) -> int:
    """Puts the files of a commit into `tree`, a new folder; returns the commit's time (since 1970).

    `folder` is an empty folder for everything else. Submodules come along unless the source says no.
    The source's `subdir` is the caller's to find. Corrupt when the commit is not what its checksum says;
    NotFound when the server does not have it; Denied, FetchFailed.
    """
    os.mkdir(tree)
    os.chmod(tree, 0o755)  # whatever the umask is
    keep = bool(source.keep_git_dir)
    git = Git(access, stopper, folder, source.remote)
    git.work_in(tree, f"{tree}/.git" if keep else f"{folder}/repository")
    kind = ["--object-format=sha256"] if len(commit.id) == _SHA256 else []
    git.run("init", "--quiet", "--template=", *kind)
    git.run("remote", "add", "--", "origin", source.remote)
    _fetch(git, source, commit)
    git.run("checkout", "--quiet", "--force", "--detach", commit.id)
    if source.submodules is not False and os.path.lexists(f"{tree}/.gitmodules"):
        _add_submodules(git)
    seconds = int(git.run("show", "-s", "--format=%ct", commit.id + "^{commit}").split()[-1])
    if keep:
        _tidy(git, source, tree)
    _settle(tree, seconds, keep)
    return seconds


def _named(git: Git, source: GitSource) -> Commit:
    listed = git.run("ls-remote", "--", source.remote, source.ref, source.ref + "^{}")
    return _choose(source.ref, _parsed(listed), source)


def _default_branch(git: Git, source: GitSource) -> Commit:
    """What HEAD points to; its own commit where the server does not tell the branch."""
    branch = commit = ""
    for line in git.run("ls-remote", "--symref", "--", source.remote, "HEAD").splitlines():
        left, _, right = line.partition("\t")
        if right == "HEAD" and left.startswith("ref: "):
            branch = left.removeprefix("ref: ")
        elif right == "HEAD":
            commit = left
    if not commit:
        raise NotFound(f"could not find default branch for repository: {redacted(source.remote)}")
    return Commit(commit, branch)


def _parsed(text: str) -> dict[str, str]:
    """ls-remote's answer: the ID of each full name."""
    pairs = (line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    return {name: commit for commit, name in pairs}


def _choose(ref: str, listed: Mapping[str, str], source: GitSource) -> Commit:
    """The ref that was meant: its full name, then a branch, then a tag, as `git checkout` has it."""
    bare = ref.removeprefix("refs/")
    names = [ref, f"refs/{bare}", f"refs/heads/{ref.removeprefix('refs/heads/')}"]
    names.append(f"refs/tags/{ref.removeprefix('refs/tags/')}")
    for name in names:
        if name in listed:
            peeled = listed.get(name + "^{}", "")
            return Commit(peeled or listed[name], name, listed[name] if peeled else "")
    raise NotFound(
        f"repository {redacted(source.remote)} does not contain ref {ref}",
        hint="a commit that no branch or tag names is written with all its 40 digits",
    )


def _check(source: GitSource, commit: Commit) -> None:
    wanted = source.checksum.lower()
    if not commit.id.startswith(wanted) and not (commit.tag and commit.tag.startswith(wanted)):
        got = f"{commit.tag} or {commit.id}" if commit.tag else commit.id
        raise Corrupt(f"expected checksum to match {source.checksum}, got {got}")


def _fetch(git: Git, source: GitSource, commit: Commit) -> None:
    """Brings the commit here: with its ref, else by its ID, else with all that the server has."""
    wanted = [f"+{commit.ref}:{commit.ref}"] if commit.ref.startswith("refs/") else []
    for spec in (*wanted, commit.id):
        try:
            git.fetch("--depth=1", "--no-tags", spec)
        except GitFailed as error:
            if not is_too_shallow(error.output):
                raise error.explain(source.remote) from None
        else:
            if _has(git, commit):
                return
    try:
        git.fetch("--no-tags", "+refs/heads/*:refs/lamina/heads/*", "+refs/tags/*:refs/lamina/tags/*")
    except GitFailed as error:
        raise error.explain(source.remote) from None
    if not _has(git, commit):
        raise NotFound(f"repository {redacted(source.remote)} does not have commit {commit.id}")


def _has(git: Git, commit: Commit) -> bool:
    try:
        git.attempt("cat-file", "-e", commit.id + "^{commit}")
    except GitFailed:
        return False
    return True


def _add_submodules(git: Git) -> None:
    update = ("submodule", "--quiet", "update", "--init", "--recursive")
    try:
        git.attempt(*update, "--depth=1")
    except GitFailed as error:
        if not is_too_shallow(error.output):
            raise error.explain("a submodule") from None
        git.run(*update)


def _tidy(git: Git, source: GitSource, tree: str) -> None:
    """What a kept .git must not hold: secrets in the URL, and traces of how it was fetched."""
    git.run("remote", "set-url", "--", "origin", redacted(source.remote))
    git.run("reflog", "expire", "--all", "--expire=now")
    for name in ("FETCH_HEAD", "ORIG_HEAD"):
        if os.path.lexists(f"{tree}/.git/{name}"):
            os.unlink(f"{tree}/.git/{name}")


def _settle(tree: str, seconds: int, keep: bool) -> None:
    """Gives everything the commit's time; the .git of a submodule points nowhere unless ours was kept."""
    time = seconds * 1_000_000_000
    for folder, _, files in os.walk(tree, topdown=False):
        for name in files:
            path = f"{folder}/{name}"
            if name == ".git" and not keep and folder != tree:
                os.unlink(path)
            else:
                os.utime(path, ns=(time, time), follow_symlinks=False)
        for name in os.listdir(folder):
            os.utime(f"{folder}/{name}", ns=(time, time), follow_symlinks=False)
    os.utime(tree, ns=(time, time))
