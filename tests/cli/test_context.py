"""`lamina context ls` and `lamina context why`, as they are run; and the same in Python."""

from __future__ import annotations

import json
import os
import socket
import time
from typing import TYPE_CHECKING

import pytest

from lamina import Engine
from lamina.errors import Denied, InvalidInput, NotFound
from tests.e2e.lamina_command import Lamina

if TYPE_CHECKING:
    from pathlib import Path

IGNORE = "# not for the image\nnode_modules\n\n**/*.log\n!src/deep/keep.log\n"


@pytest.fixture
def lamina(tmp_path: Path) -> Lamina:
    """A root that is never made."""
    return Lamina(tmp_path / "root")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A context with a .dockerignore."""
    made = tmp_path / "context"
    for name, content in {
        ".dockerignore": IGNORE,
        "Dockerfile": "FROM scratch\n",
        "src/a.py": "hello\n",
        "src/deep/x.log": "log\n",
        "src/deep/keep.log": "k\n",
        "node_modules/x/i.js": "j" * 1500,
    }.items():
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (made / "link").symlink_to("src/a.py")
    return made


def test_ls(lamina: Lamina, folder: Path) -> None:
    assert lamina("context", "ls", folder).splitlines() == [
        "KIND      SIZE      PATH",
        "file      62B       .dockerignore",
        "file      13B       Dockerfile",
        "link                link -> src/a.py",
        "folder              src",
        "file      6B        src/a.py",
        "folder              src/deep",
        "file      2B        src/deep/keep.log",
        "",
        "5 files, 2 folders, 83B",
    ]
    assert not lamina.root.exists()


def test_ls_by_size_and_as_json(lamina: Lamina, folder: Path) -> None:
    lines = lamina("context", "ls", "--size", folder).splitlines()
    assert [line.split()[-1] for line in lines[1:4]] == [".dockerignore", "Dockerfile", "src/a.py"]
    found = json.loads(lamina("context", "list", "--json", "--size", folder))
    entries = found.pop("Entries")
    assert found == {
        "Context": str(folder),
        "Ignore": str(folder / ".dockerignore"),
        "Files": 5,
        "Folders": 2,
        "Size": 83,
    }
    assert entries[0] == {"Path": ".dockerignore", "Kind": "file", "Size": 62}
    assert {"Path": "link", "Kind": "link", "Size": 0, "Target": "src/a.py"} in entries


def test_ls_is_what_copy_sees(folder: Path, tmp_path: Path) -> None:
    """Odd things too: names that are no text, what is no file, and patterns of a Dockerfile's own."""
    (folder / os.fsdecode(b"\xff\n")).write_text("odd")
    os.mkfifo(folder / "pipe")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(folder / "sock"))
    server.close()
    (folder / "other.dockerignore").write_text("*\n!src\nsrc/deep\n")
    engine = Engine.open(str(tmp_path / "root"))
    found = {entry.path: entry.kind for entry in engine.context.ls(str(folder)).entries}
    assert found[os.fsdecode(b"\xff\n")] == "file"
    assert (found["pipe"], found["sock"]) == ("fifo", "file")
    listed = engine.context.ls(str(folder), file=str(folder / "Dockerfile"))
    assert listed.ignore == str(folder / ".dockerignore")
    (folder / "other").write_text("FROM scratch\n")
    own = engine.context.ls(str(folder), file=str(folder / "other"))
    assert [entry.path for entry in own.entries] == ["src", "src/a.py"]
    engine.close()


def test_why(lamina: Lamina, folder: Path) -> None:
    ignore = folder / ".dockerignore"
    paths = ["src/deep/x.log", "./src/deep/keep.log", "node_modules/x/i.js", "node_modules", "src", "."]
    out = lamina("context", "why", "-C", folder, *paths, "no.log", "Dockerfile", "no", folder / "link")
    assert out.splitlines() == [
        "src/deep/x.log: left out (4B)",
        f"  {ignore}:4: **/*.log",
        "src/deep/keep.log: in the context (2B)",
        f"  {ignore}:5: !src/deep/keep.log",
        "node_modules/x/i.js: left out (1.5kB)",
        f"  {ignore}:2: node_modules (matches the folder node_modules, and all in it)",
        "node_modules: left out (1 file, 1.5kB)",
        f"  {ignore}:2: node_modules",
        "src: in the context (2 files, 8B; 1 file, 4B left out)",
        "  no pattern says anything of it",
        ".: in the context (5 files, 83B; 2 files, 1.5kB left out)",
        "  no pattern says anything of it",
        "no.log: no such file or folder",
        f"  {ignore}:4: **/*.log (would leave it out)",
        "Dockerfile: in the context (13B)",
        "  no pattern says anything of it",
        "no: no such file or folder",
        "  no pattern says anything of it",
        "link: in the context (link)",
        "  no pattern says anything of it",
    ]


def test_why_of_a_folder_that_stays_for_what_is_in_it(lamina: Lamina, folder: Path) -> None:
    ignore = folder / "Dockerfile.dockerignore"
    ignore.write_text("src\n!src/deep/*.log\n")
    out = lamina("context", "why", "-C", folder, "src", "src/a.py", "src/deep", "src/deep/x.log")
    stays = " (a later line that begins with ! takes something in it back in)"
    assert out.splitlines() == [
        "src: in the context (2 files, 6B; 1 file, 6B left out)",
        f"  {ignore}:1: src{stays}",
        "src/a.py: left out (6B)",
        f"  {ignore}:1: src (matches the folder src, and all in it)",
        "src/deep: in the context (2 files, 6B)",
        f"  {ignore}:1: src (matches the folder src, and all in it){stays}",
        "src/deep/x.log: in the context (4B)",
        f"  {ignore}:2: !src/deep/*.log",
    ]


def test_why_as_json_and_without_patterns(lamina: Lamina, folder: Path) -> None:
    (found,) = json.loads(lamina("context", "why", "--json", "-C", folder, "node_modules/x"))
    assert found == {
        "Path": "node_modules/x",
        "Kind": "folder",
        "Included": False,
        "Files": 0,
        "Size": 0,
        "FilesLeftOut": 1,
        "SizeLeftOut": 1500,
        "Ignore": str(folder / ".dockerignore"),
        "Line": 2,
        "Pattern": "node_modules",
        "Matched": "node_modules",
    }
    (folder / ".dockerignore").unlink()
    out = lamina("context", "why", "-C", folder, "src")
    assert out == "src: in the context (3 files, 12B)\n  there is no .dockerignore\n"


def test_what_is_wrong(lamina: Lamina, folder: Path, tmp_path: Path) -> None:
    for words, message in (
        (["ls", tmp_path / "nowhere"], "nowhere' not found"),
        (["ls", folder / "Dockerfile"], "Dockerfile' is not a folder"),
        (["ls", "-f", tmp_path / "nothing", folder], "nothing: no such file"),
        (["why", "-C", folder, "../x"], "../x is not in the build context"),
        (["why"], "requires at least 1 argument"),
    ):
        _, err = lamina.both("context", *words, status=1)
        assert message in err
    (folder / ".dockerignore").write_text("ok\n[\n")
    _, err = lamina.both("context", "ls", folder, status=1)
    assert ".dockerignore:2: syntax error in pattern '['" in err


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_may_not_be_read(folder: Path) -> None:
    (folder / "src").chmod(0)
    try:
        with Engine.open(str(folder / "root")) as engine, pytest.raises(Denied):
            engine.context.ls(str(folder))
    finally:
        (folder / "src").chmod(0o755)


def test_errors_in_python(folder: Path) -> None:
    with Engine.open(str(folder / "root")) as engine:
        with pytest.raises(NotFound):
            engine.context.ls(str(folder / "nowhere"))
        with pytest.raises(InvalidInput):
            engine.context.why(["../../x"], str(folder))
        (verdict,) = engine.context.why(["/src/a.py"], str(folder))
    assert (verdict.path, verdict.included, verdict.inside) == ("src/a.py", True, (1, 6))


def test_many_files_are_listed_quickly(tmp_path: Path) -> None:
    for folder in range(50):
        (tmp_path / f"c/d{folder}").mkdir(parents=True)
        for file in range(200):
            (tmp_path / f"c/d{folder}/f{file}").touch()
    (tmp_path / "c/.dockerignore").write_text("**/f1\n!d5/f1\nd9*\n")
    with Engine.open(str(tmp_path / "root")) as engine:
        start = time.process_time()
        found = engine.context.ls(str(tmp_path / "c"))
        assert time.process_time() - start < 2  # 0.2 s, mostly
    assert found.count(folders=False) == 49 * 199 + 2
