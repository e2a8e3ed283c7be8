"""What a step does to the file system, as plain data: everything expanded, nothing looked up yet."""

from __future__ import annotations

from typing import NamedTuple


class SourceRef(NamedTuple):
    """What COPY --from or RUN --mount=from= names: a stage, an image or a named context; else the context."""

    stage: int | None = None
    image: str = ""
    context: str = ""


THE_CONTEXT = SourceRef()


class Variable(NamedTuple):
    """One variable in the environment of a RUN; `is_arg` when an ARG put it there, and no ENV."""

    name: str
    value: str
    is_arg: bool


class Script(NamedTuple):
    """A here-document that begins with `#!`: an executable file at `/dev/pipes/NAME` while the RUN lasts."""

    name: str
    content: str


class RunMount(NamedTuple):
    """One --mount of a RUN, its options expanded and its defaults filled in.

    `type` is bind, cache, tmpfs, secret or ssh. `stage`, `image` and `context` say what a bind, or the first
    content of a cache, comes from, as in SourceRef; `source` is a path in it. `mode`, `uid`, `gid` are None
    where they were not given. `size` of a tmpfs is in bytes, 0 for no bound. `env` is the variable that holds
    a secret. `target` is absolute, "" for a secret that is a variable only.
    """

    type: str
    target: str
    source: str = ""
    stage: int | None = None
    image: str = ""
    context: str = ""
    read_only: bool = False
    id: str = ""
    sharing: str = "shared"  # shared | private | locked
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int = 0
    required: bool = False
    env: str = ""


class RunOp(NamedTuple):
    """RUN: one process. `proxies` are in its environment and count neither in the key nor in the history."""

    args: tuple[str, ...]
    env: tuple[Variable, ...]
    proxies: tuple[tuple[str, str], ...]
    shell: tuple[str, ...]  # () for the exec form
    cwd: str
    user: str
    network: str  # host | none
    script: Script | None = None
    mounts: tuple[RunMount, ...] = ()
    security: str = "sandbox"  # sandbox | insecure


class Document(NamedTuple):
    """A here-document of COPY or ADD: a file that the Dockerfile itself holds."""

    name: str
    content: str


class CopyOp(NamedTuple):
    """COPY and ADD. `dest` is absolute and ends in `/` where it was written so, or as `.`.

    `sources` are cleaned: relative to the source's root, without `..`; `stage` and `image` say which
    root that is: a stage's index, an image's name, a named context, or nothing of these for the build
    context. With `parents` each is FOLDER/./PATH, of which PATH keeps its folders. `link` says that what
    lies below does not count. `remotes` are those sources of ADD that are URLs or Git repositories, as
    written; `exclude` are patterns. `checksum`, `keep_git_dir` and `unpack` are ADD's, as the instruction
    has them.
    """

    name: str  # COPY | ADD
    sources: tuple[str, ...]
    documents: tuple[Document, ...]
    dest: str
    chown: str
    chmod: str
    stage: int | None = None
    image: str = ""
    context: str = ""
    remotes: tuple[str, ...] = ()
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str = ""
    keep_git_dir: bool | None = None
    unpack: bool | None = None

    @property
    def unpacks(self) -> bool:
        """Whether archives among the sources that are not remote are unpacked."""
        return self.name == "ADD" if self.unpack is None else self.unpack


class WorkdirOp(NamedTuple):
    """WORKDIR: makes a folder that is not there, for the user in force."""

    path: str
    user: str


Op = RunOp | CopyOp | WorkdirOp
