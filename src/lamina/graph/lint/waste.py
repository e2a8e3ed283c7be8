"""Our own checks: bytes stored twice or for nothing, and steps that run again though they need not.

By the text of the Dockerfile alone; where the store knows what a step did, by that instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.dockerfile import Add, Copy, Run
from lamina.dockerfile.lint import rules
from lamina.dockerfile.lint.shell import commands_of
from lamina.dockerfile.lint.tools import MANAGERS, covers, empties, install_of, manager_of
from lamina.graph.lint.facts import seconds_text, size_text
from lamina.graph.lint.made import made_before, mount_targets, path_of
from lamina.graph.lint.scan import expanded, shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.dockerfile.lint.linter import Linter
    from lamina.dockerfile.lint.shell import Command
    from lamina.dockerfile.lint.tools import Install, Manager
    from lamina.graph.lint.facts import Amount, Known, StepFacts
    from lamina.graph.lint.made import Made
    from lamina.graph.lint.scan import InScope, Scene, Scenes

_CHANGERS = ("chgrp", "chmod", "chown")
_NO = ("", "0", "false", "no", "off")
_WHOLE = ("", ".", "./", "/", "*", "./*")


class _Here(NamedTuple):
    """One RUN and its surroundings: `made` are paths of earlier instructions, `mounted` those it mounts."""

    run: Run
    scope: InScope
    commands: tuple[Command, ...]
    made: tuple[Made, ...]
    mounted: tuple[str, ...]
    facts: StepFacts | None
    is_folder: Callable[[str], bool]

    def is_file(self, one: Made) -> bool:
        """Whether what is made is a file and no folder, as far as the context tells."""
        return one.source is None or (one.source != "" and not self.is_folder(one.source))

    def is_mounted(self, path: str) -> bool:
        """Whether what the RUN does to `path` stays out of the layer."""
        return any(covers(folder, path) for folder in self.mounted)


def check_waste(
    linter: Linter,
    scenes: Scenes,
    target: int | None,
    known: Known,
    is_folder: Callable[[str], bool] = lambda _: False,
) -> None:
    """All checks of this file. What a stage leaves behind matters only where its layers are shipped.

    `is_folder` says whether a path of the context is a folder.
    """
    escape = scenes.dockerfile.escape
    for scene in shipped(scenes, target):
        for position, instruction, scope in scene.steps():
            if not isinstance(instruction, Run):
                continue
            here = _Here(
                instruction,
                scope,
                tuple(commands_of(instruction)),
                tuple(made_before(scenes, scene, position)),
                tuple(mount_targets(instruction, scope, escape)),
                known.steps.get((scene.number, position)),
                is_folder,
            )
            _ownership(linter, here)
            _deleted(linter, here)
            _caches(linter, here)
    for scene in scenes.stages:
        _order(linter, scene, known)


# --- stored twice


def _ownership(linter: Linter, here: _Here) -> None:
    what, at = next(_changed(here), ("this step", None))
    if here.facts is not None:
        copied = here.facts.copied
        if not copied.counts:
            return
        much = f"{size_text(copied.size)} ({_example(copied)})"
    elif at is None:
        return
    else:
        much = f"the files in {at}"
    message = (
        f"{what} stores {much} a second time: "
        "use COPY --chown or --chmod, or do it in the step that makes them"
    )
    linter.warn(rules.OWNERSHIP_CHANGE_COPIES_FILES, here.run, message, at=at)


def _changed(here: _Here) -> Iterator[tuple[str, str | None]]:
    """The programs that change owners or modes of what is there already, with the path as written."""
    for command in here.commands:
        if command.program not in _CHANGERS:
            continue
        deep = any("R" in flag or flag == "--recursive" for flag in command.flags)
        skip = 0 if any(flag.startswith("--reference") for flag in command.flags) else 1
        for word in command.operands[skip:]:
            path = path_of(word, here.scope)
            hit = any(
                one.touches(path) if deep else one.path == path and here.is_file(one) for one in here.made
            )
            if hit and not here.is_mounted(path):
                yield f"{command.program}{' -R' if deep else ''}", word


# --- stored for nothing


def _deleted(linter: Linter, here: _Here) -> None:
    at = next(_removed(here), None)
    if here.facts is not None:
        deleted = here.facts.deleted
        if not deleted.counts:
            return
        what = f"{size_text(deleted.size)} ({_example(deleted)})"
    elif at is None:
        return
    else:
        what = at
    message = (
        f"this step deletes {what}, which stays in an earlier layer: delete it in the step that brings it, "
        "leave it out of the copy, or mount it instead"
    )
    linter.warn(rules.DELETED_IN_LATER_LAYER, here.run, message, at=at)


def _removed(here: _Here) -> Iterator[str]:
    """The operands of rm that an earlier instruction made, as written."""
    for command in here.commands:
        if command.program not in ("rm", "rmdir", "unlink"):
            continue
        for word in command.operands:
            path = path_of(word, here.scope)
            if path != "/" and not here.is_mounted(path) and any(one.touches(path) for one in here.made):
                yield word


def _caches(linter: Linter, here: _Here) -> None:
    for manager in MANAGERS:
        filling = next((one for one in here.commands if manager_of(one) is manager), None)
        if here.facts is not None:
            left = here.facts.left.get(manager.name)
            if left is None or not left.counts:
                continue
            much = f"{size_text(left.size)} of its cache ({_example(left)})"
        elif filling is None or not _leaves(manager, here):
            continue
        else:
            much = f"its cache in {manager.places[0]}"
        message = f"{manager.name} leaves {much} in this layer: {manager.remedy}, or mount a cache there"
        at = filling.words[0] if filling else None
        linter.warn(rules.PACKAGE_CACHE_LEFT_BEHIND, here.run, message, at=at)


def _leaves(manager: Manager, here: _Here) -> bool:
    """Whether a cache that this RUN fills is not emptied by it, and lies on no mount."""
    if any(here.scope.env.get(name, "").lower() not in _NO for name in manager.off_variables):
        return False
    if any(empties(command, manager) for command in here.commands):
        return False
    return not any(here.is_mounted(place) for place in manager.places)


def _example(amount: Amount) -> str:
    return amount.path if amount.files == 1 else f"{amount.files} files, {amount.path} the largest"


# --- done again for nothing


def _order(linter: Linter, scene: Scene, known: Known) -> None:
    """COPY before a slow step: the whole context before an install, or what the cache saw change often."""
    for position, instruction, scope in scene.steps():
        if not isinstance(instruction, Copy | Add) or getattr(instruction, "from_", None) is not None:
            continue
        install = None
        if _is_whole(instruction, scope, linter.dockerfile.escape):
            install = _first_install(linter, scene, position)
        if install is not None:
            _before_install(linter, scene, instruction, *install, known)
            continue
        change = known.changes.get((scene.number, position))
        if change is not None:
            again = scene.instructions[change.again]
            files = ", ".join(change.files[:3]) or "what it copies"
            message = (
                f"{files} changed {change.versions - 1} times, and each time line {again.source.start_line} "
                f"ran again ({seconds_text(change.seconds)}) though it does not need that: "
                "copy it after that line"
            )
            linter.warn(rules.CHANGING_FILE_BEFORE_SLOW_STEP, instruction, message)


def _is_whole(instruction: Copy | Add, scope: InScope, escape: str) -> bool:
    return any(expanded(source, scope.env, escape) in _WHOLE for source in instruction.sources)


def _first_install(linter: Linter, scene: Scene, position: int) -> tuple[int, Install] | None:
    """The first install after `position`, unless its program installed something before already."""
    installs = list(_installs(linter, scene))
    before = {install.text.split()[0] for at, install in installs if at < position}
    later = ((at, install) for at, install in installs if at > position)
    return next((found for found in later if found[1].text.split()[0] not in before), None)


def _installs(linter: Linter, scene: Scene) -> Iterator[tuple[int, Install]]:
    for at, instruction, scope in scene.steps():
        if not isinstance(instruction, Run):
            continue
        if mount_targets(instruction, scope, linter.dockerfile.escape):
            continue  # with a cache mount, or what it reads mounted, running again costs little
        for command in commands_of(instruction):
            install = install_of(command)
            if install is not None:
                yield at, install


def _before_install(
    linter: Linter, scene: Scene, copy: Copy | Add, at: int, install: Install, known: Known
) -> None:
    facts = known.steps.get((scene.number, at))
    took = f" (it took {seconds_text(facts.seconds)})" if facts and facts.seconds else ""
    first = (
        f"copy {' and '.join(install.manifests)} first, and the rest after it"
        if install.manifests
        else ("copy the context after it")
    )
    line = scene.instructions[at].source.start_line
    message = f"any change in the context makes {install.text} in line {line} run again{took}: {first}"
    linter.warn(rules.CONTEXT_COPIED_BEFORE_INSTALL, copy, message)
