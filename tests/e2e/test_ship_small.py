"""Done when 2 of shipping layers: one source file of a large image changes, and hardly anything travels.

The image has 500 MB (with ./test --peers, else 100) of files that do not get smaller when they are packed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import new_root
from tests.e2e.lamina_command import Lamina
from tests.machine import THOROUGH, quick_place
from tests.registry.conftest import place
from tests.registry.distribution import Registry, running

__all__ = ["place"]
MEGABYTE = 1_000_000
FILES, FILE = 20, (25 if THOROUGH else 5) * MEGABYTE
HEADERS = 1000  # bytes of a request and its answer beside their bodies, at most
ONLINE = {"LAMINA_OFFLINE": ""}
DOCKERFILE = """FROM scratch
COPY libraries /usr/lib/
COPY source /app/
WORKDIR /app
CMD ["/app/main"]
"""


def _free() -> int:
    found = os.statvfs(quick_place() or tempfile.gettempdir())
    return found.f_bavail * found.f_frsize


@pytest.fixture
def registry(place: Path) -> Iterator[Registry]:
    with running(place / "registry", count=True) as made:
        yield made


def make_context(folder: Path) -> Path:
    """Files that gzip makes no smaller: 32 KiB back it sees nothing of what is repeated."""
    (folder / "libraries").mkdir(parents=True)
    (folder / "source").mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    block = os.urandom(MEGABYTE)
    for number in range(FILES):
        turned = block[number * 1000 :] + block[: number * 1000]
        with open(folder / f"libraries/lib{number}.so", "wb") as out:
            out.writelines([turned] * (FILE // MEGABYTE))
    for number in range(200):
        (folder / f"source/part{number}.c").write_text(
            f"int part{number}(void) {{ return {number}; }}\n" * 20
        )
    return folder


def moved(registry: Registry) -> int:
    """Bytes that the registry saw since the last look, in both directions, headers and all."""
    requests = registry.requests
    found = requests.up + requests.down + HEADERS * len(requests.rows)
    requests.clear()
    return found


@pytest.mark.skipif(_free() < 3_000 * MEGABYTE, reason="needs 3 GB: 500 MB are in several places")
def test_one_source_file_of_a_large_image(registry: Registry, place: Path) -> None:
    name = registry.name("app:1")
    context = make_context(place / "context")
    with new_root("ship-here") as here, new_root("ship-there") as there:
        here("build", "-q", "-t", name, context)
        here("push", "-q", name, **ONLINE)
        assert registry.requests.up > FILES * FILE
        there("pull", "-q", name, **ONLINE)
        assert moved(registry) > 2 * FILES * FILE
        first = image_id(here, name)

        (context / "source/part7.c").write_text("int part7(void) { return 8; }\n")
        here("build", "-q", "-t", name, context)
        here("push", "-q", name, **ONLINE)
        pushed = moved(registry)
        there("pull", "-q", name, **ONLINE)
        pulled = moved(registry)
        print(f"pushed {pushed} bytes, pulled {pulled} bytes")
        assert 0 < pushed < MEGABYTE and 0 < pulled < MEGABYTE
        assert image_id(here, name) == image_id(there, name) != first

        here("push", "-q", name, **ONLINE)
        there("pull", "-q", name, **ONLINE)
        assert moved(registry) < 20_000  # nothing changed: questions and their answers


def image_id(lamina: Lamina, name: str) -> str:
    return str(lamina.inspect(name)["Id"])
