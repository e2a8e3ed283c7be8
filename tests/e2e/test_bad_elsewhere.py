"""Repositories, servers and archives that mean harm: nothing is run, nothing gets out, one line says why."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.lamina_command import Lamina
from tests.e2e.refusals import check_error, refused
from tests.fetch.server import Handler, Repository, Site, serve

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed"),
]
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serve() as made:
        made.repositories = str(tmp_path)
        Repository(tmp_path, "a").commit({"x": "1", "d/y": "2"})
        yield made


def add(lamina: Lamina, what: str, says: str, *flags: str) -> str:
    """A build with one ADD that must be refused."""
    text = f"FROM scratch\nADD {what} /s/\n".encode()
    err = refused(lamina, "build", "--no-cache", *flags, "-", says=says, hint=False, stdin=text)
    assert not CONTROL.search(err), repr(err)
    return err


# --- submodules: {0} is the site, {1} a folder where a file PWNED must not come to be

SUBMODULES = {
    "a URL that is an option": "path = sub\nurl = -u./payload",
    "a path that is an option": "path = -sub\nurl = {0}/a.git",
    "a command to update with": "path = sub\nurl = {0}/a.git\nupdate = !touch {1}/PWNED",
    "a protocol that runs programs": "path = sub\nurl = ext::sh -c touch% {1}/PWNED",
    "a folder of this machine": "path = sub\nurl = {1}/a.git",
    "an option for ssh": "path = sub\nurl = ssh://-oProxyCommand=touch%20{1}/PWNED/x",
    "a line end in the path": 'path = "sub\\r"\nurl = {0}/a.git',
}


@pytest.mark.parametrize("name", SUBMODULES)
def test_submodules(steady: Lamina, site: Site, tmp_path: Path, name: str) -> None:
    evil = Repository(tmp_path, "evil")
    text = SUBMODULES[name].format(site.url, tmp_path)
    path = "-sub" if "path = -sub" in text else "sub"
    commit = evil.run("ls-remote", str(tmp_path / "a.git"), "HEAD").split()[0]
    evil.run("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    (evil.tree / ".gitmodules").write_text(f'[submodule "x"]\n{text}\n')
    (evil.tree / "payload").write_text(f"#!/bin/sh\ntouch {tmp_path}/PWNED\n")
    (evil.tree / "payload").chmod(0o755)
    evil.run("add", ".gitmodules", "payload")
    evil.run("commit", "-qm", "evil")
    evil.publish()
    err = add(steady, f"{site.url}/evil.git", "failed to fetch remote .*: git: ")
    assert "\N{REPLACEMENT CHARACTER}" not in err, "what git says in several lines is one line"
    assert not (tmp_path / "PWNED").exists()


# --- what is written behind a repository

FRAGMENTS = {
    "#--upload-pack=touch": "invalid Git reference",
    "#-c": "invalid Git reference",
    "?ref=--upload-pack=touch": "invalid Git reference",
    "#a%0ab": "invalid Git reference",
    "#:../../../etc": "leads out of",
    "?subdir=..%2f..%2f": "leads out of",
    "#:%00": "invalid subdir",
    "#main:d%00": "invalid subdir",
    "#refs/heads/*": "does not contain ref",
    "#%1b[31m": "invalid Git reference",
}


@pytest.mark.parametrize("fragment", FRAGMENTS)
@pytest.mark.parametrize("how", ["add", "context", "named"])
def test_fragments(steady: Lamina, site: Site, fragment: str, how: str) -> None:
    url, says = f"{site.url}/a.git{fragment}", FRAGMENTS[fragment]
    if how == "add":
        add(steady, url, says)
        return
    args = ["build", url] if how == "context" else ["build", f"--build-context=n={url}", "-"]
    err = refused(steady, *args, says=says, hint=False, stdin=b"FROM scratch\nCOPY --from=n / /\n")
    assert not CONTROL.search(err), repr(err)


def test_a_token_in_the_place_of_a_user_is_not_shown(steady: Lamina, site: Site, tmp_path: Path) -> None:
    url = site.url.replace("://", "://t0ken@")
    for name in ("nothing.git", "nothing"):
        err = add(steady, f"{url}/{name}", "xxxxx@")
        (line,) = [line for line in err.splitlines() if line.startswith("lamina: ")]
        assert "t0ken" not in line  # the Dockerfile's own line is shown below as it is
    out = tmp_path / "out"
    text = f"FROM scratch\nADD --keep-git-dir {url}/a.git /\n".encode()
    steady("build", "-o", out, "-", stdin=text)
    found = [path for path in out.rglob("*") if path.is_file() and b"t0ken" in path.read_bytes()]
    assert found == []


def test_git_does_not_outlive_a_build_that_is_killed(lamina: Lamina, site: Site) -> None:
    def hang(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.flush()
        time.sleep(20)

    site.pages["/hang.git/info/refs"] = hang
    build = lamina.start("build", "-", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert build.stdin is not None
    build.stdin.write(f"FROM scratch\nADD {site.url}/hang.git /\n".encode())
    build.stdin.close()
    wait_until(lambda: any("hang.git" in path for path in site.paths))
    assert programs(site)
    os.kill(build.pid, signal.SIGKILL)
    build.wait()
    wait_until(lambda: not programs(site))


def programs(site: Site) -> list[str]:
    """The processes whose arguments name the site."""
    return [pid for pid in filter(str.isdigit, os.listdir("/proc")) if site.url in command(pid)]


def command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- servers

Answer = Callable[[Handler], None]


def raw(data: bytes) -> Answer:
    def answer(handler: Handler) -> None:
        handler.wfile.write(data)
        handler.close_connection = True

    return answer


def redirect(target: str) -> Answer:
    return lambda handler: handler.reply(302, Location=target)


SERVERS: dict[str, tuple[Answer, str]] = {
    "a redirect to a file": (redirect("file:///etc/passwd"), "redirects to 'file:"),
    "a redirect to no URL": (redirect("http://[::1/"), "redirects to"),
    "a redirect with escapes": (redirect("http://\x1b[31mx/\x1b]0;t\x07"), "redirects to"),
    "a status with escapes": (
        raw(b"HTTP/1.1 404 \x1b[31mEvil\x1b]0;t\x07\r\nContent-Length: 0\r\n\r\n"),
        "answered 404",
    ),
    "a length beyond all measure": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx"),
        "cannot fetch",
    ),
    "50 encodings": (
        lambda handler: handler.reply(200, b"x", Content_Encoding=", ".join(["gzip"] * 50)),
        "Too many content encodings",
    ),
}


@pytest.mark.parametrize("name", SERVERS)
def test_servers(steady: Lamina, site: Site, name: str) -> None:
    site.pages["/x"], says = SERVERS[name]
    err = add(steady, f"{site.url}/x", says)
    assert "HTTPException(" not in err and "('Connection" not in err


@pytest.mark.parametrize("length", [b"\xb2", b"9" * 5000, b"five"])
def test_a_length_that_is_no_number_counts_for_nothing(
    steady: Lamina, site: Site, tmp_path: Path, length: bytes
) -> None:
    site.pages["/x"] = raw(b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\nall")
    out = tmp_path / "out"
    steady("build", "-o", out, "-", stdin=f"FROM scratch\nADD {site.url}/x /\n".encode())
    assert (out / "x").read_bytes() == b"all"


def test_a_secret_with_a_line_end_is_no_header_and_is_not_shown(
    steady: Lamina, site: Site, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"t0ken\r\nX-Injected: 1")
    site.pages["/x"] = b"x"
    for name, what in (("HTTP_AUTH_TOKEN_localhost", "x"), ("GIT_AUTH_TOKEN", "a.git")):
        flags = ("--secret", f"id={name},src={secret}")
        err = add(steady, f"{site.url}/{what}", f"the secret {name} is no header", *flags)
        assert "t0ken" not in err
    assert site.asked == []


# --- archives


def packed(*members: tuple[str, bytes, str]) -> bytes:
    """A tar of members: name, type, what it links to."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            tar.addfile(member)
    return out.getvalue()


ARCHIVES = {
    "dots": (packed(("../../evil", tarfile.REGTYPE, "")), "a path with .. in it"),
    "a hard link that leads out": (packed(("h", tarfile.LNKTYPE, "/etc/passwd")), "hard link"),
    "a hard link with dots": (packed(("h", tarfile.LNKTYPE, "../../etc/passwd")), "a path with .. in it"),
    "a deletion": (packed(("d", tarfile.CHRTYPE, "")), "stands for a deletion"),
}


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("how", ["add", "stdin", "context", "named"])
def test_archives(steady: Lamina, site: Site, name: str, how: str) -> None:
    data, says = ARCHIVES[name]
    site.pages["/x.tar"] = data
    url = f"{site.url}/x.tar"
    named = (f"--build-context=n={url}", "-")
    stdin = b"FROM scratch\nCOPY --from=n / /\n"
    match how:
        case "add":
            add(steady, f"--unpack {url}", says)
        case "stdin":
            refused(steady, "build", "-", says=says, hint=False, stdin=data)
        case "context":
            refused(steady, "build", url, says=says, hint=False)
        case _:
            refused(steady, "build", *named, says=says, hint=False, stdin=stdin)
    assert not Path("/evil").exists()


def test_an_archive_of_a_thousand_folders_in_each_other(lamina: Lamina, site: Site) -> None:
    """On a root of its own: other tests go through all files of theirs, again and again."""
    deep = "/".join(["d"] * 1200)
    site.pages["/x.tar"] = packed((deep, tarfile.REGTYPE, ""))
    text = f"FROM scratch\nADD --unpack {site.url}/x.tar /s/\n".encode()
    assert lamina("build", "-q", "-", stdin=text).startswith("sha256:")


# --- what is drawn on the terminal


def test_escape_sequences_of_others_are_not_drawn(steady: Lamina, tmp_path: Path) -> None:
    escape = "\x1b[31m"
    (tmp_path / "Dockerfile").write_text(f"FROM scratch\nCOPY <<'{escape}E' /\nx\n")
    for flags in ((), (f"--ssh={escape}",), (f"-f={escape}",)):
        _, err = steady.both("build", *flags, tmp_path, status=1, SSH_AUTH_SOCK="")
        check_error(err, ".")
        assert not CONTROL.search(err), repr(err)
    (tmp_path / "Dockerfile").write_text(f"FROM busybox\nRUN echo '{escape}' >/dev/null; exit 3\n")
    _, err = steady.both("build", "--progress=plain", tmp_path, status=1)
    assert not CONTROL.search(err), repr(err)
    assert not CONTROL.search(steady("build", "show"))
    text = f"FROM scratch\nLABEL a='{escape}'\nCOPY <<'{escape}' /x\n{escape}\n"
    (tmp_path / "Dockerfile").write_text(text)
    steady.build("-t", "escapes", tmp_path)
    assert not CONTROL.search(steady("history", "--no-trunc", "escapes"))
    steady("rmi", "escapes")
