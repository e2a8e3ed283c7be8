"""Bad Dockerfiles, contexts, names and bytes: one clear line, a status, and a store as before."""

from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from tests.e2e.lamina_command import Lamina
from tests.e2e.refusals import check_error, on_disk, refused, unchanged

# name: (Dockerfile, what the one line says). All fail before any layer is made.
DOCKERFILES = {
    "unknown instruction": ("FROM busybox\nRUM true\n", r"Dockerfile:2:1: .*RUM"),
    "unknown flag": ("FROM busybox\nCOPY --chwon=1 a /\n", r"Dockerfile:2:6: .*chwon"),
    "flag that is out of scope": ("FROM busybox\nRUN --device=a.b/c=d true\n", r":2:5: .*device"),
    "unknown base": ("FROM nowhere:1\n", r"Dockerfile:1:6: .*nowhere:1"),
    "base that is no name": ("FROM Bad//Name\n", r"Dockerfile:1:6: .*invalid reference format"),
    "missing file": ("FROM busybox\nCOPY a missing /\n", r'Dockerfile:2:8: "/missing": not found'),
    "file outside": ("FROM busybox\nCOPY ../outside /\n", r'Dockerfile:2:6: "/.*outside": not found'),
    "absolute link outside": (
        "FROM busybox\nCOPY absolute/passwd /\n",
        r":2:6: .*absolute/passwd.* not found",
    ),
    "relative link outside": (
        "FROM busybox\nCOPY relative/secret /\n",
        r":2:6: .*relative/secret.* not found",
    ),
    "link to itself": ("FROM busybox\nCOPY loop/x /\n", r":2:6: .*loop"),
    "unknown stage": ("FROM busybox\nCOPY --from=nostage /a /b\n", r":2:\d+: .*nostage"),
    "later stage": (
        "FROM busybox AS a\nCOPY --from=b /a /b\nFROM busybox AS b\nFROM a\n",
        r":2:\d+: .*\bb\b",
    ),
    "own stage": ("FROM busybox AS a\nCOPY --from=a /a /b\n", r":2:\d+: .*\ba\b"),
    "stage by a number too high": ("FROM busybox\nCOPY --from=7 /a /b\n", r":2:\d+: .*7"),
    "missing file in a stage": (
        "FROM busybox AS a\nFROM a\nCOPY --from=0 /no /\n",
        r':3:\d+: "/no": not found',
    ),
    "missing program": ("FROM busybox\nRUN nosuchprogram\n", r"exit code: 127"),
    "missing program, exec form": ('FROM busybox\nRUN ["/no/such"]\n', r"no such file|not found"),
    "folder as a program": ('FROM busybox\nRUN ["/bin"]\n', r"permission denied|126"),
    "unknown user": ("FROM busybox\nUSER nobodyhere\nRUN true\n", r"nobodyhere"),
    "unknown owner": ("FROM busybox\nCOPY --chown=nobodyhere a /\n", r"Dockerfile:2:\d+: .*nobodyhere"),
    "empty": ("", r"Dockerfile"),
    "only comments": ("# nothing\n", r"Dockerfile"),
    "no FROM": ("RUN true\n", r"Dockerfile:1:1: .*"),
    "heredoc without an end": ("FROM busybox\nRUN <<EOF\ntrue\n", r"Dockerfile:2:5: unterminated heredoc"),
    "device": ("FROM busybox\nCOPY device /\n", r":2:6: .*device"),
    "folder with a device": ("FROM busybox\nCOPY devices /d\n", r":2:6: .*devices/null"),
    "workdir under a file": ("FROM busybox\nWORKDIR /bin/busybox/x\n", r":2:1: .*bin/busybox"),
    "copy under a file": ("FROM busybox\nCOPY a /bin/busybox/x/\n", r":2:\d+: .*bin/busybox"),
}


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A context with everything in it that should not be copied."""
    folder = tmp_path / "context"
    folder.mkdir()
    (tmp_path / "outside").write_text("secret")
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "secret").write_text("secret")
    (folder / "a").write_text("a")
    (folder / "absolute").symlink_to("/etc")
    (folder / "relative").symlink_to("../beside")
    (folder / "loop").symlink_to("loop")
    if os.geteuid() == 0:
        os.mknod(folder / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        (folder / "devices").mkdir()
        os.mknod(folder / "devices" / "null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    return folder


@pytest.mark.parametrize("name", DOCKERFILES)
def test_dockerfile(steady: Lamina, context: Path, name: str) -> None:
    if "device" in name and os.geteuid() != 0:
        pytest.skip("making a device needs root")
    text, says = DOCKERFILES[name]
    (context / "Dockerfile").write_text(text)
    err = refused(steady, "build", "--progress=plain", "-t", "bad", context, says=says, hint=False)
    if name.startswith("unknown instruction"):
        assert "   2 | >>> RUM true\n" in err or "2 | RUM true\n" in err


def test_target(steady: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox AS one\nFROM busybox AS two\n")
    refused(steady, "build", "--target", "three", context, says="three")


def test_what_is_not_a_context(steady: Lamina, context: Path) -> None:
    refused(steady, "build", context / "nothing", says="nothing.*not found", hint=False)
    refused(steady, "build", context / "a", says="/a.*is not a folder", hint=False)
    refused(steady, "build", context, says="failed to read dockerfile: .*/Dockerfile: no such file")
    refused(steady, "build", "-f", context / "no", context, says="/no: no such file")
    refused(steady, "build", "-f", context, context, says="is a (folder|directory)", hint=False)


def test_a_run_that_fails_says_how_and_where(steady: Lamina, context: Path) -> None:
    lines = "; ".join(f"echo line {number}" for number in range(40))
    (context / "Dockerfile").write_text(
        f"FROM busybox\n# comment\nRUN {lines}; \\\n  echo last >&2; exit 42\n"
    )
    for progress in ("plain", "quiet"):
        err = refused(steady, "build", f"--progress={progress}", context, says="exit code: 42", hint=False)
        assert re.search(r"Dockerfile:3", err), err
        assert "   4 | >>>   echo last >&2; exit 42\n" in err
        assert re.search(r"^[\d. ]*last$", err, re.MULTILINE)
        assert re.search(r"^[\d. ]*line 39$", err, re.MULTILINE)


def test_a_run_that_is_killed_says_so(steady: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN sh -c 'kill -9 $$'; exit $?\n")
    refused(steady, "build", context, says="exit code: 137", hint=False)
    (context / "Dockerfile").write_text("FROM busybox\nRUN sh -c 'kill -SEGV $$'; exit $?\n")
    refused(steady, "build", context, says="exit code: 139", hint=False)


def test_special_files_in_a_context(steady: Lamina, context: Path) -> None:
    """A fifo is a file like others to Docker; a socket becomes an empty one; neither makes a build hang."""
    folder = context / "special"
    folder.mkdir()
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.fsencode(folder / "socket"))
        (context / "Dockerfile").write_text("FROM busybox\nCOPY special /special\nRUN ls -l /special\n")
        text = steady.build(context)
    assert re.search(r"prw\S+ .* fifo", text)
    assert re.search(r"-rw\S+ .* 0 .* socket", text)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read(steady: Lamina, context: Path) -> None:
    (context / "a").chmod(0)
    (context / "Dockerfile").write_text("FROM busybox\nCOPY a /\n")
    refused(steady, "build", context, says=r"Dockerfile:2:\d+: .*\ba\b.*denied", hint=False)


def test_bytes_that_are_not_utf_8(steady: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_bytes(b"FROM busybox\nRUN echo \xff\xfe > /\xff\nCOPY \xff /\xff\n")
    err = refused_after_steps(steady, context, says=r"Dockerfile:3:6: .*not found")
    assert "Traceback" not in err
    (context / "Dockerfile").write_bytes(b"FROM \xff\n")
    refused(steady, "build", context, says="Dockerfile:1:6: .*invalid reference format", hint=False)
    (context / "Dockerfile").write_bytes(b"\x7fELF\0\0\0")
    refused(steady, "build", context, says="Dockerfile:1", hint=False)
    name = os.fsdecode(b"\xff")
    refused(steady, "build", "-t", name, context, says="invalid", hint=False)
    refused(steady, "inspect", name, says="No such object", hint=False)
    refused(steady, "run", name, says="", status=125, hint=False)
    refused(steady, name, says="unknown command", hint=False)


def refused_after_steps(lamina: Lamina, context: Path, says: str) -> str:
    """A build whose first steps succeed, and stay in the cache."""
    _, err = lamina.both("build", context, status=1)
    check_error(err, says, hint=False)
    return err


BAD_NAMES = ["Upper", "a:b:c", "-x/y", "a@sha256:12", "", " ", "a" * 300, "a:" + "t" * 200, "a//b", "a\nb"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names(steady: Lamina, context: Path, name: str) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo never\n")
    refused(steady, "build", f"--tag={name}", context, says="invalid|must not be more", hint=False)
    refused(steady, "tag", "--", "busybox", name, says="invalid|must not be more", hint=False)
    refused(steady, "history", "--", name, says="(?i)invalid|must not be|no such image", hint=False)
    refused(steady, "rmi", "--", name, says="(?i)invalid|must not be|no such image", hint=False)


def test_an_id_that_stands_for_several(steady: Lamina, context: Path) -> None:
    """Seventeen images cannot all begin with another digit."""
    for number in range(17):
        (context / "Dockerfile").write_text(f"FROM scratch\nLABEL number={number}\n")
        steady.build(context)
    ids = [each.removeprefix("sha256:") for each in steady("images", "-aq", "--no-trunc").split()]
    first = next(digit for digit in "0123456789abcdef" if sum(each[0] == digit for each in ids) > 1)
    for verb in ("rmi", "history"):
        refused(steady, verb, first, says="(?i)ambiguous|several|multiple|no such", hint=False)
    refused(steady, "run", first, says="(?i)ambiguous|several|multiple|find image", status=125, hint=False)


def run_without(lamina: Lamina, streams: tuple[int, ...], *args: str | Path) -> tuple[int, str]:
    """Runs a command with some of its standard streams closed; its status and stderr."""

    def close() -> None:
        for fd in streams:
            os.close(fd)

    done = subprocess.run(
        [*lamina.argv, *map(str, args)],
        env=lamina.environ,
        capture_output=True,
        preexec_fn=close,
        timeout=60,
        check=False,
    )
    err = done.stderr.decode()
    assert "Traceback" not in err and "bug in Lamina" not in err, (streams, args, err)
    return done.returncode, err


@pytest.mark.parametrize("streams", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_standard_streams_that_are_closed(steady: Lamina, context: Path, streams: tuple[int, ...]) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo streams && test ! -e /proc/self/fd/9\n")
    with unchanged(steady.root):
        for good in (["images"], ["run", "--rm", "busybox", "true"], ["info"]):
            assert run_without(steady, streams, *good)[0] in (0, 141), good
        for bad in (["nonsense"], ["load"], ["build", "-"]):
            assert run_without(steady, streams, *bad)[0] == 1, bad
    before = {path for path, *_ in on_disk(steady.root)}
    assert run_without(steady, streams, "build", "--no-cache", context)[0] == 0
    assert {path for path, *_ in on_disk(steady.root)} >= before


def test_a_reader_that_goes_away(steady: Lamina) -> None:
    for command in (["save", "busybox"], ["history", "busybox"], ["inspect", "busybox"], ["--help"]):
        with unchanged(steady.root):
            process = steady.start(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            assert process.stdout is not None and process.stderr is not None
            process.stdout.close()
            err = process.stderr.read().decode()
            assert process.wait(30) in (0, 141), err
            assert err == ""
            process.stderr.close()


def test_arguments_that_are_not_utf_8_reach_the_process(steady: Lamina) -> None:
    word = os.fsdecode(b"\xff")
    done = subprocess.run(
        [
            *steady.argv,
            "run",
            "--rm",
            "-e",
            f"A={word}",
            "busybox",
            "sh",
            "-c",
            'printf %s "$A$1"',
            word,
            word,
        ],
        env=steady.environ,
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"\xff\xff"
