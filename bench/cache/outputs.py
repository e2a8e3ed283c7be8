"""What a builder ran and what it reused, read from what it printed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

LAYERS = ("RUN", "COPY", "ADD", "WORKDIR")  # the others only change the config, and cost nothing

_BUILDKIT = re.compile(r"#(\d+) \[(?:\S+ )?\d+/\d+\] (.+)")
_CACHED = re.compile(r"#(\d+) CACHED(?: \((\S+)\))?")
_BUILDAH = re.compile(r"(?:\[\d+/\d+\] )?STEP \d+/\d+: (.+)")
_PACKAGES = re.compile(r"\bapt-get install (?:-\S+ )*([a-z][\w.-]*)")


class Step(NamedTuple):
    """One instruction; `rule` is the rule that reused it, "cached" where it has no name."""

    label: str
    rule: str  # "": it was run


def label(text: str) -> str:
    """A few words for an instruction: `RUN apt-get tini`, `RUN make`, `COPY .`, `COPY --from=build`."""
    word, _, rest = text.partition(" ")
    words = rest.split()
    if word != "RUN":
        return f"{word} {words[0]}"
    found = _PACKAGES.search(rest)
    return " ".join((word, words[0], *(found.groups() if found else ())))


def buildkit(text: str) -> list[Step]:
    """The steps in `docker build --progress=plain`, and in Lamina's, which is the same."""
    labels: dict[str, str] = {}
    rules: dict[str, str] = {}
    for line in text.splitlines():
        if (found := _BUILDKIT.fullmatch(line)) and found[2].startswith(LAYERS):
            labels.setdefault(found[1], label(found[2]))
        elif found := _CACHED.fullmatch(line):
            rules[found[1]] = found[2] or "cached"
    return [Step(name, rules.get(number, "")) for number, name in labels.items()]


def buildah(text: str) -> list[Step]:
    """The steps in what `buildah build --layers` prints."""
    steps: list[Step] = []
    counts = False
    for line in text.splitlines():
        if found := _BUILDAH.fullmatch(line):
            counts = found[1].startswith(LAYERS)
            if counts:
                steps.append(Step(label(found[1]), ""))
        elif counts and line.startswith("--> Using cache"):
            steps[-1] = steps[-1]._replace(rule="cached")
    return steps


READERS: dict[str, Callable[[str], list[Step]]] = {
    "lamina build": buildkit,
    "docker build (BuildKit)": buildkit,
    "buildah build": buildah,
}
