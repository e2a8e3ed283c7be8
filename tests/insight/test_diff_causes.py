"""Why two builds that should be equal are not: the first layer, the first file, what is likely behind it."""

from __future__ import annotations

import gzip
import importlib.util
import io
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from lamina.insight.diff import likely
from lamina.insight.diff.cause import equal_builds
from lamina.tree.entry import Entry, Kind
from tests.insight import archiving
from tests.insight.archiving import MOMENT, file, folder, gone, hard, link
from tests.insight.test_diff import differ, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lamina.insight.diff.cause import Cause
    from lamina.insight.states import State
    from lamina.layers.context import Layers
    from tests.insight.archiving import Member, Stack

    Built = Callable[..., State]


@pytest.fixture
def built(store: Layers, tmp_path: Path) -> Built:
    """Images of these layers, each made by "step N"; an own `created`, as two builds have."""
    names = iter(("one", "two", "three", "four"))

    def build(*layers: Sequence[Member], **more: Any) -> State:
        name = next(names)
        return state_of(store, tmp_path, list(layers), name, config={"Labels": {"name": name}}, **more)

    return build


def causes(store: Layers, old: State, new: State) -> list[Cause]:
    return list(differ(store, old, new).causes)


UUIDS = b"0b5b8a86-7e0c-4a5c-b0f5-9c1d3c1a2b3c", b"e9c0a1d2-0f1e-4d3c-8b7a-123456789abc"
BASE: Stack = [[folder("etc"), file("etc/base", "base")]]


def test_the_first_layer_that_differs(store: Layers, built: Built) -> None:
    one = built(*BASE, [file("a", "1")], [file("z", "1")])
    two = built(*BASE, [file("a", "2")], [file("z", "2")])
    assert equal_builds(one, two)
    first, later = causes(store, one, two)
    assert (first.layer, first.created_by, first.path, first.what) == (2, "step 2", "/a", "content")
    assert first.detail == "line 1: 1 -> 2"
    assert (later.layer, later.path) == (3, "/z")


def test_a_layer_that_is_equal_between_two_that_are_not(store: Layers, built: Built) -> None:
    one, two = [built([file("a", text)], [file("same")], [file("z", text)]) for text in "12"]
    assert [each.layer for each in causes(store, one, two)] == [1, 3]


def test_kinds_of_differences_the_most_telling_first(store: Layers, built: Built) -> None:
    layers: list[list[Member]] = [
        [
            file("content", f"built at 2026-11-23 1{number}:00:00\n"),
            file(f"only{number}"),
            file("owner", uid=number),
            file("mode", mode=0o600 + number),
            link("link", f"to{number}"),
            file("time", mtime=100 + number),
            file("time2", mtime=200 + number),
            file("same", "same"),
        ]
        for number in (1, 2)
    ]
    found = causes(store, built(layers[0]), built(layers[1]))
    assert [(each.what, each.path, each.paths) for each in found] == [
        ("content", "/content", 1),
        ("there", "/only1", 2),
        ("link", "/link", 1),
        ("owner", "/owner", 1),
        ("mode", "/mode", 1),
        ("time", "/time", 2),
    ]
    assert found[0].reason == "a date or a time in the text"
    assert "SOURCE_DATE_EPOCH" in found[0].advice
    assert (found[3].detail, found[5].detail) == (
        "1:0 -> 2:0",
        "1970-01-01T00:01:41Z -> 1970-01-01T00:01:42Z",
    )
    assert "normalise" in found[5].advice


def test_only_the_order_of_the_tar(store: Layers, built: Built) -> None:
    (found,) = causes(store, built([file("a"), file("b")]), built([file("b"), file("a")]))
    assert (found.what, found.path, found.layer) == ("order", "/a", 1)
    assert found.detail == "record 1 is /a -> /b"


def test_only_a_header_of_the_tar(store: Layers, built: Built) -> None:
    (found,) = causes(store, built([file("a", uname="me")]), built([file("a", uname="you")]))
    assert (found.what, found.path, found.detail) == ("header", "/a", "uname: 'me' -> 'you'")


def test_which_name_of_a_file_comes_first(store: Layers, built: Built) -> None:
    one, two = built([file("a", "x"), hard("b", "a")]), built([file("b", "x"), hard("a", "b")])
    (found,) = causes(store, one, two)
    assert (found.what, found.paths) == ("hard link", 2)
    assert differ(store, one, two).files == ()


def test_what_only_one_of_them_deletes(store: Layers, built: Built) -> None:
    base = [file("etc/a"), file("etc/b")]
    (found,) = causes(store, built(base, [gone("etc/a")]), built(base, [file("etc/a")]))
    assert (found.path, found.detail) == ("/etc/a", "only the first deletes it")


def test_only_the_config(store: Layers, built: Built) -> None:
    found = causes(store, built(*BASE), built(*BASE))
    assert [(each.what, each.layer, each.detail) for each in found] == [
        ("config", 0, "Labels name: one -> two")
    ]


def test_only_the_times_of_the_history(store: Layers, tmp_path: Path) -> None:
    one, two = [
        state_of(store, tmp_path, BASE, name, history=[{"created_by": "x", "created": created}])
        for name, created in (("one", MOMENT), ("two", "2025-01-01T00:00:00Z"))
    ]
    (found,) = causes(store, one, two)
    assert found.detail == f"history line 1: created: {MOMENT} -> 2025-01-01T00:00:00Z"


def test_other_histories_are_no_equal_builds(store: Layers, built: Built, tmp_path: Path) -> None:
    one = built(*BASE)
    assert not equal_builds(one, one)
    assert not equal_builds(one, built(*BASE, [file("a")]))
    bare = [state_of(store, tmp_path, [[file(name)]], name, history=[]) for name in ("x", "y")]
    assert not equal_builds(*bare)
    assert differ(store, *bare).causes == ()
    (found,) = differ(store, *bare, causes=True).causes[:1]
    assert (found.what, found.detail) == ("there", "only the first has it")
    (more,) = differ(store, one, built(*BASE, [file("a")]), causes=True).causes
    assert more.what == "layers"


@pytest.mark.parametrize(
    ("line", "member", "reason"),
    [
        ("COPY src /a # buildkit", {"content": "1"}, "build contexts"),
        ("/bin/sh -c #(nop) ADD file:1 in /a", {"content": "1"}, "build contexts"),
        ("COPY src /a", {"mtime": 5}, "times of the files in the build context"),
        ("COPY src /a", {"mode": 0o664}, "modes of the files in the build context"),
        ("COPY src /a", {"uid": 5}, "next free number"),
        ("RUN apt-get update", {"content": "1"}, "downloaded"),
        ("RUN make", {"content": "1"}, ""),
        ("RUN apt-get update", {"mtime": 5}, "the time at which the build wrote it"),
    ],
)
def test_what_the_instruction_tells(
    store: Layers, tmp_path: Path, line: str, member: dict[str, Any], reason: str
) -> None:
    one, two = [
        state_of(store, tmp_path, [[file("a", **more)]], name, history=[{"created_by": line}])
        for name, more in (("one", {}), ("two", member))
    ]
    (found,) = causes(store, one, two)
    assert reason in found.reason and bool(reason) == bool(found.reason)


def _pyc(text: str, mtime: int, folder: Path) -> bytes:
    """Bytecode as Python writes it."""
    import os
    import py_compile

    source = folder / "m.py"
    source.write_text(text)
    os.utime(source, (mtime, mtime))
    made = py_compile.compile(
        str(source),
        str(folder / "m.pyc"),
        doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP,
    )
    assert made is not None
    with open(made, "rb") as stream:
        return stream.read()


def test_bytecode(tmp_path: Path) -> None:
    one, two, other = (
        _pyc("a = 1", 1, tmp_path),
        _pyc("a = 1", 2, tmp_path),
        _pyc("a = 1; b = 2", 1, tmp_path),
    )
    assert one[:4] == importlib.util.MAGIC_NUMBER
    assert "time of its source" in likely.of_content(b"m.pyc", one, two).reason
    assert "run that compiled it" in likely.of_content(b"m.pyc", one, other).reason


def test_gzip() -> None:
    one, two = [gzip.compress(b"text", mtime=mtime) for mtime in (1, 2)]
    assert likely.of_content(b"usr/share/doc/x.gz", one, two).advice == "gzip -n"
    assert likely.of_content(b"x.gz", one, gzip.compress(b"other", mtime=1)).advice != "gzip -n"


@pytest.mark.parametrize(
    ("path", "old", "new", "reason"),
    [
        ("srv/stamp", b"built 1764000000\n", b"built 1764000123\n", "a date"),
        ("srv/stamp", b"Mon Nov 23 18:43:54 UTC 2026\n", b"Tue Nov 24 8:01:00 UTC 2026\n", "a date"),
        ("srv/list", b"a\nb\nc\n", b"c\na\nb\n", "another order"),
        ("srv/id", b"%b\n" % UUIDS[0], b"%b\n" % UUIDS[1], "made anew"),
        ("srv/id", b"id=0123456789abcdef0123\n", b"id=fedcba98765432100123\n", "made anew"),
        ("srv/place", b"/tmp/build-x1/a\n", b"/tmp/build-y22/a\n", "temporary folder"),
        ("srv/text", b"one\n", b"two\n", ""),
        ("srv/text", b"a", b"a\n", ""),
        ("srv/text", b"", b"x", ""),
        ("srv/version", b"1.2.3 of 2026-01-01\n", b"one of 2026-01-02\n", ""),
        ("srv/bin", b"\0a", b"\0b", ""),
        ("srv/lib.a", b"!<arch>\n\0a", b"!<arch>\n\0b", "archive"),
        ("srv/x.jar", b"PK\x03\x04a", b"PK\x03\x04b", "zip"),
        ("srv/x", b"\x7fELF\0a", b"\x7fELF\0b", "build ID"),
        ("var/log/dpkg.log", b"a\n", b"b\n", "a log"),
        ("var/cache/ldconfig/aux-cache", b"\0a", b"\0b", "inode"),
        ("var/lib/apt/lists/x", b"a", b"b", "package lists"),
        ("root/.cache/pip/x", b"a", b"b", "cache"),
        ("etc/machine-id", b"a", b"b", "an ID"),
        ("etc/shadow", b"root:*:1\n", b"root:*:2\n", "password"),
        ("var/lib/dpkg/status", b"a", b"b", "other packages"),
        ("etc/ssl/certs/ca.pem", b"a", b"b", ""),
    ],
)
def test_what_is_likely(path: str, old: bytes, new: bytes, reason: str) -> None:
    found = likely.of_content(path.encode(), old, new)
    assert reason in found.reason
    assert bool(reason) == bool(found.reason)
    assert found.detail


def test_where_binaries_part() -> None:
    assert likely.of_content(b"x", b"\0ab", b"\0ac").detail == "from byte 3 on"
    assert likely.of_content(b"x", b"\0ab", b"\0a").detail == "from byte 3 on"


def test_contents_that_nobody_reads_are_told_by_name_and_size(
    store: Layers, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likely, "MAX_SIZE", 2)
    one, two = (
        built([file("var/log/x", "abc"), file("y", "abc")]),
        built([file("var/log/x", "1"), file("y", "1")]),
    )
    found = causes(store, one, two)
    assert [(each.path, each.detail, bool(each.reason)) for each in found] == [
        ("/var/log/x", "3 bytes -> 1 bytes", True),
        ("/y", "3 bytes -> 1 bytes", False),
    ]


def test_devices_and_types() -> None:
    one, two = Entry(b"d", Kind.CHAR, rdev=(1, 3)), Entry(b"d", Kind.CHAR, rdev=(1, 5))
    assert likely.of_entries("device", one, two).detail == "1:3 -> 1:5"
    assert likely.of_entries("type", one, Entry(b"d", Kind.DIR)).detail == "char -> dir"
    assert (
        likely.of_entries("xattr", one, one._replace(xattrs=((b"user.a", b""),))).detail == "none -> user.a"
    )
    assert (
        likely.of_entries("time", one, one._replace(mtime=1_500_000_000)).detail
        == "1970-01-01T00:00:00Z -> 1970-01-01T00:00:01.500000000Z"
    )


def test_a_layer_that_another_program_packed(
    store: Layers, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GNU's form of the headers in place of PAX: the same files by all that can be seen."""
    long = file("n" * 120, "x")

    def gnu(members: Sequence[Member]) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for info, content in members:
                tar.addfile(info, io.BytesIO(content))
        return out.getvalue()

    one = built([long])
    monkeypatch.setattr(archiving, "layer_tar", gnu)
    (found,) = causes(store, one, built([long]))
    assert (found.what, found.detail) == ("header", "the form of the headers, or the padding")
    assert "different programs" in found.reason
