"""lamina build --plan: what a build would reuse, and what it would do and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lamina.build.plan import FROM, REUSE, RUN, UNKNOWN
from lamina.cli.commands.build_ls import duration
from lamina.cli.commands.build_show import head_json, title
from lamina.cli.commands.context_ls import counted
from lamina.cli.listing import table
from lamina.cli.progress.picture import clean
from lamina.cli.reasons import reason_json, reason_lines
from lamina.cli.units import ellipsis
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.build.plan import BuildPlan, PlannedStep
    from lamina.build.request import BuildRequest
    from lamina.cli.flags import Args
    from lamina.cli.session import Session

_TEXT = 80  # characters of an instruction shown
_INDENT = " " * 10  # of what is said of a step below its line


def run_plan(session: Session, args: Args, request: BuildRequest) -> int:
    """Answers --plan. InvalidInput for flags that do not go with it."""
    if not args.on("plan"):
        raise InvalidInput("--json needs --plan", hint="`lamina why --json` tells of builds that were")
    other = next((name for name in ("call", "check", "format", "why") if args.given(name)), "")
    if other:
        raise InvalidInput(f"--plan and --{other} cannot be used together", hint="--json is the other form")
    plan = session.engine.plan(request)
    if args.on("json"):
        print(json.dumps(as_json(plan), indent=2))
    else:
        print(page(plan), end="")
    return 0


def page(plan: BuildPlan) -> str:
    """A line for each step, below it why; then what it comes to."""
    rows = [("STEP", "WOULD", "TOOK", "LINE", "INSTRUCTION"), *(_row(step) for step in plan.steps)]
    lines = table(rows).splitlines()
    shown = [lines[0]]
    for line, step in zip(lines[1:], plan.steps, strict=True):
        shown.append(line)
        shown += [_INDENT + clean(each) for each in _below(plan, step)]
    if plan.notes:
        shown += ["", *map(clean, plan.notes)]
    return "\n".join([*shown, "", total(plan), ""])


def _row(step: PlannedStep) -> tuple[str, ...]:
    words = {FROM: "", UNKNOWN: "not known"}
    would = words.get(step.status, step.status) + (f" ({step.rule})" if step.rule else "")
    took = "" if step.seconds is None else duration(step.seconds)
    return f"#{step.number}", would, took, str(step.line), ellipsis(clean(title(step)), _TEXT)


def _below(plan: BuildPlan, step: PlannedStep) -> Iterator[str]:
    """What is said of a step."""
    if step.like:
        yield f"the same as #{step.like}, which is done once for both"
    if step.reason is None or step.status == REUSE:
        return
    if step.status == RUN:
        yield from reason_lines(step.reason, plan.dockerfile)
        return
    if step.reason.doubt:
        yield step.reason.doubt
    if step.reason.waits_for:
        yield f"waits for {_steps(plan, step.reason.waits_for)}"


def _steps(plan: BuildPlan, numbers: tuple[int, ...]) -> str:
    """`#3 (Dockerfile:4) and #5 (Dockerfile:7)`."""
    lines = {step.number: step.line for step in plan.steps}
    words = [f"#{number} ({plan.dockerfile}:{lines[number]})" for number in numbers]
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def total(plan: BuildPlan) -> str:
    """`would reuse 5 steps, run 2 (about 14.2s), 1 not known yet`."""
    run = plan.count(RUN)
    words = [f"would reuse {counted(plan.count(REUSE), 'step')}", f"run {run}"]
    timed = run - plan.untimed
    if timed:
        words[-1] += f" (about {duration(plan.seconds)}" + (f" for {timed} of them)" if plan.untimed else ")")
    if plan.pulls:
        words.append(f"pull {counted(len(plan.pulls), 'image')}")
    if plan.count(UNKNOWN):
        words.append(f"{plan.count(UNKNOWN)} not known yet")
    return ", ".join(words)


def as_json(plan: BuildPlan) -> dict[str, object]:
    """The plan as one object, as the other commands name such fields."""
    return {
        "Dockerfile": plan.dockerfile,
        "Reuse": plan.count(REUSE),
        "Run": plan.count(RUN),
        "Unknown": plan.count(UNKNOWN),
        "Pull": list(plan.pulls),
        "Seconds": plan.seconds,
        "Untimed": plan.untimed,
        "Notes": list(plan.notes),
        "Steps": [_step_json(step) for step in plan.steps],
    }


def _step_json(step: PlannedStep) -> dict[str, object]:
    return {
        **head_json(step),
        "Rule": step.rule,
        "Seconds": step.seconds,
        "Like": step.like,
        "Reason": reason_json(step.reason) if step.reason is not None else None,
    }
