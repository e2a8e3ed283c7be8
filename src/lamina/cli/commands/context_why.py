"""lamina context why: which line of .dockerignore leaves a path in or out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lamina.cli import units
from lamina.cli.commands.context_ls import counted
from lamina.cli.progress.picture import clean

if TYPE_CHECKING:
    from lamina.build.contextview import Amount, Verdict
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session


def configure(command: Command) -> None:
    """Flags of `lamina context why`."""
    command.takes("PATH [PATH...]", 1, None)
    command.option("context", "folder", "The folder of the build context (default: the current one)", "C")
    command.option(
        "file", "string", "Name of the Dockerfile, which may have FILE.dockerignore beside it", "f"
    )
    command.switch("json", "Print a JSON array")
    command.details = "PATH is relative to the context, as in COPY, or an absolute path in that folder."


def run(session: Session, args: Args) -> int:
    """Prints a line or two for each path."""
    folder = args.text("context", ".") or "."
    found = session.engine.context.why(args.operands, folder, file=args.text("file") or None)
    if args.on("json"):
        print(json.dumps([as_json(verdict) for verdict in found], indent=2))
    else:
        print("\n".join(clean(line) for verdict in found for line in lines(verdict)))
    return 0


def lines(verdict: Verdict) -> list[str]:
    """`app.log: left out (12B)`, and below it the rule."""
    return [f"{verdict.path}: {_answer(verdict)}", f"  {_rule(verdict)}"]


def _answer(verdict: Verdict) -> str:
    inside, outside = verdict.inside, verdict.outside
    if not verdict.kind:
        return "no such file or folder"
    if verdict.kind == "folder":
        if not verdict.included:
            return f"left out ({_amount(outside)})"
        rest = f"; {_amount(outside)} left out" if outside.files else ""
        return f"in the context ({_amount(inside)}{rest})"
    size = units.human_size(inside.size + outside.size)
    shown = size if verdict.kind == "file" else verdict.kind
    return f"{'in the context' if verdict.included else 'left out'} ({shown})"


def _rule(verdict: Verdict) -> str:
    if not verdict.pattern:
        return "no pattern says anything of it" if verdict.ignore else "there is no .dockerignore"
    where = f"{verdict.ignore}:{verdict.line}: {verdict.pattern}"
    if verdict.matched != verdict.path:
        where += f" (matches the folder {verdict.matched}, and all in it)"
    if verdict.stays:
        where += " (a later line that begins with ! takes something in it back in)"
    if not verdict.kind:
        where += " (would take it in)" if verdict.takes_back else " (would leave it out)"
    return where


def _amount(amount: Amount) -> str:
    return f"{counted(amount.files, 'file')}, {units.human_size(amount.size)}"


def as_json(verdict: Verdict) -> dict[str, object]:
    """One path as an object, as the other commands name such fields."""
    return {
        "Path": verdict.path,
        "Kind": verdict.kind,
        "Included": verdict.included,
        "Files": verdict.inside.files,
        "Size": verdict.inside.size,
        "FilesLeftOut": verdict.outside.files,
        "SizeLeftOut": verdict.outside.size,
        "Ignore": verdict.ignore,
        "Line": verdict.line,
        "Pattern": verdict.pattern,
        "Matched": verdict.matched,
    }
