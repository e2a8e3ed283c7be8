"""Limits: how much an image may waste, as dive's CI rules say it (`lamina waste --ci`, .dive-ci files).

The rules judge hidden bytes alone, which are those that dive looks for: package caches and duplicates are
findings, but break no limit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.insight.waste import Waste

PASS, FAIL, SKIP = "PASS", "FAIL", "SKIP"
EFFICIENCY, BYTES, PERCENT = "lowestEfficiency", "highestWastedBytes", "highestUserWastedPercent"
DEFAULTS = {EFFICIENCY: "0.9", BYTES: "disabled", PERCENT: "0.1"}  # dive's
MAX_SIZE = 1 << 16  # bytes of a .dive-ci file

_LONGEST = 100  # characters of a size
_OFF = frozenset({"", "disabled", "off", "false"})
_SIZE = re.compile(r"([0-9][0-9,]*\.?[0-9]*|\.[0-9]+)\s*([kmgtpe]?)(i?)b?\Z")
_FORMS = "a number and B, kB, MB, GB (or KiB, MiB, GiB), or `disabled`"


class Verdict(NamedTuple):
    """What one rule says."""

    rule: str  # dive's name of it
    status: str  # PASS, FAIL or SKIP
    message: str


class Judgement(NamedTuple):
    """What an image wastes, held against limits."""

    waste: Waste
    verdicts: tuple[Verdict, ...]  # sorted by rule

    @property
    def passed(self) -> bool:
        """Whether no rule failed."""
        return all(each.status != FAIL for each in self.verdicts)


def judge(waste: Waste, limits: Mapping[str, str]) -> Judgement:
    """Holds what was found against limits by the names of dive's rules; DEFAULTS for those not given.

    A limit is a text as in a .dive-ci file: a ratio, a size, or "disabled". InvalidInput.
    """
    for name in limits:
        if name not in DEFAULTS:
            raise InvalidInput(f"no rule is called {name!r}", hint=f"there are {', '.join(sorted(DEFAULTS))}")
    given = {name: " ".join(text.split()) for name, text in {**DEFAULTS, **limits}.items()}
    return Judgement(waste, tuple(_verdict(waste, name, given[name]) for name in sorted(given)))


def read(data: bytes, name: str) -> dict[str, str]:
    """The limits of a .dive-ci file (YAML); `name` is the file's, for messages. InvalidInput.

    dive's keys stand under `rules`, or without it; `lowest-efficiency` is as good as `lowestEfficiency`.
    Other keys are passed over, as dive does.
    """
    import yaml  # 20 ms that only these files need

    if len(data) > MAX_SIZE:
        raise InvalidInput(f"{name}: it has more than {MAX_SIZE} bytes")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(data)):
            raise InvalidInput(f"{name}: an alias (`*x`) is not read", hint="write the value itself")
        document = yaml.safe_load(data)  # without aliases, of which few can stand for billions
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{name} is no YAML: {' '.join(str(error).split())}") from None
    rules = document.get("rules", document) if isinstance(document, dict) else document
    if rules is None:
        return {}
    if not isinstance(rules, dict):
        raise InvalidInput(f"{name}: `rules` is no mapping", hint="write `lowestEfficiency: 0.95` below it")
    names = {_folded(rule): rule for rule in DEFAULTS} | {"lowestefficiencythreshold": EFFICIENCY}
    found = {names[_folded(key)]: _text(value) for key, value in rules.items() if _folded(key) in names}
    for rule, text in found.items():
        try:
            _JUDGES[rule][0](text)
        except InvalidInput as error:
            raise InvalidInput(f"{name}: {error.message}", hint=error.hint) from None
    return found


def _folded(key: object) -> str:
    return str(key).replace("-", "").replace("_", "").lower()


def _text(value: object) -> str:
    if value is None or value is False:
        return "disabled"
    if not isinstance(value, str | int | float):  # nor is text made of aliases that grow without end
        return f"a {type(value).__name__}"
    return str(value)


def _verdict(waste: Waste, rule: str, text: str) -> Verdict:
    parse, failing = _JUDGES[rule]
    limit = parse(text)
    if limit is None:
        return Verdict(rule, SKIP, "disabled")
    why = failing(waste, limit)
    return Verdict(rule, FAIL, why) if why else Verdict(rule, PASS, text)


def ratio_of(text: str) -> float | None:
    """A part of the whole, 0 to 1; None for a rule that is switched off. InvalidInput."""
    if text.lower() in _OFF:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise InvalidInput(f"invalid ratio: {text!r}", hint="write a number from 0 to 1, or `disabled`")
    return value


def size_of(text: str) -> float | None:
    """Bytes of `20MB`, `1.5 GiB`, `20000000`: kB are 1000 and KiB 1024, as dive has them. InvalidInput."""
    if text.lower() in _OFF:
        return None
    match = _SIZE.match(text.lower())
    if match is None or len(text) > _LONGEST or (match[3] and not match[2]):
        raise InvalidInput(f"invalid size: {text!r}", hint=f"write {_FORMS}")
    unit = 1024 if match[3] else 1000
    return float(int(float(match[1].replace(",", "")) * unit ** " kmgtpe".index(match[2] or " ")))


def _efficiency(waste: Waste, limit: float) -> str:
    if waste.efficiency >= limit:
        return ""
    return f"image efficiency is too low (efficiency={waste.efficiency:.4f} < threshold={limit:g})"


def _bytes(waste: Waste, limit: float) -> str:
    if waste.hidden <= limit:
        return ""
    return f"too many bytes wasted (wasted-bytes={waste.hidden} > threshold={limit:.0f})"


def _percent(waste: Waste, limit: float) -> str:
    if waste.user_wasted_percent <= limit:
        return ""
    return (
        "too many bytes wasted, relative to the user bytes added "
        f"(%-user-wasted-bytes={waste.user_wasted_percent:.4f} > threshold={limit:g})"
    )


_JUDGES: dict[str, tuple[Callable[[str], float | None], Callable[[Waste, float], str]]] = {
    EFFICIENCY: (ratio_of, _efficiency),
    BYTES: (size_of, _bytes),
    PERCENT: (ratio_of, _percent),
}
