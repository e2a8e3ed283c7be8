"""Package managers: how they are called, what they leave behind, what empties that, which files they read."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.dockerfile.lint.shell import Command


class Manager(NamedTuple):
    """One package manager and its cache.

    `verbs` are the first operands that fill the cache ("" for none at all). `places` are the folders of the
    cache, `~` for any home. `off_flags` and `off_variables` keep it empty, `cleaners` are commands that
    empty it. `remedy` completes "end this RUN with ..." or "use ...".
    """

    name: str
    programs: frozenset[str]
    verbs: frozenset[str]
    places: tuple[str, ...]
    remedy: str
    off_flags: tuple[str, ...] = ()
    off_variables: tuple[str, ...] = ()
    cleaners: tuple[tuple[str, str], ...] = ()


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


MANAGERS = (
    Manager(
        "apt",
        _set("apt-get apt aptitude"),
        _set("update"),
        ("/var/lib/apt/lists",),
        "end this RUN with rm -rf /var/lib/apt/lists/*",
    ),
    Manager(
        "apk",
        _set("apk"),
        _set("add update upgrade"),
        ("/var/cache/apk",),
        "use apk add --no-cache",
        off_flags=("--no-cache",),
    ),
    Manager(
        "pip",
        _set("pip pip3"),
        _set("install wheel download"),
        ("~/.cache/pip",),
        "use pip install --no-cache-dir",
        off_flags=("--no-cache-dir",),
        off_variables=("PIP_NO_CACHE_DIR",),
        cleaners=(("pip", "cache"), ("pip3", "cache")),
    ),
    Manager(
        "npm",
        _set("npm"),
        _set("ci install i add update"),
        ("~/.npm",),
        "end this RUN with npm cache clean --force",
        off_flags=("--cache",),
        off_variables=("npm_config_cache", "NPM_CONFIG_CACHE"),
        cleaners=(("npm", "cache"),),
    ),
    Manager(
        "yarn",
        _set("yarn"),
        frozenset(("", "install", "add")),
        ("/usr/local/share/.cache/yarn", "~/.cache/yarn"),
        "end this RUN with yarn cache clean",
        off_flags=("--cache-folder",),
        off_variables=("YARN_CACHE_FOLDER",),
        cleaners=(("yarn", "cache"),),
    ),
    Manager(
        "dnf",
        _set("dnf microdnf tdnf dnf5"),
        _set("install update upgrade makecache groupinstall"),
        ("/var/cache/dnf", "/var/cache/yum", "/var/cache/libdnf5"),
        "end this RUN with dnf clean all",
        cleaners=(("dnf", "clean"), ("microdnf", "clean"), ("tdnf", "clean"), ("dnf5", "clean")),
    ),
    Manager(
        "yum",
        _set("yum"),
        _set("install update upgrade makecache groupinstall"),
        ("/var/cache/yum", "/var/cache/dnf"),
        "end this RUN with yum clean all",
        cleaners=(("yum", "clean"), ("dnf", "clean")),
    ),
)


class Install(NamedTuple):
    """A command that installs packages by a list or by name, whatever else the context holds."""

    text: str
    manifests: tuple[str, ...]  # names of the files that it reads from the context


_MANIFESTS = {
    ("bundle", "install"): ("Gemfile", "Gemfile.lock"),
    ("cargo", "fetch"): ("Cargo.toml", "Cargo.lock"),
    ("composer", "install"): ("composer.json", "composer.lock"),
    ("dotnet", "restore"): ("*.csproj", "*.sln"),
    ("go", "mod"): ("go.mod", "go.sum"),
    ("npm", "ci"): ("package.json", "package-lock.json"),
    ("npm", "i"): ("package.json", "package-lock.json"),
    ("npm", "install"): ("package.json", "package-lock.json"),
    ("pnpm", "i"): ("package.json", "pnpm-lock.yaml"),
    ("pnpm", "install"): ("package.json", "pnpm-lock.yaml"),
    ("yarn", ""): ("package.json", "yarn.lock"),
    ("yarn", "install"): ("package.json", "yarn.lock"),
}
_BY_NAME = frozenset(("apk", "apt", "apt-get", "aptitude", "dnf", "microdnf", "tdnf", "yum", "zypper"))
_PYTHONS = ("python", "pypy")


def plain(command: Command) -> Command:
    """`python3 -m pip install` and `pip3.11 install` as `pip install`; others as they are."""
    words = command.words
    if command.program.startswith(_PYTHONS) and words[1:3] == ("-m", "pip"):
        return command._replace(words=("pip", *words[3:]))
    if command.program.startswith("pip") and not command.program[3:].strip("0123456789."):
        return command._replace(words=("pip", *words[1:]))
    return command


def manager_of(command: Command) -> Manager | None:
    """The package manager whose cache this command fills, unless it is told not to."""
    command = plain(command)
    verb = command.operands[0] if command.operands else ""
    for manager in MANAGERS:
        if command.program not in manager.programs or verb not in manager.verbs:
            continue
        off = any(flag.split("=")[0] in manager.off_flags for flag in command.flags)
        unset = any(item.split("=")[0] in manager.off_variables for item in command.env)
        return None if off or unset else manager
    return None


def empties(command: Command, manager: Manager) -> bool:
    """Whether the command removes the manager's cache."""
    command = plain(command)
    operands = command.operands
    if command.program == "rm":
        return any(covers(path.rstrip("/*") or "/", place) for path in operands for place in manager.places)
    return bool(operands) and (command.program, operands[0]) in manager.cleaners


def covers(folder: str, place: str) -> bool:
    """Whether `place` is `folder` or in it; a place in `~` is found in any home."""
    folder = folder.rstrip("/")
    if not place.startswith("~/"):
        return place == folder or place.startswith(folder + "/")
    inner = place[1:].split("/")
    return any(folder.endswith("/".join(inner[:end])) for end in range(2, len(inner) + 1))


def install_of(command: Command) -> Install | None:
    """What the command installs that does not depend on the rest of the context; None for other commands."""
    command = plain(command)
    operands = command.operands
    verb = operands[0] if operands else ""
    text = f"{command.program} {verb}".strip()
    if command.program == "pip" and verb == "install":
        return _pip(command)
    if command.program in _BY_NAME and verb in ("install", "add"):
        return None if _has_local(command) else Install(text, ())
    manifests = _MANIFESTS.get((command.program, verb))
    if manifests is None or (command.program == "go" and operands[1:2] != ("download",)):
        return None
    if _has_local(command):
        return None
    return Install("go mod download" if command.program == "go" else text, manifests)


def _pip(command: Command) -> Install | None:
    """pip with lists or names; not of the project itself (`pip install .`)."""
    lists: list[str] = []
    words = list(command.words[1:])
    for position, word in enumerate(words):
        following = words[position + 1] if position + 1 < len(words) else ""
        if word in ("-r", "--requirement", "-c", "--constraint"):
            lists.append(following)
        elif word.startswith("--requirement="):
            lists.append(word.partition("=")[2])
        elif word in ("-e", "--editable") or (not lists and word != "install" and _is_local(word)):
            return None
    text = f"pip install -r {lists[0]}" if lists else "pip install"
    return Install(text, tuple(name.rpartition("/")[2] for name in lists))


def _has_local(command: Command) -> bool:
    """Whether something of the context itself is installed; the value of a `--flag` is not."""
    words = command.words
    return any(
        _is_local(word) for before, word in pairwise(words) if not before.startswith("--") or "=" in before
    )


def _is_local(name: str) -> bool:
    return name in (".", "..") or name.startswith(("./", "../", "/", ".["))


def names_manifest(path: str, manifests: Iterable[str]) -> bool:
    """Whether a file of the context is one of those that an install reads."""
    name = path.rpartition("/")[2]
    return any(
        name == wanted or (wanted.startswith("*") and name.endswith(wanted[1:])) for wanted in manifests
    )
