"""One adversarial case: a step that depends on one thing below it, and that thing changing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import pytest

from lamina.mount import userns
from tests.build.untouched.lab import Parent, is_reused, later, with_other
from tests.build.untouched.nodes import Change, Tree, changed, on_top
from tests.machine import THOROUGH

if TYPE_CHECKING:
    from tests.build.untouched.lab import Lab


class Case(NamedTuple):
    """`run` is a shell's text on `before`; `change` is what it must not miss.

    `head` are lines before RUN. `layered` False: the change cannot be told as a layer of its own (the hard
    links of a file are those of one layer). `needs` are several owners (ids), or real root (root). `plain`
    False: it shows the order or the size of folders, which are what the file system makes them.
    """

    name: str
    run: str
    before: Tree
    change: Change
    head: str = ""
    cwd: str = ""
    layered: bool = True
    needs: str = ""
    plain: bool = True


def lines_of(case: Case) -> str:
    """The step of a case: one of its own, whatever others do, and one that ends well in any case."""
    if case.run.startswith(("<<", "[")):
        return f"{case.head}RUN {case.run}"
    return f"{case.head}RUN {case.run}; : {crc32(case.name.encode())}"


def check(lab: Lab, case: Case) -> None:
    """Fails when the step is reused after the change, or is not reused after any other.

    It is done; reused after a change beside it; done again after its own change, with another result; and
    that result is reused when the same change comes as a layer on top. Without a recording it does the same.
    """
    lines = lines_of(case)
    before = Parent((with_other(case.before, "one"),), cwd=case.cwd)
    first = lab.step(before, lines)
    said = lab.output
    assert not first.cached
    control = lab.step(later(before._replace(layers=(with_other(case.before, "two"),))), lines)
    assert is_reused(control), "an unrelated change must not count"
    assert control.diff_id == first.diff_id
    after = with_other(changed(case.before, case.change), "one")
    second = lab.step(before._replace(layers=(after,)), lines)
    assert not second.cached, "the step depends on what was changed"
    assert lab.contents(first.diff_id) != lab.contents(second.diff_id), "the test itself: nothing depended"
    if case.layered:
        layers = (*before.layers, with_other(on_top(case.change), "one"))
        third = lab.step(before._replace(layers=layers), lines)
        assert is_reused(third), "the same content by other layers"
        assert third.diff_id == second.diff_id
    if not case.plain or crc32(case.name.encode()) % 3:  # a third of the cases tell as much
        return
    with lab.untraced():
        plain = lab.step(before, lines, no_cache=True)
    assert lab.output == said
    assert lab.contents(plain.diff_id) == lab.contents(first.diff_id), "being recorded changed the step"


def check_here(lab: Lab, case: Case) -> None:
    """As `check`; skips where it cannot be."""
    if not can_be_had(case):
        pytest.skip("needs real root" if case.needs == "root" else "needs more than one ID")
    check(lab, case)


def can_be_had(case: Case) -> bool:
    """Whether what the case needs is there."""
    if case.needs == "root":
        return userns.current_ids().uids[0].length == 2**32 - 1
    return not (case.needs == "ids" and userns.current_ids().single)


def some(cases: Sequence[Case]) -> list[Case]:
    """Every fourth one; all with `./test --peers`."""
    return list(cases) if THOROUGH else list(cases[::4])
