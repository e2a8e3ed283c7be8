"""Stages: which there are, what each one needs, and which of them the target needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.dockerfile import (
    Arg,
    Copy,
    Dockerfile,
    From,
    Instruction,
    Onbuild,
    Run,
    expand,
    locate,
    parse_trigger,
)
from lamina.errors import LaminaError, NotFound
from lamina.graph.contexts import find_context
from lamina.graph.ops import THE_CONTEXT, SourceRef
from lamina.graph.scope import EPOCH, PROXY_NAMES, SPEAKING, Scope, platform_args
from lamina.oci import platform as platforms
from lamina.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SCRATCH = "scratch"


class Stage(NamedTuple):
    """One FROM with what follows it. `base` is expanded; `parent` is the stage that it names, or None.

    `context` is the further context that the base is, "" for none: it goes before an image of that name, and
    in place of a whole stage that is called so.
    """

    number: int
    name: str  # in lower case, "" without AS
    base: str
    parent: int | None
    source: From
    instructions: tuple[Instruction, ...]
    platform: Platform
    context: str = ""

    @property
    def label(self) -> str:
        """How messages call the stage."""
        return self.name or f"stage-{self.number}"


class Plan(NamedTuple):
    """All stages of a Dockerfile in its order, and the one that is wanted.

    `contexts` are the names of further contexts (--build-context), as contexts.context_name has them.
    """

    dockerfile: Dockerfile
    stages: tuple[Stage, ...]
    target: int
    scope: Scope
    unused_args: tuple[str, ...]
    contexts: frozenset[str] = frozenset()

    def add_triggers(self, index: int, triggers: Sequence[Instruction]) -> Plan:
        """The plan with a base's ONBUILD instructions before those of the stage `index`."""
        stage = self.stages[index]
        grown = stage._replace(instructions=(*triggers, *stage.instructions))
        return self._replace(stages=(*self.stages[:index], grown, *self.stages[index + 1 :]))


def plan(
    dockerfile: Dockerfile,
    build_args: Mapping[str, str],
    platform: Platform,
    target: str = "",
    network: str = "host",
    contexts: frozenset[str] = frozenset(),
    machine: Platform | None = None,
) -> Plan:
    """Splits a Dockerfile into stages. DockerfileError for what cannot be built, at its line.

    `target` is a stage's name, in any case, or its number; "" is the last stage. NotFound when there is none.
    `contexts` are the names of further contexts, as contexts.context_name has them.
    """
    first = next(i for i, ins in enumerate(dockerfile.instructions) if isinstance(ins, From))
    names = [ins.stage for ins in dockerfile.instructions if isinstance(ins, From)]
    own = platform_args(platform, target or names[-1] or "", machine)
    global_args = {name: build_args.get(name, value) for name, value in own.items()}
    for instruction in dockerfile.instructions[:first]:
        assert isinstance(instruction, Arg)  # the parser lets nothing else stand before FROM
        _declare_global(global_args, instruction, build_args, dockerfile)
    scope = Scope(build_args, global_args, platform, dockerfile.escape, network)
    stages = tuple(_stages(dockerfile, dockerfile.instructions[first:], scope, contexts))
    unused = _unused(dockerfile, build_args)
    return Plan(dockerfile, stages, find_target(stages, target), scope, unused, contexts)


def _declare_global(
    args: dict[str, str], instruction: Arg, build_args: Mapping[str, str], dockerfile: Dockerfile
) -> None:
    """An ARG before the first FROM: the user's value, or its default with the ones above it expanded."""
    for name, default in instruction.pairs:
        if name in build_args:
            args[name] = build_args[name]
        elif default is not None:
            args[name] = _expand(default, args, dockerfile, instruction)


def _stages(
    dockerfile: Dockerfile, instructions: Sequence[Instruction], scope: Scope, contexts: frozenset[str]
) -> Iterator[Stage]:
    """Cuts at each FROM, and says which earlier stage it names."""
    starts = [i for i, instruction in enumerate(instructions) if isinstance(instruction, From)]
    named: dict[str, int] = {}
    for index, (start, end) in enumerate(zip(starts, [*starts[1:], len(instructions)], strict=True)):
        source = instructions[start]
        assert isinstance(source, From)
        base = _expand(source.image, scope.global_args, dockerfile, source)
        if not base:
            raise locate(
                dockerfile,
                source,
                f"base name ({source.image}) should not be blank",
                at=source.image,
                hint="give the ARG a default, or a value with --build-arg",
            )
        platform = _platform(dockerfile, source, scope)
        name = source.stage or ""
        inner = tuple(instructions[start + 1 : end])
        parent = named.get(base.lower())
        context = find_context(contexts, name, platform) if name else ""
        if context:  # it takes the place of the whole stage
            base, parent, inner = context, None, ()
        elif parent is None and base != SCRATCH:
            context = find_context(contexts, base, platform)
        yield Stage(index, name, base, parent, source, inner, platform, context)
        if name:
            named[name.lower()] = index


def _platform(dockerfile: Dockerfile, source: From, scope: Scope) -> Platform:
    """What a stage is built for: what FROM --platform says, else what the whole build is for."""
    if source.platform is None:
        return scope.platform
    text = _expand(source.platform, scope.global_args, dockerfile, source)
    if not text:
        message = f"empty platform value from expression {source.platform}"
        raise locate(dockerfile, source, message, at="--platform", hint="give the ARG a value")
    try:
        return platforms.parse(text, scope.platform)
    except LaminaError as error:
        message = f"failed to parse platform {source.platform}: {error.message}"
        raise locate(dockerfile, source, message, at="--platform", hint=error.hint) from None


def find_target(stages: Sequence[Stage], target: str) -> int:
    """The index of the stage that `target` names."""
    if not target:
        return len(stages) - 1
    found = _by_name(stages, target)
    if found is None and target.isascii() and target.isdigit() and int(target) < len(stages):
        found = int(target)
    if found is None:
        names = [stage.name for stage in stages if stage.name]
        raise NotFound(
            f'target stage "{target}" could not be found',
            hint=f"stages with a name: {', '.join(names)}"
            if names
            else "no stage has a name; use its number",
        )
    return found


def _by_name(stages: Sequence[Stage], name: str) -> int | None:
    """The last of `stages` that has this name, in any case."""
    return next((s.number for s in reversed(stages) if s.name and s.name.lower() == name.lower()), None)


def find_source(whole: Plan, index: int, instruction: Instruction, name: str, at: str) -> SourceRef:
    """What `name` after from= means in the stage `index`: a stage, a further context, else an image.

    DockerfileError, at the word `at`, when it is the stage itself, or one that comes later.
    """
    stages = whole.stages
    if "$" in name:
        raise locate(
            whole.dockerfile,
            instruction,
            "variable expansion is not supported for --from",
            at=at,
            hint="begin a stage with FROM and the variable, and name that stage",
        )
    found = _by_name(stages[:index], name)
    if found is None:
        found = _by_name(stages, name)
    if found is None and name.isascii() and name.isdigit():
        found = int(name)
    if found is None:
        context = find_context(whole.contexts, name, stages[index].platform)
        return SourceRef(context=context) if context else SourceRef(image=name)
    does = ("mount", "mounts") if isinstance(instruction, Run) else ("copy", "copies")
    problem = _bad_source(stages, index, found, name, does)
    if problem:
        raise locate(whole.dockerfile, instruction, problem, at=at, hint="name an earlier stage")
    return SourceRef(found)


def copy_source(whole: Plan, index: int, copy: Copy) -> SourceRef:
    """What COPY --from stands for in the stage `index`; without the flag it is the context."""
    if copy.from_ is None:
        return THE_CONTEXT
    return find_source(whole, index, copy, copy.from_, f"--from={copy.from_}")


def mount_source(whole: Plan, index: int, run: Run, name: str) -> SourceRef:
    """What from=NAME of a RUN --mount stands for in the stage `index`."""
    return find_source(whole, index, run, name, f"from={name}") if name else THE_CONTEXT


def _bad_source(stages: Sequence[Stage], index: int, found: int, name: str, does: tuple[str, str]) -> str:
    """Why a stage cannot copy from the stage `found`, or mount it; "" when it can."""
    if found >= len(stages):
        return f"invalid stage index {name}: there are {len(stages)} stages, from 0"
    if found == index:
        return f"circular dependency detected on stage: {stages[index].label} {does[1]} from itself"
    if found > index:
        label = stages[index].label
        return f'cannot {does[0]} from stage "{name}", it needs to be defined before current stage "{label}"'
    return ""


def dependencies(whole: Plan, stage: Stage) -> Iterator[int]:
    """The stages that a stage is built from, copies from or mounts; some maybe twice."""
    if stage.parent is not None:
        yield stage.parent
    for instruction in stage.instructions:
        refs: list[SourceRef] = []
        if isinstance(instruction, Copy):
            refs.append(copy_source(whole, stage.number, instruction))
        elif isinstance(instruction, Run) and instruction.mounts:
            from lamina.dockerfile.mounts import from_of  # most builds have none: spares its import

            names = [from_of(mount) for mount in instruction.mounts]
            refs += [mount_source(whole, stage.number, instruction, name) for name in names]
        for ref in refs:
            if ref.stage is not None:
                yield ref.stage


def needed(whole: Plan) -> tuple[int, ...]:
    """The stages that the target needs, with itself, each after those it depends on."""
    wanted = {whole.target}
    for stage in reversed(whole.stages[: whole.target + 1]):  # a stage can only need earlier ones
        if stage.number in wanted:
            wanted.update(dependencies(whole, stage))
    return tuple(sorted(wanted))


def stage_triggers(parent: Stage) -> tuple[Instruction, ...]:
    """What a stage's ONBUILD says for the stages that are built FROM it."""
    return tuple(ins.inner for ins in parent.instructions if isinstance(ins, Onbuild))


def image_triggers(texts: Sequence[str], source: From) -> tuple[Instruction, ...]:
    """The ONBUILD triggers of a base image, as if they stood at its FROM. DockerfileError."""
    if not texts:
        return ()
    from dataclasses import replace  # spares its 6 ms to builds on other bases

    return tuple(
        replace(parse_trigger(text, f"ONBUILD of {source.image}").instructions[0], source=source.source)
        for text in texts
    )


def _unused(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> tuple[str, ...]:
    """The --build-arg names that no ARG declares and that have no meaning of their own."""
    declared = {pair.name for ins in dockerfile.instructions if isinstance(ins, Arg) for pair in ins.pairs}
    known = declared | PROXY_NAMES | SPEAKING | {EPOCH} | set(platform_args(Platform("", ""), ""))
    return tuple(sorted(name for name in build_args if name not in known))


def _expand(text: str, args: Mapping[str, str], dockerfile: Dockerfile, instruction: Instruction) -> str:
    try:
        return expand(text, args, dockerfile.escape)
    except LaminaError as error:
        raise locate(dockerfile, instruction, error.message, at=text, hint=error.hint) from None
