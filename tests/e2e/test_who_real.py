"""who and sql over real images give what an independent walk of their archives gives."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

from lamina import Engine

if TYPE_CHECKING:
    from lamina.insight.who.answer import Who
    from tests.e2e.real_images import Real

_SAMPLE = 25
_DIGESTS = 300


def _found(answer: Who, image_id: str) -> set[tuple[str, int, str, int]]:
    return {
        (each.path, each.number, each.state, each.by)
        for held in answer.images
        if held.image_id == image_id
        for each in held.seen
    }


def _expected(real: Real, fits: object) -> set[tuple[str, int, str, int]]:
    found = set()
    for number, layer in enumerate(real.image.layers):
        for path, entry in layer.entries.items():
            if path and fits(entry):  # type: ignore[operator]
                later = [event for event in real.image.events(path) if event[0] > number]
                state = "visible" if not later else "deleted" if later[0][1] == "deleted" else "replaced"
                text = "/" + path.decode("utf-8", "surrogateescape")
                found.add((text, number + 1, state, later[0][0] + 1 if later else 0))
    return found


def test_files(real: Real) -> None:
    """A sample of all files, and all that layers wrote again."""
    rand = random.Random(7)
    layers = real.image.layers
    entries = [entry for layer in layers for entry in layer.entries.values() if entry.type == "file"]
    upper = [entry for layer in layers[-3:] for entry in layer.entries.values() if entry.type == "file"]
    with Engine.open(str(real.lamina.root)) as engine:
        for entry in [
            *rand.sample(entries, min(_SAMPLE, len(entries))),
            *rand.sample(upper, min(_SAMPLE, len(upper))),
        ]:
            if entry.size:  # of empty ones there are thousands
                want = _expected(real, lambda other, digest=entry.sha256: other.sha256 == digest)
                assert _found(engine.who(entry.sha256), real.image.config_digest) == want, entry
            path = "/" + entry.path.decode("utf-8", "surrogateescape")
            want = _expected(real, lambda other, path=entry.path: other.path == path)
            found = _found(engine.who(path, "path"), real.image.config_digest)
            assert {each for each in found if each[0] == path} == want, entry


def test_digests(real: Real) -> None:
    """Where each content is, in which layers, and whether it can be seen."""
    wanted: dict[str, set[tuple[str, int, str, int]]] = {}
    for path in {path for layer in real.image.layers for path in layer.entries if path}:
        events = [*real.image.events(path), (-1, "")]
        text = "/" + path.decode("utf-8", "surrogateescape")
        for (number, _), (later, what) in itertools.pairwise(events):
            entry = real.image.layers[number].entries.get(path)
            if entry and entry.size:  # of empty ones there are thousands
                state = {"": "visible", "deleted": "deleted"}.get(what, "replaced")
                wanted.setdefault(entry.sha256, set()).add((text, number + 1, state, later + 1))
    with Engine.open(str(real.lamina.root)) as engine:
        for digest, seen in list(wanted.items())[:: 1 + len(wanted) // _DIGESTS]:
            assert _found(engine.who(digest), real.image.config_digest) == seen, digest


def test_packages(real: Real) -> None:
    """Each package of the bill of materials is visible in the layer that the bill names."""
    with Engine.open(str(real.lamina.root)) as engine:
        bill = engine.sbom(real.name).packages
        for package in bill[:: max(1, len(bill) // _SAMPLE)]:
            answer = engine.who(f"{package.name}@{package.version}")
            (held,) = [each for each in answer.images if each.image_id == real.image.config_digest]
            visible = [
                each.diff_id
                for each in held.seen
                if each.state == "visible" and (each.package, each.version) == (package.name, package.version)
            ]
            assert package.layer in visible, package


def test_rows(real: Real) -> None:
    """The rows of each layer are those of its tar."""
    sql = "SELECT path, type, mode, uid, gid, size, sha256 FROM files WHERE diff_id = ? AND type = 'file'"
    with Engine.open(str(real.lamina.root)) as engine:
        for layer in real.image.layers:
            want = {
                (
                    "/" + path.decode("utf-8", "surrogateescape"),
                    each.mode,
                    each.uid,
                    each.gid,
                    each.size,
                    each.sha256,
                )
                for path, each in layer.entries.items()
                if each.type == "file" and not each.is_hard_link
            }
            found = {(row[0], *row[2:]) for row in engine.sql(sql, [layer.diff_id]).rows}
            assert found == want
