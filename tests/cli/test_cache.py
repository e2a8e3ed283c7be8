"""lamina cache ls, inspect, rm, export, import; and cache mounts in df and prune."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina import Engine
from lamina.errors import NotFound
from tests.e2e.conftest import remove
from tests.e2e.lamina_command import Lamina
from tests.machine import quick_place
from tests.store.processes import kill, line_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# Uses a cache mount until a line comes; argv: the root, the id.
USER = """
import sys
from lamina.cachemounts import objects
from lamina.cachemounts.listing import named
from lamina import Engine

with Engine.open(sys.argv[1], own_process=True) as engine:
    engine._opened.enter()
    ctx = engine._opened.ctx
    assert objects.lock(ctx, named(ctx.db.read(), sys.argv[2])[0].name, shared=True) is not None
    print("in use", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def lamina() -> Iterator[Lamina]:
    folder = tempfile.mkdtemp(prefix="lamina-cache-", dir=quick_place())
    yield Lamina(Path(folder) / "root")
    remove(folder)


def tar_of(**files: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mtime = 1_700_000_000
            tar.addfile(info, io.BytesIO(content.encode()))
    return out.getvalue()


def add(lamina: Lamina, mount_id: str, **files: str) -> None:
    """A cache mount with these files."""
    lamina("cache", "import", "--id", mount_id, stdin=tar_of(**(files or {"file": "12345"})))


def ids(lamina: Lamina, *flags: str) -> list[str]:
    return sorted(lamina("cache", "ls", "--format", "{{.ID}}", *flags).split())


@pytest.fixture
def used(lamina: Lamina) -> Iterator[Lamina]:
    """Cache mounts `busy`, which a process uses, and `idle`."""
    add(lamina, "idle")
    add(lamina, "busy")
    process = subprocess.Popen(
        [lamina.argv[0], "-c", USER, str(lamina.root), "busy"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=lamina.environ,
    )
    assert line_of(process) == "in use"
    yield lamina
    kill(process)


def test_no_store_is_made_by_a_question(lamina: Lamina) -> None:
    assert lamina("cache", "ls").split() == [
        "CACHE",
        "MOUNT",
        "OBJECT",
        "SIZE",
        "USES",
        "CREATED",
        "LAST",
        "USED",
        "SHARING",
        "IN",
        "USE",
    ]
    assert lamina("cache", "ls", "-q") == ""
    assert lamina.both("cache", "inspect", "x", status=1) == (
        "[]\n",
        "Error: No such cache mount: x\n",
    )
    assert not lamina.root.exists()


def test_ls(lamina: Lamina) -> None:
    add(lamina, "/root/.cache/pip")
    add(lamina, "npm", a="1" * 2000)
    heading, npm, pip = lamina("cache", "ls").splitlines()
    assert heading.startswith("CACHE MOUNT")
    assert re.fullmatch(r"npm +[0-9a-f]{16} +2kB +0 +\S.* ago +\S.* ago +shared +false", npm)
    assert re.fullmatch(r"/root/.cache/pip +[0-9a-f]{16} +5B +0 +\S.* ago +\S.* ago +shared +false", pip)
    shown = ("--format", "{{.ID}} {{.Name}} {{.Size}}")  # no ages
    assert lamina("cache", "list", *shown) == lamina("cache", "ls", *shown)
    names = lamina("cache", "ls", "-q").split()
    assert names == [re.split(" +", line)[1] for line in (npm, pip)]
    row = json.loads(lamina("cache", "ls", "--format", "json").splitlines()[0])
    assert (row["ID"], row["Mode"], row["Owner"], row["CreatedBy"]) == (
        *("npm", "0755", "0:0", "lamina cache import"),
    )
    assert Path(row["Folder"]).is_dir()
    table = lamina("cache", "ls", "--format", "table {{.ID}}\t{{.Size}}")
    assert table.splitlines()[0].split() == ["CACHE", "MOUNT", "SIZE"]


def test_ls_cuts_what_is_long(lamina: Lamina) -> None:
    add(lamina, "x" * 80)
    assert "x" * 49 + "…" in lamina("cache", "ls")
    assert "x" * 80 in lamina("cache", "ls", "--no-trunc")


def test_ls_filters(used: Lamina) -> None:
    assert ids(used, "--filter", "id=b*") == ["busy"]
    assert ids(used, "--filter", "in-use=true") == ["busy"] and ids(used, "-f", "in-use=false") == ["idle"]
    assert ids(used, "--filter", "sharing=shared") == ["busy", "idle"]
    assert ids(used, "--filter", "sharing=locked") == []
    assert ids(used, "--filter", "unused-for=1h") == [] and len(ids(used, "-f", "unused-for=0s")) == 2
    name = used("cache", "ls", "-q", "-f", "id=idle").strip()
    assert ids(used, "--filter", f"name={name[:6]}") == ["idle"]
    for wrong in ("unused-for=soon", "color=red", "in-use=maybe", "sharing=some", "id"):
        assert "invalid filter" in used.both("cache", "ls", "-f", wrong, status=1)[1]


def test_inspect(used: Lamina) -> None:
    (found,) = json.loads(used("cache", "inspect", "busy"))
    assert (found["ID"], found["InUse"], found["Size"], found["Uses"], found["Mode"]) == (
        *("busy", True, 5, 0, "0755"),
    )
    assert (
        used("cache", "inspect", "-f", "{{.ID}} {{.Sharing}}", "idle", "busy") == "idle shared\nbusy shared\n"
    )
    assert json.loads(used("cache", "inspect", "-f", "json", found["Name"][:12]))[0] == found
    out, err = used.both("cache", "inspect", "idle", "nothing", status=1)
    assert [one["ID"] for one in json.loads(out)] == ["idle"]
    assert err == "Error: No such cache mount: nothing\n"


def test_rm(used: Lamina) -> None:
    assert used("cache", "rm", "idle") == "idle\n"
    err = used.both("cache", "rm", "busy", status=1)[1]
    assert "in use by a build" in err
    assert "No such cache mount: idle" in used.both("cache", "rm", "idle", status=1)[1]
    assert "No such cache mount: idle" in used.both("cache", "remove", "-f", "idle")[1]
    assert ids(used) == ["busy"]
    for wrong in ([], ["--all", "busy"]):
        assert "name the cache mounts" in used.both("cache", "rm", *wrong, status=1)[1]


def test_rm_all(used: Lamina) -> None:
    out, err = used.both("cache", "rm", "-a", status=1)
    assert out == "idle\n" and "busy" in err and ids(used) == ["busy"]


def test_export_and_import(lamina: Lamina, tmp_path: Path) -> None:
    add(lamina, "npm", file="npm")
    add(lamina, "pip", file="pip")
    archive = tmp_path / "caches.tar"
    assert lamina("cache", "export", "--all", "-o", archive) == ""
    lamina("cache", "rm", "-a")
    assert (
        lamina("cache", "import", "-i", archive) == "Imported cache mount: npm\nImported cache mount: pip\n"
    )
    with lamina_stdout(lamina, "cache", "export", "npm", "pip") as piped:
        assert piped.read() == archive.read_bytes()
    with lamina_stdout(lamina, "cache", "export", "pip", "-o", "-") as piped:
        lamina("cache", "rm", "pip")
        lamina("cache", "import", "--id", "renamed", stdin=piped.read())
    assert ids(lamina) == ["npm", "renamed"]
    (found,) = json.loads(lamina("cache", "inspect", "renamed"))
    assert (Path(found["Folder"]) / "file").read_text() == "pip"


def lamina_stdout(lamina: Lamina, *args: str) -> io.BytesIO:
    done = subprocess.run([*lamina.argv, *args], env=lamina.environ, capture_output=True, check=True)
    return io.BytesIO(done.stdout)


def test_export_that_fails_leaves_no_file(used: Lamina, tmp_path: Path) -> None:
    for name in ("busy", "nothing"):
        used.both("cache", "export", name, "-o", tmp_path / "out.tar", status=1)
    assert list(tmp_path.iterdir()) == []
    assert "--all" in used.both("cache", "export", status=1)[1]


def test_import_of_what_is_no_archive(lamina: Lamina, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n" * 1000)
    assert (
        "archive entry 1" in lamina.both("cache", "import", "-i", tmp_path / "text", "--id", "c", status=1)[1]
    )
    assert "--id NAME" in lamina.both("cache", "import", status=1, stdin=tar_of(file="x"))[1]
    assert "no such file" in lamina.both("cache", "import", "-i", tmp_path / "none", status=1)[1]
    assert ids(lamina) == []


def test_df_shows_them(used: Lamina) -> None:
    rows = {row["Type"]: row for row in map(json.loads, used("df", "--format", "json").splitlines())}
    assert rows["Cache Mounts"] == {
        "Type": "Cache Mounts",
        "TotalCount": "2",
        "Active": "1",
        "Size": "10B",
        "Reclaimable": "5B",
    }
    detail = used("df", "-v").partition("Cache mounts space usage:\n\n")[2].splitlines()
    assert re.split("  +", detail[1])[0] == "busy" and detail[1].endswith("true")


@pytest.mark.parametrize("command", [["builder", "prune"], ["prune"], ["system", "prune"]], ids=" ".join)
def test_prune_removes_those_not_in_use(used: Lamina, command: list[str]) -> None:
    asked = used(*command, stdin=b"n\n")
    assert "  - all cache mounts (RUN --mount=type=cache) not in use\n" in asked and len(ids(used)) == 2
    out = used(*command, "-f")
    assert "Deleted cache mounts:\nidle\n" in out and out.endswith("Total reclaimed space: 5B\n")
    assert ids(used) == ["busy"]


@pytest.mark.parametrize("command", ["image", "container"])
def test_other_prunes_leave_them(lamina: Lamina, command: str) -> None:
    add(lamina, "idle")
    assert "cache mounts" not in lamina(command, "prune", stdin=b"n\n")
    lamina(command, "prune", "-f")
    assert ids(lamina) == ["idle"]


def test_the_python_interface(lamina: Lamina, tmp_path: Path) -> None:
    with Engine.open(str(lamina.root)) as engine:
        assert engine.cache.ls() == []
        assert engine.cache.import_(io.BytesIO(tar_of(file="12345")), "npm") == ["npm"]
        (one,) = engine.cache.ls()
        assert (one.id, one.size, one.in_use) == ("npm", 5, False)
        assert engine.cache.inspect(one.name) == engine.cache.inspect("npm") == [one]
        out = io.BytesIO()
        engine.cache.export([], out)
        assert engine.cache.rm("npm") == 5
        with pytest.raises(NotFound):
            engine.cache.rm("npm")
        out.seek(0)
        assert engine.cache.import_(out) == ["npm"]
        assert engine.df().mounts == (1, 0, 5, 5)
        assert engine.prune(cache=True).cache_mounts == ("npm",)
