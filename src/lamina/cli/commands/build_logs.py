"""lamina build logs: all that the steps of a build wrote, to the last byte."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, BinaryIO

from lamina.cli.commands.build_ls import duration
from lamina.cli.commands.build_show import title
from lamina.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.build.logs import Piece
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.insight.builds import StepSummary


def configure(command: Command) -> None:
    """Flags of `lamina build logs`."""
    command.takes("[BUILD]", 0, 1)
    command.option("progress", "string", "How to show the steps: plain (default)")
    command.option("step", "int", "Only what step N wrote, byte for byte")
    command.switch("stderr", "Only what was written to stderr")
    command.switch("stdout", "Only what was written to stdout")
    command.switch("timestamps", "With --step: the seconds since the step began before each line", "t")
    command.details = (
        "BUILD is an ID, the beginning of one, or ^N for the Nth before the last; without it the last. "
        "Without --step the steps follow each other as in --progress=plain, each line with its seconds."
    )


def run(session: Session, args: Args) -> int:
    """Writes the logs to stdout."""
    if args.text("progress", "plain") not in ("plain", "auto"):
        raise InvalidInput(f"invalid progress mode {args.text('progress')!r}", hint="plain")
    records = session.engine.records
    detail = records.show(args.operands[0] if args.operands else "")
    sys.stdout.flush()
    out, build_id = sys.stdout.buffer, detail.build.id
    if args.given("step"):
        from lamina.cli.step_flags import step_of  # one step is the rarer wish

        number = step_of(args).step
        if not any(step.number == number for step in detail.steps):
            raise NotFound(
                f"build {build_id} has no step {number}", hint="`lamina build show` lists its steps"
            )
        pieces = _chosen(records.log(build_id, number), args)
        if args.on("timestamps"):
            _lines(out, "", pieces)
        else:
            for piece in pieces:
                out.write(piece.data)
        return 0
    for step in detail.steps:
        if step.status != "not reached":
            out.write(_shown(f"#{step.number} {title(step)}\n"))
            _lines(out, f"#{step.number} ", _chosen(records.log(build_id, step.number), args))
            out.write(_shown(f"#{step.number} {_ending(step, detail.build.error)}\n\n"))
    return 0


def _chosen(pieces: Iterable[Piece], args: Args) -> Iterable[Piece]:
    """The streams that are wanted; neither flag is both."""
    out, err = args.on("stdout"), args.on("stderr")
    return (
        [piece for piece in pieces if piece.stderr]
        if err and not out
        else ((piece for piece in pieces if not piece.stderr) if out and not err else pieces)
    )


def _lines(out: BinaryIO, prefix: str, pieces: Iterable[Piece]) -> None:
    """Each line after `prefix` and its time; what came without a newline at the end gets one."""
    rest, at = b"", 0.0
    for piece in pieces:
        *whole, rest = (rest + piece.data).split(b"\n")
        at = piece.seconds
        for line in whole:
            out.write(_shown(f"{prefix}{at:.3f} ") + line + b"\n")
    if rest:
        out.write(_shown(f"{prefix}{at:.3f} ") + rest + b"\n")


def _ending(step: StepSummary, error: str) -> str:
    if step.status == "run":
        return f"DONE {duration(step.seconds)}"
    return f"ERROR: {error}" if step.status == "failed" else step.status.upper()


def _shown(text: str) -> bytes:
    return text.encode(errors="backslashreplace")
