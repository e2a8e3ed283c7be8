"""Reason: why a step had to be done, as data that a build records and that people are told. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Change(NamedTuple):
    """One thing that is not as it was when the step was last done."""

    kind: str  # file (of a source), below (a path in the layers), arg, env, text, base, step, option, ...
    name: str  # a path, a variable, an ingredient's label
    what: str  # added, removed, content, mode, owner, type, target, xattrs, value
    old: str | None = None
    new: str | None = None
    step: int = 0  # the step above that brought it about, 0 for none
    line: int = 0  # of that step, in the Dockerfile


class Reason(NamedTuple):
    """Why a step was done.

    `code`: first (nothing like it was done before), changed (see `changes`), no-cache, no-cache-filter, age
    (--cache-ttl), rule-off (only a rule that is switched off would have reused it), verify, gone (its layer
    is not in the store any more), unknown-yet (in a plan: the steps `waits_for` come first).
    `doubt` says why the rules independent and untouched could not be used; `seconds` is how long the step
    took the last time, None where it was never done; `more` counts changes that are not listed.
    """

    code: str
    changes: tuple[Change, ...] = ()
    doubt: str = ""
    seconds: float | None = None
    more: int = 0
    waits_for: tuple[int, ...] = ()
