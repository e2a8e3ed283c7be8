"""Reason: why a step had to be done, as data that a build records and that people are told. Pure."""

from __future__ import annotations

import json
from typing import NamedTuple

FIRST = "first"
CHANGED = "changed"
FAILED = "failed"
NO_CACHE = "no-cache"
NO_CACHE_FILTER = "no-cache-filter"
AGE = "age"
RULE_OFF = "rule-off"
VERIFYING = "verify"
GONE = "gone"
UNKNOWN_YET = "unknown-yet"
UNKNOWN = "unknown"
MASKED = "***"  # in place of a value that looks like a secret


class Change(NamedTuple):
    """One thing that is not as it was when the step was last done.

    `kind` and what `name` is then:
    read    something below that the step looked at, by its trace: an absolute path
    file    of the source of a COPY, ADD or bind: its path in there
    below   something in the layers below: an absolute path
    base    the image that FROM names: its name
    step    an instruction above that was added, removed, moved or replaced: its text
    text    of the instruction: the part of it (command, source, dest, document NAME, ...)
    arg, env  a variable
    option  anything else, of the build or the machine (network, user, platform, ulimit, --cache-ttl, ...)

    `what`: added, removed, moved, replaced, value; of a path also content, size, mode, owner, type, target,
    device, listing (`old`: names that are gone, `new`: names that came), `xattr NAME`, picked (how COPY
    --parents or --exclude came by a folder), unlisted (of a source it is not known which file: `new` is how
    many it has), unknown. One Change for each.
    """

    kind: str
    name: str
    what: str
    old: str | None = None
    new: str | None = None
    step: int = 0  # the step above that brought it about, 0 for none
    line: int = 0  # of that step, in the Dockerfile


class Reason(NamedTuple):
    """Why a step was done.

    `code`: first (nothing like it was done before), changed (see `changes`), failed (it did the last time),
    no-cache, no-cache-filter, age (--cache-ttl; see `changes`), rule-off (only a rule that is switched off
    would have reused it: `changes` name it), verify (as rule-off), gone (its layer, or what was known of it,
    is not in the store any more), unknown-yet (in a plan: the steps `waits_for` come first), unknown.
    `doubt` says why the rules independent and untouched could not be used, or what else is not known.
    `seconds` is how long the step took the last time, None where it was never done; `more` counts changes
    that are not listed; `build` is the build that the step was last done or reused in, "" where not known.
    """

    code: str
    changes: tuple[Change, ...] = ()
    doubt: str = ""
    seconds: float | None = None
    more: int = 0
    waits_for: tuple[int, ...] = ()
    build: str = ""


def to_text(reason: Reason) -> str:
    """The reason as JSON, without what is empty."""
    fields = {name: value for name, value in reason._asdict().items() if value not in ((), "", None, 0)}
    fields["changes"] = [
        {name: value for name, value in change._asdict().items() if value not in (None, 0)}
        for change in reason.changes
    ]
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":"))


def parse(text: str) -> Reason | None:
    """What `to_text` wrote; None for what another version wrote, or nobody."""
    try:
        fields = json.loads(text)
        changes = tuple([Change(**change) for change in fields.pop("changes")])
        waits_for = tuple(fields.pop("waits_for", ()))
        return Reason(changes=changes, waits_for=waits_for, **fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def shown_paths(changes: tuple[Change, ...]) -> list[tuple[Change, ...]]:
    """The changes with those of one path together, in their order."""
    groups: list[tuple[Change, ...]] = []
    for change in changes:
        last = groups[-1][0] if groups else None
        if last is not None and last[:2] == change[:2] and change.kind in ("read", "file", "below"):
            groups[-1] = (*groups[-1], change)
        else:
            groups.append((change,))
    return groups
