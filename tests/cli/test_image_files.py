"""lamina ls, cat, tree, find, grep, bisect, edit and append, as they are typed."""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.lamina_command import Lamina

DOCKERFILE = """FROM busybox
COPY app /srv/app
RUN echo port = 80 > /etc/app.conf; rm -r /srv/app/old; touch "$(printf '/srv/\\033[31mred')"
RUN sed -i s/80/81/ /etc/app.conf; chmod 4755 /srv/app/run
CMD ["cat", "/etc/app.conf"]
"""


@pytest.fixture(scope="module")
def asked(program: Lamina, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lamina]:
    """Lamina with the image `app`; base is its layers 1 to 5."""
    folder = tmp_path_factory.mktemp("asked")
    (folder / "app/old").mkdir(parents=True)
    (folder / "app/run").write_text("#!/bin/sh\n")
    (folder / "app/old/x").write_text("x\n")
    (folder / "app/.hidden").write_text("")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    program("build", "-t", "app", folder)
    yield program


def test_ls(asked: Lamina) -> None:
    assert asked("ls", "app:/srv").split() == ["\\x1b[31mred", "app"]
    assert asked("ls", "-a", "app:/srv/app").split() == [".hidden", "run"]
    assert asked("ls", "--layer", "6", "app:/srv/app").split() == ["old", "run"]
    (line,) = asked("ls", "-l", "app:/srv/app/run").splitlines()
    assert (line.split()[:4], line.split()[-2:]) == (
        ["-rwsr-xr-x", "root", "root", "10"],
        ["#8", "/srv/app/run"],
    )
    assert asked("ls", "-0", "app:/srv") == "/srv/\x1b[31mred\0/srv/app\0"
    both = asked("ls", "-R", "--layer", "6", "app:/srv/app", "app:/srv/app/run")
    assert both == "/srv/app:\nold\nrun\n\n/srv/app/old:\nx\n/srv/app/run\n"
    listed = json.loads(asked("ls", "--json", "app:/srv/app"))
    assert [(each["path"], each["mode"], each["layer"]) for each in listed[0]["files"]] == [
        ("/srv/app/run", 0o4755, 8)
    ]
    err = asked.both("ls", "app:/srv/app/old", status=1)[1]
    assert (
        err == "lamina: /srv/app/old: no such file or directory\nhint: it is there after layer 6: --layer 6\n"
    )


def test_an_image_and_paths(asked: Lamina) -> None:
    """A path of its own belongs to the image before it; IMAGE#LAYER is a state."""
    assert asked("ls", "-1", "app", "/srv/app", "/usr/bin", "app#6:/srv/app/old").splitlines() == [
        *("/srv/app:", "run", "", "/usr/bin:", "env", "", "/srv/app/old:", "x"),
    ]
    assert asked("cat", "app#-2", "/etc/app.conf", "/srv/app/run") == "port = 80\n#!/bin/sh\n"
    assert asked("grep", "-n", "80", "app#7", "/etc/app.conf") == "1:port = 80\n"
    assert asked("tree", "app#6", "/srv/app") == asked("tree", "--layer", "6", "app:/srv/app")
    assert asked("find", "app#6:/srv/app/old", "/root", "-type", "f") == "/srv/app/old/x\n"
    assert asked("blame", "app:/srv/app/run", "/etc/app.conf") == asked(
        "blame", "app", "/srv/app/run", "/etc/app.conf"
    )
    assert "hint: paths come last" in asked.both("diff", "app:/etc", status=1)[1]
    for words in (["ls", "/srv"], ["ls", "--layer", "6", "app#6"], ["tree", "app:/etc", "/srv"]):
        assert "hint: " in asked.both(*words, status=1)[1]


def test_cat(asked: Lamina) -> None:
    assert asked("cat", "app:/etc/app.conf", "app:/srv/app/run") == "port = 81\n#!/bin/sh\n"
    assert asked("cat", "--layer", "7", "app:/etc/app.conf") == "port = 80\n"
    assert "which file of app" in asked.both("cat", "app", status=1)[1]
    assert "is a directory" in asked.both("cat", "app:/etc", status=1)[1]


def test_tree(asked: Lamina) -> None:
    lines = asked("tree", "app:/srv").splitlines()
    assert [line.rpartition("  ")[2] for line in lines[:-2]] == [
        "/srv",
        "\\x1b[31mred",
        "app",
        ".hidden",
        "run",
    ]
    assert lines[0].startswith("[   10B #8]")
    assert lines[-1] == "1 directory, 3 files"
    assert lines[3].startswith("    ├── ")
    lines = json.loads(asked("tree", "-L", "1", "--json", "app:/srv"))
    assert [(line["depth"], line["size"], line["files"]) for line in lines] == [
        (0, 10, 4),
        (1, 0, 0),
        (1, 10, 2),
    ]


def test_find(asked: Lamina) -> None:
    assert asked("find", "app", "/srv", "-type", "f", "-name", "r*") == "/srv/app/run\n"
    assert asked("find", "app:/srv", "-setuid") == "/srv/app/run\n"
    assert asked(
        "find", "app", "-layer", "8", "-type", "f", "-printf", "%p %m\\n", "--platform", "linux/amd64"
    ) == ("/etc/app.conf 644\n/srv/app/run 4755\n")
    assert asked("find", "--layer=6", "app", "(", "-name", "x", "-o", "-name", "run", ")", "-print0") == (
        "/srv/app/run\0/srv/app/old/x\0"
    )
    found = json.loads(asked("find", "app", "-name", "app.conf", "--json"))
    assert [(each["path"], each["size"], each["layer"]) for each in found] == [("/etc/app.conf", 10, 8)]
    assert asked("find", "app", "-name", "nothing", "--json") == "[]\n"
    assert "unknown predicate" in asked.both("find", "app", "-oops", status=1)[1]


def test_grep(asked: Lamina) -> None:
    assert asked("grep", "-n", "^port", "app:/etc") == "/etc/app.conf:1:port = 81\n"
    assert asked("grep", "-o", "8.", "app:/etc/app.conf") == "81\n"
    assert asked("grep", "-l", "/bin/sh", "app:/srv") == "/srv/app/run\n"
    assert asked("grep", "--layer", "7", "-c", "80", "app:/etc/app.conf") == "1\n"
    assert asked("grep", "port", "app:/etc/app.conf", "--json", "-i").count('"path"') == 1
    assert asked("grep", "nowhere to be found", "app:/etc", status=1) == ""
    assert asked("grep", "-q", "port", "app:/etc") == ""
    assert "Unmatched" in asked.both("grep", "[", "app", status=2)[1]
    assert "No such image" in asked.both("grep", "x", "nowhere", status=2)[1]


def test_bisect(asked: Lamina) -> None:
    out, err = asked.both("bisect", "app", "grep", "-q", "80", "/etc/app.conf")
    assert out.startswith("Layer 8 is the first after which it fails (")
    assert "RUN sed -i s/80/81/ /etc/app.conf; chmod 4755 /srv/app/run (Dockerfile:4)" in out
    assert "bisect: after layer 8 of 8: exit code 1: bad" in err
    found = json.loads(
        asked("bisect", "--json", "-q", "--term", "works", "app", "--", "test", "!", "-e", "/srv/app/old")
    )
    assert [layer["number"] for layer in found["layers"]] == [2], "there is no `test` before"
    found = json.loads(
        asked(
            "bisect", "--json", "-q", "--good", "6", "--term", "works", "app", "test", "-e", "/etc/app.conf"
        )
    )
    assert ([layer["number"] for layer in found["layers"]], found["good"]) == ([7], 6)
    assert "there is nothing to find" in asked.both("bisect", "-q", "app", "true", status=1)[1]
    assert asked("ps", "-aq") == ""
    assert len(asked("images", "-aq").split()) == 2, "the images of the states are gone"


def test_edit_and_append(asked: Lamina, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("new\n")
    asked(
        "edit",
        "app",
        "--add",
        f"{tmp_path}/new:/srv/",
        "--rm=/etc/app.conf",
        "--chmod=600:/srv/app/run",
        "-t",
        "two",
    )
    asked("edit", "two", "-e", "A=1", "--cmd", '["cat", "/srv/new"]', "-t", "two")
    assert asked("run", "--rm", "two") == "new\n"
    assert (
        asked("run", "--rm", "two", "sh", "-c", "echo $A; stat -c %a /srv/app/run; ls /etc/app.conf || true")
        == "1\n600\n"
    )
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        info = tarfile.TarInfo("added")
        info.size = 2
        tar.addfile(info, BytesIO(b"x\n"))
    made = json.loads(asked("append", "--json", "two", str(tmp_path / "x.tar"), "-t", "three"))
    assert made["names"] == ["three:latest"]
    assert asked("cat", "three:/added") == "x\n"
    assert asked("cat", "--layer=-1", "three:/srv/new") == "new\n"
    piped = asked(
        "append", "-q", "two", "-", "--prefix=/opt", stdin=(tmp_path / "x.tar").read_bytes()
    ).strip()
    assert asked("cat", f"{piped}:/opt/added") == "x\n"
    assert asked.both("append", "two", "-", stdin=b"x" * 3000, status=1)[1].startswith(
        "lamina: STDIN cannot be"
    )
