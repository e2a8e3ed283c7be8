"""lamina why: for each step of a build, why it was done, or by which rule it was reused."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from lamina.cli.commands.build_ls import duration
from lamina.cli.escaping import escaped
from lamina.cli.reasons import LEAST, reason_json, reason_lines, reused, summary
from lamina.cli.units import ellipsis
from lamina.errors import LaminaError, NotFound
from lamina.insight.why import DONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.insight.why import StepWhy, Why

_CAUSES = 3  # that are shown
_TEXT = 80  # characters of an instruction that are shown
_DIGEST = 19  # characters of a digest that are shown: sha256: and 12 digits
_STEP = re.compile(r"#?([0-9]{1,6})")
_OLD = "why is not recorded: an older version of Lamina did this build"
_CUT_OFF = "why is not recorded: the build ended before"


def configure(command: Command) -> None:
    """Flags of `lamina why`."""
    command.takes("[BUILD|IMAGE] [STEP]", 0, 2)
    command.switch("json", "Print all of it as JSON")
    command.switch("no-trunc", "Don't truncate output: all differences, whole texts and digests")
    command.details = (
        "BUILD is an ID, the beginning of one, or ^N for the Nth before the last; IMAGE stands for the "
        "newest build that made it; without either it is the last build. STEP is a number, as "
        "`lamina build show` has it, or a stage."
    )


def run(session: Session, args: Args) -> int:
    """Prints the page."""
    why, wanted = _find(session, args.operands)
    steps = _chosen(why, wanted) if wanted else why.steps
    if args.on("json"):
        print(json.dumps(as_json(why, steps), indent=2))
    else:
        print(page(why, steps, whole=args.on("no-trunc")), end="")
    return 0


def _find(session: Session, words: Sequence[str]) -> tuple[Why, str]:
    """The build that is meant, and the step ("" for all)."""
    records = session.engine.records
    if len(words) == 2:
        return records.why(words[0]), words[1]
    if not words or _STEP.fullmatch(words[0]):
        return records.why(), words[0] if words else ""
    try:
        return records.why(words[0]), ""
    except LaminaError:
        last = _last(session)
        if last is None or not _of_stage(last, words[0]):
            raise
        return last, words[0]


def _last(session: Session) -> Why | None:
    try:
        return session.engine.records.why()
    except NotFound:
        return None


def _chosen(why: Why, wanted: str) -> list[StepWhy]:
    """The steps that a word names. NotFound."""
    number = _STEP.fullmatch(wanted)
    found = [each for each in why.steps if number and each.step.number == int(number[1])]
    found = found or _of_stage(why, wanted)
    if not found:
        raise NotFound(
            f"build {why.build.id} has no step or stage {wanted}",
            hint=f"`lamina build show {why.build.id}` lists its steps",
        )
    return found


def _of_stage(why: Why, name: str) -> list[StepWhy]:
    return [each for each in why.steps if each.step.stage and each.step.stage.lower() == name.lower()]


def page(why: Why, steps: Iterable[StepWhy], *, whole: bool) -> str:
    """What was done and what not, what caused it, and a block for each step."""
    build = why.build
    lines = [f"Build {build.id} of {escaped(build.name)}: {_counts(why)}"]
    lines += _causes(why, whole=whole)
    lines.append("")
    for each in steps:
        lines += [_title(each, build.dockerfile, whole=whole)]
        lines += [f"   {line}" for line in step_lines(each, build.dockerfile, whole=whole)]
    return "".join(f"{line}\n" for line in lines)


def step_lines(each: StepWhy, file: str, *, whole: bool) -> list[str]:
    """What became of a step, and why."""
    step, reason = each.step, each.reason
    if step.status == "cached":
        if step.place == 1:
            name, _, digest = step.key.partition("@")
            return [f"{escaped(name)} {digest if whole else digest[:_DIGEST]}"] if digest else []
        if each.like:
            return [f"the same as #{each.like}, which was done once for both"]
        return [reused(each.rule, each.saved, each.step.origin)]
    if step.status == "not reached":
        return ["not reached"]
    words = {"run": "ran,", "failed": "failed after", "canceled": "canceled after"}
    line = f"{words[step.status]} {duration(step.seconds)}" if step.status in words else step.status
    if reason is None and step.status in ("running", "interrupted"):
        return [line, _CUT_OFF] if step.status == "interrupted" else [line]
    if reason is None:
        return [line, _OLD] if step.status != "failed" or step.key else [line]
    if reason.seconds is not None:
        line += f" (the last time {duration(reason.seconds)})"
    return [line, *[f"- {text}" for text in reason_lines(reason, file, whole=whole)]]


def _title(each: StepWhy, file: str, *, whole: bool) -> str:
    step = each.step
    text = escaped(step.text)
    stage = f"[{escaped(step.stage)}] " if step.stage else ""
    return f"#{step.number} {stage}{text if whole else ellipsis(text, _TEXT)} ({escaped(file)}:{step.line})"


def _counts(why: Why) -> str:
    """`2 of 5 steps ran, 35.0s; 3 were reused, which saved 12.0s`."""
    counted = [each for each in why.steps if each.step.place > 1 or each.step.status in DONE]
    ran = [each.step for each in counted if each.step.status in DONE]
    kept = [each for each in counted if each.step.status == "cached"]
    saved = sum(each.saved or 0.0 for each in kept)
    saving = f", which saved {duration(saved)}" if saved >= LEAST else ""
    if not ran:
        is_all = counted and len(kept) == len(counted)
        all_kept = f"all {len(kept)} steps were" if len(kept) > 1 else "its only step was"
        return f"{all_kept} reused{saving}" if is_all else "no step ran"
    seconds = sum(step.seconds for step in ran)
    text = f"{len(ran)} of {len(counted)} step{'s' * (len(counted) > 1)} ran, {duration(seconds)}"
    return f"{text}; {len(kept)} {'was' if len(kept) == 1 else 'were'} reused{saving}" if kept else text


def _causes(why: Why, *, whole: bool) -> Iterable[str]:
    """What caused that anything ran: the first thing, then what there is beside it."""
    file = why.build.dockerfile
    found: dict[str, list[StepWhy]] = {}
    for each in why.steps:
        if each.step.number in why.causes and each.reason is not None:
            found.setdefault(summary(each.reason, file), []).append(each)
    word = "Cause"
    for text, steps in list(found.items())[: None if whole else _CAUSES]:
        numbers = _ranges([each.step.number for each in steps])
        yield f"{word}: {_title(steps[0], file, whole=whole) if len(steps) == 1 else numbers}: {text}"
        word = " Also"
    if not whole and len(found) > _CAUSES:
        yield f" Also: {len(found) - _CAUSES} more"


def _ranges(numbers: Sequence[int]) -> str:
    """`#2-#5, #8`: numbers in their order, those that follow each other together."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ", ".join(f"#{first}" if first == last else f"#{first}-#{last}" for first, last in ranges)


def as_json(why: Why, steps: Iterable[StepWhy]) -> dict[str, object]:
    """All of it as one object, with the names that `build show` has."""
    build = why.build
    return {
        "ID": build.id,
        "Name": build.name,
        "Status": build.status,
        "Dockerfile": build.dockerfile,
        "ImageID": build.image_id,
        "Causes": list(why.causes),
        "Steps": [_step_json(each) for each in steps],
    }


def _step_json(each: StepWhy) -> dict[str, object]:
    step = each.step
    return {
        "Step": step.number,
        "Stage": step.stage,
        "Text": step.text,
        "Line": step.line,
        "Status": step.status,
        "Rule": each.rule,
        "From": step.origin,
        "Seconds": step.seconds,
        "Saved": each.saved,
        "Like": each.like,
        "Reason": None if each.reason is None else reason_json(each.reason),
    }
