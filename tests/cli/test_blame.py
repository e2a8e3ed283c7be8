"""lamina blame, layers, history -l: what is printed, for people and as JSON."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from lamina.cli.as_json import array
from lamina.cli.longtable import longtable
from tests.insight.archiving import TRICKY, archive, folder
from tests.insight.archiving import file as plain

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.lamina_command import Lamina

DOCKERFILE = """FROM busybox
ENV A=1
COPY one /data/
RUN echo more >> /data/one && \\
    chmod 600 /data/one
RUN rm /data/one
CMD ["true"]
"""


@pytest.fixture(scope="module")
def built(program: Lamina, tmp_path_factory: pytest.TempPathFactory) -> Lamina:
    context = tmp_path_factory.mktemp("blame")
    (context / "Dockerfile").write_text(DOCKERFILE)
    (context / "one").write_text("1\n")
    program("build", "-q", "-t", "blamed", context)
    archive(context / "tricky.tar", TRICKY, name="tricky:latest")
    program("load", "-i", context / "tricky.tar")
    return program


def test_a_file(built: Lamina) -> None:
    lines = built("blame", "blamed", "/data/one").splitlines()
    assert lines[0] == "/data/one"
    assert lines[1].split() == ["LAYER", "WHAT", "CHANGED", "SIZE", "WHERE", "INSTRUCTION"]
    assert [line.split()[0:2] for line in lines[2:]] == [
        ["#6", "added"],
        ["#7", "changed"],
        ["#8", "deleted"],
    ]
    assert "content, mode 0644 -> 0600" in lines[3]
    assert "Dockerfile:4" in lines[3] and "RUN echo more >> /data/one && chmod 600 /data/one" in lines[3]
    assert lines[3].split()[7:8] == ["7B"]


def test_a_folder_and_links(built: Lamina) -> None:
    lines = built("blame", "blamed", "/bin/sh", "/etc").splitlines()
    assert lines[0] == "/bin/sh -> /bin/busybox"
    assert "/bin/busybox" in lines
    at = lines.index("LAYER     WHERE            INSTRUCTION              SIZE      PATH")
    assert [line.split()[-1] for line in lines[at + 1 :]] == ["/etc/group", "/etc/passwd"]
    assert all("busybox:latest" in line for line in lines[at + 1 :])
    assert (
        built("blame", "blamed:/etc") == built("blame", "blamed", "etc") == built("blame", "blamed", "/etc/")
    )
    assert built("blame", "-d", "blamed", "/etc").splitlines()[0] == "/etc"
    assert built("image", "blame", "--depth", "1", "blamed", "/").count("\n") <= 1


def test_names_that_would_draw_on_a_terminal(built: Lamina) -> None:
    text = built("blame", "-a", "tricky")
    assert "\x1b" not in text and r"/odd/\x1b[31mred\n (deleted)" in text
    assert r"/odd/\xff\xfe (deleted)" in text
    items = json.loads(built("blame", "-a", "--json", "tricky", "/odd"))
    assert "/odd/\udcff\udcfe" in [item["path"] for item in items]
    assert {item["layer"] for item in items if item["path"] != "/odd/only"} == {0}


def test_errors(built: Lamina) -> None:
    assert "no layer of blamed:latest has /nope" in built.both("blame", "blamed", "/nope", status=1)[1]
    assert "invalid --depth" in built.both("blame", "--depth", "-1", "blamed", status=1)[1]
    assert "No such image" in built.both("blame", "none", "/", status=1)[1]
    built.both("blame", status=1)


def test_package(built: Lamina, tmp_path: Path) -> None:
    status = "Package: tool\nStatus: install ok installed\nArchitecture: all\nVersion: 1:2\n"
    info = "var/lib/dpkg/info"
    layers = [
        [plain("var/lib/dpkg/status", status), plain(f"{info}/tool.list", "/.\n/opt\n/opt/tool\n")],
        [folder("opt"), plain("opt/tool", ""), plain("opt/mine", "")],
    ]
    built("load", "-i", archive(tmp_path / "a.tar", layers, name="packaged:latest"))
    lines = built("blame", "--package", "packaged", "/opt").splitlines()
    assert lines[0].split() == ["LAYER", "WHERE", "INSTRUCTION", "SIZE", "PACKAGE", "PATH"]
    assert lines[2].split() == ["#2", "step", "2", "0B", "tool@1:2", "(deb)", "/opt/tool"]
    assert lines[1].split() == ["#2", "step", "2", "0B", "/opt/mine"]
    assert built("blame", "-p", "packaged", "/opt/tool").splitlines()[0] == "/opt/tool  tool@1:2 (deb)"


def test_layers_and_history(built: Lamina) -> None:
    lines = built("layers", "blamed").splitlines()
    assert lines[-3].split()[3:6] == ["+2", "Dockerfile:3", "COPY"]
    assert "~1" in lines[-2] and "Dockerfile:4" in lines[-2]
    assert "-1" in lines[-1].split()
    items = json.loads(built("layers", "--json", "blamed"))
    assert [(item["base"], item["line"]) for item in items[-4:]] == [
        ("busybox:latest", 15),
        ("", 3),
        ("", 4),
        ("", 6),
    ]
    lines = built("history", "-l", "blamed").splitlines()
    assert lines[0].split() == ["LAYER", "SIZE", "FILES", "WHERE", "BASE", "INSTRUCTION"]
    assert lines[1].split() == ["0B", "Dockerfile:7", "CMD", '["true"]']
    assert any(line.split() == ["0B", "Dockerfile:2", "ENV", "A=1"] for line in lines)
    items = json.loads(built("history", "--json", "blamed"))
    assert [item["line"] for item in items[:5]] == [7, 6, 4, 3, 2]
    assert (
        built("history", "--format", "{{.Where}} {{.Files}}", "blamed").splitlines()[1] == "Dockerfile:6 -1"
    )


def test_a_table_longer_than_is_measured() -> None:
    lines = [["a", "b", "c"], *([str(number), "x", "y"] for number in range(30_000))]
    parts = list(longtable(iter([*lines, ["9" * 20, "x", "y"], ["1", "x", "y"]])))
    assert len(parts) == 30_003
    assert parts[0] == "a         b         c\n"
    assert parts[-2] == "9" * 20 + "   x         y\n"
    assert parts[-1] == "1".ljust(23) + "x         y\n"
    assert list(longtable([["a", "b"]])) == ["a         b\n"]


def test_an_array_item_by_item() -> None:
    for items in ([], [1], [{"a": "x\n"}, [1, 2], "é"]):
        assert json.loads("".join(array(items))) == items


def test_a_reader_that_has_seen_enough(built: Lamina) -> None:
    command = [*built.argv, "blame", "--json", "blamed"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=built.environ) as run:
        assert run.stdout is not None and run.stderr is not None
        run.stdout.readline()
        run.stdout.close()
        assert b"Traceback" not in run.stderr.read()


def test_a_base_that_only_labels_name(built: Lamina, tmp_path: Path) -> None:
    labels = {"org.opencontainers.image.base.name": "example.org/base:1\x1b[0m"}
    path = archive(tmp_path / "a.tar", TRICKY[:2], name="labelled:latest", config={"Labels": labels})
    built("load", "-i", path)
    out, err = built.both("layers", "labelled")
    assert len(out.splitlines()) == 3
    assert (
        err
        == r"The labels name the base image example.org/base:1\x1b[0m: no layer is known as its own" + "\n"
    )
    assert built.both("layers", "-q", "labelled")[1] == ""


def test_lines(built: Lamina, tmp_path: Path) -> None:
    stacked = [[plain("f", "one\n\x1b[31m\n")], [plain("f", "one\n\x1b[31m\ntwo\tx\n")]]
    built("load", "-i", archive(tmp_path / "a.tar", stacked, name="lines:latest"))
    assert built("blame", "--lines", "lines", "/f").splitlines() == [
        "#1  step 1  1) one",
        r"#1  step 1  2) \x1b[31m",
        "#2  step 2  3) two     x",
    ]
    assert [each["layer"] for each in json.loads(built("blame", "--lines", "--json", "lines:/f"))] == [
        1,
        1,
        2,
    ]
    assert "one file" in built.both("blame", "--lines", "lines", "a", "b", status=1)[1]
    assert "not a file" in built.both("blame", "--lines", "blamed", "/etc", status=1)[1]


STAGES = """FROM busybox AS one
ENV A=1
ONBUILD LABEL of=another

FROM one AS two
RUN echo 2 > /two
FROM one
COPY --from=two /two /
LABEL last=1
"""
ONLY = 'FROM staged AS a\nFROM a\nCMD ["x"]\n'


def test_lines_through_stages_squashes_and_bases(built: Lamina, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(STAGES)
    (tmp_path / "On").write_text("FROM staged\n# comment\nRUN true\n")

    def lines(name: str) -> list[tuple[str, int, str]]:
        items = json.loads(built("history", "--json", name))[::-1]
        return [(item["dockerfile"], item["line"], item["base"]) for item in items][6:]

    built("build", "-q", "-t", "staged", tmp_path)
    own = [("Dockerfile", line) for line in (2, 3, 8, 9)]  # 3 is what the ONBUILD did to the last stage
    assert lines("staged") == [(*place, "") for place in own]
    built("build", "-q", "-t", "onto", "-f", tmp_path / "On", tmp_path)
    assert lines("onto") == [*((*place, "staged:latest") for place in own), ("On", 3, "")]
    (tmp_path / "Only").write_text(ONLY)
    built("build", "-q", "-t", "only", "-f", tmp_path / "Only", tmp_path)
    assert lines("only") == [*((*place, "staged:latest") for place in own), ("Only", 3, "")]
    built("build", "-q", "--squash", "-t", "squashed", tmp_path)
    assert lines("squashed")[:4] == [(*place, "") for place in own]  # its layer is that of the one COPY
