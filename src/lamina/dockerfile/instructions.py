"""The instructions of a Dockerfile, one frozen dataclass each.

Values are as written: variables are not expanded and quotes are kept; `expand` is for the build, which
knows the environment. What every instruction has is in `Instruction`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from lamina.dockerfile.frozen import Frozen

if TYPE_CHECKING:
    from lamina.dockerfile.heredoc import Heredoc
    from lamina.dockerfile.source import SourceRange


class Pair(NamedTuple):
    """A name with its value (ENV, LABEL); `separator` is "=", or "" in the old form `ENV name value`."""

    name: str
    value: str
    separator: str


class ArgPair(NamedTuple):
    """A name that ARG declares, with its default or None."""

    name: str
    value: str | None


class Instruction(Frozen):
    """What every instruction has.

    `original` is the logical line: joined, without comments, heredoc bodies and leading white space.
    `flags` and `args` are as written, in the shape that `lamina dockerfile parse --json` prints.
    """

    keyword: ClassVar[str] = ""

    source: SourceRange
    original: str
    flags: tuple[str, ...]
    args: tuple[str, ...]


class From(Instruction):
    """FROM IMAGE [AS STAGE]; `stage` is in lower case, `platform` is the flag's value."""

    keyword: ClassVar[str] = "FROM"
    image: str
    stage: str | None
    platform: str | None


class Arg(Instruction):
    """ARG NAME[=DEFAULT] ..."""

    keyword: ClassVar[str] = "ARG"
    pairs: tuple[ArgPair, ...]


class Env(Instruction):
    """ENV NAME=VALUE ... or ENV NAME VALUE."""

    keyword: ClassVar[str] = "ENV"
    pairs: tuple[Pair, ...]


class Label(Instruction):
    """LABEL NAME=VALUE ... or LABEL NAME VALUE."""

    keyword: ClassVar[str] = "LABEL"
    pairs: tuple[Pair, ...]


class Run(Instruction):
    """RUN: `command` is a tuple in the exec form (`is_json`), else the text for the shell.

    `mounts` and `devices` are the values of those flags as written; `network` is default, none or host;
    `security` is sandbox or insecure; both are None when the flag is absent.
    """

    keyword: ClassVar[str] = "RUN"
    command: str | tuple[str, ...]
    is_json: bool
    heredocs: tuple[Heredoc, ...]
    mounts: tuple[str, ...]
    devices: tuple[str, ...]
    network: str | None
    security: str | None


class Copy(Instruction):
    """COPY SOURCE... DEST: `sources` are paths; `heredocs` are the files written inline, in order."""

    keyword: ClassVar[str] = "COPY"
    sources: tuple[str, ...]
    dest: str
    is_json: bool
    heredocs: tuple[Heredoc, ...]
    from_: str | None
    chown: str | None
    chmod: str | None
    link: bool
    parents: bool
    exclude: tuple[str, ...]


class Add(Instruction):
    """ADD SOURCE... DEST; `unpack` and `keep_git_dir` are None when the flag is absent."""

    keyword: ClassVar[str] = "ADD"
    sources: tuple[str, ...]
    dest: str
    is_json: bool
    heredocs: tuple[Heredoc, ...]
    chown: str | None
    chmod: str | None
    link: bool
    exclude: tuple[str, ...]
    checksum: str | None
    keep_git_dir: bool | None
    unpack: bool | None


class Workdir(Instruction):
    """WORKDIR PATH."""

    keyword: ClassVar[str] = "WORKDIR"
    path: str


class User(Instruction):
    """USER USER[:GROUP]."""

    keyword: ClassVar[str] = "USER"
    user: str


class Expose(Instruction):
    """EXPOSE PORT[/PROTOCOL]...; `ports` are sorted, as BuildKit has them."""

    keyword: ClassVar[str] = "EXPOSE"
    ports: tuple[str, ...]


class Volume(Instruction):
    """VOLUME PATH... or a JSON array."""

    keyword: ClassVar[str] = "VOLUME"
    paths: tuple[str, ...]
    is_json: bool


class Cmd(Instruction):
    """CMD: a tuple in the exec form (`is_json`, may be empty), else the text for the shell."""

    keyword: ClassVar[str] = "CMD"
    command: str | tuple[str, ...]
    is_json: bool


class Entrypoint(Instruction):
    """ENTRYPOINT: a tuple in the exec form (`is_json`, may be empty), else the text for the shell."""

    keyword: ClassVar[str] = "ENTRYPOINT"
    command: str | tuple[str, ...]
    is_json: bool


class Shell(Instruction):
    """SHELL, always a JSON array with at least one string."""

    keyword: ClassVar[str] = "SHELL"
    shell: tuple[str, ...]


class Stopsignal(Instruction):
    """STOPSIGNAL SIGNAL."""

    keyword: ClassVar[str] = "STOPSIGNAL"
    signal: str


class Healthcheck(Instruction):
    """HEALTHCHECK: `test` is as in the image config: NONE, or CMD with arguments, or CMD-SHELL with a text.

    Times are in nanoseconds; 0, also for `retries`, means that the flag is absent.
    """

    keyword: ClassVar[str] = "HEALTHCHECK"
    test: tuple[str, ...]
    is_json: bool
    interval: int
    timeout: int
    start_period: int
    start_interval: int
    retries: int


class Onbuild(Instruction):
    """ONBUILD INSTRUCTION: `expression` is what the image config keeps, heredocs included."""

    keyword: ClassVar[str] = "ONBUILD"
    inner: Instruction
    expression: str
    heredocs: tuple[Heredoc, ...]


class Maintainer(Instruction):
    """MAINTAINER NAME (deprecated)."""

    keyword: ClassVar[str] = "MAINTAINER"
    maintainer: str
