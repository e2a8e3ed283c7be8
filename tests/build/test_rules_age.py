"""--cache-ttl, and rules that are switched off: rows under the right key that do not count, and their end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from lamina.build.build import build
from lamina.build.request import BuildRequest
from lamina.errors import LaminaError, NoSpace
from lamina.events import StepStarted
from tests.build.kitchen import HOST
from tests.build.ruled import all_traces, as_if_read, how, row, rules

if TYPE_CHECKING:
    from lamina.events import Event

    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)

HOUR = 3600.0
ID = "RUN cat /proc/sys/kernel/random/uuid > /id"


def grow_old(kitchen: Kitchen, seconds: float) -> None:
    """All that was done was done so long before."""
    with kitchen.db.write() as tx:
        tx.execute("UPDATE steps SET ran = ran - ?", (seconds,))


def test_old_enough_to_be_done_again(kitchen: Kitchen) -> None:
    text = f"FROM busybox\n{ID}\n"
    first = kitchen.build(text)
    assert kitchen.build(text, cache_ttl=HOUR).cached
    grow_old(kitchen, HOUR + 1)
    second = kitchen.build(text, cache_ttl=HOUR)
    assert rules(second) == ["ran"]
    assert kitchen.read(first.image_id, "id") != kitchen.read(second.image_id, "id")
    for options in ({}, {"cache_ttl": HOUR}):
        again = kitchen.build(text, **options)
        assert rules(again) == ["exact"]
        assert again.image_id == second.image_id, "the new result has taken the place of the old one"


def test_only_what_could_ask_the_network(kitchen: Kitchen) -> None:
    kitchen.write({"a": "x"})
    text = f"FROM busybox\nCOPY a /a\nWORKDIR /w\nRUN --network=none echo > /b\n{ID}\n"
    kitchen.build(text)
    grow_old(kitchen, 2 * HOUR)
    assert rules(kitchen.build(text, cache_ttl=HOUR)) == ["exact", "exact", "exact", "ran"]
    grow_old(kitchen, 2 * HOUR)
    offline = kitchen.build(text, cache_ttl=HOUR, network="none")
    assert rules(offline)[:3] == ["exact"] * 3
    grow_old(kitchen, 2 * HOUR)
    assert kitchen.build(text, cache_ttl=HOUR, network="none").cached


def test_an_age_of_nothing(kitchen: Kitchen) -> None:
    """Each build does it again, but no build does it twice."""
    text = f"FROM busybox AS a\n{ID}\nFROM busybox AS b\n{ID}\nFROM a\nCOPY --from=b /id /other\n"
    for _ in range(2):
        result = kitchen.build(text, cache_ttl=0.0)
        assert sorted(how(result)[:2]) == ["RUN exact", "RUN ran"]
        assert kitchen.read(result.image_id, "id") == kitchen.read(result.image_id, "other")


def test_what_a_rule_took_over_is_as_old_as_the_original(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN echo {} > /x\nRUN cat /proc/sys/kernel/random/uuid > /id\n"
    stood_on = kitchen.build("FROM busybox\nRUN echo 1 > /x\n")
    first = kitchen.build(text.format(1))
    as_if_read(kitchen, stood_on.image_id, "uuid", "etc/none")
    grow_old(kitchen, HOUR / 2)
    assert rules(kitchen.build(text.format(2), cache_ttl=HOUR)) == ["ran", "untouched"]
    grow_old(kitchen, HOUR / 2 + 1)
    again = kitchen.build(text.format(2), cache_ttl=HOUR)
    assert rules(again) == ["exact", "ran"]
    assert kitchen.read(again.image_id, "id") != kitchen.read(first.image_id, "id")
    assert rules(kitchen.build(text.format(3), cache_ttl=HOUR)) == ["ran", "ran"], "the trace is as old"


def test_an_old_row_gives_way_to_a_younger_run_elsewhere(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN --network=none echo {} > /x\nRUN cat /proc/sys/kernel/random/uuid > /id\n"
    kitchen.build(text.format(1))
    grow_old(kitchen, 2 * HOUR)
    stood_on = kitchen.build("FROM busybox\nRUN --network=none echo 2 > /x\n")
    younger = kitchen.build(text.format(2))
    as_if_read(kitchen, stood_on.image_id, "uuid", "etc/none")
    result = kitchen.build(text.format(1), cache_ttl=HOUR)
    assert rules(result) == ["exact", "untouched"]
    assert kitchen.read(result.image_id, "id") == kitchen.read(younger.image_id, "id")
    assert kitchen.build(text.format(1)).image_id == result.image_id


@pytest.mark.parametrize("off", ["independent", "untouched"])
def test_a_rule_that_is_switched_off(kitchen: Kitchen, off: str) -> None:
    kitchen.write({"a": "x"})
    text = "FROM busybox\nRUN echo {} > /x\nCOPY a /a\nRUN cat /a > /b\n"
    stood_on = kitchen.build("FROM busybox\nRUN echo 1 > /x\nCOPY a /a\n")
    kitchen.build(text.format(1))
    as_if_read(kitchen, stood_on.image_id, "cat /a", "a")
    expected = ["ran", "ran", "untouched"] if off == "independent" else ["ran", "independent", "ran"]
    assert rules(kitchen.build(text.format(2), rules_off=frozenset([off]))) == expected
    again = kitchen.build(text.format(2), rules_off=frozenset([off]))
    assert rules(again) == ["exact", "exact", "exact"], "what was done under that rule off counts"


@pytest.mark.parametrize("off", ["independent", "untouched"])
def test_what_a_rule_took_over_does_not_count_once_it_is_off(kitchen: Kitchen, off: str) -> None:
    kitchen.write({"a": "x"})
    text = "FROM busybox\nRUN echo {} > /x\nCOPY a /a\nRUN cat /a > /b\n"
    stood_on = kitchen.build("FROM busybox\nRUN echo 1 > /x\nCOPY a /a\n")
    kitchen.build(text.format(1))
    as_if_read(kitchen, stood_on.image_id, "cat /a", "a")
    before = kitchen.build(text.format(2))
    assert rules(before) == ["ran", "independent", "untouched"]
    result = kitchen.build(text.format(2), rules_off=frozenset([off]))
    assert rules(result) == ["exact", "ran", "exact"] if off == "independent" else ["exact", "exact", "ran"]
    assert row(kitchen, "COPY a" if off == "independent" else "cat /a").rule == ""
    assert rules(kitchen.build(text.format(2))) == ["exact"] * 3
    assert rules(kitchen.build(text.format(2), rules_off=frozenset([off]))) == ["exact"] * 3


def test_quick_keys_obey(kitchen: Kitchen) -> None:
    """A row that COPY --from finds by its quick key is no better than the other."""
    text = "FROM busybox\nRUN echo {} > /x\nCOPY --from=busybox /etc/group /g\n"
    kitchen.build(text.format(1))
    kitchen.build(text.format(2))
    assert rules(kitchen.build(text.format(2))) == ["exact", "exact"]
    off = frozenset(["independent"])
    assert rules(kitchen.build(text.format(2), rules_off=off)) == ["exact", "ran"]
    assert rules(kitchen.build(text.format(2), rules_off=off)) == ["exact", "exact"]


def test_two_builds_at_once(kitchen: Kitchen) -> None:
    """Both want to take the same layer over for the same step; the rows are those of one."""
    kitchen.write({f"d/{n}": str(n) for n in range(50)})
    text = "FROM busybox\nRUN echo > /x{}\nCOPY d /d\nWORKDIR /w\nCOPY d /w\n"
    kitchen.build(text.format(""))
    kitchen.build("FROM busybox\nRUN echo > /x2\n")
    gate = threading.Barrier(2)
    results, errors = [], []

    def one() -> None:
        def wait(event: Event) -> None:
            if isinstance(event, StepStarted) and event.text.startswith(("COPY", "WORKDIR")):
                gate.wait(30)

        request = BuildRequest(str(kitchen.context), text.format("2").encode())
        try:
            results.append(build(kitchen.ctx, request, HOST, wait, kitchen.enter, kitchen.tools))
        except BaseException as error:
            errors.append(error)
            gate.abort()

    kitchen.tools()
    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    one_image, other_image = (result.image_id for result in results)
    assert one_image == other_image
    assert {rule for result in results for rule in rules(result)[1:]} <= {"independent", "exact"}
    assert rules(kitchen.build(text.format("2"))) == ["exact"] * 4


def test_a_step_that_fails_leaves_no_trace(kitchen: Kitchen) -> None:
    kitchen.write({"f": "1"})
    for text in ("FROM busybox\nRUN false\n", "FROM busybox\nCOPY f /etc\nCOPY f /etc/f/g\n"):
        with pytest.raises(LaminaError):
            kitchen.build(text)
    assert [trace.step for trace in all_traces(kitchen)] == [row(kitchen, "COPY f /etc").key]


def test_a_commit_that_fails_leaves_nothing(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row, the trace and the place in the stack come together, or not at all."""
    from lamina.build import adopting

    kitchen.write({"f": "1"})
    kitchen.build("FROM busybox\nCOPY f /f\n")
    before = _counts(kitchen)

    def broken(*_: object) -> None:
        raise NoSpace("no space left")

    for text in ("FROM busybox\nWORKDIR /w\n", "FROM busybox\nWORKDIR /etc\nCOPY f /f\n"):
        with monkeypatch.context() as patched:
            patched.setattr(adopting, "stack", broken)
            with pytest.raises(NoSpace):
                kitchen.build(text)
        assert _counts(kitchen) == before
        kitchen.build(text)
        before = _counts(kitchen)


def _counts(kitchen: Kitchen) -> list[int]:
    c = kitchen.db.read()
    return [
        c.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("steps", "traces", "layers")
    ]
