"""lamina build show: one build with its steps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lamina.cli import units
from lamina.cli.commands.build_ls import duration, seconds_of
from lamina.cli.listing import table
from lamina.cli.progress.picture import clean

if TYPE_CHECKING:
    from lamina.build.plan import PlannedStep
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.insight.builds import BuildDetail, StepSummary

_TEXT = 60  # characters of an instruction shown
_WIDTH = 13  # of the names of fields


def configure(command: Command) -> None:
    """Flags of `lamina build show`."""
    command.takes("[BUILD]", 0, 1)
    command.option("format", "string", "Format output: json, or a template")
    command.switch("no-trunc", "Don't truncate output")
    command.details = (
        "BUILD is an ID, the beginning of one, or ^N for the Nth before the last; without it the last."
    )


def run(session: Session, args: Args) -> int:
    """Prints the build."""
    detail = session.engine.records.show(args.operands[0] if args.operands else "")
    form = args.text("format")
    if form:
        from lamina.cli.template import Template  # the page does without

        template = Template(
            "{{json .}}" if form == "json" else form.replace("\\t", "\t").replace("\\n", "\n")
        )
        print(template.execute(as_json(detail)))
    else:
        print(page(detail, time.time(), whole=args.on("no-trunc")), end="")
    return 0


def page(detail: BuildDetail, now: float, *, whole: bool) -> str:
    """Fields, one a line, and the table of the steps."""
    build = detail.build
    states = [step.status for step in detail.steps]
    counts = [f"{states.count(state)} {state}" for state in dict.fromkeys(("run", "cached", *states))]
    fields = {
        "Build": build.id,
        "Name": build.name,
        "Status": build.status,
        "Context": build.context,
        "Dockerfile": build.dockerfile,
        "Target": build.target,
        "Tags": ", ".join(build.tags),
        "Image": build.image_id,
        "Started": units.clock(build.started),
        "Duration": duration(seconds_of(build, now)),
        "Steps": ", ".join(counts) if states else "",
        "Logs": units.human_size(build.log_bytes) if build.log_bytes else "",
        "Error": build.error,
    }
    lines = [f"{name + ':':<{_WIDTH}}{clean(value)}\n" for name, value in fields.items() if value]
    if not detail.steps:
        return "".join(lines)
    rows: list[tuple[str, ...]] = [("STEP", "RESULT", "TIME", "SIZE", "LAYER", "LINE", "INSTRUCTION")]
    rows += [_row(step, whole=whole) for step in detail.steps]
    kept = next((step.number for step in detail.steps if step.kept), 0)
    more = (
        f"\n`lamina run --step {kept} {build.id}` starts a shell in what step {kept} left\n" if kept else ""
    )
    return "".join(lines) + "\n" + table(rows) + more


def _row(step: StepSummary, *, whole: bool) -> tuple[str, ...]:
    text = clean(title(step))
    ran = step.status in ("run", "failed", "canceled")
    return (
        f"#{step.number}",
        step.status,
        duration(step.seconds) if ran else "",
        "" if step.size is None or not step.diff_id else units.human_size(step.size),
        step.diff_id if whole else units.short_id(step.diff_id),
        str(step.line),
        text if whole else units.ellipsis(text, _TEXT),
    )


def title(step: StepSummary | PlannedStep) -> str:
    """`[2/4] RUN make` or `[base 2/4] RUN make`."""
    stage = f"{step.stage} " if step.stage else ""
    return f"[{stage}{step.place}/{step.places}] {step.text}"


def as_json(detail: BuildDetail) -> dict[str, object]:
    """The build as one object, as the other commands name such fields."""
    build = detail.build
    return {
        "ID": build.id,
        "Name": build.name,
        "Status": build.status,
        "Context": build.context,
        "Dockerfile": build.dockerfile,
        "Target": build.target,
        "Tags": list(build.tags),
        "Image": build.image_id,
        "Started": build.started,
        "Seconds": build.seconds,
        "Error": build.error,
        "ErrorLine": build.error_line,
        "TotalSteps": build.total,
        "CachedSteps": build.cached,
        "RunSteps": build.run,
        "LogBytes": build.log_bytes,
        "Steps": [_step_json(step) for step in detail.steps],
    }


def head_json(step: StepSummary | PlannedStep) -> dict[str, object]:
    """Which step it is, and what became or would become of it."""
    return {
        "Step": step.number,
        "Stage": step.stage,
        "Text": step.text,
        "Line": step.line,
        "Place": step.place,
        "Places": step.places,
        "Status": step.status,
    }


def _step_json(step: StepSummary) -> dict[str, object]:
    return {
        **head_json(step),
        "Began": step.began,
        "Seconds": step.seconds,
        "DiffID": step.diff_id,
        "Size": step.size,
        "Key": step.key,
        "Kept": step.kept,
        "Rule": step.rule,
        "From": step.origin,
    }
