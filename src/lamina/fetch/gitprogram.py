"""Git: runs the program `git`, in an environment of its own: no prompts, nobody's config, few protocols."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.dockerfile.remotes import redacted
from lamina.errors import Denied, LaminaError, NotFound
from lamina.fetch.failures import FetchFailed

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from lamina.fetch.stopping import Stopper

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHOWN = 600  # characters of what git said that a message shows
_SAFE = (
    "protocol.file.allow=never",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "init.defaultBranch=master",
    "advice.detachedHead=false",
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=60",
    "gc.auto=0",
)
# git starts programs of its own, and none of them may outlive us: the end of our pipe kills them all.
_WITH_US = 'exec 3<&0 </dev/null; { read -r _ <&3; kill -9 0; } & "$@" 3<&-; s=$?; kill -9 $!; exit $s'
_TOO_SHALLOW = (
    "--depth",
    "shallow",
    "not our ref",
    "unadvertised object",
    "no such remote ref",
    "no such ref",
)


class GitAccess(NamedTuple):
    """How servers are reached: the header Authorization ("" for none) of the repository's own, proxy
    variables, and for ssh an agent's socket or files with keys."""

    authorization: str = ""
    proxies: Mapping[str, str] = {}
    agent: str = ""
    keys: tuple[str, ...] = ()


class GitFailed(Exception):
    """The program ended with an error; `output` is what it said."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output

    def explain(self, remote: str) -> LaminaError:
        """The error for whoever asked."""
        lines = (line.strip() for line in self.output.splitlines())
        said = "; ".join(line for line in lines if line)[-_SHOWN:] or "git failed"
        message = f"failed to fetch remote {redacted(remote)}: git: {said}"
        low = said.lower()
        if "publickey" in low or "permission denied (" in low:
            return Denied(
                message, hint="--ssh default hands in the keys of your ssh agent, default=FILE a key"
            )
        if "terminal prompts disabled" in low or "authentication failed" in low or "error: 403" in low:
            return Denied(message, hint="for a token: --secret id=GIT_AUTH_TOKEN,env=NAME")
        if "not found" in low or "does not exist" in low:
            return NotFound(message)
        return FetchFailed(message)


def is_too_shallow(output: str) -> bool:
    """Whether git failed since the server gives no single commit, or not this one."""
    low = output.lower()
    return any(words in low for words in _TOO_SHALLOW) or "couldn't find remote ref" in low


class Git:
    """Calls of git for one repository. `home` is a folder that takes the place of the user's own."""

    def __init__(self, access: GitAccess, stopper: Stopper, home: str, remote: str) -> None:
        self._access = access
        self._stopper = stopper
        self._home = home
        self._remote = remote
        self._cwd = home
        self._places: dict[str, str] = {}
        self._program = _find_program()

    def work_in(self, tree: str, git_dir: str) -> None:
        """From now on there is a repository in `git_dir` with its files in `tree`."""
        self._cwd = tree
        self._places = {"GIT_DIR": git_dir, "GIT_WORK_TREE": tree}

    def run(self, *args: str) -> str:
        """What git writes. NotFound, Denied, FetchFailed with what it said."""
        try:
            return self.attempt(*args)
        except GitFailed as error:
            raise error.explain(self._remote) from None

    def fetch(self, *args: str) -> None:
        """`git fetch` from the repository's own remote: options first, then what to fetch. GitFailed."""
        options = [word for word in args if word.startswith("--")]
        self.attempt(
            "fetch",
            "--quiet",
            "--force",
            "--update-head-ok",
            "--no-recurse-submodules",
            *options,
            "--",
            self._remote,
            *[word for word in args if not word.startswith("--")],
        )

    def attempt(self, *args: str) -> str:
        """What git writes. GitFailed when it ends with an error; Cancelled."""
        import subprocess  # 10 ms: only for Git

        self._stopper.check()
        theirs, ours = os.pipe()
        try:
            with subprocess.Popen(
                ("/bin/sh", "-c", _WITH_US, "sh", self._program, *args),
                cwd=self._cwd,
                env=self._environment(),
                stdin=theirs,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                umask=0o022,
                start_new_session=True,  # no terminal to ask on, and one group to kill
            ) as process:
                group = _Group(process)
                try:
                    with self._stopper.killing(group):
                        out, err = process.communicate()
                except BaseException:
                    group.kill()
                    raise
        finally:
            os.close(theirs)
            os.close(ours)
        self._stopper.check()
        if process.returncode:
            raise GitFailed(err.decode(errors="replace") or f"exit status {process.returncode}")
        return out.decode(errors="surrogateescape")

    def _environment(self) -> dict[str, str]:
        config = [pair.split("=", 1) for pair in _SAFE]
        if self._access.authorization:
            scope = _token_scope(self._remote)
            config.append([f"http.{scope}.extraheader", f"Authorization: {self._access.authorization}"])
        environment = {
            "PATH": _PATH,
            "HOME": self._home,
            "LC_ALL": "C",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ALLOW_PROTOCOL": "http:https:ssh:git",
            "GIT_SSH_COMMAND": self._ssh(),
            "GIT_CONFIG_COUNT": str(len(config)),
        }
        for number, (name, value) in enumerate(config):  # unlike arguments, no other user can read these
            environment |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
        return environment | self._proxies() | self._places

    def _proxies(self) -> dict[str, str]:
        """curl reads them in lower case."""
        return {name.lower(): value for name, value in self._access.proxies.items() if value}

    def _ssh(self) -> str:
        """ssh without the user's config. A host whose key is known must have it; a new one is believed."""
        import shlex

        own = self._home.replace("%", "%%")  # what ssh would take for a token
        known = f'"{own}/known_hosts" ~/.ssh/known_hosts'
        words = ["ssh", "-F", os.devnull, "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"]
        words += ["-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={known}"]
        words += ["-o", f"IdentityAgent={self._access.agent or 'none'}"]
        if self._access.keys:
            words += [
                "-o",
                "IdentitiesOnly=yes",
                *[word for key in self._access.keys for word in ("-i", key)],
            ]
        return shlex.join(words)


class _Group:
    """git and the programs that it started."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def kill(self) -> None:
        """Ends them all, if git has not ended."""
        import signal

        if self._process.returncode is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def _find_program() -> str:
    for folder in _PATH.split(":"):
        if os.access(f"{folder}/git", os.X_OK):
            return f"{folder}/git"
    raise NotFound("the program git is not installed", hint="install it: apt-get install git")


def _token_scope(remote: str) -> str:
    """Which URLs a token is for: the repository; on GitHub all, since submodules mostly need it as well."""
    for prefix in ("https://github.com/", "https://www.github.com/"):
        if remote.startswith(prefix):
            return prefix
    scheme, separator, rest = remote.partition("://")
    host, slash, path = rest.partition("/")
    return scheme + separator + host.rpartition("@")[2] + slash + path
