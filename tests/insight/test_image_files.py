"""ls, find, grep, tree and cat: against an independent walk of the archives, and against GNU's programs."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from lamina.db import imagedb, layerdb
from lamina.errors import InvalidInput, LaminaError, NotFound, Unsupported
from lamina.insight.files.cat import cat
from lamina.insight.files.expression import Setting
from lamina.insight.files.find import find
from lamina.insight.files.glob import glob
from lamina.insight.files.grep import GrepFile, GrepLine, GrepQuery, grep
from lamina.insight.files.listing import ls, tree
from lamina.insight.files.merged import Merged, image_file
from lamina.insight.files.owners import Owners, owners
from tests.insight.archiving import (
    TRICKY,
    Asked,
    Stack,
    asked,
    file,
    folder,
    gone,
    hard,
    layer_tar,
    link,
    random_layers,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lamina.layers.context import Layers
    from tests.insight import oracle

TYPES = {"file": "f", "dir": "d", "link": "l", "char": "c", "block": "b", "fifo": "p"}
NOW = 2_000_000_000 * 10**9

FINAL = [
    folder("etc", 0o755, mtime=1_000_000_000),
    file("etc/app.conf", "port = 80\nhost = localhost\n# port\n", 0o644, mtime=1_000_000_000),
    file("etc/App.Conf.bak", "PORT = 80\r\n\nna\u00efve caf\u00e9\n", 0o600, mtime=1_500_000_000),
    file("etc/empty", "", 0o640, mtime=1_999_990_000),
    folder("etc/empty.d", 0o1777, mtime=1_600_000_000),
    folder("usr", 0o755, mtime=1_000_000_000),
    folder("usr/bin", 0o755, mtime=1_000_000_000),
    file("usr/bin/tool", b"\x7fELF\0\0port\n" + b"x" * 700, 0o4755, mtime=1_000_000_001),
    hard("usr/bin/alias", "usr/bin/tool"),
    file("usr/bin/group tool", b"y" * 512, 0o2711, mtime=1_700_000_000),
    link("bin", "usr/bin", mtime=1_000_000_000),
    link("broken", "nowhere/at all", mtime=1_000_000_000),
    file("big", b"line with port 8080\n" * 1_500, 0o444, mtime=1_000_000_000),
    file("tail", "no newline at the end: 80", 0o644, mtime=1_000_000_000),
    file("[odd] name*", "a.b\na+b\n(c)\n{2}\naab abb\n", 0o644, mtime=1_000_000_000),
    file("new\nline", "tab\there\n", 0o644, mtime=1_000_000_000),
    file("\udcff\udcfe", b"bytes\nc\0\n\xffc\n", 0o644, mtime=1_000_000_000),
    file(".hidden", "deadbeef 0x1F\n", 0o000, mtime=1_000_000_000),
]
BUILT: Stack = [
    [
        *FINAL[:9],
        file("etc/decoy", "port 80"),
        folder("gone/deep"),
        file("gone/deep/x", "80"),
        file("big", "old"),
    ],
    [*FINAL[9:], gone("gone"), gone("etc/decoy")],
]


@pytest.fixture
def built(store: Layers, tmp_path: Path) -> Merged:
    """The image of FINAL, with files below that are gone or were others; tmp_path/real is its real tree."""
    made = asked(store, tmp_path / "x.tar", BUILT)
    (tmp_path / "real").mkdir(mode=0o755)
    subprocess.run(
        ["tar", "-xpf", "-", "--no-same-owner", "--delay-directory-restore"],
        input=layer_tar(FINAL),
        cwd=tmp_path / "real",
        check=True,
    )
    return merged_of(made)


def merged_of(made: Asked, layer: int | None = None) -> Merged:
    c = made.ctx.db.read()
    diffs = [each.diff_id for each in layerdb.chain(c, imagedb.layers_of(c, made.image_id)[-1])]
    return Merged(c, diffs[:layer], diffs)


def without_root(state: oracle.State) -> dict[str, oracle.Entry]:
    return {"/" + os.fsdecode(path): entry for path, entry in state.items() if path}


@pytest.mark.parametrize("seed", range(5))
def test_each_state_is_what_its_layers_make(store: Layers, tmp_path: Path, seed: int) -> None:
    stack = random_layers(seed) if seed else TRICKY
    made = asked(store, tmp_path / "x.tar", stack)
    for number, state in enumerate(made.image.states(), 1):
        merged = merged_of(made, number)
        found = {each.path: each for each in map(image_file, merged.walk())}
        assert found.pop("/").type == "d"
        expected = without_root(state)
        assert found.keys() == expected.keys()
        for path, entry in expected.items():
            one = found[path]
            assert (one.type, one.size, one.target) == (
                TYPES[entry.type],
                entry.size,
                os.fsdecode(entry.link),
            )
            if not entry.implied:
                assert (one.mode, one.uid, one.gid) == (entry.mode, entry.uid, entry.gid), path
            assert one.digest == entry.sha256
        listed = [each.path for listing in ls(merged, b"", recursive=True) for each in listing.files]
        assert sorted(listed) == sorted(expected)
        drawn = list(tree(merged, b""))
        assert [each.file.path for each in drawn[1:]] == sorted(expected, key=depth_first)
        assert drawn[0].size == sum(each.size for each in expected.values())
        assert drawn[0].files == len(expected)


def depth_first(path: str) -> list[bytes]:
    return os.fsencode(path).split(b"/")


def test_the_layer_that_is_told_is_the_one_that_wrote_it(store: Layers, tmp_path: Path) -> None:
    made = asked(store, tmp_path / "x.tar", TRICKY)
    for found in merged_of(made).walk():
        entry = made.image.state.get(found.entry.path)
        if entry is not None and not entry.implied and found.entry.path:
            assert found.layer == made.image.owner(found.entry.path) + 1, found


def test_a_tree_has_the_sums_of_what_it_does_not_show(store: Layers, tmp_path: Path) -> None:
    merged = merged_of(asked(store, tmp_path / "x.tar", TRICKY))
    whole = {line.file.path: line for line in tree(merged, b"")}
    for levels in (1, 2, 3):
        part = list(tree(merged, b"", levels=levels))
        assert [line.file.path for line in part] == [
            path for path, each in whole.items() if each.depth <= levels
        ]
        assert all(line == whole[line.file.path] for line in part)
    below = list(tree(merged, b"srv/data"))
    assert (below[0].depth, below[0].size) == (0, whole["/srv/data"].size)
    folders = [line.file.path for line in tree(merged, b"", folders_only=True)]
    assert folders == [path for path, line in whole.items() if line.file.type == "d"]


def test_cat_gives_the_bytes(store: Layers, tmp_path: Path) -> None:
    made = asked(store, tmp_path / "x.tar", TRICKY)
    for number, state in enumerate(made.image.states(), 1):
        for path, entry in state.items():
            if entry.type == "file":
                parts: list[bytes] = []
                assert cat(store, merged_of(made, number), path, parts.append) == entry.size
                assert hashlib.sha256(b"".join(parts)).hexdigest() == entry.sha256, (number, path)


def test_cat_follows_links_and_says_what_is_no_file(built: Merged, store: Layers) -> None:
    parts: list[bytes] = []
    cat(store, built, b"/bin/../bin/tool", parts.append)
    assert parts[0].startswith(b"\x7fELF")
    for path, message in (
        (b"etc", "is a directory"),
        (b"nothing", "no such file"),
        (b"etc/empty/x", "not a dir"),
    ):
        with pytest.raises(LaminaError, match=message):
            cat(store, built, path, parts.append)


def test_what_is_gone_is_told_with_the_layer_that_had_it(built: Merged) -> None:
    with pytest.raises(NotFound, match="no such file") as caught:
        built.need(b"/gone/deep/x")
    assert caught.value.hint == "it is there after layer 1: --layer 1"
    with pytest.raises(NotFound) as caught:
        built.need(b"never")
    assert caught.value.hint is None


# --- find -------------------------------------------------------------------------------------

EXPRESSIONS = """
-type f
-type d,l
-type f -size +0
-type f -size -2
-type f -size 1
-type f -size +1k
-type f -size 1k
-type f -size -1M
-type f -size 700c
-type f -size +511c -size -713c
-name *.conf
-iname *.conf*
-name [[]odd[]]*
-name [[:upper:]]*
-name [!a-z]*
-name ?in
-name .*
-name *\\** -type f
-path */etc/*
-path *bin/t*
-ipath */APP.*
-not -name *e*
! ( -type d -o -name *o* )
-type f -a -name e* -o -type l
-name etc -prune -o -print
-name usr -prune -o -type f -print
-empty
-type d -empty
-perm 644
-perm -111 -type f
-perm /6000
-perm -u=s -type f
-perm /u=s,g=s -type f
-perm 4755
-perm -0
-perm /0
-perm -a+t -type d
-maxdepth 1
-mindepth 2 -maxdepth 2
-mindepth 1 -name e*
-maxdepth 0
-lname usr*
-ilname NOWHERE*
-samefile real/usr/bin/alias
-newer real/etc/App.Conf.bak
-type f -newermt 2017-01-01T00:00:00Z
-false -o -name tail
-true -a -name tail
-name big , -name tail
-name tail -o -name big -a -false
-name big -print -print
-type f -printf %f|%s|%m|%y|%d|%P\\n
-type l -printf %l,%f,%M\\n
-type f -printf %T@.%10s.%-6m.\\n -name big
-type f -printf %010s.%05d.%06m.%#m.%.2f.%-9.3P.%05U.%+d\\n
"""


def test_find_finds_what_gnu_find_finds(built: Merged, tmp_path: Path) -> None:
    for words in EXPRESSIONS.strip().splitlines():
        _compare_finds(built, tmp_path, words)


def _compare_finds(built: Merged, tmp_path: Path, words: str) -> None:
    parts = words.split(" ")
    formatted = "-printf" in parts
    real = ["find", "real", *parts]
    if not formatted and "-print" not in parts and "," not in parts:
        real = ["find", "real", "(", *parts, ")"]
    if not formatted:
        real.append("-print0") if "-print" not in parts and "," not in parts else None
    done = subprocess.run(
        real,
        cwd=tmp_path,
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]},
    )
    ours = [word.replace("real/", "/") if word.startswith("real/") else word for word in parts]
    hits = list(find(Setting(built, Owners, NOW), b"", ours))
    if formatted:
        from lamina.cli.find_format import _PART, _part, _values
        from lamina.cli.image_paths import Names

        text = "".join(
            _part(each, hit, _values(Names(None))) for hit in hits for each in _PART.finditer(hit.act.form)
        )
        assert sorted(os.fsencode(text).split(b"\n")) == sorted(done.stdout.split(b"\n"))
        return
    end = b"\0" if b"\0" in done.stdout else b"\n"
    expected = [path.removeprefix(b"real") or b"/" for path in done.stdout.split(end)[:-1]]
    if end == b"\n" and any(b"\n" in os.fsencode(hit.file.path) for hit in hits):
        expected = [*[each for each in expected if each not in (b"/new", b"line")], b"/new\nline"]
    found = [os.fsencode(hit.file.path) for hit in hits]
    named = [[path for path in paths if path != b"/"] for paths in (found, expected)]  # "real" is no "/"
    assert sorted(named[0]) == sorted(named[1]), words


def test_find_knows_layers_owners_and_bits(store: Layers, tmp_path: Path) -> None:
    made = asked(
        store,
        tmp_path / "x.tar",
        [
            [
                file("etc/passwd", "root:x:0:0::/:\napp:x:10:20::/:\n"),
                file("etc/group", "staff:x:20:\n"),
                folder("d", 0o1777),
            ],
            [file("a", uid=10, gid=20), file("b", mode=0o4755), file("c", mode=0o2755, uid=77)],
            [file("x", xattrs={"user.k": "v"}), file("b", "again", mode=0o4755), link("l", "a")],
        ],
    )
    merged = merged_of(made)
    names = owners(store, merged)
    assert names == Owners({"root": 0, "app": 10}, {"staff": 20})
    setting = Setting(merged, lambda: names, NOW)

    def found(*words: str) -> list[str]:
        return [hit.file.path for hit in find(setting, b"", words)]

    assert found("-layer", "2", "-type", "f") == ["/a", "/c"]
    assert found("-layer", "2..3", "-type", "f") == ["/a", "/b", "/c", "/x"]
    assert found("-layer", "-1", "-type", "f") == ["/b", "/x"]
    assert (
        found("-user", "app")
        == found("-uid", "10")
        == found("-group", "staff")
        == found("-gid", "20")
        == ["/a"]
    )
    assert found("-nouser") == ["/c"]
    assert found("-nogroup", "-name", "c") == ["/c"]
    assert found("-uid", "+10") == ["/c"]
    assert (found("-setuid"), found("-setgid"), found("-sticky")) == (["/b"], ["/c"], ["/d"])
    assert found("-xattr", "user.*") == ["/x"]
    assert found("-capable") == []
    assert found("-digest", hashlib.sha256(b"again").hexdigest()[:12]) == ["/b"]
    assert found("-mtime", "+20000", "-name", "a") == ["/a"]
    assert found("-mmin", "-5") == []
    assert found("-name", "a", "-quit") == []
    assert found("-name", "a", "-print", "-quit") == ["/a"]


WRONG = [
    ("-nonsense", InvalidInput, "unknown predicate"),
    ("name x", InvalidInput, "paths must precede expression"),
    ("-name", InvalidInput, "missing argument"),
    ("( -name x", InvalidInput, "never closed"),
    ("-name x )", InvalidInput, "too many"),
    ("-o -name x", InvalidInput, "nothing before"),
    ("-name x -o", InvalidInput, "ends too early"),
    ("!", InvalidInput, "ends too early"),
    ("-size x", InvalidInput, "-size"),
    ("-size", InvalidInput, "missing argument"),
    ("-type z", InvalidInput, "-type"),
    ("-perm 9", InvalidInput, "invalid mode"),
    ("-user nobody", InvalidInput, "not the name of a known user"),
    ("-newer /nowhere", NotFound, "no such file"),
    ("-newermt yesterday", InvalidInput, "invalid time"),
    ("-maxdepth x", InvalidInput, "-maxdepth"),
    ("-layer 9", NotFound, "no layer 9"),
    ("-digest xyz", InvalidInput, "-digest"),
    ("-name [[:none:]]", InvalidInput, "unknown character class"),
    ("-exec rm {} ;", Unsupported, "-exec"),
    ("-delete", Unsupported, "-delete"),
    ("-regex x", Unsupported, "-regex"),
]


def test_find_says_what_it_cannot_read(built: Merged) -> None:
    for words, kind, message in WRONG:
        with pytest.raises(kind, match=message):
            list(find(Setting(built, Owners, NOW), b"", words.split()))


# --- grep -------------------------------------------------------------------------------------

PATTERNS = r"""
port
-i PORT
-v port
-w port
-x port
-x # port
-F a.b
-F .
a.b
a+b
a\+b
-E a+b
-E a\+b
-E (a|b)b
a\(b\|p\)
\(a\)\1
-E (a)\1
-E ^(a|p)
^p
80$
8080$
-E a{2}
a\{2\}
a\{1,\}b
*x
-E ^*
[0-9]
[[:upper:]]
[^a-z]
[]a]
[a-]
\<port\>
\bport\b
\w\W
caf.$
na..ve
é
-i É
.\{5\}$
-E x|y|port
-v .
^$
-E ^$|port
\.
\(c\)
-E \(c\)
0x[[:xdigit:]]*
[\t]
-P \d+
-m 2 port
-c port
-l port
-L port
-c -v port
-a port
-a -x .*
-a -v -x .*
-a [^a]\W
-a -E [^a-b]\S$
"""


def test_grep_selects_what_gnu_grep_selects(
    built: Merged, store: Layers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamina.insight.files.grep._PIECE", 1000)  # so that files have several
    for line in PATTERNS.strip("\n").splitlines():
        _compare_greps(built, store, tmp_path, line)


def _compare_greps(built: Merged, store: Layers, tmp_path: Path, line: str) -> None:
    *flags, pattern = line.split(" ") if not line.startswith("-x #") else ["-x", "# port"]
    done = subprocess.run(
        ["grep", "-rHnZ", *flags, "-e", pattern, "."],
        cwd=tmp_path / "real",
        capture_output=True,
        check=False,
        env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]},
    )
    assert done.returncode < 2, done.stderr
    assert _grepped(built, store, flags, pattern) == _expected(done.stdout + done.stderr, flags), line


def _grepped(merged: Merged, ctx: Layers, flags: Sequence[str], pattern: str) -> list[bytes]:
    """What is found in the form of GNU's output, sorted."""
    syntax = {"-E": "extended", "-F": "fixed", "-P": "perl"}
    query = GrepQuery(
        (pattern,),
        next((syntax[flag] for flag in flags if flag in syntax), "basic"),
        ignore_case="-i" in flags,
        invert="-v" in flags,
        word="-w" in flags,
        line="-x" in flags,
        most=2 if "-m" in flags else 0,
        text="-a" in flags,
    )
    lines: list[bytes] = []

    def tell(told: GrepLine | GrepFile) -> None:
        path = os.fsencode("." + told.path)
        if isinstance(told, GrepLine):
            if not {"-c", "-l", "-L"} & set(flags):
                lines.append(path + b"\0%d:" % told.number + os.fsencode(told.text))
        elif "-c" in flags:
            lines.append(path + b"\0%d" % told.hits)
        elif "-l" in flags or "-L" in flags:
            if (told.hits > 0) is ("-l" in flags):
                lines.append(path)
        elif told.binary and told.hits:
            lines.append(b"binary " + path)

    grep(ctx, merged, b"", query, tell)
    return sorted(lines)


def _expected(output: bytes, flags: Sequence[str]) -> list[bytes]:
    """GNU's lines, sorted; what it says of binary files in whatever version."""
    if "-l" in flags or "-L" in flags:
        return sorted(output.split(b"\0")[:-1])
    lines = []
    for line in output.replace(b"\nline\0", b"\tline\0").split(b"\n")[:-1]:
        line = line.replace(b"\tline\0", b"\nline\0")
        binary = re.fullmatch(rb"grep: (.*): binary file matches|Binary file (.*) matches", line)
        if binary:
            lines.append(b"binary " + (binary[1] or binary[2]))
        elif b"warning:" not in line:
            lines.append(line)
    return sorted(lines)


def test_a_name_that_is_made_for_a_pattern() -> None:
    assert glob("*a*a*a*a*a*a*a*b").fullmatch("a" * 4000) is None
    assert glob("*ab*b").fullmatch("aab/b") and glob("a**[!c]*").fullmatch("ab")
    assert not glob("*ab*b").fullmatch("ab") and glob("*b").fullmatch("abcb")


def test_places_of_matches_are_told_where_they_are_wanted(store: Layers, tmp_path: Path) -> None:
    merged = merged_of(asked(store, tmp_path / "a.tar", [[file("x", "aab\n")]]))
    for places, expected in ((True, ((0, 1), (1, 2))), (False, ())):
        told: list[GrepLine | GrepFile] = []
        grep(store, merged, b"", GrepQuery(("a",), places=places), told.append)
        assert isinstance(told[0], GrepLine) and told[0].matched == expected
