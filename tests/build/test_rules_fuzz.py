"""The rule `independent` on parents made by chance: a layer that is reused is the one that would be made."""

from __future__ import annotations

import io
import random
import tarfile
from typing import TYPE_CHECKING

import pytest

from lamina.errors import LaminaError
from lamina.layers.write import LayerItem
from lamina.oci.config import ContainerConfig
from lamina.tree.entry import Entry, Kind
from tests.build.ruled import outline
from tests.machine import THOROUGH

if TYPE_CHECKING:
    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(300)

STEPS = (
    "COPY f /a",
    "COPY f /a/",
    "COPY f /a/b/c",
    "COPY f g /b/",
    "COPY d /a",
    "COPY d /a/b",
    "COPY --chmod=700 d /b",
    "COPY --chown=5:6 d /c/",
    "COPY --parents d/a/f /b/",
    "COPY <<EOF /a/b\nx\nEOF",
    "ADD t.tar /a",
    "ADD t.tar /",
    "WORKDIR /a/b",
    "WORKDIR /c",
)
NAMES = ("a", "b", "c")
ROUNDS = 150 if THOROUGH else 60


def parent(chance: random.Random) -> list[LayerItem]:
    """A few folders, files and links, two deep."""
    made: list[LayerItem] = []

    def fill(folder: str, depth: int) -> None:
        for name in NAMES:
            path = f"{folder}{name}".encode()
            kind = chance.choice("ddfl--")
            if kind == "d":
                mode = chance.choice((0o755, 0o755, 0o755, 0o700, 0o2755))
                gid = chance.choice((0, 0, 7))
                made.append(LayerItem(Entry(path, Kind.DIR, mode, 0, gid, mtime=10**18)))
                if depth:
                    fill(f"{folder}{name}/", depth - 1)
            elif kind == "f":
                content = chance.choice((b"1", b"2"))
                made.append(LayerItem(Entry(path, Kind.FILE, 0o644, size=1, mtime=10**18), content))
            elif kind == "l":
                target = chance.choice((b"/a", b"b", b"../c", b"/none", b"a/b"))
                made.append(LayerItem(Entry(path, Kind.SYMLINK, 0o777, link=target, mtime=10**18)))

    fill("", 1)
    return made


def varied(chance: random.Random, items: list[LayerItem]) -> list[LayerItem]:
    """The same, but for one thing."""
    changed = list(items)
    if not items or chance.random() < 0.2:
        return [*changed, LayerItem(Entry(b"z", Kind.DIR, 0o755))]
    at = chance.randrange(len(items))
    entry, content = items[at]
    if entry.kind is Kind.DIR:
        changed[at] = LayerItem(entry._replace(mode=entry.mode ^ chance.choice((0o2000, 0o022))))
    elif entry.kind is Kind.FILE:
        changed[at] = LayerItem(entry, b"3" if chance.random() < 0.5 else content)
    else:
        changed[at] = LayerItem(entry._replace(link=chance.choice((b"c", b"/b"))))
    return changed


def archive() -> bytes:
    """A folder with a file, and a link in the place of what may be a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind in (("a", tarfile.DIRTYPE), ("a/n", tarfile.REGTYPE), ("b", tarfile.SYMTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.linkname = kind, 0o755, "a" if name == "b" else ""
            tar.addfile(member)
    return out.getvalue()


def attempt(kitchen: Kitchen, text: str, *, no_cache: bool = False) -> tuple[str, object]:
    """The rule that the step was reused by, and what came of it: an error counts by its text."""
    try:
        result = kitchen.build(text, no_cache=no_cache)
    except LaminaError as error:
        return "", error.message
    return result.steps[0].rule, outline(kitchen, result.image_id)


def test_by_chance(kitchen: Kitchen) -> None:
    kitchen.write({"f": "file", "g": "other", "d/f": "1", "d/a/f": "2", "d/b/c": "3", "t.tar": archive()})
    chance = random.Random(4)
    reused = 0
    for number in range(ROUNDS):
        step = chance.choice(STEPS)
        names = f"one{number}", f"two{number}"
        one = parent(chance)
        two = varied(chance, one) if chance.random() < 0.7 else parent(chance)
        for name, items in zip(names, (one, two), strict=True):
            kitchen.add_image(name, ContainerConfig(), {}, tuple(items))
        attempt(kitchen, f"FROM {names[0]}\n{step}\n")
        rule, found = attempt(kitchen, f"FROM {names[1]}\n{step}\n")
        _, honest = attempt(kitchen, f"FROM {names[1]}\n{step}\n", no_cache=True)
        assert found == honest, (number, step)
        reused += rule == "independent"
    assert reused > ROUNDS / 10, "something must be reused, or nothing is tested"
