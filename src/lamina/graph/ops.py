"""What a step does to the file system, as plain data: everything expanded, nothing looked up yet."""

from __future__ import annotations

from typing import NamedTuple


class Variable(NamedTuple):
    """One variable in the environment of a RUN; `is_arg` when an ARG put it there, and no ENV."""

    name: str
    value: str
    is_arg: bool


class Script(NamedTuple):
    """A here-document that begins with `#!`: an executable file at `/dev/pipes/NAME` while the RUN lasts."""

    name: str
    content: str


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


class Document(NamedTuple):
    """A here-document of COPY or ADD: a file that the Dockerfile itself holds."""

    name: str
    content: str


class CopyOp(NamedTuple):
    """COPY and ADD. `dest` is absolute and ends in `/` where it was written so, or as `.`.

    `sources` are cleaned: relative to the source's root, without `..`; `stage` and `image` say which
    root that is: a stage's index, an image's name, or (None, "") for the build context.
    """

    name: str  # COPY | ADD
    sources: tuple[str, ...]
    documents: tuple[Document, ...]
    dest: str
    chown: str
    chmod: str
    stage: int | None = None
    image: str = ""


class WorkdirOp(NamedTuple):
    """WORKDIR: makes a folder that is not there, for the user in force."""

    path: str
    user: str


Op = RunOp | CopyOp | WorkdirOp
