"""advance: one instruction further in a stage. What it does to the config, and what is left to do on files.

The rules are those of BuildKit's Dockerfile frontend: which fields are expanded, what each
instruction writes into the config, and the words that stand in the history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina import dockerfile as ast
from lamina.dockerfile import Instruction, expand, expand_words
from lamina.errors import InvalidInput
from lamina.graph import copies, history, runs
from lamina.graph.gotext import plain_list, quoted_list
from lamina.graph.ops import Op, SourceRef, WorkdirOp
from lamina.graph.scope import NOT_IN_ENV
from lamina.graph.state import StageState, join_path, split_env
from lamina.oci.config import Healthcheck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Advanced(NamedTuple):
    """The state after an instruction; `op` if it makes a layer; `created_by` is "" if history has no line."""

    state: StageState
    created_by: str
    op: Op | None = None


def _nothing(name: str) -> SourceRef:
    """For instructions that name no other source."""
    return SourceRef(image=name)


def advance(
    state: StageState, instruction: Instruction, find: Callable[[str], SourceRef] = _nothing
) -> Advanced:
    """Applies one instruction; history is not touched yet. InvalidInput, not located, when it cannot be done.

    `find` says what a name after --from or from= stands for (stages.find_source).
    """
    if isinstance(instruction, ast.Copy | ast.Add):
        return _layer(state, *copies.copy_op(state, instruction, find))
    if isinstance(instruction, ast.Run):
        return _layer(state, *runs.run_op(state, instruction, find))
    return _RULES[type(instruction)](state, instruction)


def _layer(state: StageState, op: Op, created_by: str) -> Advanced:
    return Advanced(state, created_by, op)


def _env(state: StageState, ins: ast.Env) -> Advanced:
    pairs = [(_one(state, pair.name), _one(state, pair.value)) for pair in ins.pairs]
    merged = list(state.config.env)
    for name, value in pairs:
        at = next((i for i, item in enumerate(merged) if split_env(item)[0] == name), None)
        if at is None:
            merged.append(f"{name}={value}")
        else:
            merged[at] = f"{name}={value}"
    after = state.with_config(state.config._replace(env=tuple(merged)))._replace(
        env={**state.env, **dict(pairs)}, args_in_env=state.args_in_env - {name for name, _ in pairs}
    )
    return Advanced(after, _pairs_text("ENV", pairs))


def _label(state: StageState, ins: ast.Label) -> Advanced:
    pairs = [(_one(state, pair.name), _one(state, pair.value)) for pair in ins.pairs]
    after = state.with_config(state.config._replace(labels={**state.config.labels, **dict(pairs)}))
    return Advanced(after, _pairs_text("LABEL", pairs))


def _arg(state: StageState, ins: ast.Arg) -> Advanced:
    """An ARG's value: the user's, else its default, else what the same name has before the first FROM.

    Those that only speak to the SBOM scanner are no variables.
    """
    scope = state.scope
    words = ["ARG"]
    for name, default in ins.pairs:
        value = scope.build_args.get(name)
        if value is None:
            value = scope.global_args.get(name) if default is None else _one(state, default)
        if value is not None and name not in NOT_IN_ENV:
            state = state._replace(env={**state.env, name: value}, args_in_env=state.args_in_env | {name})
        state = state._replace(args=(*state.args, (name, value or "")))
        words.append(name if value is None else f"{name}={value}")
    return Advanced(state, " ".join(words))


def _workdir(state: StageState, ins: ast.Workdir) -> Advanced:
    path = join_path(state.config.working_dir or "/", _one(state, ins.path))
    after = state.with_config(state.config._replace(working_dir=path))
    op = WorkdirOp(path, state.config.user) if path != "/" else None
    return Advanced(after, f"WORKDIR {path}", op)


def _user(state: StageState, ins: ast.User) -> Advanced:
    user = _one(state, ins.user)
    return Advanced(state.with_config(state.config._replace(user=user)), f"USER {user}")


def _expose(state: StageState, ins: ast.Expose) -> Advanced:
    from lamina.graph.ports import expand_ports  # an import that few builds need

    words = [word for port in ins.ports for word in expand_words(port, state.env, state.scope.escape)]
    try:
        ports = expand_ports(words)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    exposed = tuple(sorted({*state.config.exposed_ports, *ports}))
    after = state.with_config(state.config._replace(exposed_ports=exposed))
    return Advanced(after, f"EXPOSE {plain_list(ports)}")


def _volume(state: StageState, ins: ast.Volume) -> Advanced:
    paths = [_one(state, path) for path in ins.paths]
    if "" in paths:
        raise InvalidInput("VOLUME specified can not be an empty string")
    volumes = tuple(sorted({*state.config.volumes, *paths}))
    after = state.with_config(state.config._replace(volumes=volumes))
    return Advanced(after, f"VOLUME {plain_list(paths)}")


def _cmd(state: StageState, ins: ast.Cmd) -> Advanced:
    args = runs.with_shell(state, ins.command)
    config = state.config._replace(cmd=args, args_escaped=True)  # BuildKit sets the mark on every system
    return Advanced(state.with_config(config)._replace(cmd_set=True), f"CMD {quoted_list(args)}")


def _entrypoint(state: StageState, ins: ast.Entrypoint) -> Advanced:
    """A new ENTRYPOINT drops a CMD that came with the base, not one of this stage."""
    args = runs.with_shell(state, ins.command)
    config = state.config._replace(entrypoint=args)
    if not state.cmd_set:
        config = config._replace(cmd=())
    return Advanced(state.with_config(config), f"ENTRYPOINT {quoted_list(args)}")


def _shell(state: StageState, ins: ast.Shell) -> Advanced:
    after = state.with_config(state.config._replace(shell=ins.shell))
    return Advanced(after, f"SHELL {plain_list(ins.shell)}")


def _stopsignal(state: StageState, ins: ast.Stopsignal) -> Advanced:
    from lamina.graph.signals import is_signal  # an import that few builds need

    signal = _one(state, ins.signal)
    if not is_signal(signal):
        raise InvalidInput(f"invalid signal: {signal}", hint="give a name like SIGTERM, or a number")
    return Advanced(state.with_config(state.config._replace(stop_signal=signal)), f"STOPSIGNAL {signal}")


def _healthcheck(state: StageState, ins: ast.Healthcheck) -> Advanced:
    check = Healthcheck(
        ins.test, ins.interval, ins.timeout, ins.start_period, ins.start_interval, ins.retries
    )
    after = state.with_config(state.config._replace(healthcheck=check))
    return Advanced(after, history.healthcheck_text(*check[:6]))


def _onbuild(state: StageState, ins: ast.Onbuild) -> Advanced:
    triggers = (*state.config.on_build, ins.expression)
    return Advanced(state.with_config(state.config._replace(on_build=triggers)), "")


def _maintainer(state: StageState, ins: ast.Maintainer) -> Advanced:
    after = state._replace(image=state.image._replace(author=ins.maintainer))
    return Advanced(after, f"MAINTAINER {ins.maintainer}")


def _one(state: StageState, text: str) -> str:
    """One word, expanded with what was known before the instruction."""
    return expand(text, state.env, state.scope.escape)


def _pairs_text(name: str, pairs: Iterable[tuple[str, str]]) -> str:
    return " ".join([name, *(f"{key}={value}" for key, value in pairs)])


_RULES: dict[type[Instruction], Callable[..., Advanced]] = {
    ast.Arg: _arg,
    ast.Cmd: _cmd,
    ast.Entrypoint: _entrypoint,
    ast.Env: _env,
    ast.Expose: _expose,
    ast.Healthcheck: _healthcheck,
    ast.Label: _label,
    ast.Maintainer: _maintainer,
    ast.Onbuild: _onbuild,
    ast.Shell: _shell,
    ast.Stopsignal: _stopsignal,
    ast.User: _user,
    ast.Volume: _volume,
    ast.Workdir: _workdir,
}
