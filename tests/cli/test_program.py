"""The commands from one end to the other: flags, output, exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import tarfile
import time
from typing import TYPE_CHECKING

import pytest

from lamina.trace import support
from tests.trace import places

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.lamina_command import Lamina


def test_build_prints_its_steps_and_their_output(program: Lamina, context: Path) -> None:
    text = program.build("-t", "app:one", "--no-cache", context)
    assert re.search(r"^#\d [\d.]+ made for you$", text, re.MULTILINE)
    assert re.search(r"^#\d \[base \d/\d\] COPY hello /hello$", text, re.MULTILINE)
    assert re.search(r"^#\d DONE [\d.]+s$", text, re.MULTILINE)
    assert "naming to docker.io/library/app:one done" in text
    again = program.build("-t", "app:one", context)
    assert again.count("CACHED") == 3
    assert again.endswith("3 steps reused, 0 run\n")


def test_build_arguments_come_from_flags_and_environment(program: Lamina, context: Path) -> None:
    assert "made for me" in program.build("--build-arg", "WHO=me", context)
    text = program.both("build", "--progress=plain", "--build-arg", "WHO", context, WHO="them")[1]
    assert "made for them" in text


def test_build_quiet_prints_the_id_only(program: Lamina, context: Path) -> None:
    iidfile = context.parent / "iid"
    out, err = program.both("build", "-q", "--iidfile", iidfile, context)
    assert (out, err) == (iidfile.read_text() + "\n", "")
    assert out.startswith("sha256:")


def test_build_from_stdin(program: Lamina, context: Path) -> None:
    text = b"FROM busybox\nRUN echo no context\n"
    assert program("build", "-q", "-", stdin=text).startswith("sha256:")
    assert program("build", "-q", "-f", "-", str(context), stdin=b"FROM scratch\nCOPY hello /\n")


def test_a_run_that_fails_shows_where(program: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\n# first\nRUN echo before; \\\n    exit 7\nRUN true\n")
    iidfile = context.parent / "iid"
    iidfile.write_text("old")
    for progress in ("plain", "quiet", "tty"):
        _, err = program.both("build", f"--progress={progress}", "--iidfile", iidfile, context, status=1)
        assert re.search(r"^ > \[\d/\d\] RUN echo before", err, re.MULTILINE)
        assert re.search(r"^[\d.]+ before$", err, re.MULTILINE)
        assert "   3 | >>> RUN echo before; \\\n   4 | >>>     exit 7\n" in err
        error, hint = err.splitlines()[-2:]
        assert error.startswith("lamina: ")
        assert "exit code: 7" in error
        assert hint.startswith("hint: `lamina run --failed -it`")
    assert not iidfile.exists()


def test_a_dockerfile_that_is_wrong_shows_a_caret(program: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nCOPYY a b\n")
    _, err = program.both("build", context, status=1)
    assert "Dockerfile:2:1" in err
    assert "2 | COPYY a b\n" in err
    assert "^" in err


def test_build_outputs(program: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM scratch\nCOPY hello /\n")
    out = context.parent
    program("build", "-q", "-o", out / "folder", "-o", f"type=tar,dest={out}/tar", context)
    assert (out / "folder" / "hello").read_text() == "hello\n"
    with tarfile.open(out / "tar") as archive:
        assert archive.getnames() == ["hello"]


def test_build_output_to_stdout(program: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM scratch\nCOPY hello /\n")
    done = subprocess.run(
        [*program.argv, "build", "-o", "-", str(context)],
        env=program.environ,
        capture_output=True,
        check=True,
    )
    assert b"hello" in done.stdout[:512]


def test_ctrl_c_ends_a_build(program: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo up; sleep 60\n")
    process = program.start("build", "--progress=plain", "--no-cache", context)
    assert process.stdout is not None
    while b"up\n" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    process.stdout.close()


def test_lists_of_images(program: Lamina, context: Path) -> None:
    program("build", "-q", "-t", "list:one", "-t", "list:two", context)
    short = program("images", "-q", "list:one").strip()
    assert re.fullmatch("[0-9a-f]{12}", short)
    lines = program("images", "list").splitlines()
    assert lines[0].split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert {tuple(line.split()[:3]) for line in lines[1:]} == {("list", "one", short), ("list", "two", short)}
    assert program("images", "--filter", "reference=li*:two", "--format", "{{.Tag}}") == "two\n"
    row = json.loads(program("images", "list:one", "--format", "json"))
    assert (row["Repository"], row["Tag"], row["ID"]) == ("list", "one", short)
    assert program("image", "ls", "-q", "--no-trunc", "list:one").startswith(f"sha256:{short}")


def test_names_come_and_go(program: Lamina) -> None:
    program("tag", "busybox", "names:a")
    program("image", "tag", "names:a", "names:b")
    assert program("rmi", "names:a", "names:b") == "Untagged: names:a\nUntagged: names:b\n"
    out, err = program.both("rmi", "names:a", "busybox:nope", status=1)
    assert out == ""
    assert err == "Error: No such image: names:a\nError: No such image: busybox:nope\n"
    program.both("rmi", "-f", "names:a")
    assert "invalid reference format" in program.both("tag", "busybox", "BAD NAME", status=1)[1]


def test_history_and_layers(program: Lamina, context: Path) -> None:
    program("build", "-q", "-t", "app:layers", context)
    newest, *_ = program("history", "--no-trunc", "app:layers").splitlines()[1:]
    assert 'CMD ["cat" "/made"]' in newest or 'CMD ["cat", "/made"]' in newest
    lines = program("layers", "app:layers").splitlines()
    assert lines[0].split()[:7] == ["#", "LAYER", "SIZE", "FILES", "WHERE", "BASE", "INSTRUCTION"]
    assert "busybox:latest" in lines[1]
    assert "COPY hello /hello" in lines[-2]
    rows = [json.loads(line) for line in program("layers", "--format", "json", "app:layers").splitlines()]
    assert all(os.path.isdir(row["Folder"]) for row in rows)
    assert rows[-1]["DiffID"] == program.inspect("app:layers")["RootFS"]["Layers"][-1]


def test_inspect(program: Lamina) -> None:
    found = program.inspect("busybox")
    assert found["RepoTags"] == ["busybox:latest"]
    assert program("inspect", "-f", "{{.Id}} {{len .RootFS.Layers}}", "busybox").split() == [
        found["Id"],
        str(len(found["RootFS"]["Layers"])),
    ]
    assert program.both("inspect", "nope", status=1) == ("[]\n", "Error: No such object: nope\n")
    assert program.both("image", "inspect", "nope", status=1)[1] == "Error: No such image: nope\n"


@pytest.mark.parametrize(
    ("words", "status", "out"),
    [
        (["busybox", "echo", "-n", "--rm"], 0, "--rm"),
        (["busybox", "sh", "-c", "exit 3"], 3, ""),
        (["busybox", "sh", "-c", "sh -c 'kill -9 $$'; exit $?"], 137, ""),
        (["-e", "A=1", "-e", "HOST", "busybox", "sh", "-c", "echo $A $HOST"], 0, "1 here\n"),
        (["-w", "/etc", "-u", "0", "--hostname", "box", "busybox", "sh", "-c", "pwd; hostname; id -u"], 0,
         "/etc\nbox\n0\n"),
        (["--entrypoint", "/bin/echo", "busybox", "x"], 0, "x\n"),
        (["--read-only", "busybox", "touch", "/x"], 1, ""),
        (["--network", "none", "busybox", "sh", "-c", "ls /sys/class/net | tr -d '\\n'"], 0, "lo"),
        (["busybox", "nope"], 127, ""),
        (["busybox", "/etc/passwd"], 126, ""),
        (["nope"], 125, ""),
        (["--network", "bridge", "busybox"], 125, ""),
        (["-it", "busybox"], 1, ""),
        (["-v", "relative:/x", "busybox", "true"], 125, ""),
    ],
)  # fmt: skip
def test_run(program: Lamina, words: list[str], status: int, out: str) -> None:
    assert program("run", "--rm", *words, status=status, HOST="here") == out


def test_run_reads_stdin_only_with_i(program: Lamina) -> None:
    assert program("run", "--rm", "-i", "busybox", "cat", stdin=b"in\n") == "in\n"
    assert program("run", "--rm", "busybox", "cat", stdin=b"in\n") == ""


def test_run_with_volumes_and_files_of_variables(program: Lamina, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A=from file\n")
    (tmp_path / "data").mkdir()
    command = ["sh", "-c", "echo $A > /data/out"]
    program(
        "run", "--rm", "-v", f"{tmp_path}/data:/data", "--env-file", tmp_path / "env", "busybox", *command
    )
    assert (tmp_path / "data" / "out").read_text() == "from file\n"
    program("run", "--rm", "-v", f"{tmp_path}/data:/data:ro", "busybox", *command, status=1)


def test_signals_are_passed_on(program: Lamina) -> None:
    script = "trap 'echo got it; exit 5' TERM; echo up; while :; do sleep 0.1; done"
    process = program.start("run", "--rm", "busybox", "sh", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 5
    assert process.stdout.read() == b"got it\n"
    process.stdout.close()


def test_run_on_a_terminal(program: Lamina) -> None:
    pid, master = pty.fork()
    if pid == 0:
        os.execve(program.argv[0], [*program.argv, "run", "--rm", "-it", "busybox", "sh"], program.environ)
    seen = b""
    os.write(master, b"tty && echo st''ill $TERM\nexit 4\n")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            data = os.read(master, 4096)
        except OSError:
            break
        seen += data
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 4
    assert b"/dev/pts/0" in seen
    assert b"still xterm" in seen
    os.close(master)


def test_the_life_of_a_container(program: Lamina) -> None:
    program("run", "--name", "life", "busybox", "sh", "-c", "echo x > /new; rm /etc/group; exit 2", status=2)
    (line,) = program("ps", "-a", "--filter", "name=life").splitlines()[1:]
    assert re.search(r"busybox +\"sh -c '?echo x > /.*…\" +.* ago +Exited \(2\) .* ago +life$", line)
    assert program("ps", "-q", "--filter", "name=life") == ""
    assert sorted(program("diff", "life").splitlines()) == ["A /new", "C /etc", "D /etc/group"]
    assert program("inspect", "-f", "{{.State.ExitCode}} {{.Config.Image}}", "life") == "2 busybox\n"
    image = program("commit", "-m", "by hand", "-a", "Ada", "-c", 'CMD ["cat", "/new"]', "life", "lived:v1")
    assert re.fullmatch("sha256:[0-9a-f]{64}\n", image)
    assert program("run", "--rm", "lived:v1") == "x\n"
    assert program("inspect", "-f", "{{.Author}} {{.Comment}}", "lived:v1") == "Ada by hand\n"
    assert "Conflict" in program.both("run", "--name", "life", "busybox", status=125)[1]
    err = program.both("run", "nowhere:1", status=125)[1]
    why = "No such image: nowhere:1; cannot fetch nowhere:1: Lamina is offline here"
    assert re.search(f"^lamina: {why}\nhint: .*`lamina pull`", err, re.MULTILINE)
    assert program("rm", "life") == "life\n"
    assert program.both("rm", "life", status=1)[1] == "Error: No such container: life\n"


def test_save_and_load(program: Lamina, tmp_path: Path) -> None:
    program("tag", "busybox", "saved:v1")
    program("save", "-o", tmp_path / "saved.tar", "saved:v1")
    assert os.listdir(tmp_path) == ["saved.tar"]
    program("rmi", "saved:v1")
    assert program("load", "-i", tmp_path / "saved.tar") == "Loaded image: saved:v1\n"
    assert program.inspect("saved:v1")["Id"] == program.inspect("busybox")["Id"]
    assert "no such file" in program.both("load", "-i", tmp_path / "none", status=1)[1]
    (tmp_path / "rubbish").write_bytes(b"rubbish" * 1000)
    assert program.both("load", "-i", tmp_path / "rubbish", status=1)[1].startswith("lamina: ")


def test_export_and_import(program: Lamina, tmp_path: Path) -> None:
    program("run", "--name", "out", "busybox", "true")
    program("export", "-o", tmp_path / "out.tar", "out")
    program("rm", "out")
    image = program("import", "-c", 'CMD ["echo", "in"]', "-m", "note", tmp_path / "out.tar", "imported:v1")
    assert image.startswith("sha256:")
    assert program("run", "--rm", "imported:v1") == "in\n"
    assert len(program.inspect("imported:v1")["RootFS"]["Layers"]) == 1


def test_mount_and_umount(program: Lamina) -> None:
    path = program("mount", "busybox").strip()
    try:
        assert os.path.exists(f"{path}/bin/busybox")
        assert program("mount").splitlines()[1].split() == ["busybox", path]
    finally:
        assert program("umount", "busybox") == "busybox\n"
    assert not os.path.exists(f"{path}/bin/busybox")
    assert program.both("umount", "busybox", status=1)[1].startswith("Error: busybox is not mounted")


def test_df_info_and_prune(program: Lamina, context: Path) -> None:
    (context / "hello").write_text("for df")
    program("build", "-q", "-t", "app:df", context)
    program("rmi", "app:df")
    lines = program("df").splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "TYPE",
        "Images",
        "Containers",
        "Local Volumes",
        "Build Cache",
        "Cache Mounts",
    ]
    assert "Images space usage:" in program("system", "df", "-v")
    assert json.loads(program("info", "--format", "json"))["DockerRootDir"] == str(program.root)
    assert program("prune", stdin=b"n\n").endswith("[y/N] Total reclaimed space: 0B\n")
    assert re.search(r"^Total reclaimed space: [1-9]", program("builder", "prune", "-f"), re.MULTILINE)
    assert program("run", "--rm", "busybox", "echo", "still") == "still\n"


def test_info_says_whether_steps_are_traced(program: Lamina) -> None:
    native = "the native snapshotter copies all files for a step"
    assert f"Traced Steps: no: {native}\n" in program("--snapshotter", "native", "info")
    template = "{{.Tracing}} {{.Untraced}}"
    assert program("--snapshotter", "native", "info", "-f", template) == f"false {native}\n"
    traced = program("info", "-f", template)
    if support.why_not():
        assert traced == f"false {support.why_not()}\n"
    elif places.missing():
        assert re.fullmatch("false .+\n", traced)
    elif os.geteuid() == 0:
        assert traced == "true \n"
    assert os.listdir(program.root / "mnt") == []


def test_save_refuses_a_terminal(program: Lamina) -> None:
    pid, master = pty.fork()
    if pid == 0:
        os.execve(program.argv[0], [*program.argv, "save", "busybox"], program.environ)
    seen = os.read(master, 4096)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert b"cowardly refusing to save to a terminal. Use the -o flag or redirect" in seen
    os.close(master)


def test_a_cached_build_loads_nothing_heavy(program: Lamina, context: Path) -> None:
    program.build(context)
    argv = [program.argv[0], "-X", "importtime", *program.argv[1:], "build", "--progress=plain", str(context)]
    done = subprocess.run(argv, env=program.environ, capture_output=True, text=True, check=True)
    assert done.stderr.count("CACHED") == 3
    loaded = {
        line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time")
    }
    heavy = "argparse asyncio ctypes dataclasses inspect logging rich shutil subprocess tarfile threading"
    assert loaded & set(heavy.split()) == set()
