"""The three examples build, run, answer, and rebuild only what a change touches."""

from __future__ import annotations

import shutil
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.conftest import NO_BASES, make_base
from tests.e2e.lamina_command import REPOSITORY, Lamina, cached_steps

BOOTSTRAP = pytest.mark.skipif(bool(NO_BASES), reason=NO_BASES or "-")


def copy(example: str, folder: Path) -> Path:
    """An example that a test may change."""
    return Path(shutil.copytree(REPOSITORY / "examples" / example, folder / example))


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answer(lamina: Lamina, image: str, *flags: str) -> str:
    """What the service in `image` answers to GET /; it is stopped, and gone, afterwards."""
    port = free_port()
    service = lamina.start("run", "--rm", "--name", f"service-{port}", "-e", f"PORT={port}", *flags, image)
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
                    return str(response.read().decode())
            except (urllib.error.URLError, ConnectionError):
                assert service.poll() is None, service.communicate()[0].decode()
                time.sleep(0.1)
        raise AssertionError("no answer")
    finally:
        lamina("rm", "-f", f"service-{port}")
        service.communicate(timeout=30)
        assert f"service-{port}" not in lamina("ps", "-a")


def test_static_site(busybox: Lamina, tmp_path: Path) -> None:
    folder = copy("static", tmp_path)
    busybox.build("-t", "site", folder)
    assert "Hello from a stack of layers" in answer(busybox, "site")
    assert busybox("run", "--rm", "site", "id", "-un") == ("root\n" if busybox.one_id else "www\n")
    again = cached_steps(busybox.build("-t", "site", folder))
    assert again and all(again.values())
    (folder / "site" / "about.html").write_text("changed")
    changed = cached_steps(busybox.build("-t", "site", folder))
    assert changed["WORKDIR /pages"] and not changed["COPY site/ ."]
    assert busybox("run", "--rm", "site", "cat", "about.html") == "changed"


@BOOTSTRAP
def test_flask_service(bases: Lamina, tmp_path: Path) -> None:
    make_base(bases, "debian")
    folder = copy("flask", tmp_path)
    bases.build("-t", "flask", folder)
    assert answer(bases, "flask") == "Hello from Flask in a stack of layers\n"
    install = next(
        step for step in cached_steps(bases.build("-t", "flask", folder)) if step.startswith("RUN pip")
    )
    source = folder / "app.py"
    source.write_text(source.read_text().replace("Hello from", "Greetings from"))
    changed = cached_steps(bases.build("-t", "flask", folder))
    assert changed[install] and not changed["COPY . ."]
    assert answer(bases, "flask") == "Greetings from Flask in a stack of layers\n"


@BOOTSTRAP
def test_node_service(bases: Lamina, tmp_path: Path) -> None:
    make_base(bases, "node")
    folder = copy("node", tmp_path)
    bases.build("-t", "node-service", folder)
    assert "Hello from Node" in answer(bases, "node-service")
    source = folder / "server.js"
    source.write_text(source.read_text().replace("Hello from", "Greetings from"))
    changed = cached_steps(bases.build("-t", "node-service", folder))
    install = next(step for step in changed if step.startswith("RUN npm"))
    assert changed[install] and not changed["COPY . ."]
    assert "Greetings from Node" in answer(bases, "node-service")
    package = folder / "package.json"
    package.write_text(package.read_text().replace('"1.0.0"', '"1.0.1"'))
    changed = cached_steps(bases.build("-t", "node-service", folder))
    assert not changed[install] and not changed["COPY . ."]
