"""Kitchens on tmpfs: creating files on the disks of test machines is slow and uneven."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .kitchen import Kitchen, opened
from .machines import counting
from .mounted import Agent
from .untouched.fixtures import lab as lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.mount.userns import IdMap
    from tests.registry.distribution import Registry


@pytest.fixture
def kitchen(inside: IdMap) -> Iterator[Kitchen]:
    """A store with the image `busybox`, and an empty context."""
    with opened(Kitchen) as made:
        made.add_busybox()
        yield made


@pytest.fixture(params=["overlay", "native"])
def either(request: pytest.FixtureRequest, kitchen: Kitchen) -> Kitchen:
    """The kitchen with each snapshotter."""
    kitchen.snapshotter = request.param
    return kitchen


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    """The socket of an SSH agent."""
    agent = Agent(tmp_path / "a")
    yield str(tmp_path / "a")
    agent.listener.close()


@pytest.fixture
def key(tmp_path: Path) -> str:
    """A file with a key."""
    if shutil.which("ssh-keygen") is None or shutil.which("ssh-agent") is None:
        pytest.skip("needs the OpenSSH client")
    path = str(tmp_path / "key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "mine", "-f", path], check=True)
    return path


@pytest.fixture(scope="session")
def counted() -> Iterator[Registry]:
    """One registry for all tests of shared caches: each has names of its own."""
    with counting() as made:
        yield made
