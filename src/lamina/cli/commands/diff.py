"""lamina diff: what differs between images, layers, containers and steps of builds."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from lamina.cli.escaping import escaped
from lamina.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.cli.flags import Args, Command, UsageError
    from lamina.cli.session import Session
    from lamina.containers.changes import ContainerChange
    from lamina.engine.steps import StepRef
    from lamina.insight.diff.change import FileChange
    from lamina.insight.diff.diff import Diff

_OWN = "patch stat name-only json times reproducible exit-code quiet platform"  # flags that Docker's has not


def configure(command: Command) -> None:
    """Flags and operands of `lamina diff`."""
    command.takes("CONTAINER | OLD [NEW] [/PATH...] | --failed [BUILD] | --step N [BUILD]", 0, None)
    command.details = (
        "OLD and NEW are images, layers (IMAGE#N), containers or steps of builds (BUILD#N).\n"
        "One alone is compared with what it stands on: an image with its base, a layer with\n"
        "the one below it. Of a container alone only the paths are listed, as Docker does."
    )
    command.switch("failed", "Show what the failed step of a build had changed (default: of the last one)")
    command.option("step", "int", "Show what step N of a build changed (default: of the last build)")
    command.switch("patch", "Show how texts differ, as `git diff` does", "p")
    command.switch("stat", "Show how many lines of texts, or bytes of other files, differ")
    command.switch("name-only", "Only show the paths")
    command.switch("json", "Print all that differs as JSON")
    command.switch("times", "Show paths of which only the time differs, too")
    command.switch("reproducible", "Only show why two builds that should be equal are not")
    command.switch("exit-code", "Exit with 1 when there are differences, as `git diff` does")
    command.switch("quiet", "Print nothing; implies --exit-code", "q")
    command.option("platform", "string", "Compare the images for this platform (os/architecture[/variant])")


def run(session: Session, args: Args) -> int:
    """Prints a line for each path; a name that is not UTF-8 comes out as its bytes in Docker's form."""
    names, paths = _operands(args)
    step = _step(args, names)
    if step is None and not names:
        raise _no_container(args)
    if not args.given_any(_OWN) and not paths and len(names) < 2:
        changes = _as_docker(session, step, names)
        if changes is not None:
            sys.stdout.flush()
            sys.stdout.buffer.write(b"".join(os.fsencode(f"{each.kind} {each.path}\n") for each in changes))
            return 0
    diff = _compared(session, args, step, names, paths)
    return int(diff.is_different and args.given_any("exit-code quiet"))


def _operands(args: Args) -> tuple[list[str], list[str]]:
    """Names, at most two, and paths: what begins with `/`, and all after two names."""
    count = next((at for at, word in enumerate(args.operands) if word.startswith("/")), len(args.operands))
    count = min(count, 2)
    for name in args.operands[:count]:
        if ":/" in name:
            raise InvalidInput(
                f"a path in {escaped(name)}", hint="paths come last: lamina diff OLD [NEW] /PATH"
            )
    return args.operands[:count], args.operands[count:]


def _step(args: Args, names: list[str]) -> StepRef | None:
    if not (args.given("failed") or args.given("step")):
        return None
    from lamina.cli.step_flags import step_of  # a rare way to ask

    if len(names) > 1:
        raise InvalidInput("--step and --failed take one build", hint="compare two steps by BUILD#N BUILD#N")
    return step_of(args, *names)


def _as_docker(
    session: Session, step: StepRef | None, names: Sequence[str]
) -> Sequence[ContainerChange] | None:
    """The changes of a step or a container; None where the name is none of a container."""
    if step is not None:
        return session.engine.records.diff(step)
    if "#" in names[0] or ":" in names[0]:
        return None
    try:
        return session.engine.diff(names[0])
    except NotFound as error:
        if not error.message.startswith("No such container"):
            raise
    return None


def _compared(
    session: Session, args: Args, step: StepRef | None, names: Sequence[str], paths: Sequence[str]
) -> Diff:
    from lamina.cli.streams import warnings
    from lamina.insight.diff.diff import Asked

    asked = Asked(
        tuple(paths),
        times=args.on("times"),
        patch=args.on("patch"),
        lines=args.on("stat"),
        causes=args.on("reproducible") if args.given("reproducible") else None,
    )
    old, new = [*names, "", ""][:2]
    out = _Printer(args)
    keep = args.on("json") and not args.on("quiet")
    diff = session.engine.compare(
        step or old,
        new,
        asked,
        warnings,
        None if keep else out.file,
        platform=args.text("platform"),
    )
    out.end(diff)
    return diff


class _Printer:
    """Prints changes of files as they are found, then the rest, as the flags have it."""

    def __init__(self, args: Args) -> None:
        from lamina.cli import diffing

        self._args = args
        self._write: Callable[[bytes], object] = sys.stdout.buffer.write
        self._diffing = diffing
        self._is_terminal = sys.stdout.isatty()
        sys.stdout.flush()

    def file(self, change: FileChange) -> None:
        """Prints one change."""
        if self._args.on("quiet") or self._args.on("reproducible"):
            return
        if self._args.on("name-only"):
            from lamina.fs.failures import shown

            self._write(f"{shown(change.path)}\n".encode())
        elif self._args.on("stat"):
            self._write(f"{self._diffing.stat_line(change, times=self._args.on('times'))}\n".encode())
        elif not change.only_time or self._args.on("times"):
            self._write(f"{self._diffing.file_line(change, times=self._args.on('times'))}\n".encode())
        if change.patch:
            self._write(self._diffing.patch_text(change.patch, terminal=self._is_terminal))

    def end(self, diff: Diff) -> None:
        """Prints what is no file, and the sum."""
        if self._args.on("quiet"):
            return
        if self._args.on("json"):
            from lamina.cli.as_json import dumps

            self._write(f"{dumps(diff)}\n".encode())
            return
        if self._args.on("reproducible"):
            diff = diff._replace(packages=(), config=(), history=())
        lines = [] if self._args.given_any("name-only stat") else [*self._diffing.sections(diff)]
        if not self._args.on("name-only"):
            lines.append(self._diffing.summary(diff, times=self._args.on("times")))
        self._write("".join([f"{line}\n" for line in lines]).encode())


def _no_container(args: Args) -> UsageError:
    from lamina.cli.main import command_of  # only for this error
    from lamina.cli.verbs import VERBS

    command = command_of(args.path, VERBS["diff"])
    return command.wrong(f"{command.program}: '{command.program} {command.path}' requires 1 argument", 1)
