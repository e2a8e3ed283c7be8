"""What could break, as people read it: findings of surgery, the worst first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli import surgery_flags
from lamina.cli.escaping import escaped
from lamina.surgery.findings import Weight

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.cli.flags import Args
    from lamina.cli.session import Session
    from lamina.engine.operating import Target
    from lamina.engine.reordering import Picking
    from lamina.events import Observer
    from lamina.surgery.findings import Finding, Findings
    from lamina.surgery.merging import MergedValue

MOST = 12  # of one weight that are shown, unless all are wanted
_TITLES = {Weight.BREAKS: "Breaks", Weight.RISK: "Could break", Weight.NOTE: "Good to know"}


def lines(found: Findings, *, whole: bool = False) -> list[str]:
    """A block for each weight; `whole` shows all that was kept."""
    out = []
    for weight, title in _TITLES.items():
        fits = [finding for finding in found.listed if finding.weight is weight]
        shown = fits if whole else fits[:MOST]
        if fits:
            out += [f"{title}:", *[f"  {_line(finding)}" for finding in shown]]
        if len(shown) < len(fits):
            out.append(f"  and {len(fits) - len(shown)} more; --all shows them")
    out += [f"Not listed: {count} more of the kind {kind}" for kind, count in found.more]
    return out


def config_lines(merged: tuple[MergedValue, ...]) -> list[str]:
    """What became of the config where the bases differ."""
    return ["Config:", *[f"  {escaped(_merged(each))}" for each in merged]] if merged else []


def picked(session: Session, args: Args, pick: Callable[[Target, Observer], Picking]) -> int:
    """Does a drop or a cherry-pick as the flags say; prints what could break, and what was made: 0.

    Unfit, after it was shown what breaks.
    """
    from lamina.engine.reordering import Unfit

    try:
        done = pick(surgery_flags.target(args, session.environ), surgery_flags.observer(args))
    except Unfit as unfit:
        show(unfit.findings, args)
        raise
    if args.on("json"):
        from lamina.cli.as_json import dumps

        print(dumps(done))
        return 0
    show(done.findings, args)
    surgery_flags.told(session, done.made, args)
    return 0


def show(found: tuple[tuple[str, Findings], ...], args: Args) -> None:
    """Prints what could break, on each platform."""
    if args.on("json"):
        from lamina.cli.as_json import dumps

        print(dumps({"findings": found, "made": None}))
    elif not args.on("quiet"):
        for platform, each in found:
            shown = lines(each, whole=args.on("all"))
            if shown and len(found) > 1:
                print(f"Platform {platform}:")
            for line in shown:
                print(line)


def _line(finding: Finding) -> str:
    return escaped(" ".join(part for part in (finding.path, finding.text) if part))


def _merged(each: MergedValue) -> str:
    what = f"{each.field} {each.name}".strip()
    if each.outcome == "conflict":
        bases = f"the old base has {_value(each.old)}, the new one {_value(each.new)}"
        return f"{what}: {_value(each.result)} of the application stays; {bases}"
    if each.result is None:
        return f"{what}: gone with the old base, which had {_value(each.old)}"
    return f"{what}: {_value(each.result)}, with the new base; it was {_value(each.old)}"


def _value(value: str | None) -> str:
    return "nothing" if value is None else repr(value) if value in ("", " ") else value
