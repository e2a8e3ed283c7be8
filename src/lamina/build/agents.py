"""SSH agents of a build: sockets that --ssh names, or an agent of our own that holds the keys it names."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
from threading import Lock
from typing import TYPE_CHECKING

from lamina.errors import Denied, InvalidInput, Unsupported
from lamina.store.files import remove_tree
from lamina.store.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.build.given import SshForward

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PLAIN = {"PATH": _PATH, "LC_ALL": "C", "SSH_AUTH_SOCK": "agent", "SSH_ASKPASS_REQUIRE": "never"}
_READY = 20.0  # seconds that an agent may take for a key


class Agents:
    """The agents of one build, by their IDs. An agent of ours starts when it is first asked for."""

    def __init__(self, forwards: Sequence[SshForward], folder: str) -> None:
        """`folder` is made when an agent of ours needs it."""
        self._forwards = {forward.id: forward for forward in forwards}
        self._folder = folder
        self._lock = Lock()
        self._started: dict[str, _Agent] = {}

    def has(self, name: str) -> bool:
        """Whether --ssh gave one of this ID."""
        return name in self._forwards

    def connector(self, name: str) -> Callable[[], socket.socket]:
        """What makes a connection to an agent. InvalidInput for keys that cannot be used, Unsupported."""
        paths = self._forwards[name].paths
        sockets = [path for path in paths if is_socket(path)]
        if sockets and len(paths) > 1:
            raise InvalidInput(f"only single socket allowed for --ssh {name}", hint="give a socket or keys")
        if sockets:
            return lambda: connect(sockets[0])
        with self._lock:
            if name not in self._started:
                with guard(self._folder):
                    os.makedirs(self._folder, 0o700, exist_ok=True)
                place = f"{self._folder}/{len(self._started)}"
                self._started[name] = _Agent(place, paths)
            place = self._started[name].socket
        return lambda: connect(place)

    def close(self) -> None:
        """Ends the agents that were started, and forgets their keys with them."""
        for agent in self._started.values():
            agent.close()
        if os.path.lexists(self._folder):
            remove_tree(self._folder)


class _Agent:
    """An ssh-agent that ends with us, however we end: the program that it waits for reads from our pipe."""

    def __init__(self, folder: str, keys: Sequence[str]) -> None:
        for program in ("ssh-agent", "ssh-add"):
            if shutil.which(program, path=_PATH) is None:
                raise Unsupported(
                    f"{program} is not installed, and --ssh names a key",
                    hint="install the OpenSSH client, or give the socket of an agent",
                )
        with guard(folder):
            os.mkdir(folder, 0o700)
        self._folder = folder
        self.socket = f"{folder}/agent"
        command = ["ssh-agent", "-a", "agent", "sh", "-c", "echo $SSH_AGENT_PID; exec cat"]
        # A name relative to the folder: the path of a socket may have 107 bytes only.
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=_PLAIN,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._pid = 0
        try:
            self._pid = self._wait()
            for key in keys:
                self._add(key)
        except BaseException:
            self.close()
            raise

    def _wait(self) -> int:
        """The process ID of the agent, once it listens."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line.isdigit():
            raise Denied("ssh-agent did not start", hint="give the socket of an agent: --ssh ID=SOCKET")
        return int(line)

    def _add(self, key: str) -> None:
        try:
            done = subprocess.run(
                ["ssh-add", "-q", key],
                cwd=self._folder,
                env=_PLAIN,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                start_new_session=True,  # without a terminal it asks nobody for a passphrase
                timeout=_READY,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise InvalidInput(f"cannot use the key {key} of --ssh: ssh-add does not end") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["unknown reason"]
            reason = "it has a passphrase" if "passphrase" in said[-1] else said[-1]
            raise InvalidInput(
                f"cannot use the key {key} of --ssh: {reason}",
                hint="a key with a passphrase goes into an agent of yours; give that one's socket",
            )

    def close(self) -> None:
        """Ends it."""
        if self._pid:
            try:
                os.kill(self._pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
            self._pid = 0
        with self._process as process:  # closes the pipes, and waits
            process.kill()


def connect(path: str) -> socket.socket:
    """A connection to the socket at `path`, however long that is. OSError."""
    folder, name = os.path.split(path)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.connect(f"/proc/self/fd/{descriptor}/{name}")
    except BaseException:
        stream.close()
        raise
    finally:
        os.close(descriptor)
    return stream


def is_socket(path: str) -> bool:
    """Whether --ssh names a socket here, or a key."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False
