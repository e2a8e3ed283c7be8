"""The commands of a RUN, and what they say of package managers."""

from __future__ import annotations

import pytest

from lamina.dockerfile import Run, parse
from lamina.dockerfile.lint.shell import Command, commands_of
from lamina.dockerfile.lint.tools import covers, empties, install_of, manager_of, names_manifest


def commands(text: str) -> list[Command]:
    """The commands of a RUN with this text."""
    run = parse(f"FROM x\nRUN {text}\n".encode()).instructions[1]
    assert isinstance(run, Run)
    return commands_of(run)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b && c || d; e | f & g", ["a b", "c", "d", "e", "f", "g"]),
        ("(cd x; make) 2>&1 >/dev/null", ["cd x", "make", "2>&1 >/dev/null"]),
        ("echo 'a;b' \"c && d\" e\\;f", ["echo a;b c && d e;f"]),
        ("if test -f x; then rm x; fi", ["test -f x", "rm x", "fi"]),
        ("A=1 B=2 exec sudo thing --x", ["thing --x"]),
        ("make # not this; nor that", ["make"]),
        ('["rm", "-rf", "a b"]', ["rm -rf a b"]),
        ("sh -exc 'a; b \"c d\"'", ["a", "b c d"]),
        ('["/bin/bash", "-c", "x && y"]', ["x", "y"]),
        ("<<EOF\na \\\n  b\nc\nEOF", ["a b", "c"]),
        ("x <<EOF\na\nEOF", ["x <<EOF"]),
        ("'open", ["open"]),
        ("[]", []),
    ],
)
def test_commands_are_told_apart(text: str, words: list[str]) -> None:
    assert [str(command) for command in commands(text)] == words


def test_variables_of_one_command_are_kept() -> None:
    (command,) = commands("PIP_NO_CACHE_DIR=1 pip install x")
    assert command.env == ("PIP_NO_CACHE_DIR=1",)
    assert manager_of(command) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("apt-get update", "apt"),
        ("apt -qq update", "apt"),
        ("apt-get install -y x", None),
        ("apk add curl", "apk"),
        ("apk add --no-cache curl", None),
        ("apk --no-cache add curl", None),
        ("pip install x", "pip"),
        ("/usr/bin/pip3.11 install x", "pip"),
        ("python3 -m pip install x", "pip"),
        ("pip install --no-cache-dir x", None),
        ("pip list", None),
        ("npm ci", "npm"),
        ("npm run build", None),
        ("yarn", "yarn"),
        ("yarn build", None),
        ("dnf -y install x", "dnf"),
        ("yum install -y x", "yum"),
    ],
)
def test_who_fills_a_cache(text: str, name: str | None) -> None:
    manager = manager_of(commands(text)[0])
    assert (manager and manager.name) == name


@pytest.mark.parametrize(
    ("fill", "clean", "does"),
    [
        ("apt-get update", "rm -rf /var/lib/apt/lists/*", True),
        ("apt-get update", "rm -rf /var/lib/apt/lists", True),
        ("apt-get update", "rm -rf /var/lib/apt", True),
        ("apt-get update", "rm -rf /tmp/*", False),
        ("apt-get update", "apt-get clean", False),
        ("pip install x", "rm -rf /root/.cache", True),
        ("pip install x", "rm -rf ~/.cache/pip", True),
        ("pip install x", "pip cache purge", True),
        ("pip install x", "rm -rf /root/.ssh", False),
        ("npm ci", "npm cache clean --force", True),
        ("dnf install x", "dnf clean all", True),
        ("apk add x", "rm -rf /var/cache/apk/*", True),
    ],
)
def test_who_empties_it(fill: str, clean: str, does: bool) -> None:
    manager = manager_of(commands(fill)[0])
    assert manager is not None
    assert empties(commands(clean)[0], manager) is does


def test_a_folder_covers_what_is_in_it() -> None:
    assert covers("/var/lib/apt", "/var/lib/apt/lists")
    assert covers("/var/lib/apt/lists/", "/var/lib/apt/lists")
    assert not covers("/var/lib/apt/lists/x", "/var/lib/apt/lists")
    assert not covers("/var/lib/ap", "/var/lib/apt/lists")
    assert covers("/home/me/.cache", "~/.cache/pip")
    assert covers("/root/.cache/pip", "~/.cache/pip")
    assert not covers("/root", "~/.cache/pip")


@pytest.mark.parametrize(
    ("text", "install"),
    [
        ("pip install -r requirements.txt", ("pip install -r requirements.txt", ("requirements.txt",))),
        ("pip install flask", ("pip install", ())),
        ("pip install .", None),
        ("pip install -e .", None),
        ("pip install ./lib", None),
        ("npm ci", ("npm ci", ("package.json", "package-lock.json"))),
        ("npm run build", None),
        ("yarn", ("yarn", ("package.json", "yarn.lock"))),
        ("bundle install", ("bundle install", ("Gemfile", "Gemfile.lock"))),
        ("go mod download", ("go mod download", ("go.mod", "go.sum"))),
        ("go build ./...", None),
        ("npm ci --cache /tmp/c", ("npm ci", ("package.json", "package-lock.json"))),
        ("cargo fetch", ("cargo fetch", ("Cargo.toml", "Cargo.lock"))),
        ("cargo build --release", None),
        ("apt-get install -y curl", ("apt-get install", ())),
        ("apt-get install -y ./own.deb", None),
        ("apk add curl", ("apk add", ())),
    ],
)
def test_what_an_install_reads(text: str, install: tuple[str, tuple[str, ...]] | None) -> None:
    assert install_of(commands(text)[0]) == install


def test_manifests_go_by_their_name() -> None:
    assert names_manifest("web/package.json", ("package.json",))
    assert names_manifest("a/b.csproj", ("*.csproj",))
    assert not names_manifest("app.py", ("requirements.txt",))
