"""Sizes and ages are worded as Docker words them."""

from __future__ import annotations

import pytest

from lamina.cli import units


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (1, "1B"),
        (999, "999B"),
        (1000, "1kB"),
        (1024, "1.02kB"),
        (999_600, "1MB"),  # Docker prints 1e+03kB
        (1_240_000, "1.24MB"),
        (133_456_789, "133MB"),
        (1_500_000_000, "1.5GB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert units.human_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (3600, "About an hour"),
        (5399, "About an hour"),
        (5400, "2 hours"),
        (47 * 3600, "47 hours"),
        (2 * 86400, "2 days"),
        (13 * 86400, "13 days"),
        (14 * 86400, "2 weeks"),
        (59 * 86400, "8 weeks"),
        (60 * 86400, "2 months"),
        (729 * 86400, "24 months"),
        (731 * 86400, "2 years"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert units.human_duration(seconds) == text


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("1970-01-01T00:00:10Z", 10.0),
        ("1970-01-01T01:00:10.5+01:00", 10.5),
        ("1970-01-01T00:00:10.123456789Z", 10.123456),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_moments(moment: str, seconds: float | None) -> None:
    assert units.seconds_of(moment) == seconds


def test_ages() -> None:
    assert units.ago("1970-01-01T00:00:00Z", 86400 * 3) == "3 days ago"
    assert units.ago("1970-01-02T00:00:00Z", 0) == "Less than a second ago"
    assert units.ago("", 0) == "N/A"
    assert units.clock("2026-11-23T06:00:37.9Z") == "2026-11-23 06:00:37 +0000 UTC"
    assert units.stamp("2026-11-23T06:00:37.9Z") == "2026-11-23T06:00:37Z"
    assert units.stamp("") == "N/A"


def test_short_forms() -> None:
    assert units.short_id("sha256:" + "ab" * 32) == "abababababab"
    assert units.ellipsis("abcdef", 6) == "abcdef"
    assert units.ellipsis("abcdefg", 6) == "abcde…"
