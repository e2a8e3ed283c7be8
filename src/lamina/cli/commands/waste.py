"""lamina waste: bytes that a smaller image would not carry, and the change that saves them."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from lamina.cli import units
from lamina.cli.escaping import escaped
from lamina.fs.failures import failure, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.insight.limits import Judgement
    from lamina.insight.waste import Finding, Waste

_CONFIG = ".dive-ci"
_SHOWN, _TEXT = 10, 100
_LEAST = 10_000  # what is less than this part of the image is not worth a paragraph
_RULES = {
    "lowest-efficiency": "lowestEfficiency",
    "highest-wasted-bytes": "highestWastedBytes",
    "highest-user-wasted-percent": "highestUserWastedPercent",
}
_WORDS = {
    "overwritten": "overwritten by",
    "deleted": "deleted by",
    "metadata": "a copy of what is in",
    "duplicate": "the same as in",
}


def configure(command: Command) -> None:
    """Flags of `lamina waste`."""
    command.takes("IMAGE", 1, 1)
    command.switch("all", "Show all findings, those of the base image, too", "a")
    command.switch("ci", "Hold the image against limits; the exit code is 1 when it breaks one")
    command.option("ci-config", "file", f"Limits, as dive has them (default {_CONFIG}, if there is one)")
    command.switch("files", "Show the biggest files of each finding")
    command.option("highest-user-wasted-percent", "ratio", "Most hidden bytes, as a part of the image's own")
    command.option("highest-wasted-bytes", "size", "Most hidden bytes: 20MB, 500KiB")
    command.switch("json", "Print all that is known as JSON")
    command.option("lowest-efficiency", "ratio", "Least part of all bytes that has to be visible: 0.95")
    command.option("platform", "string", "Ask about the image for this platform (os/architecture[/variant])")
    command.details = (
        "A byte is in one finding at most. What was overwritten, deleted, or copied for a new mode or owner, "
        "is hidden: the limits are about these bytes, as dive's are. Caches and duplicates can be seen. A "
        "limit that a flag gives goes before that of the file; any of these flags is enough for --ci."
    )


def run(session: Session, args: Args) -> int:
    """Prints the page; 1 when a limit is broken."""
    limits = _limits(args)
    found = session.engine.waste(args.operands[0], platform=args.text("platform"))
    if limits is None:
        print(_json(found) if args.on("json") else page(found, args), end="")
        return 0
    from lamina.insight.limits import judge

    judged = judge(found, limits)
    print(_json(judged) if args.on("json") else page(found, args) + "\n" + evaluation(judged), end="")
    return 0 if judged.passed else 1


def _json(value: object) -> str:
    from lamina.cli.as_json import dumps

    return dumps(value) + "\n"


def _limits(args: Args) -> dict[str, str] | None:
    """The limits that were given, by dive's names; None when none were asked for."""
    given = {rule: args.text(flag) for flag, rule in _RULES.items() if args.given(flag)}
    path = args.text("ci-config")
    if not (given or path or args.on("ci")):
        return None
    from lamina.insight.limits import MAX_SIZE, read

    if not path and not os.path.exists(_CONFIG):
        return given
    path = path or _CONFIG
    try:
        with open(path, "rb") as file:
            return read(file.read(MAX_SIZE + 1), shown(path)) | given
    except OSError as error:
        raise failure(error, path) from error


def page(found: Waste, args: Args) -> str:
    """What it comes to, and a paragraph for each finding."""
    whole = args.on("all")
    own = [each for each in found.findings if whole or not each.base]
    listed = own if whole else [each for each in own[:_SHOWN] if _counts(each.size, found)]
    lines = list(_sums(found))
    for each in listed:
        lines += ["", *_paragraph(found, each, files=args.on("files"))]
    rest = own[len(listed) :]
    if rest:
        size = units.human_size(sum(each.size for each in rest))
        lines += ["", f"and {size} in {units.counted(len(rest), 'more finding')}: --all shows them"]
    if found.foldable and (whole or _counts(found.foldable, found)):
        fold = f"`lamina fold {shlex.quote(escaped(found.name))}`"
        lines += ["", f"{fold} saves {units.human_size(found.foldable)} of it without a build"]
    return "".join(f"{line}\n" for line in lines)


def _counts(size: int, found: Waste) -> bool:
    return size * _LEAST >= found.size


def _sums(found: Waste) -> Iterator[str]:
    size = units.human_size
    yield f"{escaped(found.name)}: {size(found.size)} in {units.counted(len(found.layers), 'layer')}"
    if not found.wasted:
        yield "nothing is wasted"
        return
    yield f"  wasted        {size(found.wasted)} ({_percent(found.wasted, found.size)})"
    for kind in sorted({each.kind for each in found.findings}, key=_order):
        part = sum(each.size for each in found.findings if each.kind == kind)
        yield f"    {kind:<12}{size(part)}"
    if found.wasted != found.own_wasted:
        base = escaped(found.layers[0].base)
        yield f"  of the base   {size(found.wasted - found.own_wasted)} ({base})"
    yield f"  efficiency    {found.efficiency:.2%}"


def _order(kind: str) -> int:
    return ("overwritten", "deleted", "metadata", "cache", "duplicate").index(kind)


def _paragraph(found: Waste, each: Finding, *, files: bool) -> Iterator[str]:
    what = f", {each.what}" if each.what else ""
    yield f"{units.human_size(each.size):<9}{each.kind}{escaped(what)}: {_where(each)}"
    yield f"  in layer {each.layer}: {_instruction(found, each.layer)}"
    if each.kind in _WORDS and each.by != each.layer:
        yield f"  {_WORDS[each.kind]} layer {each.by}: {_instruction(found, each.by)}"
    if files:
        for one in each.biggest:
            other = f" ({_as(each)} {shown(one.other)})" if one.other else ""
            yield f"    {units.human_size(one.size):<9}{shown(one.path)}{other}"
    yield f"  -> {escaped(each.change.text)}"


def _as(each: Finding) -> str:
    return "as" if each.kind == "duplicate" else "now"


def _where(each: Finding) -> str:
    if each.files == 1:
        return shown(each.biggest[0].path)
    return f"{each.files:,} files below {shown(each.folder)}"


def _instruction(found: Waste, number: int) -> str:
    layer = found.layers[number - 1]
    text = units.ellipsis(escaped(layer.created_by), _TEXT) or "no history"
    where = [escaped(layer.base)] if layer.base else []
    where += [f"{escaped(layer.dockerfile)}:{layer.line}"] if layer.line else []
    return f"{text} ({', '.join(where)})" if where else text


def evaluation(judged: Judgement) -> str:
    """The verdicts as dive prints them."""
    found = judged.waste
    counts = {
        status.lower(): sum(1 for each in judged.verdicts if each.status == status)
        for status in ("PASS", "FAIL", "SKIP")
    }
    tally = " ".join(f"{name}:{count}" for name, count in counts.items() if count)
    lines = [
        "Analysis:",
        f"  efficiency:        {found.efficiency:.2%}",
        f"  wastedBytes:       {found.hidden} bytes ({units.human_size(found.hidden)})",
        f"  userWastedPercent: {found.user_wasted_percent:.2%}",
        "",
        "Evaluation:",
        *(f"  {each.status}  {each.rule} ({escaped(each.message)})" for each in judged.verdicts),
        "",
        f"{'PASS' if judged.passed else 'FAIL'} [{tally}]",
    ]
    return "".join(f"{line}\n" for line in lines)


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "0.0%"
