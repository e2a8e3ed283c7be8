"""State: something that can be compared: the layers that make a file system, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db.bases import bases
from lamina.insight.config import config_of
from lamina.insight.images import label
from lamina.oci.config import History
from lamina.oci.digest import DiffID, ImageID, short
from lamina.oci.history import pair

if TYPE_CHECKING:
    from lamina.insight.rows import Rows
    from lamina.oci.config import ImageConfig

IMAGE, LAYER, CONTAINER, STEP, NOTHING = "image", "layer", "container", "step", "nothing"


class State(NamedTuple):
    """A file system and its config. `created_by` has for each layer what made it, as far as that is known."""

    kind: str  # image, layer (the state after it), container, step (after it), or nothing: no file at all
    label: str  # as messages call it
    diff_ids: tuple[DiffID, ...] = ()  # the bottom first
    created_by: tuple[str, ...] = ()
    config: ImageConfig | None = None  # None where only the files count; of a container as `commit` has it
    image_id: str = ""  # of an image, and of the image that a layer or a container is of


EMPTY = State(NOTHING, "the empty file system")


def of_image(rows: Rows, image_id: ImageID, name: str = "") -> State:
    """An image of the store; `name` is what to call it. NotFound, Corrupt."""
    config = config_of(rows, image_id)
    lines = [
        line.created_by for line, diff_id in pair(config.history, config.diff_ids) if diff_id is not None
    ]
    return State(IMAGE, name or label(rows, image_id), config.diff_ids, tuple(lines), config, image_id)


def after(state: State, number: int) -> State:
    """The files of an image as they are above one of its layers: a number from 1, or 0 for nothing."""
    if not number:
        return EMPTY
    name = f"{state.label}#{number}"
    lines = state.created_by[:number]
    return State(LAYER, name, state.diff_ids[:number], lines, image_id=state.image_id)


def of_layer(diff_id: DiffID) -> State:
    """One layer alone."""
    return State(LAYER, short(diff_id), (diff_id,), ("",))


def base_of(rows: Rows, state: State) -> State:
    """The highest image of the store whose layers are the lower ones of this image; or EMPTY."""
    below = bases(rows.connection, ImageID(state.image_id))
    if below:
        return of_image(rows, below[0].image_id, below[0].label)
    return EMPTY._replace(label=f"{EMPTY.label} (no base of it is in the store)")


def histories(old: State, new: State) -> tuple[tuple[History, ...], tuple[History, ...]]:
    """Both histories; only what made the layers, where one is a layer or a step."""
    if any(each.kind in (LAYER, STEP) for each in (old, new)):
        old, new = old._replace(config=None), new._replace(config=None)
    return _history(old), _history(new)


def _history(state: State) -> tuple[History, ...]:
    if state.config is not None:
        return state.config.history
    return tuple([History(created_by=line) for line in state.created_by])
