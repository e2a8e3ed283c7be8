"""Runs pieces of code in processes of their own, so that they can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import lamina

if TYPE_CHECKING:
    from collections.abc import Callable
from pathlib import Path

import pytest

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(lamina.__file__)))


def spawn(code: str, *args: str) -> subprocess.Popen[bytes]:
    """A new Python that runs `code` with these arguments; its output and input are pipes."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": SOURCE},
    )


def line_of(process: subprocess.Popen[bytes]) -> str:
    """The next line that it prints."""
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9, and waits for the end."""
    process.kill()
    end(process)


def end(process: subprocess.Popen[bytes]) -> int:
    """Waits for its end; its exit status."""
    process.communicate()
    return process.returncode


def as_nobody(action: Callable[[], object]) -> None:
    """Runs `action` as an ordinary user: as it is when we are one, else in a child that becomes one."""
    if os.geteuid() != 0:
        action()
        return
    with open("/proc/self/uid_map") as file:
        if max(int(line.split()[2]) for line in file) < 2:
            pytest.skip("there is one user only in this namespace")
    assert forked(action, uid=65534) == 0


def open_up(folder: Path) -> None:
    """Lets everybody into a folder of pytest's, and write there."""
    folder.chmod(0o777)
    for parent in list(folder.parents)[:2]:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/tmp"):
            parent.chmod(0o755)


def forked(action: Callable[[], object], *, uid: int | None = None) -> int:
    """Runs `action` in a forked child, as another user if `uid` says so; 0 when it did not raise."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if uid is not None:
                os.setgid(uid)
                os.setuid(uid)
            action()
            status = 0
        except BaseException as error:
            sys.stderr.write(f"in the child: {error!r}\n")
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return 128 + signal.Signals(os.WTERMSIG(status)).value
    return os.WEXITSTATUS(status)
