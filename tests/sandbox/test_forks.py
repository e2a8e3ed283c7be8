"""A runtime in a program that forks: each copy lets go of it, and only the process that made it ends it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from lamina.sandbox.native import NativeRuntime
from tests.sandbox.conftest import Box

pytestmark = pytest.mark.timeout(30)


def test_a_fork_that_goes_on_is_not_waited_for(scratch: Path) -> None:
    runtime = NativeRuntime()
    runtime.warm()
    fork = os.fork()
    if fork == 0:
        time.sleep(20)  # with all descriptors
        os._exit(0)
    start = time.monotonic()
    runtime.close()
    assert time.monotonic() - start < 10
    os.kill(fork, signal.SIGKILL)
    os.waitpid(fork, 0)


def test_a_fork_that_closes_it_does_not_end_it(scratch: Path) -> None:
    runtime = NativeRuntime()
    runtime.warm()
    fork = os.fork()
    if fork == 0:
        try:
            runtime.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(fork, 0)[1] == 0
    assert Box(scratch, runtime).run("true").status == 0
    runtime.close()
