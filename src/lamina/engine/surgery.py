"""Surgery: new images from old ones, as `engine.surgery`; nothing is run, and the old image stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from lamina.engine.operating import Operated, Subject, Target, operate
from lamina.events import ignore

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.engine.base import Inside
    from lamina.engine.opened import Opened
    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.surgery.parts import Parts


class Surgery:
    """Operations on images, one method each; `target` says how the result is named, and whether it is pushed.

    A layer is a number as `lamina layers` has it (1 is the bottom, -1 the top), or the beginning of a diff
    ID; a range is `A..B`, both included (lamina.db.layernames). Of an index each image is operated on.
    """

    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    def _operate(
        self,
        name: str,
        target: Target,
        change: Callable[[Layers, Subject], Parts],
        observer: Observer = ignore,
    ) -> Operated:
        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Operated:
            return operate(opened, name, target, change, tell)

        return self._inside(work, observer)
