"""What a rebase finds that would break: by libraries, interpreters, Pythons, accounts, and clashing paths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest

from lamina.db import traces
from lamina.layers.readsets import Observing
from lamina.layers.write import LayerItem, write_layer
from lamina.oci.config import ContainerConfig, Healthcheck, History, ImageConfig, RootFS
from lamina.surgery import linking
from lamina.surgery.elf import Elf, read_elf
from lamina.surgery.findings import MOST, Finding, Weight, gathered
from lamina.surgery.parts import Line, Parts
from lamina.surgery.rebase import rebase
from lamina.tree.entry import Entry, Kind
from lamina.tree.readset import pack
from tests.surgery.elves import elf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.layers.context import Layers

MOMENT = "2024-01-01T00:00:00Z"
GONE, PLAIN = object(), ContainerConfig()
LOADER = "lib64/ld.so"
PROGRAM = elf("libapp.so.1", interpreter="/" + LOADER)
LIBRARY = elf(soname="libapp.so.1")
Files = dict[str, object]


def entry_of(path: str, content: object) -> LayerItem:
    """`content`: bytes or text of an executable FILE, None for a folder, a tuple of a link's target, or GONE.

    An Entry stands for itself.
    """
    name = path.encode()
    if isinstance(content, Entry):
        return LayerItem(content._replace(path=name), b"" if content.kind is Kind.FILE else None)
    if content is None:
        return LayerItem(Entry(name, Kind.DIR))
    if content is GONE:
        return LayerItem(Entry(name, Kind.WHITEOUT, 0))
    if isinstance(content, tuple):
        return LayerItem(Entry(name, Kind.SYMLINK, 0o777, link=content[0].encode()))
    data = content.encode() if isinstance(content, str) else content
    assert isinstance(data, bytes)
    return LayerItem(Entry(name, Kind.FILE, 0o755, size=len(data)), data)


def parts(ctx: Layers, *layers: Mapping[str, object], config: ContainerConfig = PLAIN) -> Parts:
    lines = [
        Line(
            History(MOMENT, f"step {number}"), write_layer(ctx, [entry_of(*e) for e in layer.items()]).diff_id
        )
        for number, layer in enumerate(layers, 1)
    ]
    return Parts(ImageConfig("amd64", "linux", RootFS(()), config, (), MOMENT), tuple(lines))


def found(
    ctx: Layers, old: Files, app: Files, new: Files, config: ContainerConfig = PLAIN
) -> list[tuple[str, str, str, str]]:
    """Weight, kind, path and text of what is found when `app` on `old` is put on `new`."""
    image = parts(ctx, old, app, config=config)
    done = rebase(ctx, image, parts(ctx, old), parts(ctx, new))
    assert done.parts.diff_ids == (*parts(ctx, new).diff_ids, image.diff_ids[1])
    return [(each.weight.value, each.kind, each.path, each.text) for each in done.findings.listed]


def kinds(rows: list[tuple[str, str, str, str]]) -> list[tuple[str, str, str]]:
    return [row[:3] for row in rows]


BASE: Files = {"lib/libapp.so.1.2": LIBRARY, "lib/libapp.so.1": ("libapp.so.1.2",), LOADER: elf()}


def test_nothing_breaks(store: Layers) -> None:
    patched = BASE | {"lib/libapp.so.1.3": LIBRARY, "lib/libapp.so.1": ("libapp.so.1.3",)}
    assert found(store, BASE, {"app/run": PROGRAM, "app/text": "x"}, patched) == []


def test_a_library_went(store: Layers) -> None:
    new: Files = {"lib/libapp.so.2": elf(soname="libapp.so.2"), LOADER: elf()}
    (row,) = found(store, BASE, {"app/run": PROGRAM}, new)
    assert row[:3] == ("breaks", "library", "/app/run")
    assert row[3] == ("needs libapp.so.1, which is gone; it was /lib/libapp.so.1.2, where libapp.so.2 is now")


def test_the_loader_went(store: Layers) -> None:
    rows = found(store, BASE, {"app/run": PROGRAM}, {"lib/libapp.so.1": LIBRARY})
    assert rows == [("breaks", "interpreter", "/app/run", "needs the loader /lib64/ld.so, which is gone")]


def test_a_library_of_a_library_went(store: Layers) -> None:
    old = BASE | {"lib/libapp.so.1.2": elf("libdeep.so", soname="libapp.so.1"), "lib/libdeep.so": elf()}
    new = BASE | {"lib/libapp.so.1.2": elf("libdeep.so", soname="libapp.so.1")}
    (row,) = found(store, old, {"app/run": PROGRAM}, new)
    assert row[:3] == ("breaks", "library", "/app/run")
    assert "needs libdeep.so (by way of /lib/libapp.so.1.2), which is gone" in row[3]


def test_what_never_worked_does_not_count(store: Layers) -> None:
    app: Files = {"app/odd": elf("libnowhere.so"), "app/s": "#!/no/where\n", "app/l": ("/no/where",)}
    assert found(store, BASE, app, BASE | {"x": "y"}) == []


@pytest.mark.parametrize(
    ("program", "where"),
    [
        (elf("libapp.so.1", runpath="$ORIGIN/../priv"), "priv/libapp.so.1"),
        (elf("libapp.so.1", rpath="/opt/x:/opt/y"), "opt/y/libapp.so.1"),
        (elf("libapp.so.1"), "usr/lib/x86_64-linux-gnu/libapp.so.1"),
        (elf("libapp.so.1"), "opt/conf/libapp.so.1"),
        (elf("libapp.so.1"), "opt/musl/libapp.so.1"),
        (elf("libapp.so.1"), "opt/env/libapp.so.1"),
        (elf("/opt/whole/libapp.so.1"), "opt/whole/libapp.so.1"),
    ],
)
def test_where_the_loader_looks(store: Layers, program: bytes, where: str) -> None:
    config = ContainerConfig(env=("LD_LIBRARY_PATH=/opt/env",))
    conf: Files = {
        "etc/ld.so.conf": "# ours\ninclude /etc/ld.so.conf.d/*.conf\n",
        "etc/ld.so.conf.d/a.conf": "/opt/conf\n",
        "etc/ld-musl-x86_64.path": "/opt/musl:/opt/other",
    }
    old = conf | {where: LIBRARY}
    assert found(store, old, {"bin/run": program}, old | {"patched": "x"}, config) == []
    (row,) = found(store, old, {"bin/run": program}, conf, config)
    assert row[:3] == ("breaks", "library", "/bin/run")


def test_files_of_folders_that_include_each_other(store: Layers) -> None:
    many = "include /etc/*.conf\ninclude *.conf\n" * 1000
    conf: Files = {"etc/ld.so.conf": many, **{f"etc/{n}.conf": many for n in range(9)}}
    conf |= {"etc/z.conf": "/opt/conf\n"}
    old = conf | {"opt/conf/libapp.so.1": LIBRARY}
    (row,) = found(store, old, {"bin/run": elf("libapp.so.1")}, conf)
    assert row[:3] == ("breaks", "library", "/bin/run")


def test_names_of_one_file_are_read_once(store: Layers, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[BinaryIO] = []

    def counted(file: BinaryIO) -> Elf | None:
        read.append(file)
        return read_elf(file)

    monkeypatch.setattr(linking, "read_elf", counted)
    app: Files = {f"bin/{n}": PROGRAM for n in range(9)}
    assert found(store, BASE, app, BASE | {"patched": "x"}) == []
    assert len(read) <= 6  # the program, the library and the loader, on both sides


def test_another_processor_is_no_library(store: Layers) -> None:
    (row,) = found(
        store,
        BASE,
        {"app/run": PROGRAM},
        BASE | {"lib/libapp.so.1.2": elf(soname="libapp.so.1", machine=183)},
    )
    assert row[:3] == ("breaks", "library", "/app/run")


def test_scripts_and_links(store: Layers) -> None:
    old: Files = {"usr/bin/python3": "x", "usr/bin/env": "x", "usr/share/data": "x", "bin": ("usr/bin",)}
    app: Files = {
        "app/a": "#!/bin/python3 -u\n",
        "app/b": "#! /usr/bin/env -S python3 -u\n",
        "app/c": "#!/usr/bin/env\n",
        "venv/bin/python": ("/usr/bin/python3",),
        "app/data": ("/usr/share/data",),
    }
    rows = found(store, old, app, {"usr/bin/env": "x", "usr/bin/other": "x", "bin": ("usr/bin",)})
    assert kinds(rows) == [
        ("breaks", "script", "/app/a"),
        ("breaks", "script", "/app/b"),
        ("breaks", "link", "/app/data"),
        ("breaks", "link", "/venv/bin/python"),
    ], rows
    assert rows[0][3] == "is a script for /bin/python3, which is gone; it was /usr/bin/python3"


def test_commands(store: Layers) -> None:
    old: Files = {
        "usr/bin/python3.11": "x",
        "usr/bin/python3": ("python3.11",),
        "bin/sh": "x",
        "bin/curl": "x",
    }
    config = ContainerConfig(
        cmd=("/bin/sh", "-c", "python3 app.py"),
        env=("PATH=/usr/bin:/bin",),
        healthcheck=Healthcheck(("CMD", "curl", "localhost")),
    )
    moved = {name: content for name, content in old.items() if "python" not in name}
    rows = found(store, old, {"app.py": "x"}, moved, config)
    assert kinds(rows) == [("breaks", "command", "python3")]
    moved |= {"usr/bin/python3.12": "x", "usr/bin/python3": ("python3.12",)}
    (row,) = found(store, old, {"app.py": "x"}, moved, config)
    assert row[:3] == ("risk", "command", "python3")
    assert row[3] == "is what the image runs: it was /usr/bin/python3.11, and is /usr/bin/python3.12 now"
    del moved["bin/curl"]
    assert ("breaks", "command", "curl") in kinds(found(store, old, {"app.py": "x"}, moved, config))


PYTHON = {f"usr/lib/python3.11/{name}": "x" for name in ("os.py", "json/__init__.py", "this.py", "ssl.py")}


def test_pythons(store: Layers) -> None:
    old: Files = dict(PYTHON)
    app: Files = {
        "usr/local/lib/python3.11/dist-packages/flask/app.py": "import os\nfrom json import loads\n",
        "usr/local/lib/python3.11/dist-packages/m/_x.cpython-311-x86_64-linux-gnu.so": "x",
    }
    new: Files = {name.replace("3.11", "3.12"): content for name, content in old.items()}
    (row,) = found(store, old, app, new)
    assert (
        row[:2] == ("breaks", "python")
        and "Python 3.11, which is gone (there is 3.12 now), as are 1 more files;" in row[3]
    )
    assert row[3].endswith("; its library was /usr/lib/python3.11")
    (row,) = found(store, old, app, {"etc/x": "x"})
    assert "(there is none now)" in row[3]
    less = {name: content for name, content in old.items() if "json" not in name and "this" not in name}
    rows = found(store, old, app, less)
    assert kinds(rows) == [
        ("breaks", "python", "/usr/local/lib/python3.11/dist-packages/flask/app.py"),
        ("risk", "python", ""),
    ]
    assert rows[0][3] == "imports json, which Python 3.11 lacks now"
    assert rows[1][3] == "Python 3.11 lacks 1 of its modules now: this"


def test_accounts(store: Layers) -> None:
    old: Files = {"etc/passwd": "root:x:0:0::/:\nweb:x:33:33::/:\n", "etc/group": "web:x:33:\n"}
    app: Files = {"srv/a": Entry(b"", Kind.FILE, uid=33, gid=33), "srv/b": Entry(b"", Kind.FILE, uid=33)}
    config = ContainerConfig(user="web")
    new: Files = {"etc/passwd": "root:x:0:0::/:\nweb:x:101:33::/:\n", "etc/group": "web:x:33:\n"}
    texts = [row[3] for row in found(store, old, app, new, config)]
    assert texts == [
        "the image runs as user 'web', who was 33 and is 101 now",
        "2 files of the moved layers belong to user 33, who was 'web' and is 101 now",
    ]
    rows = found(store, old, app, {"etc/passwd": "root:x:0:0::/:\n"}, config)
    assert rows[0] == (
        "breaks", "user", "", "the image runs as user 'web', who is gone",
    )  # fmt: skip
    assert len(rows) == 3 and "is gone" in rows[2][3]
    assert found(store, old, app | {"etc/passwd": old["etc/passwd"]}, new, config)[0][1] == "hidden"


CLASHES: dict[str, tuple[object, object, object, list[tuple[str, str]]]] = {
    # what the old base, the application and the new base have at the same path
    "nothing changed": ("1", "2", "1", []),
    "both wrote": ("1", "2", "3", [("risk", "hidden")]),
    "both wrote the same": ("1", "2", "2", []),
    "both added": (None, "2", "3", [("risk", "hidden")]),
    "deleted what changed": ("1", GONE, "3", [("note", "deleted")]),
    "deleted what stayed": ("1", GONE, "1", []),
    "deleted what is gone": ("1", GONE, None, []),
    "a folder is a link": ({"x": "1"}, {"y": "2"}, ("elsewhere",), [("breaks", "folder")]),
    "a folder is a file": ({"x": "1"}, {"y": "2"}, "3", [("breaks", "folder")]),
    "a file is a folder": ("1", "2", {"x": "3"}, [("breaks", "folder")]),
    "it always was one": ({"x": "1"}, "2", {"x": "3"}, [("risk", "deleted")]),
    "emptied": ({"x": "1"}, Entry(b"", Kind.DIR, opaque=True), {"x": "1", "z": "3"}, [("risk", "deleted")]),
    "emptied, and nothing new": ({"x": "1"}, Entry(b"", Kind.DIR, opaque=True), {"x": "1"}, []),
    "deleted with what is new": ({"x": "1"}, GONE, {"x": "1", "z": "3"}, [("risk", "deleted")]),
    "the mode of a folder": (
        Entry(b"", Kind.DIR, 0o755), {"y": "2"}, Entry(b"", Kind.DIR, 0o700), [("risk", "folder")],
    ),
    "the mode that it gave": (
        Entry(b"", Kind.DIR, 0o755), Entry(b"", Kind.DIR, 0o711), Entry(b"", Kind.DIR, 0o700), [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CLASHES)
def test_clashes(store: Layers, case: str) -> None:
    *sides, expected = CLASHES[case]
    old, app, new = (_at("d/p", content) for content in sides)
    rows = found(store, old | {"o": "o"}, app | {"a": "a"}, new | {"n": "n"})
    assert [row[:2] for row in rows] == expected, rows
    assert all(row[2] == "/d/p" for row in rows)


def _at(path: str, content: object) -> Files:
    if content is None:
        return {}
    if isinstance(content, dict):
        return {path: None} | {f"{path}/{name}": text for name, text in content.items()}
    return {path: content}


def test_databases_of_packages(store: Layers) -> None:
    status = "var/lib/dpkg/status"
    (row,) = found(store, {status: "1"}, {status: "2"}, {status: "3"})
    assert row[:3] == ("risk", "database", "/" + status) and "lists the packages as they were" in row[3]


def test_versions_of_symbols(store: Layers) -> None:
    """A real library that wants versions of the C library; for the new base one that has other versions."""
    folder = next(iter(Path("/usr/lib").glob("*/libz.so.1")), None)
    if folder is None or not (folder.parent / "libc.so.6").is_file():
        pytest.skip("needs libz and glibc")
    libz, libc = folder.read_bytes(), (folder.parent / "libc.so.6").read_bytes()
    rows = found(store, {"lib/libc.so.6": libc}, {"app/libz.so.1": libz}, {"lib/libc.so.6": libz})
    assert {row[:3] for row in rows} >= {("breaks", "version", "/app/libz.so.1")}
    texts = [row[3] for row in rows if row[1] == "version"]
    assert any(text.startswith("needs GLIBC_2.") and " of libc.so.6" in text for text in texts)
    assert found(store, {"lib/libc.so.6": libc}, {"app/libz.so.1": libz}, {"usr/lib/libc.so.6": libc}) == []


def test_names_that_are_no_text(store: Layers) -> None:
    """Such as JSON may have in a config, and as files may have."""
    odd = ContainerConfig(
        cmd=("/bin/\ud800",), env=("PATH=/\udfff:/bin", "LD_LIBRARY_PATH=/\ud800"), user="\ud800"
    )
    assert found(store, BASE, {"app/run": PROGRAM}, BASE | {"x": "x"}, odd) == []
    name = b"app/\xff\x1b[31m"
    low = parts(store, BASE)
    item = LayerItem(Entry(name, Kind.FILE, 0o755, size=len(PROGRAM)), PROGRAM)
    top = Line(History(MOMENT, "step 2"), write_layer(store, [item]).diff_id)
    image = low._replace(lines=(*low.lines, top))
    (row,) = rebase(store, image, low, parts(store, {LOADER: elf()})).findings.listed
    assert row.path == "/app/\udcff\x1b[31m" and row.kind == "library"


def test_what_a_step_read(store: Layers) -> None:
    old: Files = {"etc/a": "1", "etc/b": "1"}
    image = parts(store, old, {"made": "x"}, {"more": "y"}, {"last": "z"})
    for number, path in ((1, b"etc/a"), (2, b"etc/b")):
        look = Observing(store, image.diff_ids[:number][::-1])
        look.get(path)
        look.names(b"etc")
        packed = pack(look.read_set())
        with store.db.write() as tx:
            traces.put(tx, traces.Trace(f"r{number}", image.diff_ids[number], "", "s", 2, packed))

    def told(new: Files) -> list[str]:
        listed = rebase(store, image, parts(store, old), parts(store, new)).findings.listed
        return [each.text for each in listed if each.kind == "rebuild"]

    assert told(old | {"x": "x"}) == [
        "what layers 2, 3 read when built is as it was: a build would find the same"
    ]
    assert told({"etc/a": "1", "etc/b": "2"}) == [
        "layer 3 read /etc/b when it was built: changed, so a build may give another layer",
        "what layer 2 read when built is as it was: a build would find the same",
    ]


def test_not_more_than_can_be_read() -> None:
    many = [Finding(Weight.RISK, "hidden", f"/{n}", "x") for n in range(MOST + 5)]
    found = gathered([*many, Finding(Weight.BREAKS, "library", "/x", "y")])
    assert len(found.listed) == MOST + 1 and found.listed[0].kind == "library" and found.breaks
    assert found.more == (("hidden", 5),)
