"""--build-arg: values that are written, values of the environment, and the time that needs no naming."""

from __future__ import annotations

from lamina.cli.commands.build import build_args

EPOCH = "SOURCE_DATE_EPOCH"


def test_a_name_alone_takes_its_value_from_the_environment() -> None:
    assert build_args(["A=1", "B", "C"], {"B": "2", "D": "3"}) == {"A": "1", "B": "2"}


def test_the_time_of_the_environment_counts_unless_one_is_written() -> None:
    assert build_args([], {EPOCH: "5"}) == {EPOCH: "5"}
    assert build_args([f"{EPOCH}=7"], {EPOCH: "5"}) == {EPOCH: "7"}
    assert build_args([], {EPOCH: ""}) == {}
