"""Helpers for the tests of the graph: a Dockerfile's text to a plan, a stage's instructions to its end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lamina.dockerfile import parse
from lamina.graph import stages
from lamina.graph.advance import advance
from lamina.graph.state import StageState, from_image, from_scratch, from_stage
from lamina.oci.config import ContainerConfig, ImageConfig
from lamina.oci.digest import DiffID
from lamina.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.dockerfile import Instruction
    from lamina.graph.ops import Op, SourceRef
    from lamina.graph.stages import Plan

HOST = Platform("linux", "amd64")
BASE = ImageConfig("amd64", "linux", config=ContainerConfig(env=("PATH=/bin", "LANG=C"), cmd=("sh",)))
LAYER = DiffID("sha256:" + "1" * 64)


def plan(text: str, target: str = "", **build_args: str) -> Plan:
    """The plan of a Dockerfile."""
    return stages.plan(parse(text.encode()), build_args, HOST, target)


def play(text: str, base: ImageConfig = BASE, **build_args: str) -> tuple[StageState, list[str], list[Op]]:
    """Plays all needed stages: the last state, the target's history lines, and its ops."""
    whole = plan(text, **build_args)
    states: dict[int, StageState] = {}
    lines: list[str] = []
    ops: list[Op] = []
    for number in stages.needed(whole):
        stage = whole.stages[number]
        if stage.parent is not None:
            state = from_stage(states[stage.parent])
        else:
            state = from_scratch(whole.scope) if stage.base == "scratch" else from_image(whole.scope, base)
        lines, ops = [], []
        for instruction in stage.instructions:
            find = partial(_find, whole, number, instruction)
            state, created_by, op = advance(state, instruction, find)
            lines.append(created_by)
            if op is not None:
                ops.append(op)
            if created_by:
                layer = LAYER if op is not None else None
                state = state.add_history(created_by, layer, "2026-01-02T03:04:05Z" if layer else "")
        states[number] = state
    return states[whole.target], lines, ops


def _find(whole: Plan, number: int, instruction: Instruction, name: str) -> SourceRef:
    return stages.find_source(whole, number, instruction, name, f"from={name}")


def from_base(*instructions: str, base: ImageConfig = BASE, **build_args: str) -> StageState:
    """The state after instructions on a base."""
    return play("\n".join(["FROM base", *instructions]), base, **build_args)[0]


def history_of(*instructions: str, **build_args: str) -> list[str]:
    """The history lines of instructions on a base."""
    return play("\n".join(["FROM base", *instructions]), **build_args)[1]


def op_of(*instructions: str, **build_args: str) -> Op:
    """What the last instruction that makes a layer does."""
    return play("\n".join(["FROM base", *instructions]), **build_args)[2][-1]


def env_of(state: StageState) -> Mapping[str, str]:
    """What a RUN would see."""
    return state.env
