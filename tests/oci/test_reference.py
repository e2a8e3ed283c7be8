"""Names of images: what is one, what it means, and how Docker shows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InvalidInput
from lamina.oci import reference
from lamina.oci.reference import Reference

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"
LONG = "a/" * 127 + "a"


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("busybox", "docker.io/library/busybox", "busybox"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        ("docker.io/busybox", "docker.io/library/busybox", "busybox"),
        ("docker.io/library/busybox:a", "docker.io/library/busybox:a", "busybox:a"),
        ("index.docker.io/me/x", "docker.io/me/x", "me/x"),
        ("index.docker.io/x", "docker.io/library/x", "x"),
        ("me/app", "docker.io/me/app", "me/app"),
        ("library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("a/b/c:tag", "docker.io/a/b/c:tag", "a/b/c:tag"),
        ("localhost", "docker.io/library/localhost", "localhost"),
        ("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"),
        ("localhost/x", "localhost/x", "localhost/x"),
        ("localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y"),
        ("test:5000/repo", "test:5000/repo", "test:5000/repo"),
        ("ghcr.io/a/b@" + DIGEST, "ghcr.io/a/b@" + DIGEST, "ghcr.io/a/b@" + DIGEST),
        ("x:t@" + DIGEST, "docker.io/library/x:t@" + DIGEST, "x:t@" + DIGEST),
        ("x@sha512:" + HEX * 2, "docker.io/library/x@sha512:" + HEX * 2, "x@sha512:" + HEX * 2),
        ("192.168.1.1:5000/repo:5050", "192.168.1.1:5000/repo:5050", "192.168.1.1:5000/repo:5050"),
        ("[2001:db8::1]:5000/r:t", "[2001:db8::1]:5000/r:t", "[2001:db8::1]:5000/r:t"),
        ("[::1]/r", "[::1]/r", "[::1]/r"),
        (
            "xn--n3h.com/my-image:xn--n3h.com",
            "xn--n3h.com/my-image:xn--n3h.com",
            "xn--n3h.com/my-image:xn--n3h.com",
        ),
        ("Uppercase/lowercase:tag", "Uppercase/lowercase:tag", "Uppercase/lowercase:tag"),
        ("lowercase:Uppercase", "docker.io/library/lowercase:Uppercase", "lowercase:Uppercase"),
        ("a_b.c/d", "a_b.c/d", "a_b.c/d"),
        ("foo_bar.com:8080", "docker.io/library/foo_bar.com:8080", "foo_bar.com:8080"),
        ("a__b/c---d/e.f_g", "docker.io/a__b/c---d/e.f_g", "a__b/c---d/e.f_g"),
        ("x:_", "docker.io/library/x:_", "x:_"),
        ("x:" + "t" * 128, "docker.io/library/x:" + "t" * 128, "x:" + "t" * 128),
        ("deadbeef", "docker.io/library/deadbeef", "deadbeef"),
        ("b.io/" + LONG, "b.io/" + LONG, "b.io/" + LONG),
        (HEX + "0", "docker.io/library/" + HEX + "0", HEX + "0"),
        (HEX + ":t", "docker.io/library/" + HEX + ":t", HEX + ":t"),
    ],
)
def test_names(text: str, full: str, familiar: str) -> None:
    made = reference.parse(text)
    assert (str(made), made.familiar()) == (full, familiar)
    assert reference.shortened(full) == familiar
    assert reference.parse(str(made)) == made
    assert reference.parse(made.familiar()) == made


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid reference format"),
        (":justtag", "invalid reference format"),
        ("@" + DIGEST, "invalid reference format"),
        ("repo@sha256:ffffffffffffffffffffffffffffffffff", "invalid checksum digest length"),
        ("x@sha256:" + HEX.upper(), "invalid checksum digest format"),
        ("x@nonsense:" + HEX, "unsupported digest algorithm"),
        ("x@sha256", "invalid reference format"),
        ("x@sha256:zz", "invalid reference format"),
        ("x@@", "invalid reference format"),
        (
            "Uppercase:tag",
            r"invalid reference format: repository name \(library/Uppercase\) must be lowercase",
        ),
        ("test:5000/Upper/lower:tag", r"repository name \(Upper/lower\) must be lowercase"),
        ("A_B/c", "repository name must be lowercase"),
        ("x.io/" + "a/" * 128 + "a", "must not be more than 255 characters"),
        ("aa/asdf$$^/aa", "invalid reference format"),
        ("[2001:db8::1]", "invalid reference format"),
        ("[2001:db8::1]:5000", "invalid reference format"),
        ("[fe80::1%eth0]:5000/repo", "invalid reference format"),
        ("[]/x", "invalid reference format"),
        ("a b", "invalid reference format"),
        ("a\n", "invalid reference format"),
        ("é", "invalid reference format"),
        ("x:", "invalid reference format"),
        ("x:.t", "invalid reference format"),
        ("x:-t", "invalid reference format"),
        ("x:" + "t" * 129, "invalid reference format"),
        ("x:a:b", "invalid reference format"),
        ("-x", "invalid reference format"),
        ("x-", "invalid reference format"),
        ("a..b", "invalid reference format"),
        ("a___b", "invalid reference format"),
        ("a._b", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("/a", "invalid reference format"),
        ("a/", "invalid reference format"),
        ("../a", "invalid reference format"),
        ("a.io:port/x", "invalid reference format"),
        ("a_b:5000/x", "invalid reference format"),
        ("-a.io/x/-", "invalid reference format"),
        (HEX, "cannot specify 64-byte hexadecimal strings"),
    ],
)
def test_what_is_no_name(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        reference.parse(text)


def test_default_tag() -> None:
    assert str(reference.parse("x").with_default_tag()) == "docker.io/library/x:latest"
    assert reference.parse("x:1").with_default_tag().tag == "1"
    assert not reference.parse("x@" + DIGEST).with_default_tag().tag
    assert reference.parse_tagged("x").familiar() == "x:latest"
    with pytest.raises(InvalidInput, match="refusing to create a tag with a digest reference"):
        reference.parse_tagged("x@" + DIGEST)


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("deadbeef", "deadbeef"),
        (HEX, HEX),
        (DIGEST, HEX),
        ("sha256:ab", "ab"),
        ("sha256:", None),
        ("", None),
        ("xyz", None),
        ("ABC", None),
        (HEX + "0", None),
    ],
)
def test_ids(text: str, prefix: str | None) -> None:
    assert reference.id_prefix(text) == prefix


@given(st.text(max_size=40) | st.text(alphabet="aB0._-:/@[]", max_size=40))
def test_no_text_breaks_the_parser_and_what_it_takes_it_takes_again(text: str) -> None:
    try:
        made = reference.parse(text)
    except InvalidInput:
        return
    assert isinstance(made, Reference)
    assert reference.parse(str(made)) == made
    assert reference.parse(made.familiar()) == made
