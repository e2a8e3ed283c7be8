"""The checks of what stands in a stage: variables, forms, ports, secrets, what is written twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lamina.dockerfile import (
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Label,
    Run,
    Stopsignal,
    User,
    Volume,
    Workdir,
    expand_words,
)
from lamina.dockerfile.lint import rules
from lamina.dockerfile.lint.text import word_of
from lamina.dockerfile.source import quote
from lamina.dockerfile.suggest import closest
from lamina.errors import LaminaError
from lamina.graph.lint.scan import expanded, undefined
from lamina.graph.scope import NOT_IN_ENV

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.dockerfile import Dockerfile, Instruction
    from lamina.dockerfile.lint.linter import Linter
    from lamina.graph.lint.scan import InScope, Scene, Scenes

_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_HARMLESS = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)


def check_stage(linter: Linter, scenes: Scenes, scene: Scene) -> None:
    """All checks of this file on one stage."""
    used: dict[type[Instruction], Instruction] = {}
    for _, instruction, scope in scene.steps():
        _undefined(linter, scenes, instruction, scope)
        if isinstance(instruction, Cmd | Entrypoint | Healthcheck):
            _used_once(linter, instruction, used)
        check = _CHECKS.get(type(instruction))
        if check is not None:
            check(linter, instruction, scope)


def _used_once(linter: Linter, instruction: Instruction, used: dict[type[Instruction], Instruction]) -> None:
    """The one before is at fault: it counts for nothing."""
    before = used.get(type(instruction))
    if before is not None:
        message = (
            f"Multiple {word_of(instruction)} instructions should not be used in the same stage "
            "because only the last one will be used"
        )
        linter.warn(rules.MULTIPLE_INSTRUCTIONS_DISALLOWED, before, message)
    used[type(instruction)] = instruction


def _command(linter: Linter, instruction: Cmd | Entrypoint, scope: InScope) -> None:
    if not instruction.is_json and not scope.shell:
        message = (
            f"JSON arguments recommended for {word_of(instruction)} to prevent unintended behavior "
            "related to OS signals"
        )
        linter.warn(rules.JSON_ARGS_RECOMMENDED, instruction, message)


def _workdir(linter: Linter, instruction: Workdir, scope: InScope) -> None:
    path = expanded(instruction.path, scope.env, linter.dockerfile.escape)
    if not scope.workdir_set and not path.startswith("/"):
        message = f"Relative workdir {quote(path)} can have unexpected results if the base image changes"
        linter.warn(rules.WORKDIR_RELATIVE_PATH, instruction, message, at=instruction.path)


def _expose(linter: Linter, instruction: Expose, scope: InScope) -> None:
    for port in instruction.ports:
        try:
            specs = expand_words(port, scope.env, linter.dockerfile.escape)
        except LaminaError:
            continue
        for spec in specs:
            outside, _, inside = spec.rpartition(":")
            protocol = inside.partition("/")[2]
            if protocol != protocol.lower():
                message = f"Defined protocol '{spec}' in EXPOSE instruction should be lowercase"
                linter.warn(rules.EXPOSE_PROTO_CASING, instruction, message, at=port)
            if outside.strip(":"):
                message = (
                    f"EXPOSE instruction should not define an IP address or host-port mapping, found '{spec}'"
                )
                linter.warn(rules.EXPOSE_INVALID_FORMAT, instruction, message, at=port)


def _env(linter: Linter, instruction: Env, scope: InScope) -> None:
    _legacy(linter, instruction, any(not pair.separator for pair in instruction.pairs))
    for pair in instruction.pairs:
        _secret(linter, instruction, "ENV", expanded(pair.name, scope.env, linter.dockerfile.escape))


def _label(linter: Linter, instruction: Label, scope: InScope) -> None:
    _legacy(linter, instruction, any(not pair.separator for pair in instruction.pairs))


def _arg(linter: Linter, instruction: Arg, scope: InScope) -> None:
    _legacy(linter, instruction, _is_old_pair(linter.dockerfile, instruction))
    for pair in instruction.pairs:
        _secret(linter, instruction, "ARG", pair.name)


def _legacy(linter: Linter, instruction: Instruction, is_old: bool) -> None:
    if is_old:
        word = word_of(instruction)
        message = f'"{word} key=value" should be used instead of legacy "{word} key value" format'
        linter.warn(rules.LEGACY_KEY_VALUE_FORMAT, instruction, message)


def _is_old_pair(dockerfile: Dockerfile, arg: Arg) -> bool:
    """`ARG name value` declares two arguments: it was meant otherwise when the second is never used.

    BuildKit's documentation shows it as bad, its linter never finds it. Names in capitals are taken for what
    they look like, since scripts and RUN read them from the environment.
    """
    if len(arg.pairs) != 2 or any(pair.value is not None for pair in arg.pairs):
        return False
    name = arg.pairs[1].name
    uses = re.compile(rf"\$(?:\{{{re.escape(name)}\b|{re.escape(name)}(?!\w))")
    again = sum(
        pair.name == name
        for other in dockerfile.instructions
        if isinstance(other, Arg)
        for pair in other.pairs
    )
    return name != name.upper() and again == 1 and not any(uses.search(line) for line in dockerfile.lines)


def _secret(linter: Linter, instruction: Instruction, word: str, name: str) -> None:
    if _SECRET.search(name) and not _HARMLESS.search(name):
        message = f"Do not use ARG or ENV instructions for sensitive data ({word} {quote(name)})"
        linter.warn(rules.SECRETS_USED_IN_ARG_OR_ENV, instruction, message, at=name)


_CHECKS: dict[type, Callable[..., None]] = {
    Arg: _arg,
    Cmd: _command,
    Entrypoint: _command,
    Env: _env,
    Expose: _expose,
    Label: _label,
    Workdir: _workdir,
}


# --- variables


def _undefined(linter: Linter, scenes: Scenes, instruction: Instruction, scope: InScope) -> None:
    """Variables that nothing defines. What an unknown base may define is given the benefit of the doubt."""
    escape = scenes.dockerfile.escape
    env, declared = dict(scope.env), set(scope.declared)
    for text, declares in _expandable(scenes, instruction):
        value, missing = undefined(text, env, escape)
        for name in sorted(missing - declared):
            _undefined_name(linter, instruction, name, env, scope.complete or name in scenes.declared)
        if declares:
            declared.add(declares)
            env[declares] = value


def _undefined_name(
    linter: Linter, instruction: Instruction, name: str, env: dict[str, str], certain: bool
) -> None:
    if name in NOT_IN_ENV or not (name[:1].isalpha() or name.startswith("_")):
        return
    near = closest(name, sorted(env))
    if not certain and near is None and name == name.upper():
        return
    message = f"Usage of undefined variable '${name}'" + (f" (did you mean ${near}?)" if near else "")
    at = f"${name}" if f"${name}" in instruction.original else f"${{{name}"
    linter.warn(rules.UNDEFINED_VAR, instruction, message, at=at)


def _expandable(scenes: Scenes, instruction: Instruction) -> Iterator[tuple[str, str]]:
    """The texts in which variables are replaced; with the name that an ARG gives to its value, or ""."""
    if isinstance(instruction, Arg):
        for name, default in instruction.pairs:
            known = name in scenes.build_args or default is None
            yield ("" if known else default or "", name)
        return
    for text in _texts(instruction):
        yield text, ""


def _texts(instruction: Instruction) -> Iterator[str]:
    if isinstance(instruction, Copy | Add):
        yield from (*instruction.sources, instruction.dest, instruction.chown or "", instruction.chmod or "")
        yield from instruction.exclude
        yield from (document.text for document in instruction.heredocs if document.expand)
    elif isinstance(instruction, Env | Label):
        for pair in instruction.pairs:
            yield from (pair.name, pair.value)
    elif isinstance(instruction, Run):
        yield from instruction.mounts
    elif isinstance(instruction, Expose):
        yield from instruction.ports
    elif isinstance(instruction, Volume):
        yield from instruction.paths
    elif isinstance(instruction, Workdir):
        yield instruction.path
    elif isinstance(instruction, User):
        yield instruction.user
    elif isinstance(instruction, Stopsignal):
        yield instruction.signal
