"""JSON that is written the same everywhere, and read with bounds."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InvalidInput
from lamina.oci import canonical

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda x: st.lists(x) | st.dictionaries(st.text(), x),
)


@given(VALUES)
def test_what_is_written_reads_back(value: object) -> None:
    assert canonical.loads(canonical.dumps(value), "x") == value


def test_is_written_as_go_writes_it() -> None:
    value = {"b": "<a> & b", "a": ["\u2028\u2029", "é\x7f", '"\\\n'], "n": None}
    expected = (
        b'{"b":"\\u003ca\\u003e \\u0026 b","a":["\\u2028\\u2029","\xc3\xa9\x7f","\\"\\\\\\n"],"n":null}'
    )
    assert canonical.dumps(value) == expected


def test_lone_surrogates_become_the_replacement_character() -> None:
    assert json.loads(canonical.dumps(["a\ud800b", "é<"])) == ["a\ufffdb", "é<"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"nul",
        b'{"a":1,"a":2}',
        b'{"x":{"a":1,"a":1}}',
        b"NaN",
        b"[Infinity]",
        b'{"a":1} x',
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"{}".decode().encode("utf-16"),
        b"[" * 100000,
        b'{"a":' * 200 + b"1" + b"}" * 200,
        b"[" * 65 + b"]" * 65,
        b"9" * 10000,
    ],
)
def test_rubbish_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^thing: "):
        canonical.loads(data, "thing")


def test_depth_is_bounded_and_not_too_tightly() -> None:
    assert canonical.loads(b"[" * 64 + b"]" * 64, "x")


def test_size_is_bounded() -> None:
    with pytest.raises(InvalidInput, match="11 bytes"):
        canonical.loads(b'"123456789"', "x", max_size=10)


def test_an_object_is_asked_for() -> None:
    with pytest.raises(InvalidInput, match="not a JSON object"):
        canonical.loads_object(b"[]", "x")


def test_a_key_twice_among_many_is_found_at_once() -> None:
    """A manifest of 4 MB may come from anybody, also to `registry serve`."""
    text = "{" + ",".join([f'"{n}":0' for n in range(300_000)]) + ',"299999":0}'
    began = time.monotonic()
    with pytest.raises(InvalidInput, match="key '299999' appears twice"):
        canonical.loads(text.encode(), "manifest")
    assert time.monotonic() - began < 5


def test_a_number_of_many_digits() -> None:
    with pytest.raises(InvalidInput, match="a number with too many digits"):
        canonical.loads(b'{"size": ' + b"9" * 5000 + b"}", "manifest")
