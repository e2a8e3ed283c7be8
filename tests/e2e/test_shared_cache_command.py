"""Two machines and one registry, by the commands that people type: --cache-to, --cache-from, --push, why."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.build.machines import counting
from tests.e2e.conftest import new_root
from tests.e2e.lamina_command import Lamina
from tests.registry.distribution import Registry

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with counting() as made:
        yield made


@pytest.fixture
def machines() -> Iterator[list[Lamina]]:
    with ExitStack() as stack:
        yield [stack.enter_context(new_root("fleet")) for _ in range(2)]


def test_the_second_machine_runs_nothing_and_pushes_manifests(
    registry: Registry, machines: list[Lamina], tmp_path: Path
) -> None:
    one, two = machines
    base, cache = registry.name("base:1"), registry.name("team/cache:main")
    (tmp_path / "app").mkdir()
    (tmp_path / "large").write_bytes(os.urandom(3 << 20))
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY large /large\n")
    (tmp_path / "app/Dockerfile").write_text(f"FROM {base}\nWORKDIR /app\nCOPY seed .\nCOPY seed /other\n")
    (tmp_path / "app/seed").write_bytes(os.urandom(2 << 20))
    _build(one, "--push", "-t", base, tmp_path)
    to = f"type=registry,ref={cache},mode=max"
    _build(one, "--push", "-t", registry.name("app:1"), "--cache-to", to, tmp_path / "app")
    registry.requests.clear()

    shown = _build(two, "--push", "-t", registry.name("app:2"), "--cache-from", cache, tmp_path / "app")
    assert f"importing cache manifest from {cache}\n" in shown
    assert f"#4 [4/4] COPY seed /other\n#4 CACHED (from {cache})\n" in shown
    assert "4 steps reused, 0 run\n" in shown
    assert registry.requests.up < 10_000 and registry.requests.down < 20_000, "layers are not moved"
    assert os.listdir(two.root / "diff") == []
    assert f"   reused (exact, from {cache}): the same step was done before" in two("why", "^0")

    (tmp_path / "app/seed").write_bytes(b"a seed")
    registry.requests.clear()
    push = ("--push", "-t", registry.name("app:3"))
    why = _build(two, "--why", *push, "--cache-from", cache, tmp_path / "app", both=True)
    assert registry.requests.down < 20_000, "nor is one needed for a COPY"
    assert re.sub(r"Build \w+", "Build ID", why) == (
        "Build ID of app: 2 of 3 steps ran, 0.0s; 1 was reused\n"
        "Cause: #3-#4: seed: content, 2097152 -> 6 bytes\n"
        "\n"
        f"#1 FROM {base} (Dockerfile:1)\n"
        f"   {base} {two('images', '-q', '--no-trunc', base).strip()[:19]}\n"
        "#2 WORKDIR /app (Dockerfile:2)\n"
        f"   reused (exact, from {cache}): the same step was done before\n"
        "#3 COPY seed . (Dockerfile:3)\n"
        "   ran, 0.0s (the last time 0.0s)\n"
        "   - seed: content, 2097152 -> 6 bytes\n"
        "#4 COPY seed /other (Dockerfile:4)\n"
        "   ran, 0.0s (the last time 0.0s)\n"
        "   - seed: content, 2097152 -> 6 bytes\n"
    )


def _build(machine: Lamina, *args: str | Path, both: bool = False) -> str:
    """The plain progress of a build that may ask registries; with `both`, what is on STDOUT instead."""
    out, err = machine.both("build", "--progress=plain", *args, LAMINA_OFFLINE="")
    timed = re.sub(r"\b\d+\.\d+s", "0.0s", out if both else err)
    return re.sub(r"(, which|; that) saved 0\.0s", "", timed)
