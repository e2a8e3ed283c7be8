"""The rule `untouched`, with read sets that are put by hand: whether a trace is found, asked, and taken.

That the traces are right is for test_untouched_*.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.build.reuse import Hit
from lamina.db import cachedb, traces
from lamina.tree.readset import Observed
from tests.build.ruled import all_traces, as_if_read, check_sound, how, outline, row, rules
from tests.build.test_swept import begun

if TYPE_CHECKING:
    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)

COUNT = "RUN cat /etc/one > /out; ls /etc/conf.d >> /out; cat /etc/none >> /out; true"


@pytest.fixture
def traced(kitchen: Kitchen) -> Kitchen:
    """A kitchen that has done COUNT, and knows what it read."""
    return traced_on(kitchen, "FROM busybox\nCOPY etc /etc\n")


def traced_on(kitchen: Kitchen, head: str) -> Kitchen:
    kitchen.write({"etc/one": "1", "etc/two": "2", "etc/conf.d/a": "a"})
    stood_on = kitchen.build(head)
    kitchen.build(head + COUNT + "\n")
    as_if_read(
        kitchen, stood_on.image_id, COUNT[4:], "etc", "etc/one", "etc/none", "etc/conf.d/", "etc/conf.d"
    )
    return kitchen


@pytest.mark.parametrize(
    ("files", "reusable"),
    [
        ({"etc/two": "changed"}, True),
        ({"etc/three": "new"}, True),
        ({"etc/conf.d/a": "changed"}, True),
        ({"etc/one": "changed"}, False),
        ({"etc/none": "there now"}, False),
        ({"etc/conf.d/b": "new"}, False),
        ({"etc/none/but/a/folder": ""}, False),
    ],
)
def test_what_it_read(traced: Kitchen, files: dict[str, str], reusable: bool) -> None:
    traced.write(files)
    text = f"FROM busybox\nCOPY etc /etc\n{COUNT}\n"
    result = traced.build(text)
    assert how(result) == ["COPY ran", "RUN untouched" if reusable else "RUN ran"]
    assert rules(traced.build(text)) == ["exact", "exact"]
    honest = traced.build(text, no_cache=True)
    assert outline(traced, honest.image_id) == outline(traced, result.image_id)
    check_sound(traced, result.image_id)


@pytest.mark.parametrize(
    "text",
    [
        "FROM busybox\nWORKDIR /w\nWORKDIR /\nCOPY etc /etc\n{}\n",
        "FROM busybox\nRUN echo > /other\nCOPY etc /etc\n{}\n",
        "FROM busybox\nCOPY etc /etc\nRUN echo > /other\n{}\n",
        "FROM busybox\nLABEL a=b\nEXPOSE 80\nCOPY etc /etc\nRUN echo > /other\n{}\nCMD x\n",
        "FROM busybox AS a\nCOPY etc /etc\nRUN echo > /other\nFROM a\n{}\n",
    ],
)
def test_instructions_that_moved(traced: Kitchen, text: str) -> None:
    assert how(traced.build(text.format(COUNT)))[-1] == "RUN untouched"


@pytest.mark.parametrize(
    "text",
    [
        "FROM busybox\nENV A=1\nCOPY etc /etc\nRUN echo > /other\n{}\n",
        "FROM busybox\nARG A=1\nCOPY etc /etc\nRUN echo > /other\n{}\n",
        "FROM busybox\nCOPY etc /etc\nRUN echo > /other\nUSER worker\n{}\n",
        "FROM busybox\nCOPY etc /etc\nRUN echo > /other\nWORKDIR /etc\n{}\n",
        'FROM busybox\nCOPY etc /etc\nSHELL ["/bin/sh", "-uc"]\nRUN echo > /other\n{}\n',
        "FROM busybox\nCOPY etc /etc\nRUN echo > /other\n{} # and more\n",
        "FROM busybox\nCOPY etc /etc\nRUN echo > /other\nRUN --network=none" + COUNT[3:] + "\n",
        "FROM busybox\nCOPY etc /etc\nRUN echo > /other\nRUN --mount=type=tmpfs,target=/t" + COUNT[3:] + "\n",
    ],
)
def test_another_instruction(traced: Kitchen, text: str) -> None:
    result = traced.build(text.format(COUNT) if "{}" in text else text)
    assert how(result)[-1] != "RUN untouched"
    assert not result.steps[-1].cached


def test_who_it_runs_as_counts(kitchen: Kitchen) -> None:
    """Though the process does not read /etc/passwd: the same name is somebody else."""
    text = "FROM busybox\nRUN {}\nUSER worker\nRUN id > /tmp/id\n"
    stood_on = kitchen.build("FROM busybox\nRUN echo > /x\n")
    kitchen.build(text.format("echo > /x"))
    as_if_read(kitchen, stood_on.image_id, "id > /tmp/id", "tmp", "bin/id")
    other = kitchen.build(text.format("echo o:x:5:6::/:/bin/sh >> /etc/passwd"))
    assert rules(other) == ["ran", "untouched"]
    for line in (
        "worker:x:77:4321:w:/home/worker",
        "worker:x:1234:77:w:/home/worker",
        "worker:x:1234:4321:w:/srv",
    ):
        assert rules(kitchen.build(text.format(f"echo {line}:/bin/sh > /etc/passwd"))) == ["ran", "ran"]
    member = kitchen.build(text.format("echo other:x:88:worker >> /etc/group"))
    assert rules(member) == ["ran", "ran"]


def test_the_row_and_the_history(traced: Kitchen) -> None:
    done = row(traced, COUNT[4:])
    traced.write({"etc/two": "changed"})
    text = f"FROM busybox\nCOPY etc /etc\n{COUNT}\n"
    result = traced.build(text)
    assert result.steps[1].seconds == 0.0
    taken = row(traced, COUNT[4:])
    assert result.steps[1].diff_id == done.diff_id
    config = traced.config(result.image_id)
    assert config.history[-1].created == done.created, "when it was really made"
    rows = [step for step in cachedb.steps(traced.db.read()) if step.rule == "untouched"]
    assert [(step.ran, step.seconds, step.created, step.recipe) for step in rows] == [
        (done.ran, done.seconds, done.created, done.recipe)
    ]
    assert rows[0].key != done.key
    assert taken.created == done.created


def test_the_newest_that_fits_is_taken(kitchen: Kitchen) -> None:
    text = "FROM busybox\nCOPY f /f\nRUN cat /f > /out\n"
    for content in ("1", "2"):
        kitchen.write({"f": content})
        stood_on = kitchen.build("FROM busybox\nCOPY f /f\n")
        kitchen.build(text)
        as_if_read(kitchen, stood_on.image_id, "cat /f", "f")
    for content in ("1", "2"):
        kitchen.write({"f": content})
        result = kitchen.build(text.replace("RUN", "RUN echo > /other\nRUN"))
        assert rules(result)[-1] == "untouched"
        assert kitchen.read(result.image_id, "out") == content


def test_why_not(traced: Kitchen) -> None:
    """A miss says what was asked and what differed; that is asked first the next time."""
    traced.write({"etc/one": "changed"})
    text = f"FROM busybox\nCOPY etc /etc\n{COUNT}\n"
    traced.build("FROM busybox\nCOPY etc /etc\n")
    session, runs = begun(traced, text)
    runs[0].begin(runs)
    assert runs[0].find_work(runs)
    assert runs[0].find_cached()
    assert runs[0].miss is None
    work = runs[0].find_work(runs)
    assert work is not None
    assert not runs[0].find_cached()
    miss = runs[0].miss
    assert miss is not None
    assert (miss.refusal, miss.hit, miss.held, miss.old) == ("", None, "", None)
    (tried,) = miss.tried
    assert tried.differs == Observed(b"etc/one")
    assert tried.step.created_by == row(traced, COUNT[4:]).created_by
    (kept,) = traces.candidates(traced.db.read(), miss.recipe)
    assert kept.failed == Observed(b"etc/one")
    session.contexts.close()


def test_a_step_that_was_not_traced(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN {}\nRUN echo > /out\n"
    kitchen.build(text.format("echo 1 > /x"))
    assert rules(kitchen.build(text.format("echo 2 > /x"))) == ["ran", "ran"]
    doubts = {trace.doubt for trace in all_traces(kitchen) if trace.read_set is None}
    assert doubts
    assert all(doubts)


def test_a_damaged_trace_is_no_trace(traced: Kitchen) -> None:
    (trace,) = traces.candidates(traced.db.read(), row(traced, COUNT[4:]).recipe)
    assert trace.read_set is not None
    with traced.db.write() as tx:
        tx.execute("UPDATE traces SET read_set = ? WHERE num = ?", (trace.read_set[:-9], trace.num))
    traced.write({"etc/two": "changed"})
    assert rules(traced.build(f"FROM busybox\nCOPY etc /etc\n{COUNT}\n")) == ["ran", "ran"]


def test_no_cache_uses_no_rule(traced: Kitchen) -> None:
    text = f"FROM busybox\nCOPY etc /etc\nRUN echo > /other\n{COUNT}\n"
    assert rules(traced.build(text, no_cache=True)) == ["ran", "ran", "ran"]
    staged = f"FROM busybox AS one\nCOPY etc /etc\nRUN echo > /third\n{COUNT}\nFROM one AS two\nWORKDIR /w\n"
    traced.build(f"FROM busybox\nCOPY etc /etc\n{COUNT}\n")
    assert rules(traced.build(staged, no_cache_filter=("one",), target="one")) == ["ran", "ran", "ran"]


def test_with_no_cache_what_the_build_did_itself_counts(kitchen: Kitchen) -> None:
    """Two stages with the same step on the same layers: once. On other layers: each of its own."""
    text = "FROM busybox AS a\nRUN echo > /x\nFROM busybox AS b\nRUN echo > /x\nFROM a\nCOPY --from=b /x /y\n"
    result = kitchen.build(text, no_cache=True)
    assert sorted(rules(result)) == ["exact", "ran", "ran"]
    text = "FROM busybox AS a\nWORKDIR /w\nFROM busybox AS b\nRUN echo > /x\nWORKDIR /w\n"
    text += "FROM a\nCOPY --from=b /x /y\n"
    kitchen.build(text)
    assert rules(kitchen.build(text, no_cache=True)) == ["ran"] * 4


def test_what_no_cache_replaced_is_not_reused(traced: Kitchen) -> None:
    traced.build(f"FROM busybox\nCOPY etc /etc\n{COUNT}\n", no_cache=True)
    assert [
        trace.read_set for trace in all_traces(traced) if trace.recipe == row(traced, COUNT[4:]).recipe
    ] == [None]
    assert rules(traced.build(f"FROM busybox\nCOPY etc /etc\nRUN echo > /other\n{COUNT}\n")) == [
        "exact",
        "ran",
        "ran",
    ]


def test_a_pruned_step_is_not_reused(traced: Kitchen) -> None:
    """An image keeps its layer, but the cache has been emptied."""
    from tests.build.test_swept import hold_nothing, prune

    traced.build(f"FROM busybox\nCOPY etc /etc\n{COUNT}\n", tags=("kept",))
    hold_nothing(traced)
    prune(traced)
    assert len(all_traces(traced)) == 0
    result = traced.build(f"FROM busybox\nCOPY etc /etc\nRUN echo > /other\n{COUNT}\n")
    assert rules(result) == ["ran", "ran", "ran"]


def test_asking_changes_nothing(traced: Kitchen) -> None:
    from lamina.build.reuse import search

    text = f"FROM busybox\nCOPY etc /etc\nRUN echo > /other\n{COUNT}\n"
    traced.build("FROM busybox\nCOPY etc /etc\nRUN echo > /other\n")
    session, runs = begun(traced, text)
    runs[0].begin(runs)
    for _ in range(2):
        assert runs[0].find_work(runs)
        assert runs[0].find_cached()
    work = runs[0].find_work(runs)
    assert work is not None
    changes = traced.db.read().total_changes
    found = search(runs[0], work)
    assert isinstance(found, Hit)
    assert found.rule == "untouched"
    assert traced.db.read().total_changes == changes
    session.contexts.close()


def test_a_layer_that_goes_while_it_is_taken(traced: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    """The build begins again, and does the step."""
    from lamina.build import reuse
    from tests.build.test_swept import hold_nothing, prune

    hold_nothing(traced)
    real = reuse.search
    gone: list[object] = []

    def search(*args: object) -> object:
        found = real(*args)  # type: ignore[arg-type]
        if isinstance(found, Hit) and not gone:
            gone.append(found)
            prune(traced)
        return found

    monkeypatch.setattr(reuse, "search", search)
    traced.write({"etc/two": "changed"})
    result = traced.build(f"FROM busybox\nCOPY etc /etc\n{COUNT}\n")
    assert gone
    assert result.steps[-1].rule == ""
    assert traced.read(result.image_id, "out") == "1a\n"


def test_traces_are_few(kitchen: Kitchen) -> None:
    for number in range(traces.KEPT + 3):
        kitchen.build(f"FROM busybox\nRUN echo {number} > /x\nRUN echo > /out\n")
    recipe = row(kitchen, "echo > /out").recipe
    assert len(traces.candidates(kitchen.db.read(), recipe)) == traces.KEPT
