"""The rules `exact` and `same-content`: the key, on the same layers or on others that hold the same."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.build.ruled import all_traces, check_sound, outline, row, rules

if TYPE_CHECKING:
    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)


def write_old(kitchen: Kitchen) -> None:
    """A file in the context whose time no RUN gives to its own."""
    kitchen.write({"a": "x"})
    (kitchen.context / "a").chmod(0o644)
    os.utime(kitchen.context / "a", (1_600_000_000, 1_600_000_000))


def test_a_parent_that_was_made_again(kitchen: Kitchen) -> None:
    first = "FROM busybox AS one\nRUN echo 1 > /x\n"
    rest = "FROM one\nRUN cat /x > /y\nWORKDIR /w\n"
    before = kitchen.build(first + rest)
    time.sleep(1.1)  # layers have times in seconds
    made_again = kitchen.build(first + rest, no_cache_filter=("one",))
    assert rules(made_again) == ["ran", "same-content", "same-content"]
    assert [step.diff_id for step in made_again.steps[1:]] == [step.diff_id for step in before.steps[1:]]
    assert rules(kitchen.build(first + rest)) == ["exact"] * 3, "from then on it stands there"
    check_sound(kitchen, made_again.image_id)


def test_two_ways_to_the_same_content(kitchen: Kitchen) -> None:
    write_old(kitchen)
    kitchen.build("FROM busybox\nCOPY a /a\nRUN cat /a > /b\n")
    other = "FROM busybox\nRUN echo -n x > /a && chmod 644 /a\nRUN cat /a > /b\n"
    result = kitchen.build(other)
    assert rules(result) == ["ran", "same-content"]
    assert row(kitchen, "cat /a").rule == "same-content"
    changes = kitchen.db.read().total_changes
    assert rules(kitchen.build(other)) == ["exact", "exact"]
    assert kitchen.db.read().total_changes - changes == 1 + len(kitchen.started), "its record only"
    assert (
        outline(kitchen, result.image_id).contents
        == outline(kitchen, kitchen.build(other, no_cache=True).image_id).contents
    )


def test_switched_off(kitchen: Kitchen) -> None:
    write_old(kitchen)
    kitchen.build("FROM busybox\nCOPY a /a\nRUN cat /a > /b\n")
    other = "FROM busybox\nRUN echo -n x > /a && chmod 644 /a\nRUN cat /a > /b\n"
    off = frozenset(["same-content", "untouched"])
    assert rules(kitchen.build(other, rules_off=off)) == ["ran", "ran"]
    assert row(kitchen, "cat /a").rule == ""
    assert rules(kitchen.build(other, rules_off=off)) == ["exact", "exact"], "its own result counts"


def test_what_the_rule_brought_does_not_count_when_it_is_off(kitchen: Kitchen) -> None:
    write_old(kitchen)
    kitchen.build("FROM busybox\nCOPY a /a\nRUN cat /a > /b\n")
    other = "FROM busybox\nRUN echo -n x > /a && chmod 644 /a\nRUN cat /a > /b\n"
    kitchen.build(other)
    off = frozenset(["same-content", "untouched"])
    assert rules(kitchen.build(other, rules_off=off)) == ["exact", "ran"]
    assert rules(kitchen.build(other)) == ["exact", "exact"]


def test_exact_switched_off(kitchen: Kitchen) -> None:
    """All other rules go on: what is copied is still independent of what lies below it."""
    kitchen.write({"a": "x"})
    text = "FROM busybox\nCOPY a /a\nRUN echo > /b\n"
    first = kitchen.build(text)
    off = frozenset(["exact"])
    result = kitchen.build(text, rules_off=off)
    assert rules(result) == ["independent", "ran"]
    assert result.steps[0].diff_id == first.steps[0].diff_id
    assert row(kitchen, "COPY a /a").rule == "", "what is known of it stays"
    assert kitchen.build(text).cached


def test_rows_of_an_older_version(kitchen: Kitchen) -> None:
    """They do not say what they stood on, nor when: they count by their key, and are of no known age."""
    text = "FROM busybox\nRUN echo > /b\n"
    kitchen.build(text)
    with kitchen.db.write() as tx:
        tx.execute("UPDATE steps SET recipe = '', parent = NULL, rule = '', ran = 0")
        tx.execute("DELETE FROM traces")
    assert rules(kitchen.build(text)) == ["exact"]
    assert rules(kitchen.build(text, rules_off=frozenset(["same-content"]))) == ["exact"]
    assert rules(kitchen.build(text, cache_ttl=1e9)) == ["ran"]
    assert row(kitchen, "echo > /b").recipe
    assert len(all_traces(kitchen)) == 1
