"""Limits: dive's rules, and its .dive-ci files."""

from __future__ import annotations

import pytest

from lamina.errors import InvalidInput
from lamina.insight.limits import judge, ratio_of, read, size_of
from lamina.insight.waste import Finding, Waste
from lamina.insight.wasted.changes import Change
from lamina.oci.digest import ImageID

README = b"""
rules:
  # If the efficiency is measured below X%, mark as failed.
  lowestEfficiency: 0.95

  # If the amount of wasted space is at least X or larger than X, mark as failed.
  highestWastedBytes: 20MB

  highestUserWastedPercent: 0.20
"""


def wasting(size: int, own: int, hidden: int, own_hidden: int = 0) -> Waste:
    change = Change(0, 0, "", "")
    finding = Finding("deleted", 1, 2, "", hidden, 1, "/", (), "", 0, "", change)
    return Waste(ImageID(""), "app", size, own, hidden, own_hidden, hidden, own_hidden, (finding,), ())


def test_the_file_of_dives_readme() -> None:
    assert read(README, ".dive-ci") == {
        "lowestEfficiency": "0.95",
        "highestWastedBytes": "20MB",
        "highestUserWastedPercent": "0.2",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", {}),
        (b"rules:\n", {}),
        (b"# nothing\n", {}),
        (b"rules: {lowestEfficiency: disabled}", {"lowestEfficiency": "disabled"}),
        (b"rules: {lowestEfficiency: off}", {"lowestEfficiency": "disabled"}),
        (b"lowest-efficiency-threshold: '0.5'", {"lowestEfficiency": "0.5"}),
        (b"highest-wasted-bytes: 100", {"highestWastedBytes": "100"}),
        (b"rules: {imageSizeLimit: 3, highestUserWastedPercent: 1}", {"highestUserWastedPercent": "1"}),
    ],
)
def test_other_files(text: bytes, expected: dict[str, str]) -> None:
    assert read(text, "f") == expected


_MERGES = b"a0: &a0 {k: v}\n" + b"".join(  # each merges the one before it nine times
    b"a%d: &a%d {<<: [%s]}\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"rules: [1]", "`rules` is no mapping"),
        (b"- a", "`rules` is no mapping"),
        (b"rules: {", "f is no YAML"),
        (b"\xff\xfe\x00", "f is no YAML"),
        (b"!!python/object/apply:os.system [true]", "f is no YAML"),
        (b"[" * 1000, "f is no YAML"),
        (b"rules: {lowestEfficiency: 95%}", "invalid ratio: '95%'"),
        (b"rules: {lowestEfficiency: 1.5}", "invalid ratio: '1.5'"),
        (b"rules: {lowestEfficiency: true}", "invalid ratio: 'True'"),
        (b"rules: {lowestEfficiency: .nan}", "invalid ratio: 'nan'"),
        (b"rules: {lowestEfficiency: [0.5]}", "invalid ratio"),
        (b"a: &a [1]\nb: &b [*a, *a]\nrules: {lowestEfficiency: *b}", "f: an alias"),
        (_MERGES, "f: an alias"),
        (b"rules: {highestWastedBytes: " + b"9" * 400 + b"}", "invalid size"),
        (b"rules: {highestWastedBytes: lots}", "invalid size: 'lots'"),
        (b" " * (1 << 16) + b"{}", "bytes"),
    ],
)
def test_bad_files(text: bytes, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read(text, "f")
    assert message in raised.value.message
    assert "\n" not in raised.value.message


def test_sizes_are_dives() -> None:
    sizes = {
        "0": 0,
        "1B": 1,
        "50kB": 50_000,
        "20MB": 20_000_000,
        "20 mb": 20_000_000,
        "20m": 20_000_000,
        "1.5MiB": 3 << 19,
        "2ki": 2048,
        "1,000": 1000,
        "1GB": 10**9,
    }
    assert {text: size_of(text) for text in sizes} == sizes
    assert size_of("disabled") is size_of("") is ratio_of("OFF") is None
    for bad in ("-1", "1x", "MB", "1e6", "ib", "1ib", "1 2"):
        with pytest.raises(InvalidInput):
            size_of(bad)


@pytest.mark.parametrize("bad", ["-0.1", "1.1", "x", "nan", "inf", "1,5"])
def test_a_ratio_is_from_0_to_1(bad: str) -> None:
    with pytest.raises(InvalidInput):
        ratio_of(bad)


def test_a_limit_that_is_met_is_not_broken() -> None:
    found = wasting(1000, 500, 100, 50)
    limits = {"lowestEfficiency": "0.9", "highestWastedBytes": "100", "highestUserWastedPercent": "0.1"}
    judged = judge(found, limits)
    assert [each.status for each in judged.verdicts] == ["PASS"] * 3
    assert judged.passed


def test_each_limit_breaks_alone() -> None:
    found = wasting(1000, 500, 100, 50)
    off = {"lowestEfficiency": "off", "highestWastedBytes": "off", "highestUserWastedPercent": "off"}
    assert judge(found, off).passed
    for rule, limit in [
        ("lowestEfficiency", "0.91"),
        ("highestWastedBytes", "99"),
        ("highestUserWastedPercent", "0.09"),
    ]:
        judged = judge(found, off | {rule: limit})
        assert {each.rule: each.status for each in judged.verdicts} == dict.fromkeys(off, "SKIP") | {
            rule: "FAIL"
        }
        assert not judged.passed


def test_without_limits_dives_defaults_hold() -> None:
    judged = judge(wasting(1000, 500, 101, 51), {})
    assert [(each.rule, each.status) for each in judged.verdicts] == [
        ("highestUserWastedPercent", "FAIL"),
        ("highestWastedBytes", "SKIP"),
        ("lowestEfficiency", "FAIL"),
    ]
    with pytest.raises(InvalidInput, match="no rule is called"):
        judge(wasting(1, 1, 0), {"lowestEfficency": "1"})
