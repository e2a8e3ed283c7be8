"""Checks of a Dockerfile: its text, what the store knows of its images and steps, and .dockerignore.

Joins the rules with what they need. Loaded for --check, --call, after a build that ran something, and
for a Dockerfile that wants to fail on warnings.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.dockerfile import From, clean, parse
from lamina.dockerfile.lint.lenient import parse_before_error
from lamina.dockerfile.lint.linter import Linter
from lamina.dockerfile.lint.options import build_options
from lamina.errors import InvalidInput, LaminaError
from lamina.graph import stages
from lamina.graph.lint.check import check
from lamina.graph.lint.facts import NOTHING, Known
from lamina.graph.lint.scan import scan
from lamina.graph.scope import platform_args
from lamina.oci import platform as platforms

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from lamina.build.request import BuildRequest
    from lamina.dockerfile import Dockerfile, IgnoreFile
    from lamina.dockerfile.lint.linter import Warning
    from lamina.engine.base import Inside
    from lamina.engine.opened import Opened
    from lamina.events import Observer
    from lamina.graph.lint.outline import Outline, Target
    from lamina.graph.lint.scan import ConfigOf, Scenes
    from lamina.graph.stages import Plan
    from lamina.insight.rows import Rows
    from lamina.oci.config import ContainerConfig
    from lamina.oci.platform import Platform


class Report(NamedTuple):
    """What a check found. `error` is why the Dockerfile cannot be built; then some checks were not made."""

    warnings: tuple[Warning, ...]
    error: LaminaError | None = None


class Checks:
    """What can be asked of a Dockerfile without building it: Engine.checks.

    A Dockerfile that lies in a context elsewhere (an archive, a repository, a URL) is fetched for that.
    """

    def __init__(self, inside: Inside, opened: Callable[[], Opened]) -> None:
        self._inside = inside
        self._opened = opened

    def bring(self, request: BuildRequest) -> BuildRequest:
        """The request with its Dockerfile. NotFound, and the failures of fetching."""
        if not request.dockerfile_inside:
            return request

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> BuildRequest:
            from lamina.build.contexts import Contexts

            contexts = Contexts(opened.ctx, request, _machine(), tell, opened.enter)
            try:
                return contexts.begin()._replace(archive=None, dockerfile_inside="")
            finally:
                contexts.close()

        return self._inside(work)

    def report(self, request: BuildRequest) -> Report:
        """All rules, BuildKit's and ours; on all stages where the request names no target. InvalidInput."""
        return check_all(self._opened().rows, self.bring(request))

    def warnings(self, request: BuildRequest) -> tuple[Warning, ...]:
        """BuildKit's rules on what the target of the last build needs. DockerfileError, InvalidInput."""
        built = self._opened().brought if request.dockerfile_inside else request
        return () if built is None else check_build(self._opened().rows, built)

    def outline(self, request: BuildRequest) -> Outline:
        """The build arguments, secrets and SSH agents that the target takes. DockerfileError, NotFound."""
        return outline(self._opened().rows, self.bring(request))

    def targets(self, request: BuildRequest) -> tuple[Target, ...]:
        """The stages that can be built. DockerfileError."""
        return targets(self.bring(request))


class LintViolation(InvalidInput):
    """The Dockerfile asks to fail on warnings, and has some: `warnings`."""

    def __init__(self, warnings: tuple[Warning, ...]) -> None:
        names = sorted({warning.rule.name for warning in warnings})
        super().__init__(
            f"lint violation found for rules: {', '.join(names)}",
            hint="mend them, or name them in `# check=skip=...`; nothing was built",
        )
        self.warnings = warnings


def check_all(rows: Rows, request: BuildRequest) -> Report:
    """`build --check`: BuildKit's rules and ours, on all stages if no target is named. InvalidInput."""
    dockerfile, error = parse_before_error(request.dockerfile, request.dockerfile_name)
    if dockerfile is None:
        return Report((), error)
    linter, scenes = _prepare(rows, request, dockerfile)
    plan = None
    fault: LaminaError | None = error
    try:
        plan = _plan(request, dockerfile)
        ignore = _ignore(request)
    except LaminaError as problem:
        ignore, fault = None, fault or problem
    numbers = _numbers(request, plan, scenes)
    check(linter, scenes, numbers, ignore, _finder(request))
    if linter.options.error and linter.warnings and fault is None:
        fault = LintViolation(tuple(linter.warnings))
    _own(linter, scenes, request, plan, _known(rows, plan))
    return Report(tuple(linter.warnings), fault)


def check_build(rows: Rows, request: BuildRequest) -> tuple[Warning, ...]:
    """The warnings of a build: BuildKit's rules on what the target needs. DockerfileError, InvalidInput."""
    dockerfile = parse(request.dockerfile, request.dockerfile_name)
    linter, scenes = _prepare(rows, request, dockerfile)
    needed = stages.needed(_plan(request, dockerfile))
    check(linter, scenes, needed, _ignore(request), _finder(request))
    return tuple(linter.warnings)


def refuse_violations(rows: Rows, request: BuildRequest) -> None:
    """LintViolation when the Dockerfile, or the build argument, says error=true and there are warnings."""
    dockerfile = parse(request.dockerfile, request.dockerfile_name)
    linter, scenes = _prepare(rows, request, dockerfile)
    if not linter.options.error:
        return
    check(linter, scenes, stages.needed(_plan(request, dockerfile)), _ignore(request), _finder(request))
    if linter.warnings:
        raise LintViolation(tuple(linter.warnings))


def outline(rows: Rows, request: BuildRequest) -> Outline:
    """`build --call outline`: what the target takes. DockerfileError, NotFound."""
    from lamina.graph.lint.outline import outline_of

    dockerfile = parse(request.dockerfile, request.dockerfile_name)
    plan = _plan(request, dockerfile)
    _, scenes = _prepare(rows, request, dockerfile)
    return outline_of(scenes, plan.target)


def targets(request: BuildRequest) -> tuple[Target, ...]:
    """`build --call targets`: the stages. DockerfileError."""
    from lamina.graph.lint.outline import targets_of

    return targets_of(parse(request.dockerfile, request.dockerfile_name))


def _prepare(rows: Rows, request: BuildRequest, dockerfile: Dockerfile) -> tuple[Linter, Scenes]:
    linter = Linter(dockerfile, build_options(dockerfile, request.build_args))
    last = next(one for one in reversed(dockerfile.instructions) if isinstance(one, From))
    target = request.target or last.stage or ""
    machine = _machine()
    own = platform_args(_platform(request), target, machine)
    return linter, scan(dockerfile, request.build_args, own, _configs(rows))


def _machine() -> Platform:
    return platforms.host(os.uname().machine)


def _platform(request: BuildRequest) -> Platform:
    """The first platform of the build: the rules say the same for each."""
    if not request.platforms:
        return _machine()
    return platforms.parse(request.platforms[0].split(",")[0], _machine())


def _plan(request: BuildRequest, dockerfile: Dockerfile) -> Plan:
    contexts = frozenset(name.lower() for name in request.contexts)
    return stages.plan(
        dockerfile, request.build_args, _platform(request), request.target or "", request.network, contexts
    )


def _numbers(request: BuildRequest, plan: Plan | None, scenes: Scenes) -> Collection[int]:
    """The stages to look at: those that the target needs, all where none is named."""
    if request.target and plan is not None:
        try:
            return stages.needed(plan)
        except LaminaError:
            pass
    return range(len(scenes.stages))


def _known(rows: Rows, plan: Plan | None) -> Known:
    if plan is None:
        return NOTHING
    from lamina.insight.lint.facts import known

    return known(rows, plan)


def _own(linter: Linter, scenes: Scenes, request: BuildRequest, plan: Plan | None, known: Known) -> None:
    from lamina.graph.lint.waste import check_waste

    target = plan.target if plan is not None and request.target else None
    check_waste(linter, scenes, target, known, _finder(request, os.path.isdir))


def _configs(rows: Rows) -> ConfigOf:
    """What base images say of variables, shell and folder; None for those that are not in the store."""

    def config(name: str) -> ContainerConfig | None:
        from lamina.db.names import resolve_image
        from lamina.insight.config import config_of

        try:
            return config_of(rows, resolve_image(rows.connection, name).image_id).config
        except LaminaError:
            return None

    return config


def _ignore(request: BuildRequest) -> IgnoreFile | None:
    """The patterns that hold for the context. InvalidInput."""
    from lamina.build.contexts import read_ignore

    return read_ignore(request)


def _finder(request: BuildRequest, find: Callable[[str], bool] = os.path.lexists) -> Callable[[str], bool]:
    """Asks `find` of paths in the context's folder; False for a context that is none, and outside of it."""
    root = request.context

    def answer(path: str) -> bool:
        name = clean(path.lstrip("/"))
        return root is not None and not name.startswith("..") and find(os.path.join(root, name))

    return answer
