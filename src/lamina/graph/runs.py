"""RUN: which process it is, in its shell, exec and here-document forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.dockerfile import Onbuild, Run, locate
from lamina.dockerfile.heredoc import heredoc_word
from lamina.graph.history import run_text
from lamina.graph.ops import RunOp, Script, Variable

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from lamina.dockerfile import Dockerfile, Instruction
    from lamina.graph.ops import RunMount, SourceRef
    from lamina.graph.state import StageState

SCRIPTS = "/dev/pipes"
INSECURE = "security.insecure"


def run_op(state: StageState, run: Run, find: Callable[[str], SourceRef]) -> tuple[RunOp, str]:
    """The process of a RUN, and its line of history. `find` says what a mount's from= stands for."""
    command, script = _command(run)
    args = with_shell(state, command)
    mounts, variables = _mounts(state, run, find) if run.mounts else ((), ())
    op = RunOp(
        args=args,
        env=(*state.variables(), *variables),
        proxies=tuple(pair for pair in state.scope.proxies if pair[0] not in state.env),
        shell=state.shell if isinstance(command, str) else (),
        cwd=state.config.working_dir or "/",
        user=state.config.user,
        network=run.network if run.network in ("none", "host") else state.scope.network,
        script=script,
        mounts=mounts,
        security=run.security or "sandbox",
    )
    return op, run_text(args, state.declared_args())


def _mounts(
    state: StageState, run: Run, find: Callable[[str], SourceRef]
) -> tuple[tuple[RunMount, ...], tuple[Variable, ...]]:
    """The mounts, and the variable that names an agent's socket, unless there is one of that name."""
    from lamina.graph.mounts import AGENT_VARIABLE, agent_of, run_mounts  # few builds have mounts

    mounts = run_mounts(state, run, find)
    agent = agent_of(mounts)
    if not agent or AGENT_VARIABLE in state.env:
        return mounts, ()
    return mounts, (Variable(AGENT_VARIABLE, agent, False),)


def with_shell(state: StageState, command: str | tuple[str, ...]) -> tuple[str, ...]:
    """The process of an instruction: the exec form as it is, a text by the shell in force."""
    return (*state.shell, command) if isinstance(command, str) else command


def check_allowed(
    dockerfile: Dockerfile, instructions: Sequence[Instruction], allowed: Container[str]
) -> None:
    """DockerfileError for the first RUN that wants more than --allow gives, or a device."""
    for instruction in instructions:
        inner = instruction.inner if isinstance(instruction, Onbuild) else instruction
        if isinstance(inner, Run) and inner.devices:
            raise locate(
                dockerfile,
                instruction,
                "RUN --device is not supported",
                at="--device",
                hint="Lamina gives no devices to a RUN; write the instruction without",
            )
        if isinstance(instruction, Run) and instruction.security == "insecure" and INSECURE not in allowed:
            raise locate(
                dockerfile,
                instruction,
                f"{INSECURE} is not allowed",
                at="--security",
                hint=f"build with --allow {INSECURE} if you trust this Dockerfile with the machine",
            )


def _command(run: Run) -> tuple[str | tuple[str, ...], Script | None]:
    """What to run, and the script to lay ready for it.

    One here-document alone is the shell's text, or a script when it begins with `#!`; with anything
    else beside it, the shell gets it all and reads the here-documents itself.
    """
    command = run.command
    if not run.heredocs or not isinstance(command, str):
        return command, None
    if heredoc_word(command) is None:
        return command + "".join(f"\n{doc.content}{doc.name}" for doc in run.heredocs), None
    first = run.heredocs[0]
    if first.text.startswith("#!"):
        return f"{SCRIPTS}/{first.name}", Script(first.name, first.text)
    return first.text, None
