"""lamina diff: images, layers, containers and steps of builds, as the command line shows them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from lamina import Engine
from tests.e2e.conftest import make_base, new_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lamina.insight.diff.change import FileChange
    from tests.e2e.lamina_command import Lamina

DOCKERFILE = """FROM busybox
ENV COLOUR=blue
COPY --chmod=644 text /srv/text
COPY --chmod=%s bin /srv/bin
RUN %s
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lamina]:
    """Lamina with app:1, app:2 and a container `box` of app:1."""
    with new_root("cli-diff") as made:
        make_base(made, "busybox")
        folder = tmp_path_factory.mktemp("context")
        build(made, folder, "app:1", "a\nb\nc\n", "644", "touch /gone '/o\x1b[31md'")
        build(made, folder, "app:2", "a\nB\nc\n", "600", "touch '/o\x1b[31md'")
        made("run", "--name", "box", "app:1", "sh", "-c", "rm /gone; echo d >> /srv/text; echo > /made")
        yield made


def build(program: Lamina, folder: Path, name: str, text: str, mode: str, run: str) -> None:
    (folder / "Dockerfile").write_text(DOCKERFILE % (mode, run))
    (folder / "text").write_text(text)
    (folder / "bin").write_bytes(b"\0" + text.encode())
    program("build", "-q", "-t", name, folder)


def test_two_images(program: Lamina) -> None:
    *lines, last = program("diff", "app:1", "app:2").splitlines()
    assert lines[:3] == [
        "D /gone",
        "C /srv/bin (content, mode 0644 -> 0600)",
        "C /srv/text (content)",
    ]
    assert lines[3] == "Config:"
    assert re.fullmatch(r"  C created: \S+ -> \S+", lines[4])
    assert lines[5:] == [
        "History:",
        "  D line 9: COPY --chmod=644 bin /srv/bin",
        r"  D line 10: RUN /bin/sh -c touch /gone '/o\x1b[31md'",
        "  A line 9: COPY --chmod=600 bin /srv/bin",
        r"  A line 10: RUN /bin/sh -c touch '/o\x1b[31md'",
    ]
    assert re.fullmatch(
        r"app:1 \(8 layers\) -> app:2 \(8 layers\), 5 of them shared: 2 changed, 1 deleted.*",
        last,
    )


def test_one_image_against_its_base(program: Lamina) -> None:
    lines = program("diff", "app:1").splitlines()
    assert [line for line in lines if line[:2] == "A "] == [
        "A /gone",
        r"A /o\x1b[31md",
        "A /srv",
        "A /srv/bin",
        "A /srv/text",
    ]
    assert "  A Env COLOUR: blue" in lines
    assert lines[-1].startswith("busybox:latest (5 layers) -> app:1 (8 layers), 5 of them shared: 5 added, +")
    bare = program("diff", "busybox", "--stat").splitlines()[-1]
    assert bare.startswith(
        "the empty file system (no base of it is in the store) -> busybox:latest (5 layers): "
    )


def test_forms(program: Lamina) -> None:
    assert program("diff", "--name-only", "app:1", "app:2") == "/gone\n/srv/bin\n/srv/text\n"
    lines = program("diff", "--stat", "app:1", "app:2").splitlines()
    assert lines[:-1] == [" /gone | deleted", " /srv/bin | Bin 7B -> 7B", " /srv/text | 2 +-"]
    found = program("diff", "-p", "app:1", "app:2", "/srv/text").splitlines()
    assert found[:-1] == [
        "C /srv/text (content)",
        "diff --git a/srv/text b/srv/text",
        "--- a/srv/text",
        "+++ b/srv/text",
        "@@ -1,3 +1,3 @@",
        " a",
        "-b",
        "+B",
        " c",
    ]
    document = json.loads(program("diff", "--json", "app:1", "app:2"))
    with Engine.open(str(program.root)) as engine:
        diff = engine.compare("app:1", "app:2")
    assert document["totals"] == diff.totals._asdict()
    assert [each["path"] for each in document["files"]] == [each.path for each in diff.files]
    assert document["is_different"] is diff.is_different is True


def test_exit_codes(program: Lamina) -> None:
    assert program("diff", "-q", "app:1", "app:2", status=1) == ""
    assert program("diff", "-q", "app:1", "app:1") == ""
    assert program("diff", "--exit-code", "--name-only", "app:1", "app:2", "/srv", status=1)
    program("diff", "--exit-code", "app:1", "app:2", "/bin")
    assert program("diff", "app:1", "app:1") == "app:1 (8 layers) and app:1 (8 layers) are the same image\n"


def test_layers(program: Lamina) -> None:
    *lines, last = program("diff", "app:1#-1").splitlines()
    assert lines[:2] == ["A /gone", r"A /o\x1b[31md"]
    assert last.startswith("app:1#7 (7 layers) -> app:1#8 (8 layers), 7 of them shared: 2 added")
    assert program("diff", "--name-only", "app:1#7", "app:2#7") == "/srv/bin\n/srv/text\n"
    diff_id = program("layers", "-q", "--no-trunc", "app:1").split()[-1]
    assert program("diff", "--name-only", diff_id).splitlines()[-1] == r"/o\x1b[31md"
    assert program("diff", "--name-only", "app:1#1") != ""


def test_containers(program: Lamina) -> None:
    assert program("diff", "box") == "D /gone\nA /made\nC /srv\nC /srv/text\n", "as Docker has it"
    *lines, last = program("diff", "--stat", "box").splitlines()
    assert lines == [" /gone | deleted", " /made | 1 +", " /srv/text | 1 +"]
    assert program("container", "diff", "box") == program("diff", "box")
    assert "  C Cmd: " in program("diff", "app:1", "box")
    assert last.startswith(
        "app:1 (8 layers) -> box (9 layers), 8 of them shared: 1 added, 1 changed, 1 deleted"
    )
    assert program("diff", "--name-only", "box", "app:2") == "/made\n/srv/bin\n/srv/text\n"
    assert program("diff", "box", "/srv") == program("diff", "app:1", "box", "/srv")


def test_steps_of_builds(program: Lamina) -> None:
    first = program("build", "ls", "-q").split()[0]
    assert program("diff", "--name-only", f"{first}#4") == "/o\\x1b[31md\n"
    assert program("diff", "--step", "4", "--name-only", first) == "/o\\x1b[31md\n"
    assert program("diff", "--step", "4", first) == "A /o\x1b[31md\n", "Docker's form has the bytes"
    assert program("diff", "--name-only", "^1#4", "^0#4") == "/gone\n/srv/bin\n/srv/text\n"
    assert "  A Env COLOUR: blue" in program("diff", f"{first}#1", f"{first}#2").splitlines()
    lines = program("diff", "--stat", f"{first}#2").splitlines()
    assert lines[-1].startswith(
        f"what {first}#2 stood on (5 layers) -> {first}#2 (6 layers), 5 of them shared"
    )


def test_two_builds_that_should_be_equal(program: Lamina, tmp_path: Path) -> None:
    for name in ("same:1", "same:2"):
        (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /id\n")
        program("build", "-q", "--no-cache", "-t", name, tmp_path)
    lines = program("diff", "same:1", "same:2").splitlines()
    at = lines.index("Why they differ, in each layer the most telling first:")
    assert lines[at + 1].strip().startswith("layer 6 is the first that differs: RUN /bin/sh -c cat /proc")
    assert lines[at + 2].startswith("  1. content /id: line 1: ")
    assert lines[at + 3].strip() == "likely: an ID, a key or a hash that is made anew"
    without = program("diff", "--reproducible=false", "same:1", "same:2")
    assert "Why they differ" not in without
    asked = program("diff", "--reproducible", "app:1", "app:2")
    assert asked.startswith("Why they differ") and "History" not in asked
    assert "likely: the build contexts were not the same" in asked
    assert "layer 6 is the first that differs: COPY --chmod=644 text /srv/text" in asked


def test_a_worker_answers_the_same(program: Lamina) -> None:
    """Programs of ordinary users have the work done by another process."""
    with Engine.open(str(program.root)) as engine:
        whole = engine.compare("app:1", "app:2")
        assert engine.compare("app:1#7", "app:1").history == engine.compare("app:1#-1").history
        engine._in_place = lambda: False  # type: ignore[method-assign]
        seen: list[FileChange] = []
        assert engine.compare("app:1", "app:2") == whole
        assert engine.compare("app:1", "app:2", found=seen.append) == whole._replace(files=())
        assert tuple(seen) == whole.files != ()


def test_what_does_not_exist(program: Lamina) -> None:
    for words, message in (
        (("nope",), "No such container or image: nope"),
        (("app:1", "nope:1"), "No such container or image: nope:1"),
        (("app:1#99",), "no layer 99: the image has 8 layers"),
        (("app:1#x",), "invalid layer: 'x'"),
        (("nope#1",), "No such image or build: nope"),
        (("^0#77",), "has no step 77"),
        (("^0#x",), "No such image or build: ^0"),
        (("APP:1",), "invalid reference"),
        (("--step", "3", "a", "b"), "--step and --failed take one build"),
        (("\udcff".encode("utf-8", "surrogateescape").decode("latin-1"),), "nvalid reference"),
        (("--platform", "linux/s390x", "app:1"), "does not match the specified platform"),
        (("/etc",), "requires 1 argument"),
    ):
        out, err = program.both("diff", *words, status=1)
        assert message in err, words
        assert out == ""
