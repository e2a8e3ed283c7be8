"""Headers of registries are anybody's text: whatever they say, it is read, passed over, or a clear error."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import LaminaError
from lamina.fetch.ask import Answer
from lamina.fetch.connections import Connections
from lamina.fetch.headers import content_range, retry_after
from lamina.fetch.stopping import NeverStops
from lamina.oci import reference as references
from lamina.registry.auth import Authority, parse_challenges
from lamina.registry.discovery import _next
from lamina.registry.endpoints import Endpoint
from lamina.registry.failures import refused, told
from lamina.registry.reach import Reached
from lamina.registry.uploading import _end_of

WORDS = st.lists(
    st.sampled_from(
        [*"<>;,\"'=/?&: \t\\-0159", "rel", "next", "http://", "bytes", "realm", "Bearer", "é", "[", "]"]
    ),
    max_size=30,
).map("".join)
QUICK = settings(max_examples=60, deadline=None, database=None)
TEXT = st.one_of(WORDS, st.text(max_size=60))
AT = Reached(
    Endpoint("r.test", "app", False),
    "https://r.test/v2/app",
    Connections({}),
    Authority("app", "", Connections({}), lambda: None, NeverStops()),
    NeverStops(),
)


@QUICK
@given(TEXT)
def test_any_challenge(text: str) -> None:
    for scheme, values in parse_challenges(text).items():
        assert scheme == scheme.lower()
        assert all(isinstance(value, str) for value in values.values())


@QUICK
@given(TEXT)
def test_any_link(text: str) -> None:
    try:
        found = _next(AT, Answer(200, "OK", {"link": text}, b""), "https://r.test/v2/app/tags/list", "it")
    except LaminaError:
        return
    assert not found or urlsplit(found).hostname == "r.test"


@QUICK
@given(TEXT)
def test_any_range(text: str) -> None:
    end = _end_of(Answer(202, "Accepted", {"range": text}, b""))
    assert end is None or end > 1
    assert content_range(text) >= -1
    seconds = retry_after(text)
    assert seconds is None or seconds >= 0


@QUICK
@given(st.integers(100, 599), st.one_of(st.binary(max_size=60), TEXT.map(str.encode)))
def test_any_refusal(status: int, body: bytes) -> None:
    answer = Answer(status, "", {}, body)
    assert told(answer).isprintable()
    error = refused(answer, references.parse("r.test/app:1"), "r.test", "the manifest")
    assert "r.test" in error.message


@QUICK
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["errors", "code", "message", "detail", "digest"]), inner, max_size=4
            )
        ),
    )
)
def test_any_json_of_a_refusal(value: object) -> None:

    assert told(Answer(400, "Bad Request", {}, json.dumps({"errors": value}).encode())).isprintable()
