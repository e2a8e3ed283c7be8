"""lamina build ls|show|logs|rm, and a shell in what a step left: run and diff with --failed and --step."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import lamina
from lamina.cli.commands.build_ls import duration
from tests.e2e.lamina_command import Lamina

FAILS = """\
FROM busybox
ENV COLOUR=blue
ARG SIZE=big
WORKDIR /work
COPY hello hello
RUN echo one > one; echo to out; echo to err >&2
RUN echo two > two; rm hello; echo gone >&2; exit 7
RUN echo never
"""


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    """A context whose build fails at step 5."""
    folder = tmp_path / "failing"
    folder.mkdir()
    (folder / "Dockerfile").write_text(FAILS)
    (folder / "hello").write_text("hello\n")
    return folder


def fail(program: Lamina, folder: Path) -> str:
    """Builds it; the build's ID, as the hint names it."""
    err = program.both("build", "--progress=plain", folder, status=1)[1]
    found = re.search(r"`lamina run --failed -it`.*step 5 of build (\w+)", err)
    assert found, err
    return found[1]


def test_ls(program: Lamina, context: Path, failing: Path) -> None:
    program("build", "-q", "-t", "app", "--build-arg", f"WHO={context}", context)
    program("build", "-q", "-t", "app", "--build-arg", f"WHO={context}", context)
    build_id = fail(program, failing)
    head, failed, cached, ran = program("build", "ls").splitlines()[:4]
    assert re.split(" {2,}", head) == ["BUILD ID", "NAME", "STATUS", "STEPS", "CREATED", "DURATION"]
    assert failed.startswith(build_id)
    assert re.search(r"failing +Error +\d run, \d cached, 2 not done", failed)
    assert re.search(r"context +Completed +0 run, 3 cached +\S.* ago +0\.0s", cached)
    assert re.search(r"context +Completed +2 run, 1 cached", ran)


def test_ls_as_json_quietly_and_filtered(program: Lamina, context: Path, failing: Path) -> None:
    program("build", "-q", "-t", "filtered:1", context)
    build_id = fail(program, failing)
    rows = [json.loads(line) for line in program("build", "ls", "--format", "json").splitlines()]
    assert (rows[0]["ID"], rows[0]["Status"], rows[0]["Context"]) == (build_id, "Error", str(failing))
    assert rows[1]["Tags"] == "docker.io/library/filtered:1"
    assert program("build", "ls", "-q").splitlines()[0] == build_id
    assert program("build", "ls", "--format", "{{.ID}} {{.Name}}").splitlines()[0] == f"{build_id} failing"
    errors = program("build", "ls", "-q", "--filter", "status=error").splitlines()
    assert build_id in errors
    assert rows[1]["ID"] not in errors
    assert build_id not in program("build", "ls", "-q", "--filter", "status!=error")
    assert program("build", "ls", "-q", "-f", "tag=filtered:1").splitlines() == [rows[1]["ID"]]
    assert program("build", "ls", "-q", "-f", f"id={build_id[:6]}", "-f", "name=failing").split() == [
        build_id
    ]
    assert program("build", "ls", "-q", "-f", "duration>10m") == ""
    assert build_id in program("build", "ls", "-q", "-f", "duration<10m")
    for wrong in ("x", "bogus=1", "duration=3", "status<3", "duration<x", "status=failed"):
        assert "invalid" in program.both("build", "ls", "--filter", wrong, status=1)[1]


def test_no_trunc(program: Lamina, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 15)
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM busybox\n")
    program("build", "-q", folder)
    assert "…" in program("build", "ls").splitlines()[1]
    assert folder.name in program("build", "ls", "--no-trunc").splitlines()[1]


def test_show(program: Lamina, failing: Path) -> None:
    build_id = fail(program, failing)
    for words in ((), (build_id,), (build_id[:5],), ("^0",)):
        page = program("build", "show", *words)
        assert f"Build:       {build_id}\n" in page
    assert "Status:      error\n" in page
    assert re.search(r"Error: +Dockerfile:7: RUN echo two.*exit code: 7", page)
    assert re.search(r"#1 +cached +1 +\[1/6\] FROM busybox", page)
    assert re.search(r"#5 +failed +\d\.\ds +7 +\[5/6\] RUN echo two > two", page)
    assert re.search(r"#6 +not reached +8 +\[6/6\] RUN echo never", page)
    assert f"`lamina run --step 5 {build_id}`" in page


def test_show_as_json(program: Lamina, failing: Path) -> None:
    build_id = fail(program, failing)
    found = json.loads(program("build", "show", "--format", "json"))
    assert (found["ID"], found["Status"], found["ErrorLine"]) == (build_id, "error", 7)
    assert [step["Status"] for step in found["Steps"]][-2:] == ["failed", "not reached"]
    assert found["Steps"][4]["Kept"] is True
    assert found["Steps"][2]["DiffID"].startswith("sha256:")
    assert program("build", "show", "--format", "{{.Status}} {{len .Steps}}") == "error 6\n"


def test_show_says_by_which_rule(program: Lamina, failing: Path) -> None:
    fail(program, failing)
    fail(program, failing)
    found = json.loads(program("build", "show", "--format", "json"))
    assert [step["Rule"] for step in found["Steps"]] == ["", "exact", "exact", "exact", "", ""]


def test_logs(program: Lamina, failing: Path) -> None:
    dockerfile = failing / "Dockerfile"
    dockerfile.write_text(FAILS.replace("SIZE=big", f"SIZE={failing.parent.name}"))  # so that step 4 runs
    fail(program, failing)
    text = program("build", "logs")
    assert "#1 [1/6] FROM busybox\n#1 CACHED\n" in text
    assert re.search(r"#4 \[4/6\] RUN echo one.*\n(#4 \d\.\d{3} to (out|err)\n){2}#4 DONE \d\.\ds\n", text)
    assert re.search(r"#5 \d\.\d{3} gone\n#5 ERROR: Dockerfile:7: .* exit code: 7\n", text)
    assert "never" not in text
    assert sorted(program("build", "logs", "--step", "4").splitlines()) == ["to err", "to out"]
    assert program("build", "logs", "--step", "4", "--stdout") == "to out\n"
    assert program("build", "logs", "--step", "4", "--stderr") == "to err\n"
    assert " to err\n" not in program("build", "logs", "--stdout")
    assert " to err\n" in program("build", "logs", "--stderr")
    assert re.fullmatch(r"\d\.\d{3} gone\n", program("build", "logs", "--step", "5", "-t"))
    assert program("build", "logs", "--step", "6") == ""
    for step, words in (("9", "has no step 9"), ("x", "not the number of a step"), ("0", "not the number")):
        assert words in program.both("build", "logs", "--step", step, status=1)[1]


def test_logs_are_complete(program: Lamina, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM busybox\nRUN : {tmp_path}; seq 200000; printf 'end\\377'\n")
    program("build", "-q", tmp_path)
    done = program.start("build", "logs", "--step", "2")
    out = done.communicate(timeout=60)[0]
    assert out == b"".join(b"%d\n" % n for n in range(1, 200001)) + b"end\xff"
    lines = program("build", "logs").splitlines()
    assert len([line for line in lines if re.match(r"#2 \d+\.\d{3} ", line)]) == 200001


def test_rm(program: Lamina, context: Path, failing: Path) -> None:
    build_id = fail(program, failing)
    program("build", "-q", context)
    kept = program.root / "mnt" / f"failed-{build_id}-5"
    assert kept.is_dir()
    assert (program.root / "builds" / build_id).is_dir()
    assert program("build", "rm", "^1") == f"{build_id}\n"
    assert not kept.exists()
    assert not (program.root / "builds" / build_id).exists()
    assert build_id not in program("build", "ls", "-q")
    assert "No such build" in program.both("build", "rm", build_id, status=1)[1]
    assert "no build given" in program.both("build", "rm", status=1)[1]
    assert program("build", "rm", "--all").split() != []
    assert program("build", "ls", "-q") == ""
    assert "no build is recorded" in program.both("build", "show", status=1)[1]


def test_buildx_history(program: Lamina, context: Path) -> None:
    program("build", "-q", context)
    build_id = program("build", "ls", "-q").split()[0]
    assert program("buildx", "history", "ls", "-q").split()[0] == build_id
    assert build_id in program("builder", "history", "inspect")
    assert "[" in program("buildx", "history", "logs", build_id)
    assert program("buildx", "history", "rm", build_id) == f"{build_id}\n"


def test_a_folder_that_is_called_ls(program: Lamina, tmp_path: Path) -> None:
    folder = tmp_path / "ls"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM busybox\nLABEL folder=ls\n")
    here = {"PYTHONPATH": str(Path(lamina.__file__).parents[1])}
    done = program.start("build", "-q", "./ls", cwd=str(tmp_path), environ=here)
    assert done.communicate(timeout=60)[0].startswith(b"sha256:")
    done = program.start("build", "ls", cwd=str(tmp_path), environ=here)
    assert done.communicate(timeout=60)[0].startswith(b"BUILD ID")


def test_run_in_what_the_failed_step_left(program: Lamina, failing: Path) -> None:
    build_id = fail(program, failing)
    show = 'pwd; ls; cat one two; echo "$COLOUR $SIZE"'
    expected = "/work\none\ntwo\none\ntwo\nblue big\n"
    assert program("run", "--rm", "--failed", "sh", "-c", show) == expected
    assert program("run", "--rm", "--failed", build_id, "sh", "-c", show) == expected
    assert program("run", "--rm", "--step", "5", "sh", "-c", show) == expected
    assert (
        program("run", "--rm", "--failed", stdin=b"echo shell: $0; ls; exit 4\n", status=4)
        == "shell: /bin/sh\none\ntwo\n"
    )
    program("run", "--name", "left", "--failed", "rm", "two")
    assert re.fullmatch("[0-9a-f]{12}\n", program("ps", "-a", "-f", "name=left", "--format", "{{.Image}}"))
    program("rm", "left")
    assert program("run", "--rm", "--failed", "ls") == "one\ntwo\n", "it stays as it was"


def test_run_with_flags_of_its_own(program: Lamina, failing: Path) -> None:
    fail(program, failing)
    flags = ("--failed", "-e", "COLOUR=red", "-w", "/tmp")
    assert program("run", "--rm", *flags, "sh", "-c", "pwd; echo $COLOUR") == "/tmp\nred\n"
    if not program.one_id:
        assert program("run", "--rm", *flags, "-u", "1000", "id", "-u") == "1000\n"
    assert program("run", "--rm", "--failed", "--entrypoint", "echo", "x", "y") == "x y\n"


def test_run_after_a_step(program: Lamina, failing: Path) -> None:
    build_id = fail(program, failing)
    assert program("run", "--rm", "--step", "3", "ls") == "hello\n"
    assert program("run", "--rm", "--step", "4", build_id, "ls") == "hello\none\n"
    assert program("run", "--rm", "--step", "4", "--before", "ls") == "hello\n"
    assert program("run", "--rm", "--failed", "--before", build_id, "ls") == "hello\none\n"
    assert program("run", "--rm", "--step", "1", "pwd") == "/\n", "before WORKDIR"


def test_a_container_of_a_step_can_be_committed(program: Lamina, failing: Path) -> None:
    fail(program, failing)
    program("run", "--name", "mended", "--failed", "sh", "-c", "echo three > three")
    assert program("diff", "mended") == "C /work\nA /work/three\n"
    program("commit", "mended", "mended")
    assert program("run", "--rm", "mended", "sh", "-c", "ls; echo $COLOUR") == "one\nthree\ntwo\nblue\n"
    program("rm", "mended")
    program("rmi", "mended")
    program("image", "prune", "-f")


def test_run_with_rm_leaves_no_image(program: Lamina, failing: Path) -> None:
    fail(program, failing)
    before = program("images", "-aq")
    program("run", "--rm", "--failed", "true")
    assert program("images", "-aq") == before
    assert program("ps", "-aq") == ""


def test_wrong_steps(program: Lamina, context: Path, failing: Path) -> None:
    build_id = fail(program, failing)
    for words, message in (
        (("--step", "6"), "made nothing: it is not reached"),
        (("--step", "77"), f"build {build_id} has no step 77"),
        (("--step", "x"), "not the number of a step"),
        (("--step", "-1"), "not the number of a step"),
        (("--failed", "--step", "3"), "name two steps"),
        (("--failed", "z9aaaaaaaaaa", "ls"), "No such build: z9aaaaaaaaaa"),
        (("--step", "1", "--before"), "first of its stage"),
    ):
        assert message in program.both("run", "--rm", *words, status=125)[1]
    program("build", "-q", context)
    whole = program("build", "ls", "-q").split()[0]
    assert "no step of build" in program.both("run", "--failed", whole, status=125)[1]
    assert "--before needs" in program.both("run", "--before", "busybox", "true", status=125)[1]
    assert "requires at least 1 argument" in program.both("run", status=1)[1]
    assert "requires 1 argument" in program.both("diff", status=1)[1]


def test_diff_of_steps(program: Lamina, failing: Path) -> None:
    build_id = fail(program, failing)
    lines = "C /work\nD /work/hello\nA /work/two\n"
    assert program("diff", "--failed") == lines
    assert program("diff", "--failed", build_id) == lines
    assert program("diff", "--failed", "--name-only") == "/work/hello\n/work/two\n"
    assert program("diff", "--step", "5") == lines
    assert program("diff", "--step", "4", build_id) == "C /work\nA /work/one\n"
    assert program("diff", "--step", "2") == "A /work\n"
    assert "changed nothing" in program.both("diff", "--step", "1", status=1)[1]


def test_prune_removes_what_failed_steps_left(program: Lamina, failing: Path) -> None:
    build_id = fail(program, failing)
    assert list((program.root / "mnt").glob("failed-*"))
    program("builder", "prune", "-f")
    assert not list((program.root / "mnt").glob("failed-*"))
    assert build_id in program("build", "ls", "-q"), "the record stays"
    assert "nothing is kept of step 5" in program.both("run", "--failed", "ls", status=125)[1]
    assert "not in the store any more" in program.both("run", "--step", "4", "ls", status=125)[1]
    assert "not in the store any more" in program.both("diff", "--step", "4", status=1)[1]


def test_no_cache_filter_flag(program: Lamina, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox AS one\nRUN echo 1\nFROM one AS two\nRUN echo 2\n")
    program("build", "-q", tmp_path)
    err = program.both("build", "--progress=plain", "--no-cache-filter=two,other", tmp_path)[1]
    assert "no stage is called other" in err
    assert "3 steps reused, 1 run" in err
    assert json.loads(program("build", "show", "--format", "json"))["RunSteps"] == 1


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0s"), (59.94, "59.9s"), (61, "1m 01s"), (3723.5, "1h 02m 03s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_mounts_of_the_failed_step(program: Lamina, tmp_path: Path) -> None:
    """Caches and tmpfs are there again; what a secret held is nowhere."""
    mounts = "--mount=type=cache,target=/c,id=pages --mount=type=tmpfs,target=/t --mount=type=secret,id=word"
    (tmp_path / "Dockerfile").write_text(f"FROM busybox\nRUN {mounts} echo kept > /c/f; touch /t/x; exit 1\n")
    (tmp_path / "word").write_text("open sesame")
    program("build", "--secret", f"id=word,src={tmp_path / 'word'}", tmp_path, status=1)
    look = "cat /c/f; ls /t; grep -c ' /t tmpfs' /proc/mounts; ls /run/secrets"
    out, err = program.both("run", "--rm", "--failed", "sh", "-c", look, status=1)
    assert out == "kept\n1\n"
    assert "not there now: secret /run/secrets/word\n" in err
    assert "cache" not in err.splitlines()[0]
    assert program("diff", "--failed") == "", "mount points are no changes"
    own = program("run", "--rm", "-v", f"{tmp_path}:/c:ro", "--failed", "ls", "/c")
    assert own == "Dockerfile\nword\n", "a mount that the user asks for goes before"
    found = [path for path in program.root.rglob("*") if path.is_file() and b"sesame" in path.read_bytes()]
    assert found == []
    program("cache", "rm", "pages")
    assert program("run", "--rm", "--failed", "ls", "/c") == "", "a cache that was removed begins anew"


def test_a_cache_mount_with_first_content_is_named(program: Lamina, tmp_path: Path) -> None:
    mount = "--mount=type=cache,target=/c,from=busybox,source=/bin"
    (tmp_path / "Dockerfile").write_text(f"FROM busybox\nRUN {mount} --network=none exit 1\n")
    program("build", tmp_path, status=1)
    out, err = program.both("run", "--rm", "--failed", "sh", "-c", "ls /sys/class/net")
    assert "not there now: cache /c\n" in err
    assert out == "lo\n", "the network is the step's"
