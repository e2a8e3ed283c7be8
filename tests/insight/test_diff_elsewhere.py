"""Images whose layers are elsewhere are compared by their rows; what looks into files fetches them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lamina.events import ignore
from lamina.insight.diff.diff import Asked, compare
from lamina.layers.absent import Elsewhere, absent
from tests.insight.archiving import file
from tests.insight.test_diff import differ, state_of
from tests.insight.test_packages_dpkg import STATUS, paragraph
from tests.registry.conftest import liar, place, quick
from tests.transfer.faraway import fetching, send_away

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.insight.states import State
    from lamina.layers.context import Layers
    from tests.registry.liar import Liar

__all__ = ["liar", "place", "quick"]


@pytest.fixture
def states(store: Layers, liar: Liar, tmp_path: Path) -> tuple[State, State]:
    base = [file("base", "base\n"), file("kept", "kept")]
    one = [file(STATUS, paragraph("libc6", "1")), *[file(f"f{n}", f"{n}\n") for n in range(9)]]
    two = [file(STATUS, paragraph("libc6", "2")), *[file(f"f{n}", f"<{n}>\n") for n in range(9)]]
    old = state_of(store, tmp_path, [base, one])
    new = state_of(store, tmp_path, [base, two, [file("base", "else\n")]], "two")
    send_away(store, liar, *old.diff_ids, *new.diff_ids)
    liar.site.asked.clear()
    return old, new


def test_rows_are_enough(store: Layers, liar: Liar, states: tuple[State, State]) -> None:
    told: list[Any] = []
    diff = compare(store, *states, Asked(), told.append)
    assert len(diff.files) == 11
    assert diff.packages == ()
    assert [event.text[:26] for event in told] == ["packages are not compared:"]
    assert not liar.site.asked
    assert len(absent(store, states[0].diff_ids)) == 2


def test_texts_and_packages_are_fetched(store: Layers, liar: Liar, states: tuple[State, State]) -> None:
    here = fetching(store)
    diff = compare(here, *states, Asked(patch=True, causes=True), ignore)
    assert "-base\n+else\n" in next(change.patch for change in diff.files if change.path == "/base")
    assert all(f"-{n}\n+<{n}>\n" in diff.files[n + 1].patch for n in range(9))
    assert [change.new for change in diff.packages] == [("2",)]
    assert {(cause.layer, cause.what) for cause in diff.causes} == {(2, "content"), (3, "layers")}
    assert absent(here, [*states[0].diff_ids, *states[1].diff_ids]) == []


def test_causes_are_fetched(store: Layers, liar: Liar, states: tuple[State, State]) -> None:
    here = fetching(store)
    paths = {cause.path for cause in differ(here, *states, causes=True).causes}
    assert paths >= {"/f0"}


def test_texts_that_nobody_can_fetch_are_an_error(store: Layers, states: tuple[State, State]) -> None:
    with pytest.raises(Elsewhere):
        differ(store, *states, patch=True)


def test_why_they_differ_is_said_where_it_can_be(store: Layers, liar: Liar, tmp_path: Path) -> None:
    one, two = [state_of(store, tmp_path, [[file("a", text)]], f"same{text}") for text in "12"]
    send_away(store, liar, *one.diff_ids, *two.diff_ids)
    told: list[Any] = []
    diff = compare(store, one, two, Asked(), told.append)
    assert (len(diff.files), diff.causes) == (1, ())
    assert told[0].text.startswith("why they differ is not known: ")
    with pytest.raises(Elsewhere):
        differ(store, one, two, causes=True)
