"""lamina login and logout, as a user runs them: what is tried, what is kept where, and what nobody sees."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import lamina
from tests.e2e.lamina_command import Lamina
from tests.registry.conftest import place
from tests.registry.distribution import PASSWORD, USER, Registry, running
from tests.registry.images import image
from tests.registry.test_auth import entry, helper

__all__ = ["lamina", "place"]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with a user."""
    with running(tmp_path_factory.mktemp("guarded"), users=True) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment whose credentials are in a home of its own."""
    return {"HOME": str(tmp_path), "LAMINA_OFFLINE": "", "XDG_RUNTIME_DIR": f"{tmp_path}/run"}


def fails(lamina: Lamina, *words: str, stdin: bytes = b"", **environ: str) -> str:
    """What is said of a failure."""
    return lamina.both(*words, status=1, stdin=stdin, **environ)[1]


def login(lamina: Lamina, host: str, home: dict[str, str], password: str = PASSWORD, *more: str) -> str:
    return lamina(
        "login", "-u", USER, "--password-stdin", *more, host, stdin=f"{password}\n".encode(), **home
    )


def auths(path: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(path.read_text())["auths"]
    return found


def test_what_is_kept_and_forgotten(
    lamina: Lamina, guarded: Registry, home: dict[str, str], place: Path
) -> None:
    guarded.push(image({"a": b"1"}).layout(place / "layout"), "app:1")
    assert login(lamina, guarded.host, home) == "Login Succeeded\n"
    file = Path(home["HOME"], ".docker/config.json")
    assert auths(file) == {guarded.host: entry(USER, PASSWORD)}
    assert file.stat().st_mode & 0o777 == 0o600
    assert lamina("pull", "-q", guarded.name("app:1"), **home) == guarded.name("app:1\n")
    config = {"REGISTRY_AUTH_FILE": str(file), **os.environ}
    inspect = ["skopeo", "inspect", "--tls-verify=false", f"docker://{guarded.name('app:1')}"]
    assert subprocess.run(inspect, env=config, capture_output=True).returncode == 0
    assert lamina("login", guarded.host, **home).splitlines() == [
        "Authenticating with existing credentials...",
        "Login Succeeded",
    ]
    removed = f"Removing login credentials for {guarded.host} from {file}\n"
    assert lamina("logout", guarded.host, **home) == removed
    assert auths(file) == {}
    assert lamina("logout", guarded.host, **home) == f"Not logged in to {guarded.host}\n"
    assert "access denied" in fails(lamina, "pull", guarded.name("app:2"), **home)


def test_what_the_registry_does_not_take(lamina: Lamina, guarded: Registry, home: dict[str, str]) -> None:
    said = fails(lamina, "login", "-u", USER, "--password-stdin", guarded.host, stdin=b"wrong\n", **home)
    assert f"login to {guarded.host} failed: unauthorized: authentication required" in said
    assert "wrong" not in said
    assert not Path(home["HOME"], ".docker").exists()


def test_a_password_in_the_list_of_processes(lamina: Lamina, guarded: Registry, home: dict[str, str]) -> None:
    said = fails(lamina, "login", "-u", USER, "-p", PASSWORD, guarded.host, **home)
    assert "would show the password in the list of processes" in said
    assert PASSWORD not in said


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--password-stdin", "localhost:1"), "requires --username to be set"),
        (("localhost:1",), "Cannot perform an interactive login from a non TTY device"),
        (("-u", "me", "--password-stdin", "no registry!"), "'no registry!' is no registry"),
        (("-u", "me", "--password-stdin", "a.test:1/b:c"), "is no registry"),
        (("-u", "m:e", "--password-stdin", "localhost:1"), "a user name has no colon"),
        (("-u", "me", "--password-stdin", "localhost:1"), "localhost:1: connection refused"),
    ],
)
def test_what_cannot_be(lamina: Lamina, home: dict[str, str], words: tuple[str, ...], text: str) -> None:
    assert text in fails(lamina, "login", *words, stdin=b"pw\n", **home)


def test_an_empty_password(lamina: Lamina, guarded: Registry, home: dict[str, str]) -> None:
    assert "password required" in fails(
        lamina, "login", "-u", USER, "--password-stdin", guarded.host, stdin=b"\n", **home
    )


def test_what_else_is_in_the_file_stays(lamina: Lamina, guarded: Registry, home: dict[str, str]) -> None:
    """Also where it is a link, as people have whose home is in Git."""
    folder = Path(home["HOME"], ".docker")
    folder.mkdir()
    kept = {"auths": {"other.test": {"auth": "eDp5"}}, "detachKeys": "ctrl-z", "HttpHeaders": {"X": "ü"}}
    Path(home["HOME"], "dotfiles.json").write_text(json.dumps(kept))
    (folder / "config.json").symlink_to("../dotfiles.json")
    login(lamina, guarded.host, home)
    assert (folder / "config.json").is_symlink()
    found = json.loads((folder / "config.json").read_text())
    assert found == {**kept, "auths": {"other.test": {"auth": "eDp5"}, guarded.host: entry(USER, PASSWORD)}}
    lamina("logout", guarded.host, **home)
    assert json.loads((folder / "config.json").read_text()) == kept
    assert sorted(os.listdir(folder)) == ["config.json"]


def test_where_podman_has_some_already(lamina: Lamina, guarded: Registry, home: dict[str, str]) -> None:
    """What counts first is what is changed, else the login would mean nothing."""
    podmans = Path(home["XDG_RUNTIME_DIR"], "containers/auth.json")
    podmans.parent.mkdir(parents=True)
    podmans.write_text(json.dumps({"auths": {guarded.host: entry("old", "old")}}))
    login(lamina, guarded.host, home)
    assert auths(podmans) == {guarded.host: entry(USER, PASSWORD)}
    assert not Path(home["HOME"], ".docker").exists()


def test_a_file_of_its_own(lamina: Lamina, guarded: Registry, home: dict[str, str], tmp_path: Path) -> None:
    login(lamina, guarded.host, home, PASSWORD, "--authfile", f"{tmp_path}/mine.json")
    assert auths(tmp_path / "mine.json") == {guarded.host: entry(USER, PASSWORD)}
    assert lamina("logout", guarded.host, **home) == f"Not logged in to {guarded.host}\n"
    assert "Removing" in lamina("logout", "--authfile", f"{tmp_path}/mine.json", guarded.host, **home)


def test_a_helper(lamina: Lamina, guarded: Registry, home: dict[str, str], place: Path) -> None:
    """It keeps the secret, and the file only says for whom."""
    script = """case $1 in
        store) /bin/cat > {0}/kept ;;
        get) [ -e {0}/kept ] && exec /bin/cat {0}/kept; echo credentials not found; exit 1 ;;
        erase) /bin/cat > {0}/erased; /bin/rm {0}/kept ;;
    esac"""
    helper(place, "mine", script.format(place))
    config = Path(home["HOME"], ".docker/config.json")
    config.parent.mkdir()
    config.write_text(json.dumps({"credsStore": "mine"}))
    environ = {**home, "PATH": f"{place}:{os.environ['PATH']}"}
    assert login(lamina, guarded.host, environ) == "Login Succeeded\n"
    told = json.loads((place / "kept").read_text())
    assert told == {"ServerURL": guarded.host, "Username": USER, "Secret": PASSWORD}
    assert json.loads(config.read_text()) == {"credsStore": "mine", "auths": {guarded.host: {}}}
    lamina("logout", guarded.host, **environ)
    assert (place / "erased").read_text() == guarded.host
    assert json.loads(config.read_text()) == {"credsStore": "mine", "auths": {}}


def test_a_person_at_a_terminal(lamina: Lamina, guarded: Registry, home: dict[str, str]) -> None:
    """The password is asked for, and not shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        command = [sys.executable, "-m", "lamina", "--root", str(lamina.root), "login", guarded.host]
        os.execve(sys.executable, command, {**os.environ, **home})
    shown = b""
    for question, answer in ((b"Username: ", USER), (b"Password: ", PASSWORD)):
        while question not in shown:
            shown += os.read(terminal, 1000)
        os.write(terminal, answer.encode() + b"\n")
    while True:
        try:
            data = os.read(terminal, 1000)
        except OSError:
            break
        if not data:
            break
        shown += data
    os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0
    assert b"Login Succeeded" in shown
    assert PASSWORD.encode() not in shown
