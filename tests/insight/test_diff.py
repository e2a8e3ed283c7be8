"""What differs between two images: files, config, history, packages; checked against an independent walk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from lamina.events import ignore
from lamina.insight import states
from lamina.insight.diff import config
from lamina.insight.diff.diff import Asked, compare
from lamina.insight.rows import Rows
from lamina.insight.states import EMPTY, State
from lamina.oci import config as configs
from tests.insight import archiving, oracle
from tests.insight.archiving import TRICKY, archive, file, folder, gone, hard, link, random_layers
from tests.insight.test_packages_dpkg import OS_RELEASE, STATUS, paragraph

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.insight.diff.change import FileChange
    from lamina.insight.diff.diff import Diff
    from lamina.layers.context import Layers
    from tests.insight.archiving import Stack


def state_of(store: Layers, tmp_path: Path, layers: Stack, name: str = "one", **more: Any) -> State:
    found = archiving.asked(store, tmp_path / f"{name}.tar", layers, name=f"{name}:latest", **more)
    return states.of_image(Rows(store.db.read(), store.blobs, store.layout), found.image_id)


def differ(store: Layers, old: State, new: State, **asked: Any) -> Diff:
    return compare(store, old, new, Asked(**asked), ignore)


def by_path(diff: Diff) -> dict[str, FileChange]:
    assert len({change.path for change in diff.files}) == len(diff.files)
    return {change.path: change for change in diff.files}


def _said(one: oracle.Entry, other: oracle.Entry) -> tuple[str, ...]:
    """What differs between two entries of the oracle, in the words of FileChange."""
    if one.type != other.type:
        return ("type",)
    fields = (
        ("content", "sha256"),
        ("mode", "mode"),
        ("owner", "uid"),
        ("owner", "gid"),
        ("link", "link"),
        ("device", "device"),
        ("xattr", "xattrs"),
        ("time", "mtime"),
    )
    return tuple(
        dict.fromkeys(name for name, field in fields if getattr(one, field) != getattr(other, field))
    )


@pytest.mark.parametrize("seed", [None, *range(10)])
def test_files_by_an_independent_walk(store: Layers, tmp_path: Path, seed: int | None) -> None:
    """Each state of a stack with each other one, with those of another stack, and with nothing."""
    layers = TRICKY if seed is None else random_layers(seed)
    image = oracle.only(archive(tmp_path / "o.tar", layers))
    merged: list[oracle.State] = [{}, *image.states()]
    whole = state_of(store, tmp_path, layers)
    for high in range(len(layers) + 1):
        for low in range(high + 1):
            for one, other in ((low, high), (high, low)):
                diff = differ(store, states.after(whole, one), states.after(whole, other), times=True)
                _check(diff, merged[one], merged[other])


def said(old: oracle.State, new: oracle.State) -> dict[bytes, tuple[str, ...]]:
    """What differs between two states of the oracle: A, D, or C and what of it."""
    found: dict[bytes, tuple[str, ...]] = {}
    for path in (old.keys() | new.keys()) - {b""}:
        one, other = old.get(path), new.get(path)
        if one is None or other is None:
            found[path] = ("A" if one is None else "D",)
        elif _said(one, other):
            found[path] = ("C", *_said(one, other))
    return found


def _check(diff: Diff, old: oracle.State, new: oracle.State) -> None:
    found = by_path(diff)
    wanted = said(old, new)
    assert {os.fsencode(path)[1:]: (change.kind, *change.what) for path, change in found.items()} == wanted
    for path, change in found.items():
        for facts, entry in (
            (change.old, old.get(os.fsencode(path)[1:])),
            (change.new, new.get(os.fsencode(path)[1:])),
        ):
            assert (facts is None) == (entry is None)
            if facts is not None and entry is not None:
                assert (facts.mode, facts.uid, facts.gid, facts.size) == (
                    entry.mode,
                    entry.uid,
                    entry.gid,
                    entry.size,
                )
                assert (facts.digest, facts.mtime) == (entry.sha256, entry.mtime * 10**9)
    size = sum(each.size for each in new.values()) - sum(each.size for each in old.values())
    assert diff.totals.bytes == size
    kinds = [change.kind for change in diff.files if not change.only_time]
    assert (diff.totals.added, diff.totals.changed, diff.totals.deleted) == tuple(map(kinds.count, "ACD"))
    assert diff.totals.times == len(diff.files) - len(kinds)


def test_each_difference_apart(store: Layers, tmp_path: Path) -> None:
    base: Stack = [
        [
            file("content", "a"),
            file("mode"),
            file("owner"),
            link("link", "a"),
            file("xattr"),
            file("type"),
            file("time"),
            file("all", "a"),
            file("one", "1"),
            hard("other", "one"),
            folder("gone/deep"),
        ]
    ]
    changes = [
        file("content", "b"),
        file("mode", mode=0o4755),
        file("owner", gid=7),
        link("link", "b"),
        file("xattr", xattrs={"user.x": "1"}),
        link("type", "x"),
        file("time", mtime=9),
        file("all", "bb", 0o600, uid=1, mtime=5, xattrs={"user.y": "2"}),
        file("other", "1"),  # not a name of `one` any more, and the same to look at
        gone("gone"),
        file("new\udcff"),
    ]
    old = state_of(store, tmp_path, base)
    new = state_of(store, tmp_path, [*base, changes], "two")
    diff = differ(store, old, new)
    found = {path: (change.kind, change.what) for path, change in by_path(diff).items()}
    assert found == {
        "/all": ("C", ("content", "mode", "owner", "xattr", "time")),
        "/content": ("C", ("content",)),
        "/gone": ("D", ()),
        "/gone/deep": ("D", ()),
        "/link": ("C", ("link",)),
        "/mode": ("C", ("mode",)),
        "/new\udcff": ("A", ()),
        "/owner": ("C", ("owner",)),
        "/type": ("C", ("type",)),
        "/xattr": ("C", ("xattr",)),
    }
    assert (diff.totals.times, diff.shared_layers) == (1, 1)
    change = by_path(diff)["/all"]
    assert change.new is not None
    assert change.new.xattrs == {"user.y": b"2"}
    assert (change.old and change.old.layer, change.new.layer) == (1, 2)
    assert by_path(differ(store, old, new, times=True))["/time"].what == ("time",)
    assert not differ(store, old, old).is_different
    assert differ(store, EMPTY, old).totals.added == 12


def test_only_some_paths(store: Layers, tmp_path: Path) -> None:
    base: Stack = [[link("bin", "usr/bin"), file("usr/bin/a"), file("etc/a"), file("etcetera")]]
    old = state_of(store, tmp_path, base)
    new = state_of(
        store, tmp_path, [*base, [file("usr/bin/a", "x"), file("etc/a", "x"), file("etcetera", "x")]], "two"
    )
    for paths, wanted in (
        (("/etc",), ["/etc/a"]),
        (("/bin/a", "/etc", "etc/a"), ["/etc/a", "/usr/bin/a"]),
        (("/usr/../etc/a", "/nowhere"), ["/etc/a"]),
        (("/bin",), []),
        (("/", "/etc"), ["/etcetera", "/etc/a", "/usr/bin/a"]),
    ):
        diff = differ(store, old, new, paths=paths)
        assert [change.path for change in diff.files] == wanted
        assert diff.history == () != differ(store, old, new).history


def test_changes_are_handed_over_as_they_are_found(store: Layers, tmp_path: Path) -> None:
    old, new = state_of(store, tmp_path, [[file("a")]]), state_of(store, tmp_path, [[file("b")]], "two")
    seen: list[FileChange] = []
    diff = compare(store, old, new, Asked(), ignore, seen.append)
    assert [change.path for change in seen] == ["/a", "/b"]
    assert diff.files == ()
    assert (diff.totals.added, diff.totals.deleted) == (1, 1)


def test_packages(store: Layers, tmp_path: Path) -> None:
    libc, curl = paragraph("libc6", "2.36-9"), paragraph("curl", "7.88")
    site = "usr/lib/python3/site-packages"
    base = [file(STATUS, libc + curl), file("etc/os-release", OS_RELEASE)]
    changed = [
        file(STATUS, paragraph("libc6", "2.36-10") + paragraph("zlib", "1")),
        file(f"{site}/flask-3.dist-info/METADATA", "Name: flask\nVersion: 3\n\n"),
        file("srv/node_modules/a/package.json", '{"name": "a", "version": "1"}'),
        file("srv/node_modules/b/node_modules/a/package.json", '{"name": "a", "version": "2"}'),
    ]
    old, new = state_of(store, tmp_path, [base]), state_of(store, tmp_path, [base, changed], "two")
    assert [tuple(change) for change in differ(store, old, new).packages] == [
        ("D", "deb", "curl", "amd64", ("7.88",), ()),
        ("C", "deb", "libc6", "amd64", ("2.36-9",), ("2.36-10",)),
        ("A", "deb", "zlib", "amd64", (), ("1",)),
        ("A", "npm", "a", "", (), ("1", "2")),
        ("A", "pypi", "flask", "", (), ("3",)),
    ]


def test_a_package_database_that_nobody_can_read_is_told(store: Layers, tmp_path: Path) -> None:
    old = state_of(store, tmp_path, [[file(STATUS, paragraph("libc6", "1"))]])
    new = state_of(store, tmp_path, [[file(STATUS, "rubbish")]], "two")
    told: list[Any] = []
    diff = compare(store, old, new, Asked(), told.append)
    assert "cannot be read" in told[0].text
    assert [change.kind for change in diff.packages] == ["D"]


def test_config_field_by_field(store: Layers, tmp_path: Path) -> None:
    one = {
        "Env": ["PATH=/bin", "A=1", "GONE=", "A=2"],
        "Labels": {"v": "1"},
        "Cmd": ["a"],
        "ExposedPorts": {"80/tcp": {}},
        "User": "me",
        "Healthcheck": {"Test": ["NONE"]},
        "Strange": {"x": 1},
    }
    two = {
        "Env": ["A=2", "PATH=/sbin"],
        "Labels": {"v": "2", "w": "\x1b"},
        "Cmd": ["a", "b"],
        "ExposedPorts": {"81/tcp": {}},
        "Strange": {"x": 2},
    }
    old = state_of(store, tmp_path, [[file("a")]], config=one)
    new = state_of(store, tmp_path, [[file("a")]], "two", config=two)
    assert {
        (change.field, change.key): (change.old, change.new) for change in differ(store, old, new).config
    } == {
        ("User", ""): ("me", None),
        ("ExposedPorts", "80/tcp"): ("", None),
        ("ExposedPorts", "81/tcp"): (None, ""),
        ("Env", "PATH"): ("/bin", "/sbin"),
        ("Env", "GONE"): ("", None),
        ("Cmd", ""): ('["a"]', '["a", "b"]'),
        ("Labels", "v"): ("1", "2"),
        ("Labels", "w"): (None, "\x1b"),
        ("Healthcheck", ""): ('{"Test": ["NONE"]}', None),
        ("Strange", "x"): ("1", "2"),
    }


def test_history_line_by_line() -> None:
    def history(*lines: str) -> tuple[configs.History, ...]:
        return tuple(
            [
                configs.History(str(n), line.strip("-"), empty_layer="-" in line)
                for n, line in enumerate(lines)
            ]
        )

    found = config.lines(history("a", "b", "-c"), history("x", "a", "-c", "d"))
    assert [tuple(line) for line in found] == [
        ("A", 1, "x", False),
        ("D", 2, "b", False),
        ("A", 4, "d", False),
    ]
    assert config.lines(history("a"), history("-a")) != ()


def _unpacked(into: Path, state: oracle.State, contents: dict[bytes, bytes]) -> None:
    for path, entry in sorted(state.items()):
        name = os.path.join(os.fsencode(into), path)
        if entry.type == "dir":
            os.makedirs(name, exist_ok=True)
        elif entry.type == "link":
            os.symlink(entry.link, name)
        else:
            with open(name, "wb") as stream:
                stream.write(contents[path])
            os.chmod(name, entry.mode)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_applies_our_patches(store: Layers, tmp_path: Path) -> None:
    lines = [f"line {number}\n" for number in range(60)]
    many = "".join(lines)
    other = "".join([*lines[:5], "new\n", *lines[6:30], *lines[33:58], "end"])
    before = {
        "a": many,
        "same": "x\n",
        "no-end": "a",
        "gone": "was\nhere\n",
        "empty": "",
        'odd "name"\t\udcff': "a\n",
        "crlf": "a\r\nb\r\n",
        "run": "x\n",
        "to-link": "text\n",
    }
    after = {
        "a": other,
        "same": "x\n",
        "no-end": "a\n",
        "new/deep": "one\n",
        "made-empty": "",
        'odd "name"\t\udcff': "b\n",
        "crlf": "a\r\nc\r\n",
        "run": "x\n",
        "latin": b"caf\xe9\n",
    }
    old_layer = [file(path, text) for path, text in before.items()] + [link("l", "a")]
    new_layer = [file(path, text, 0o755 if path == "run" else 0o644) for path, text in after.items()]
    new_layer += [link("l", "b"), link("to-link", "a")]
    old, new = state_of(store, tmp_path, [old_layer]), state_of(store, tmp_path, [new_layer], "two")
    text = "".join(change.patch for change in differ(store, old, new, patch=True).files)
    work = tmp_path / "work"
    work.mkdir()
    merged = [oracle.only(tmp_path / f"{name}.tar").state for name in ("one", "two")]
    _unpacked(work, merged[0], {os.fsencode(path): text.encode() for path, text in before.items()})
    environ = os.environ | {"GIT_CEILING_DIRECTORIES": str(tmp_path)}
    subprocess.run(["git", "apply", "-"], input=os.fsencode(text), cwd=work, check=True, env=environ)
    seen = {
        os.fsencode(path.relative_to(work)): os.fsencode(os.readlink(path))
        if path.is_symlink()
        else path.read_bytes()
        for path in work.rglob("*")
        if path.is_symlink() or path.is_file()
    }
    wanted = {
        os.fsencode(path): text.encode() if isinstance(text, str) else text for path, text in after.items()
    }
    assert seen == wanted | {b"l": b"b", b"to-link": b"a"}
    assert os.stat(work / "run").st_mode & 0o777 == 0o755
    assert "same" not in text


def test_binaries_and_what_is_too_big_are_said(
    store: Layers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lamina.insight.diff import contents

    monkeypatch.setattr(contents, "MAX_SIZE", 1 << 20)
    old = state_of(store, tmp_path, [[file("bin", b"\0a"), file("big", b"a" * (2 << 20)), folder("d")]])
    new_layer = [file("bin", b"\0b"), file("big", b"b" * (2 << 20)), folder("d", 0o700), file("nul", b"\0")]
    found = by_path(differ(store, old, state_of(store, tmp_path, [new_layer], "two"), patch=True))
    assert found["/bin"].patch == "diff --git a/bin b/bin\nBinary files a/bin and b/bin differ\n"
    assert found["/big"].patch.endswith("differ (over 1 MiB: not compared)\n")
    assert found["/nul"].patch.splitlines()[1:] == [
        "new file mode 100644",
        "Binary files a/nul and b/nul differ",
    ]
    assert found["/d"].patch == ""
    assert found["/bin"].lines is None


def test_lines_that_are_gained_and_lost(store: Layers, tmp_path: Path) -> None:
    old = state_of(store, tmp_path, [[file("a", "1\n2\n3\n"), file("gone", "1\n2"), file("mode")]])
    new_layer = [file("a", "1\nx\ny\n3\n"), file("new", "1\n"), file("mode", mode=0o600)]
    found = by_path(differ(store, old, state_of(store, tmp_path, [new_layer], "two"), lines=True))
    assert {path: change.lines for path, change in found.items()} == {
        "/a": (2, 1),
        "/gone": (0, 2),
        "/new": (1, 0),
        "/mode": (0, 0),
    }
    assert {change.patch for change in found.values()} == {""}


def test_histories_that_lie_and_none(store: Layers, tmp_path: Path) -> None:
    layers: Stack = [[file("a")], [file("b")]]
    none = state_of(store, tmp_path, layers, history=[])
    long = state_of(
        store,
        tmp_path,
        layers,
        "two",
        history=[{"created_by": f"l{n}", "empty_layer": n == 1} for n in range(9)],
    )
    assert none.created_by == ("", "")
    assert long.created_by == ("l0", "l2")
    diff = differ(store, none, long)
    assert (len(diff.history), diff.files, diff.causes) == (9, (), ())
    assert json.dumps(diff.history)
