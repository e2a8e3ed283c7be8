"""From the parts of a logical line to its instruction: argument rules of each, and their messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.dockerfile.flags import Flags
from lamina.dockerfile.heredoc import Heredoc, heredoc_word
from lamina.dockerfile.instructions import (
    Add,
    Arg,
    ArgPair,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Pair,
    Run,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from lamina.dockerfile.source import Fault, SourceRange, quote
from lamina.dockerfile.words import SPACE

if TYPE_CHECKING:
    from collections.abc import Callable

_STAGE_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_STAGE_CHARACTERS = _STAGE_LETTERS | frozenset("0123456789-_.")


class Parts(NamedTuple):
    """A logical line in parts, as far as no rule of its instruction is needed."""

    source: SourceRange
    original: str
    keyword: str  # upper case
    flags: tuple[str, ...]
    args: tuple[str, ...]
    is_json: bool
    heredocs: tuple[Heredoc, ...]


def _from(parts: Parts) -> From:
    args = parts.args
    stage = None
    if len(args) == 3 and args[1].lower() == "as":
        stage = args[2].lower()
        if stage[0] not in _STAGE_LETTERS or not _STAGE_CHARACTERS.issuperset(stage):
            raise Fault(
                f"invalid name for build stage: {quote(args[2])}, "
                "name can't start with a number or contain symbols",
                at=args[2],
            )
    elif len(args) != 1:
        raise Fault("FROM requires either one or three arguments", hint="FROM IMAGE, or FROM IMAGE AS STAGE")
    flags = Flags("FROM", parts.flags)
    return From(*_base(parts), args[0], stage, flags.text("platform"))


def _arg(parts: Parts) -> Arg:
    Flags("ARG", parts.flags)
    _at_least_one(parts)
    found: list[ArgPair] = []
    for word in parts.args:
        name, equals, value = word.partition("=")
        if not name:
            raise Fault("ARG names can not be blank", at=word)
        found.append(ArgPair(name, value if equals else None))
    return Arg(*_base(parts), tuple(found))


def _pairs(parts: Parts) -> tuple[Pair, ...]:
    Flags(parts.keyword, parts.flags)
    _at_least_one(parts)
    args = parts.args
    found = tuple(Pair(*args[number : number + 3]) for number in range(0, len(args), 3))
    for pair in found:
        if not pair.name:
            raise Fault(f"{parts.keyword} names can not be blank", at=f"={pair.value}")
    return found


def _env(parts: Parts) -> Env:
    return Env(*_base(parts), _pairs(parts))


def _label(parts: Parts) -> Label:
    return Label(*_base(parts), _pairs(parts))


def _run(parts: Parts) -> Run:
    flags = Flags("RUN", parts.flags)
    network, security = flags.text("network"), flags.text("security")
    if network not in (None, "default", "none", "host"):
        hint = "default, none or host"
        raise Fault(f"invalid network mode {quote(network)}", at="--network", hint=hint)
    if security not in (None, "sandbox", "insecure"):
        raise Fault(f"security {quote(security)} is not valid", at="--security", hint="sandbox or insecure")
    mounts = flags.texts("mount")
    if mounts:
        _check_mounts(mounts)
    return Run(
        *_base(parts),
        _command(parts),
        parts.is_json,
        parts.heredocs,
        mounts,
        flags.texts("device"),
        network,
        security,
    )


def _check_mounts(mounts: tuple[str, ...]) -> None:
    """The part of mounts that is read before variables are known."""
    from lamina.dockerfile.mounts import BadMount, check_early  # most builds have none: spares its import

    for mount in mounts:
        try:
            check_early(mount)
        except BadMount as error:
            raise Fault(error.message, at=error.at, hint=error.hint) from None


def _paths(parts: Parts) -> tuple[tuple[str, ...], str]:
    """The sources of COPY and ADD that are no heredocs, and the destination."""
    *sources, dest = parts.args
    if heredoc_word(dest):
        raise Fault(f"{parts.keyword} cannot accept a heredoc as a destination", at=dest)
    read = {heredoc.name for heredoc in parts.heredocs}
    paths: list[str] = []
    for word in sources:
        announced = heredoc_word(word)
        if announced is None:
            paths.append(word)
        elif announced.name not in read:
            hint = "in JSON form there are no heredocs; quotes on the line must be closed"
            raise Fault(f"{parts.keyword} has no heredoc {announced.name}", at=word, hint=hint)
    return tuple(paths), dest


def _copy(parts: Parts) -> Copy:
    _has_destination(parts)
    flags = Flags("COPY", parts.flags)
    sources, dest = _paths(parts)
    return Copy(
        *_base(parts),
        sources,
        dest,
        parts.is_json,
        parts.heredocs,
        flags.text("from"),
        flags.text("chown"),
        flags.text("chmod"),
        bool(flags.yes("link")),
        bool(flags.yes("parents")),
        flags.texts("exclude"),
    )


def _add(parts: Parts) -> Add:
    _has_destination(parts)
    flags = Flags("ADD", parts.flags)
    sources, dest = _paths(parts)
    return Add(
        *_base(parts),
        sources,
        dest,
        parts.is_json,
        parts.heredocs,
        flags.text("chown"),
        flags.text("chmod"),
        bool(flags.yes("link")),
        flags.texts("exclude"),
        flags.text("checksum"),
        flags.yes("keep-git-dir"),
        flags.yes("unpack"),
    )


def _workdir(parts: Parts) -> Workdir:
    return Workdir(*_base(parts), _only(parts))


def _user(parts: Parts) -> User:
    return User(*_base(parts), _only(parts))


def _stopsignal(parts: Parts) -> Stopsignal:
    return Stopsignal(*_base(parts), _only(parts))


def _maintainer(parts: Parts) -> Maintainer:
    return Maintainer(*_base(parts), _only(parts))


def _expose(parts: Parts) -> Expose:
    _at_least_one(parts)
    Flags("EXPOSE", parts.flags)
    return Expose(*_base(parts), tuple(sorted(parts.args)))


def _volume(parts: Parts) -> Volume:
    _at_least_one(parts)
    Flags("VOLUME", parts.flags)
    paths = tuple(path.strip(SPACE) for path in parts.args)
    if not all(paths):
        raise Fault("VOLUME specified can not be an empty string", at='""')
    return Volume(*_base(parts), paths, parts.is_json)


def _cmd(parts: Parts) -> Cmd:
    Flags("CMD", parts.flags)
    return Cmd(*_base(parts), _command(parts), parts.is_json)


def _entrypoint(parts: Parts) -> Entrypoint:
    Flags("ENTRYPOINT", parts.flags)
    return Entrypoint(*_base(parts), _command(parts), parts.is_json)


def _shell(parts: Parts) -> Shell:
    Flags("SHELL", parts.flags)
    _at_least_one(parts)
    if not parts.is_json:
        raise Fault(
            "SHELL requires the arguments to be in JSON form",
            at=parts.args[0],
            hint='write it like SHELL ["/bin/bash", "-c"]',
        )
    return Shell(*_base(parts), parts.args)


def _healthcheck(parts: Parts) -> Healthcheck:
    from lamina.dockerfile.healthcheck import health  # rare: spares its import

    _at_least_one(parts)
    source, original, flags, args = _base(parts)
    return Healthcheck(source, original, flags, args, *health(parts, Flags("HEALTHCHECK", flags)))


def _base(parts: Parts) -> tuple[SourceRange, str, tuple[str, ...], tuple[str, ...]]:
    return parts.source, parts.original, parts.flags, parts.args


def _command(parts: Parts) -> str | tuple[str, ...]:
    return parts.args if parts.is_json else "".join(parts.args)


def _only(parts: Parts) -> str:
    if len(parts.args) != 1:
        raise Fault(f"{parts.keyword} requires exactly one argument")
    Flags(parts.keyword, parts.flags)
    return parts.args[0]


def _at_least_one(parts: Parts) -> None:
    if not parts.args:
        raise Fault(f"{parts.keyword} requires at least one argument")


def _has_destination(parts: Parts) -> None:
    if len(parts.args) < 2:
        raise Fault(
            f"{parts.keyword} requires at least two arguments, but only one was provided. "
            "Destination could not be determined",
            hint=f"write {parts.keyword} SOURCE... DESTINATION",
        )


CONVERTERS: dict[str, Callable[[Parts], Instruction]] = {
    "FROM": _from,
    "ARG": _arg,
    "ENV": _env,
    "LABEL": _label,
    "RUN": _run,
    "COPY": _copy,
    "ADD": _add,
    "WORKDIR": _workdir,
    "USER": _user,
    "EXPOSE": _expose,
    "VOLUME": _volume,
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "SHELL": _shell,
    "STOPSIGNAL": _stopsignal,
    "HEALTHCHECK": _healthcheck,
    "MAINTAINER": _maintainer,
}
