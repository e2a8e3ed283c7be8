"""`lamina diff` of real images gives what an independent walk of their archives gives."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from tests.insight.test_diff import said

if TYPE_CHECKING:
    from tests.e2e.real_images import Real
    from tests.insight import oracle

STATES = 6  # of the layers at the top


def test_each_layer_and_some_of_them_together(real: Real) -> None:
    count = len(real.image.layers)
    states = [{}, *real.image.states()]
    first = max(1, count - STATES)
    pairs = [(number - 1, number) for number in range(first, count + 1)] + [(first, count), (count, first)]
    for low, high in dict.fromkeys(pairs):
        names = [f"{real.name}#{high}"] if low == high - 1 else [f"{real.name}#{low}", f"{real.name}#{high}"]
        diff = json.loads(real.lamina("diff", "--times", "--json", *names))
        found = {os.fsencode(each["path"])[1:]: (each["kind"], *each["what"]) for each in diff["files"]}
        found.pop(b"", None)  # the root: not all layers have it
        assert found == said(states[low], states[high]), names


def test_against_the_base(real: Real) -> None:
    """The base of an image that was loaded is found by its layers, where the store has it."""
    diff = json.loads(real.lamina("diff", "--json", real.name))
    states = [{}, *real.image.states()]
    below = diff["old"]["layers"]
    assert (below > 0) == (real.kind != "buildah-apt"), "buildah's has a base of its own, which is not here"
    wanted = said(states[below], real.image.state)
    assert {os.fsencode(each["path"])[1:] for each in diff["files"]} - {b""} == {
        path for path, (_, *what) in wanted.items() if what != ["time"]
    }
    assert diff["totals"]["added"] == sum(1 for kind, *_ in wanted.values() if kind == "A")
    _check_packages(real, diff, states[below])


def _check_packages(real: Real, diff: dict[str, object], below: oracle.State) -> None:
    """What apt brought and took: `tree` was purged again."""
    names = {(each["kind"], each["name"]) for each in diff["packages"]}  # type: ignore[index,attr-defined]
    if real.kind == "flask":
        assert ("A", "flask") in {(kind, name.lower()) for kind, name in names}
    elif real.kind == "docker-apt":
        assert below and names == set()
