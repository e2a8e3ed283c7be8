"""The shared build cache where steps are recorded: the read sets of others are as good as own ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from lamina.build.request import BuildResult, Output
from lamina.cli.commands.why import step_lines
from lamina.insight.rows import Rows
from lamina.insight.why import why
from lamina.mount.userns import IdMap
from tests.build.kitchen import Kitchen
from tests.build.machines import STAGES, Fleet, fleet_of, here
from tests.build.ruled import rules
from tests.build.untouched.lab import Lab
from tests.registry.distribution import Registry

pytestmark = pytest.mark.timeout(120)
_NAMES = itertools.count()


@pytest.fixture
def fleet(inside: IdMap, counted: Registry) -> Iterator[Fleet]:
    with fleet_of(counted, f"r{next(_NAMES)}", Lab) as made:
        yield made


def test_only_layers_below_a_step_that_runs_are_fetched(fleet: Fleet) -> None:
    machine = fleet.machine()
    text = STAGES.replace("COPY seed /seed\n", "COPY seed /seed\nRUN cat /tool > /more\n")
    result = fleet.build(machine, text, cache_from=(fleet.source(),), output=(Output("registry"),))
    assert rules(result) == ["exact", "exact", "ran", "untouched", "exact", "exact", "exact"]
    # of the image the base came, for the RUN; of its own layers none did
    assert here(machine, result) == [True, False, False, False]


def test_the_rules_hold_for_what_others_recorded(fleet: Fleet) -> None:
    """A read set of the first machine lets the second reuse a RUN on layers that it has made itself."""
    machine = fleet.machine()
    text = STAGES.replace("WORKDIR /app\n", "WORKDIR /app\nCOPY seed /elsewhere\n")
    result = fleet.build(machine, text, cache_from=(fleet.source(),))
    assert rules(result)[3:] == ["exact", "ran", "independent", "untouched"]
    assert machine.read(result.image_id, "home/worker/all") == "seed tool\n"


# --- why a step runs here, told by what is recorded there


def test_a_miss_is_explained_by_the_ingredients_recorded_there(fleet: Fleet) -> None:
    machine = fleet.machine()
    text = STAGES.replace("echo $(cat made)", "echo all: $(cat made)")
    result = fleet.build(machine, text, seed="another seed\n", cache_from=(fleet.source(),))
    assert rules(result) == ["exact", "ran", "ran", "exact", "ran", "ran"]
    note = f"(not built here before: compared with what {fleet.cache} recorded)"
    lines = _lines(machine, result)
    assert lines[3] == ["seed: content, 5 -> 13 bytes", note]
    assert lines[4] == ["it looked at /seed: content, 5 -> 13 bytes, by #3 (Dockerfile:3)", note]
    assert lines[7] == ["/made: content, 10 -> 18 bytes, by #4 (Dockerfile:4)", note]
    assert lines[8] == ["nothing like it was done before"], (
        "the one before it ran, so it stands on nothing known"
    )


def test_another_text_on_the_same_layers_is_told(fleet: Fleet) -> None:
    machine = fleet.machine()
    text = STAGES.replace("echo $(cat made)", "echo all: $(cat made)")
    result = fleet.build(machine, text, cache_from=(fleet.source(),))
    assert rules(result) == ["exact"] * 5 + ["ran"]
    old, new = (
        f"rm /etc/group && echo {each} > /home/worker/all" for each in ("$(cat made)", "all: $(cat made)")
    )
    assert _lines(machine, result)[8] == [
        f"command: {old} -> {new}",
        f"(not built here before: compared with what {fleet.cache} recorded)",
    ]


def _lines(machine: Kitchen, result: BuildResult) -> dict[int, list[str]]:
    """What `lamina why` says of each step that ran."""
    found = why(Rows(machine.db.read(), machine.ctx.blobs, machine.layout), result.build_id)
    return {
        each.step.number: [
            line.removeprefix("- ") for line in step_lines(each, "Dockerfile", whole=False)[1:]
        ]
        for each in found.steps
        if each.step.status == "run"
    }


def test_another_build_of_the_same_step_finds_it(fleet: Fleet) -> None:
    """One exports a step on the base, another wants it on a layer more; both are in one cache then."""
    machine = fleet.machine()
    fleet.build(machine, "FROM {base}\nRUN echo two > /two\n", cache_to=(fleet.to(),))
    fleet.build(fleet.machine(), "FROM {base}\nRUN echo one > /one\n", cache_to=(fleet.to(),))
    text = "FROM {base}\nRUN echo one > /one\nRUN echo two > /two\n"
    result = fleet.build(fleet.machine(), text, cache_from=(fleet.source("cache:main"),))
    assert rules(result) == ["exact", "untouched"]
