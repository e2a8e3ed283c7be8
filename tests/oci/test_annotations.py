"""--annotation and annotation.* of --output, as buildx reads them."""

from __future__ import annotations

import pytest

from lamina.errors import InvalidInput
from lamina.oci import platform as platforms
from lamina.oci.annotations import Annotation, parse_flag, parse_option, pick

ARM = platforms.parse("linux/arm64")
AMD = platforms.parse("linux/amd64")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=b", [Annotation("manifest", None, "a", "b")]),
        (
            "org.example.url=https://a/?b=c",
            [Annotation("manifest", None, "org.example.url", "https://a/?b=c")],
        ),
        ("a=", [Annotation("manifest", None, "a", "")]),
        ("index:a=b", [Annotation("index", None, "a", "b")]),
        ("manifest[linux/arm64]:a=b:c", [Annotation("manifest", ARM, "a", "b:c")]),
        (
            "manifest,index-descriptor:a=b",
            [Annotation("manifest", None, "a", "b"), Annotation("index-descriptor", None, "a", "b")],
        ),
    ],
)
def test_flags(text: str, expected: list[Annotation]) -> None:
    assert parse_flag(text) == expected


@pytest.mark.parametrize(
    "text", ["a", "=b", "index:=b", "what:a=b", "Manifest:a=b", "manifest[bogus/x/y/z]:a=b"]
)
def test_bad_flags(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_flag(text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("annotation.a", Annotation("manifest", None, "a", "v")),
        ("annotation-index.org.example.a", Annotation("index", None, "org.example.a", "v")),
        ("annotation[linux/arm64].a", Annotation("manifest", ARM, "a", "v")),
        ("annotation-manifest-descriptor[linux/arm64].a", Annotation("manifest-descriptor", ARM, "a", "v")),
        ("compression", None),
        ("annotations", None),
    ],
)
def test_options(name: str, expected: Annotation | None) -> None:
    assert parse_option(name, "v") == expected


@pytest.mark.parametrize("name", ["annotation.", "annotation-what.a", "annotation-index"])
def test_bad_options(name: str) -> None:
    with pytest.raises(InvalidInput):
        parse_option(name, "v")


def test_what_is_for_one_platform_goes_over_what_is_for_all() -> None:
    texts = ("manifest[linux/arm64]:a=arm", "a=all", "b=all", "index:a=index")
    given = [each for text in texts for each in parse_flag(text)]
    assert pick(given, "manifest", ARM) == {"a": "arm", "b": "all"}
    assert pick(given, "manifest", AMD) == {"a": "all", "b": "all"}
    assert pick(given, "index") == {"a": "index"}
    assert pick(given, "manifest-descriptor", ARM) == {}
