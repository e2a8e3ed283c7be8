"""What the tests of the rules of reuse ask of a build."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import cachedb, traces
from lamina.events import Notice
from lamina.layers import readsets
from lamina.oci.validate import validate
from lamina.transfer.image_view import image_view
from lamina.tree.readset import Observed, make, pack

if TYPE_CHECKING:
    from lamina.build.request import BuildResult
    from lamina.db.cachedb import Step
    from lamina.db.traces import Trace
    from lamina.oci.digest import ImageID
    from tests.build.kitchen import Kitchen

RAN = "ran"


def how(result: BuildResult) -> list[str]:
    """How each step that makes a layer came about: `RUN ran`, `COPY independent`."""
    return [f"{step.text.split()[0]} {step.rule if step.cached else RAN}" for step in result.steps]


def rules(result: BuildResult) -> list[str]:
    """The same without the instruction."""
    return [step.rule if step.cached else RAN for step in result.steps]


def notices(kitchen: Kitchen) -> list[str]:
    """What the last build told."""
    return [event.text for event in kitchen.events if isinstance(event, Notice)]


def row(kitchen: Kitchen, created_by: str) -> Step:
    """The newest row of a step whose history has these words."""
    found = [step for step in cachedb.steps(kitchen.db.read()) if created_by in step.created_by]
    return max(found, key=lambda step: step.ran)


def all_traces(kitchen: Kitchen) -> list[Trace]:
    """All traces, the oldest first."""
    recipes = {step.recipe for step in cachedb.steps(kitchen.db.read())}
    found = [trace for recipe in recipes for trace in traces.candidates(kitchen.db.read(), recipe)]
    return sorted(found, key=lambda trace: trace.num)


def as_if_read(kitchen: Kitchen, image: ImageID, step: str, *paths: str) -> None:
    """Puts the read set of a RUN as if it had read just this; `image` is what it stood on.

    A path that ends with a slash is a folder that it listed.
    """
    observed = [Observed(path.strip("/").encode(), path.endswith("/")) for path in paths]
    chain = kitchen.config(image).diff_ids[::-1]
    read_set = make(observed, readsets.values(kitchen.ctx, chain, observed))
    done = row(kitchen, step)
    assert done.recipe
    assert done.diff_id is not None
    trace = traces.Trace(done.recipe, done.diff_id, done.parent or "", done.key, len(paths), pack(read_set))
    with kitchen.db.write() as tx:
        traces.put(tx, trace)


class Outline(NamedTuple):
    """What two images that were built alike have in common, times aside."""

    config: object
    history: tuple[tuple[str, bool], ...]
    contents: tuple[str, ...]


def outline(kitchen: Kitchen, image: ImageID) -> Outline:
    """The config, the history and the content of each layer."""
    config = kitchen.config(image)
    c = kitchen.db.read()
    contents = tuple(
        c.execute("SELECT content_id FROM diffs WHERE diff_id = ?", (diff_id,)).fetchone()[0]
        for diff_id in config.diff_ids
    )
    history = tuple((entry.created_by, entry.empty_layer) for entry in config.history)
    return Outline(config.config, history, contents)


def check_sound(kitchen: Kitchen, image: ImageID) -> None:
    """All that an image says of itself is true, layer by layer."""
    validate(image_view(kitchen.ctx, image))
