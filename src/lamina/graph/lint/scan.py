"""A Dockerfile's stages as the checks see them: what each instruction finds in scope.

Like stages.plan and advance, but it raises nothing: what cannot be expanded is unknown, and a Dockerfile
that would not build still gets its warnings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lamina.dockerfile import Arg, Copy, Env, From, Instruction, Run, Shell, Workdir, expand
from lamina.dockerfile.mounts import from_of
from lamina.errors import LaminaError
from lamina.graph.stages import SCRATCH
from lamina.graph.state import DEFAULT_PATH, join_path, split_env

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from lamina.dockerfile import Dockerfile
    from lamina.oci.config import ContainerConfig

    ConfigOf = Callable[[str], ContainerConfig | None]

_WITH_FALLBACK = re.compile(r"\$\{(\w+):?[-+?]")


class InScope(NamedTuple):
    """What holds before one instruction. `complete` is False when the base's own variables are unknown.

    `declared` are the ARGs of the stage, with or without a value. `shell` is whether a SHELL is set,
    `workdir` the one in force, and `workdir_set` whether this Dockerfile has set it.
    """

    env: Mapping[str, str]
    complete: bool
    declared: frozenset[str] = frozenset()
    shell: bool = False
    workdir: str = "/"
    workdir_set: bool = False


class Scene(NamedTuple):
    """One stage: `scopes` has what is in scope before each instruction, and at last what is at the end."""

    number: int
    source: From
    base: str  # expanded; "" when it cannot be
    parent: int | None
    instructions: tuple[Instruction, ...]
    scopes: tuple[InScope, ...]

    @property
    def name(self) -> str:
        """As in the other stages' FROM: in lower case, "" without AS."""
        return self.source.stage or ""

    def steps(self) -> Iterator[tuple[int, Instruction, InScope]]:
        """Position, instruction, and what is in scope there."""
        for position, (instruction, scope) in enumerate(zip(self.instructions, self.scopes, strict=False)):
            yield position, instruction, scope


class Scenes(NamedTuple):
    """All stages, with what FROM can use: `args` by value, `declared` with those that have none."""

    dockerfile: Dockerfile
    build_args: Mapping[str, str]
    args: Mapping[str, str]
    declared: frozenset[str]
    own: Mapping[str, str]  # the platform's arguments
    stages: tuple[Scene, ...]

    def chain(self, number: int) -> list[Scene]:
        """A stage after those that it is built from by FROM, the lowest first."""
        scene: Scene | None = self.stages[number]
        found: list[Scene] = []
        while scene is not None:
            found.append(scene)
            scene = None if scene.parent is None else self.stages[scene.parent]
        return found[::-1]


def scan(
    dockerfile: Dockerfile, build_args: Mapping[str, str], own: Mapping[str, str], config_of: ConfigOf
) -> Scenes:
    """Looks at every stage. `own` are the platform's arguments; `config_of` knows base images, or None."""
    args, declared = global_args(dockerfile, build_args, own)
    stages: list[Scene] = []
    for source, instructions in _cut(dockerfile):
        base = expanded(source.image, args, dockerfile.escape)
        parent = next((s.number for s in reversed(stages) if s.name and s.name == base.lower()), None)
        start = _start(base, None if parent is None else stages[parent], config_of)
        scopes = [start]
        for instruction in instructions:
            scopes.append(_after(scopes[-1], instruction, dockerfile.escape, build_args, args))
        stages.append(Scene(len(stages), source, base, parent, instructions, tuple(scopes)))
    return Scenes(dockerfile, build_args, args, declared, own, tuple(stages))


def global_args(
    dockerfile: Dockerfile, build_args: Mapping[str, str], own: Mapping[str, str]
) -> tuple[dict[str, str], frozenset[str]]:
    """What FROM can use: values, and all names that are declared."""
    args = {name: build_args.get(name, value) for name, value in own.items()}
    declared = set(own)
    for instruction in dockerfile.instructions:
        if not isinstance(instruction, Arg):
            break
        for name, default in instruction.pairs:
            declared.add(name)
            if name in build_args:
                args[name] = build_args[name]
            elif default is not None:
                args[name] = expanded(default, args, dockerfile.escape)
    return args, frozenset(declared)


def expanded(text: str, env: Mapping[str, str], escape: str) -> str:
    """The text with its variables replaced; "" when that fails: the build will say why."""
    return undefined(text, env, escape)[0]


def undefined(text: str, env: Mapping[str, str], escape: str) -> tuple[str, set[str]]:
    """The same, and the names that nothing defines, less those of `${name:-word}` and the like."""
    missing: set[str] = set()
    value = _safely(text, env, escape, missing)
    cared_for = set(_WITH_FALLBACK.findall(text))
    return value, {name for name in missing if name not in cared_for or _is_bare(name, text)}


def _safely(text: str, env: Mapping[str, str], escape: str, missing: set[str]) -> str:
    try:
        return expand(text, env, escape, missing=missing)
    except LaminaError:
        return ""


def _is_bare(name: str, text: str) -> bool:
    """Whether the name is used without a fallback too."""
    return re.search(rf"\$(?:{re.escape(name)}(?!\w)|\{{{re.escape(name)}(?![\w:?+-]))", text) is not None


def shipped(scenes: Scenes, target: int | None) -> tuple[Scene, ...]:
    """The stages whose layers are in the image: the target's, or of all that nothing else is made from."""
    targets = {target} if target is not None else {s.number for s in scenes.stages} - _used(scenes)
    if target is None:
        targets.add(len(scenes.stages) - 1)
    numbers = {scene.number for number in targets for scene in scenes.chain(number)}
    return tuple(scene for scene in scenes.stages if scene.number in numbers)


def _used(scenes: Scenes) -> set[int]:
    """The stages that others copy or mount from, or stand on."""
    names = {scene.name: scene.number for scene in scenes.stages if scene.name}
    used: set[int] = set()
    for scene in scenes.stages:
        if scene.parent is not None:
            used.add(scene.parent)
        for name in sources_of(scene.instructions):
            number = int(name) if name.isascii() and name.isdigit() else names.get(name.lower(), -1)
            used.add(number)
    return used


def sources_of(instructions: Collection[Instruction]) -> Iterator[str]:
    """What COPY --from and RUN --mount=from= name."""
    for instruction in instructions:
        if isinstance(instruction, Copy) and instruction.from_:
            yield instruction.from_
        elif isinstance(instruction, Run):
            yield from (name for mount in instruction.mounts if (name := from_of(mount)))


def _cut(dockerfile: Dockerfile) -> Iterator[tuple[From, tuple[Instruction, ...]]]:
    all_of_them: Sequence[Instruction] = dockerfile.instructions
    starts = [i for i, instruction in enumerate(all_of_them) if isinstance(instruction, From)]
    for start, end in zip(starts, [*starts[1:], len(all_of_them)], strict=True):
        source = all_of_them[start]
        assert isinstance(source, From)
        yield source, tuple(all_of_them[start + 1 : end])


def _start(base: str, parent: Scene | None, config_of: ConfigOf) -> InScope:
    if parent is not None:
        return parent.scopes[-1]
    path = {"PATH": DEFAULT_PATH}
    if base == SCRATCH:
        return InScope(path, complete=True)
    config = config_of(base) if base else None
    if config is None:
        return InScope(path, complete=False)
    env = path | dict(split_env(item) for item in config.env)
    return InScope(env, complete=True, shell=bool(config.shell), workdir=config.working_dir or "/")


def _after(
    scope: InScope,
    instruction: Instruction,
    escape: str,
    build_args: Mapping[str, str],
    args: Mapping[str, str],
) -> InScope:
    """What is in scope after an instruction."""
    if isinstance(instruction, Env):
        added = {
            expanded(pair.name, scope.env, escape): expanded(pair.value, scope.env, escape)
            for pair in instruction.pairs
        }
        return scope._replace(env={**scope.env, **added})
    if isinstance(instruction, Arg):
        return _declared(scope, instruction, escape, build_args, args)
    if isinstance(instruction, Shell):
        return scope._replace(shell=True)
    if isinstance(instruction, Workdir):
        return scope._replace(
            workdir_set=True, workdir=join_path(scope.workdir, expanded(instruction.path, scope.env, escape))
        )
    return scope


def _declared(
    scope: InScope, arg: Arg, escape: str, build_args: Mapping[str, str], args: Mapping[str, str]
) -> InScope:
    for name, default in arg.pairs:
        value = build_args.get(name)
        if value is None:
            value = args.get(name) if default is None else expanded(default, scope.env, escape)
        env = scope.env if value is None else {**scope.env, name: value}
        scope = scope._replace(env=env, declared=scope.declared | {name})
    return scope
