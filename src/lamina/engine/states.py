"""From what a user types to a State: an image, a layer of one, a container, or a step of a build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import containerdb, recorded
from lamina.db.layernames import number_of, resolve_layer, split_name
from lamina.db.names import for_platform, resolve_image
from lamina.engine import joined
from lamina.engine.reading import reading
from lamina.errors import InvalidInput, NotFound
from lamina.insight import states
from lamina.insight.states import CONTAINER, EMPTY, STEP, State
from lamina.oci import reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.db.names import Named
    from lamina.engine.opened import Opened
    from lamina.engine.steps import StepRef
    from lamina.events import Observer
    from lamina.insight.diff.change import FileChange
    from lamina.insight.diff.diff import Asked, Diff


class Comparison:
    """Two states by their names; of a single one what it stands on is the other."""

    def __init__(self, opened: Opened, platform: str = "") -> None:
        self._opened = opened
        self._platform = joined.platform(platform)

    def between(self, old: str, new: str) -> tuple[State, State]:
        """The states with these names; "" for `new` puts what `old` stands on before it."""
        return (self.named(old), self.named(new)) if new else self.made_by(old)

    def named(self, text: str) -> State:
        """The state: NAME or ID of a container or an image, IMAGE#LAYER, BUILD#STEP, or a layer's diff ID.

        Containers come before images, and images before builds. NotFound, Conflict, InvalidInput.
        """
        if "#" in text:
            return self._numbered(text)[0]
        try:
            return self._container(text)[1]
        except NotFound:
            return self._image_or_layer(text)

    def made_by(self, text: str) -> tuple[State, State]:
        """What the state stands on, and the state: an image on its base, a layer on the one below it,
        a container on its image, a step on the one before it."""
        if "#" in text:
            return self._numbered(text)[::-1]
        try:
            return self._container(text)
        except NotFound:
            state = self._image_or_layer(text)
        return (states.base_of(self._opened.rows, state) if state.image_id else EMPTY), state

    def step(self, ref: StepRef) -> tuple[State, State]:
        """What a step stood on, and what it left."""
        from lamina.engine.steps import around  # with all that builds are made with

        label, *files = around(self._opened, ref)
        before, after = [
            State(
                STEP,
                label,
                tuple([layer.diff_id for layer in layers]),
                tuple([layer.created_by for layer in layers]),
                config,
            )
            for layers, config in files
        ]
        return before._replace(label=f"what {label} stood on"), after

    def _numbered(self, text: str) -> tuple[State, State]:
        """The state after a layer or a step, and the one before it."""
        from lamina.engine.steps import StepRef

        name, layer = split_name(text)
        try:
            found = resolve_image(self._opened.rows.connection, name) if name else None
        except (NotFound, InvalidInput):
            found = None
        if found is None:
            if not layer.isascii() or not layer.isdigit() or not self._is_build(name):
                raise NotFound(
                    f"No such image or build: {name}", hint="a layer is IMAGE#N, a step is BUILD#N"
                )
            return self.step(StepRef(name, int(layer[:9])))[::-1]
        state = self._of_image(found)
        number = number_of(state.diff_ids, layer)
        return states.after(state, number), states.after(state, number - 1)

    def _is_build(self, text: str) -> bool:
        try:
            recorded.find(self._opened.rows.connection, text)
        except (NotFound, InvalidInput):
            return False
        return True

    def _image_or_layer(self, text: str) -> State:
        c = self._opened.rows.connection
        try:
            found = resolve_image(c, text)
        except (NotFound, InvalidInput) as error:
            try:
                return states.of_layer(resolve_layer(c, text).diff_id)
            except (NotFound, InvalidInput):
                if isinstance(error, InvalidInput):
                    raise error from None
            hint = "`lamina ps -a` and `lamina images` list them"
            raise NotFound(f"No such container or image: {text}", hint=hint) from None
        return self._of_image(found)

    def _of_image(self, found: Named) -> State:
        rows = self._opened.rows
        if self._platform is not None:
            found = for_platform(rows.connection, found, self._platform)
        name = reference.parse(found.tag).familiar() if found.tag else ""
        return states.of_image(rows, found.image_id, name)

    def _container(self, text: str) -> tuple[State, State]:
        """The image of a container, and the container: its changes become a layer that nothing refers to."""
        row = containerdb.find(self._opened.rows.connection, text)
        from lamina.containers.commit import capture_layer  # few ask for the files of a container
        from lamina.containers.settings import parse
        from lamina.layers.lookup import EMPTY_DIFF

        image = states.of_image(self._opened.rows, row.image_id)
        diff_id = capture_layer(joined.containers_of(self._opened), row).diff_id
        own = () if diff_id == EMPTY_DIFF else (diff_id,)
        lines = (*image.created_by, row.command) if own else image.created_by
        config = image.config._replace(config=parse(row.config_json).config) if image.config else None
        diff_ids = (*image.diff_ids, *own)
        state = State(CONTAINER, row.name, diff_ids, lines, config, image.image_id)
        return image, state


def compared(
    opened: Opened,
    names: tuple[str | StepRef, str, str],
    asked: Asked | None,
    tell: Observer,
    found: Callable[[FileChange], None] | None,
) -> Diff:
    """What differs between two states: `names` are the old and the new one, and a platform."""
    from lamina.insight.diff.diff import Asked, compare  # most that open a store ask something else

    old, new, platform = names
    by_name = Comparison(opened, platform)
    sides = by_name.between(old, new) if isinstance(old, str) else by_name.step(old)
    with reading(opened) as ctx:
        return compare(ctx, *sides, asked or Asked(), tell, found)


def handed_over(diff: Diff, found: Callable[[FileChange], None]) -> Diff:
    """The answer of a worker as it would have been found here."""
    for change in diff.files:
        found(change)
    return diff._replace(files=())
