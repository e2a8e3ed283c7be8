"""What can be built and what it takes: --call targets and --call outline."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.dockerfile import Arg, From, Run
from lamina.dockerfile.lint.comments import comments_above, description
from lamina.dockerfile.mounts import BadMount
from lamina.dockerfile.mounts import parse as parse_mount
from lamina.graph.lint.scan import expanded, sources_of, undefined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.dockerfile import Dockerfile, Instruction
    from lamina.graph.lint.scan import InScope, Scene, Scenes


class Target(NamedTuple):
    """One stage; `base` and `platform` are as written."""

    name: str
    default: bool
    description: str
    base: str
    platform: str
    line: int


class Parameter(NamedTuple):
    """A build argument with its value, or a secret or SSH agent, which may be `required`."""

    name: str
    line: int
    value: str = ""
    description: str = ""
    required: bool = False


class Outline(NamedTuple):
    """What one target takes, each in the order of the file."""

    name: str
    description: str
    args: tuple[Parameter, ...]
    secrets: tuple[Parameter, ...]
    ssh: tuple[Parameter, ...]


def targets_of(dockerfile: Dockerfile) -> tuple[Target, ...]:
    """All stages in the order of the file; the last one is what a build makes by default."""
    sources = [one for one in dockerfile.instructions if isinstance(one, From)]
    return tuple(
        Target(
            one.stage or "",
            one is sources[-1],
            _described(dockerfile, one, one.stage or ""),
            one.image,
            one.platform or "",
            one.source.start_line,
        )
        for one in sources
    )


def outline_of(scenes: Scenes, number: int) -> Outline:
    """What the stage takes, and those that it is built or copies from."""
    found: dict[str, dict[str, Parameter]] = {"arg": {}, "secret": {}, "ssh": {}}
    before = _global(scenes)
    for scene in _reached(scenes, number):
        for name in _used_by_from(scenes, scene):
            if name in before:
                found["arg"].setdefault(name, before[name])
        for kind, parameter in _of_stage(scenes, scene, before):
            found[kind].setdefault(parameter.name, parameter)
    scene = scenes.stages[number]
    ordered = (tuple(sorted(found[kind].values(), key=lambda one: one.line)) for kind in found)
    return Outline(scene.name, _described(scenes.dockerfile, scene.source, scene.name), *ordered)


def _described(dockerfile: Dockerfile, instruction: Instruction, name: str) -> str:
    return description(comments_above(dockerfile, instruction), name)


def _global(scenes: Scenes) -> dict[str, Parameter]:
    """The ARGs before the first FROM."""
    found: dict[str, Parameter] = {}
    for instruction in scenes.dockerfile.instructions:
        if not isinstance(instruction, Arg):
            break
        for name, _ in instruction.pairs:
            text = _described(scenes.dockerfile, instruction, name)
            found[name] = Parameter(name, instruction.source.start_line, scenes.args.get(name, ""), text)
    return found


def _reached(scenes: Scenes, number: int) -> list[Scene]:
    """The stage, and all that it needs, the nearest first."""
    names = {scene.name: scene.number for scene in scenes.stages if scene.name}
    todo, found = [number], [scenes.stages[number]]
    while todo:
        scene = scenes.stages[todo.pop(0)]
        needs = [] if scene.parent is None else [scene.parent]
        for name in sources_of(scene.instructions):
            index = int(name) if name.isascii() and name.isdigit() else names.get(name.lower(), -1)
            needs += [index] if 0 <= index < scene.number else []
        fresh = [scenes.stages[one] for one in needs if scenes.stages[one] not in found]
        todo += [one.number for one in fresh]
        found += fresh
    return found


def _used_by_from(scenes: Scenes, scene: Scene) -> set[str]:
    """The names of arguments in FROM, and in the values of those arguments."""
    text = f"{scene.source.image} {scene.source.platform or ''}"
    used: set[str] = set()
    names = undefined(text, {}, scenes.dockerfile.escape)[1] | _with_fallback(text, scenes)
    while names - used:
        used |= names
        names = {
            inner
            for instruction in scenes.dockerfile.instructions
            if isinstance(instruction, Arg)
            for pair in instruction.pairs
            if pair.name in used and pair.value
            for inner in undefined(pair.value, {}, scenes.dockerfile.escape)[1]
        }
    return used


def _with_fallback(text: str, scenes: Scenes) -> set[str]:
    return {name for name in scenes.declared if f"${{{name}" in text}


def _of_stage(scenes: Scenes, scene: Scene, before: dict[str, Parameter]) -> Iterator[tuple[str, Parameter]]:
    """The ARGs of a stage, and the secrets and agents that its RUNs mount."""
    for position, instruction, scope in scene.steps():
        line = instruction.source.start_line
        if isinstance(instruction, Arg):
            after = scene.scopes[position + 1].env
            for name, default in instruction.pairs:
                inherited = default is None and name not in scenes.build_args
                text = _described(scenes.dockerfile, instruction, name)
                if inherited and name in before:
                    yield "arg", before[name]
                elif not inherited or name not in scenes.own:
                    yield "arg", Parameter(name, line, after.get(name, ""), text)
        elif isinstance(instruction, Run):
            yield from _mounted(instruction, scope, scenes.dockerfile.escape)


def _mounted(run: Run, scope: InScope, escape: str) -> Iterator[tuple[str, Parameter]]:
    """The secrets and agents of one RUN."""
    for text in run.mounts:
        try:
            mount = parse_mount(text, lambda value: expanded(value, scope.env, escape))
        except BadMount:
            continue  # the build says so
        if mount.type in ("secret", "ssh"):
            name = mount.target.rpartition("/")[2] if mount.type == "secret" else "default"
            yield mount.type, Parameter(mount.id or name, run.source.start_line, required=mount.required)
