"""What differs between two files: the same facts from a layer's entry and from what is listed with a key."""

from __future__ import annotations

import pytest

from lamina.graph.filefacts import Facts, differences, of_entry, parse
from lamina.graph.ingredients import describe
from lamina.graph.masking import is_secret, masked, secrets_of
from lamina.tree.entry import Entry, Kind

DIGEST = "ab" * 32
XATTRS = ((b"security.capability", b"\1\0"), (b"user.a", b"x y=3:z"))
ENTRIES = [
    Entry(b"f", Kind.FILE, 0o4755, 1, 2, size=7, digest=DIGEST),
    Entry(b"f", Kind.FILE, 0o644),
    Entry(b"f", Kind.HARDLINK, 0o644, size=7, digest=DIGEST, link=b"g"),
    Entry(b"d", Kind.DIR, 0o1777),
    Entry(b"l", Kind.SYMLINK, 0o777, link=b"a b=1:c"),
    Entry(b"l", Kind.SYMLINK, 0o777, link=b"\xff\n"),
    Entry(b"c", Kind.CHAR, 0o600, rdev=(1, 3)),
    Entry(b"p", Kind.FIFO, 0o600),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
@pytest.mark.parametrize("xattrs", [(), XATTRS], ids=["", "xattrs"])
def test_both_ways_lead_to_the_same(entry: Entry, xattrs: tuple[tuple[bytes, bytes], ...]) -> None:
    if entry.kind is Kind.SYMLINK:
        xattrs = ()  # nobody has any
    entry = entry._replace(xattrs=xattrs)
    assert parse(describe(entry).decode(errors="backslashreplace")) == of_entry(entry)


def test_each_aspect() -> None:
    old, new = of_entry(ENTRIES[0]), of_entry(ENTRIES[1]._replace(size=8, digest="cd" * 32, xattrs=XATTRS))
    assert differences(old, new) == [
        ("content", DIGEST, "cd" * 32),
        ("size", "7", "8"),
        ("mode", "4755", "0644"),
        ("owner", "1:2", "0:0"),
        ("xattr security.capability", None, "\x01\x00"),
        ("xattr user.a", None, "x y=3:z"),
    ]
    assert differences(old, old) == []
    assert differences(None, None) == []
    assert differences(old, None) == [("removed", "file", None)]
    assert differences(None, of_entry(ENTRIES[3])) == [("added", None, "folder")]
    assert differences(old, of_entry(ENTRIES[3])) == [("type", "file", "folder")]
    assert differences(of_entry(ENTRIES[6]), of_entry(ENTRIES[6]._replace(rdev=(1, 5)))) == [
        ("device", "1:3", "1:5")
    ]
    assert differences(parse("implied d 755 0:0 0 "), parse("d 755 0:0 0 ")) == [
        ("picked", "for what is in it", "itself")
    ]
    assert parse("folder") == Facts("folder")
    assert differences(parse("folder"), parse("folder")) == []


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("API_TOKEN", True), ("githubtoken", True), ("DB_PASS", True), ("AWS_SECRET_ACCESS_KEY", True),
        ("SSH_KEY", True), ("npm_config__auth", True), ("MyPassword", True), ("apiKey", True),
        ("GH_PAT", True),
        ("KEYBOARD", False), ("PATH", False), ("COMPASS", False), ("AUTHOR", False), ("VERSION", False),
    ],
)  # fmt: skip
def test_which_names_are_secret(name: str, secret: bool) -> None:
    assert is_secret(name) is secret


def test_secrets_in_other_texts() -> None:
    assert masked("curl -u me https://me:pw@host/x --password=abc; echo x") == (
        "curl -u me https://***@host/x --password=***; echo x"
    )
    assert masked('{"token": "abc", "b": 1}') == '{"token": "***", "b": 1}'
    secrets = secrets_of([("TOKEN", "abcd"), ("LONG_TOKEN", "abcdef"), ("SHORT_TOKEN", "ab"), ("X", "other")])
    assert secrets == ("abcdef", "abcd")
    assert masked("abcdef abcd ab other", secrets) == "*** *** ab other"
