"""lamina build ls: the builds that were."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from lamina.cli import filters, units
from lamina.cli.listing import listing
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.insight.builds import BuildSummary

HEADINGS = {
    "ID": "BUILD ID",
    "Name": "NAME",
    "Status": "STATUS",
    "Steps": "STEPS",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Duration": "DURATION",
    "Image": "IMAGE",
    "Tags": "TAGS",
    "Context": "CONTEXT",
    "Dockerfile": "DOCKERFILE",
    "Target": "TARGET",
    "Error": "ERROR",
    "LogSize": "LOG SIZE",
}
_FORM = "{{.ID}}\t{{.Name}}\t{{.Status}}\t{{.Steps}}\t{{.CreatedSince}}\t{{.Duration}}"
_NAME = 40  # characters shown
_FILTER = re.compile(r"(\w+)(!=|=|<|>)(.*)", re.DOTALL)
_TEXTS = ("id", "name", "ref", "status", "tag")
_STATUSES = ("running", "completed", "error", "canceled", "interrupted")
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def configure(command: Command) -> None:
    """Flags of `lamina build ls`."""
    command.takes("", 0, 0)
    command.option(
        "filter", "filter", "Filter output: status=, name=, id=, tag= (also !=), duration>30s", "f", many=True
    )
    command.option("format", "string", "Format output: table, 'table TEMPLATE', json, or a template")
    command.switch("no-trunc", "Don't truncate output")
    command.switch("quiet", "Only display build IDs", "q")
    command.details = "A folder that is called ls is built as ./ls."


def run(session: Session, args: Args) -> int:
    """Prints the table."""
    wanted = [_parse(text) for text in args.texts("filter")]
    found = [build for build in session.engine.records.ls() if all(_matches(build, *one) for one in wanted)]
    rows = [row_of(build, time.time(), whole=args.on("no-trunc")) for build in found]
    quiet = "{{.ID}}" if args.on("quiet") else ""
    print(listing(rows, HEADINGS, _FORM, args.text("format"), quiet=quiet), end="")
    return 0


def row_of(build: BuildSummary, now: float, *, whole: bool) -> dict[str, str]:
    """The fields of one build."""
    name = build.name.replace("\t", " ").replace("\n", " ")
    return {
        "ID": build.id,
        "Name": name if whole else units.ellipsis(name, _NAME),
        "Status": build.status.capitalize(),
        "Steps": steps_of(build),
        "CreatedSince": units.ago(build.started, now),
        "CreatedAt": units.clock(build.started),
        "Duration": duration(seconds_of(build, now)),
        "Image": build.image_id if whole else units.short_id(build.image_id),
        "Tags": ", ".join(build.tags),
        "Context": build.context,
        "Dockerfile": build.dockerfile,
        "Target": build.target,
        "Error": build.error,
        "LogSize": units.human_size(build.log_bytes),
    }


def steps_of(build: BuildSummary) -> str:
    """`3 run, 5 cached`, and how many were not done."""
    left = build.total - build.run - build.cached
    return f"{build.run} run, {build.cached} cached" + (f", {left} not done" if left else "")


def seconds_of(build: BuildSummary, now: float) -> float:
    """How long it took, or has taken so far."""
    if build.status != "running":
        return build.seconds
    began = units.seconds_of(build.started)
    return max(build.seconds, 0.0 if began is None else now - began)


def duration(seconds: float) -> str:
    """`0.1s`, `2m 03s`, `1h 02m 03s`."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m {rest:02}s" if minutes < 60 else f"{minutes // 60}h {minutes % 60:02}m {rest:02}s"


def _parse(text: str) -> tuple[str, str, str]:
    """A filter's key, how it compares, and its value. InvalidInput."""
    found = _FILTER.fullmatch(text)
    if found is None:
        raise InvalidInput(f"invalid filter {text!r}", hint="a filter is written name=value")
    key, compares, value = found[1].lower(), found[2], found[3].strip()
    if key != "duration" and key not in _TEXTS:
        raise InvalidInput(f"invalid filter '{key}'", hint=f"the filters are duration, {', '.join(_TEXTS)}")
    if (key == "duration") == (compares in ("=", "!=")):
        better = "duration<30s, duration>1m" if key == "duration" else f"{key}=, {key}!="
        raise InvalidInput(f"invalid filter {text!r}", hint=f"write {better}")
    if key == "duration":
        _seconds(value)
    if key == "status":
        filters.one_of({key: [value.lower()]}, key, _STATUSES)
    return key, compares, value


def _matches(build: BuildSummary, key: str, compares: str, value: str) -> bool:
    if key == "duration":
        return build.seconds < _seconds(value) if compares == "<" else build.seconds > _seconds(value)
    if key == "status":
        same = build.status == value.lower()
    elif key == "tag":
        same = any(_is_tag(value, tag) for tag in build.tags)
    elif key == "name":
        same = value in build.name
    else:
        same = build.id.startswith(value)
    return same == (compares == "=")


def _is_tag(value: str, tag: str) -> bool:
    """Whether a user may write `tag`, a full name, so: with or without its registry and its own tag."""
    short = tag.removeprefix("docker.io/").removeprefix("library/")
    return value in (tag, short, short.rpartition(":")[0])


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", text)
    if found is None:
        raise InvalidInput(f"invalid duration {text!r}", hint="as in 500ms, 30s, 5m, 1h")
    return float(found[1]) * _SECONDS[found[2]]
