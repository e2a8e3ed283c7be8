"""Surgery: new images from old ones, as `engine.surgery`; nothing is run, and the old image stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from lamina.engine.operating import Operated, Target, operate
from lamina.events import ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.engine.base import Inside
    from lamina.engine.editing import FileEdit
    from lamina.engine.opened import Opened
    from lamina.engine.operating import Change
    from lamina.engine.rebasing import Rebasing
    from lamina.engine.reordering import Picking
    from lamina.events import Observer
    from lamina.surgery.edit import ConfigEdit

_HERE = Target()


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
        change: Change,
        observer: Observer = ignore,
    ) -> Operated:
        return self._telling(name, target, lambda _: change, observer)

    def _telling(
        self,
        name: str,
        target: Target,
        change: Callable[[Observer], Change],
        observer: Observer,
    ) -> Operated:
        """For a change that tells of what it does: `observer` may have to be reached from a worker."""

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Operated:
            return operate(opened, name, target, change(tell), tell)

        return self._inside(work, observer)

    def squash(
        self, name: str, layers: str = "", target: Target = _HERE, observer: Observer = ignore
    ) -> Operated:
        """Makes one layer of a range; without one, of all above the base image, else of all."""
        from lamina.engine.rearranging import squashing

        return self._telling(name, target, lambda tell: squashing(layers, tell), observer)

    def flatten(self, name: str, target: Target = _HERE, observer: Observer = ignore) -> Operated:
        """Makes one layer of all layers, those of the base image too."""
        from lamina.engine.rearranging import flattening

        return self._operate(name, target, flattening(), observer)

    def fold(
        self,
        name: str,
        layers: str = "",
        target: Target = _HERE,
        observer: Observer = ignore,
        *,
        base: bool = False,
    ) -> Operated:
        """Takes out of layers what layers above them delete or overwrite; with `base` of the base's, too.

        Copies that change only metadata go where the bytes are, layers that are left empty are dropped.
        """
        from lamina.engine.rearranging import folding

        return self._telling(name, target, lambda tell: folding(layers, tell, base=base), observer)

    def split(
        self,
        name: str,
        layers: str,
        by: str = "size",
        target: Target = _HERE,
        observer: Observer = ignore,
        *,
        most: int = 0,
    ) -> Operated:
        """Makes several layers of one or of a range, `by` size, package or change-rate.

        `most` is how many bytes a part has (100 MiB), or how many parts there are by package (32).
        """
        from lamina.engine.rearranging import splitting

        return self._telling(name, target, lambda tell: splitting(layers, by, most, tell), observer)

    def normalise(
        self,
        name: str,
        target: Target = _HERE,
        observer: Observer = ignore,
        *,
        owner: tuple[int, int] | None = None,
        base: bool = False,
    ) -> Operated:
        """Sets later times to `target.created`, else 1970, so that equal builds are equal images.

        Above the base image, unless `base`. `owner` is a user and a group for all files.
        """
        from lamina.engine.rearranging import normalising

        latest = _epoch(target) or 0
        target = target._replace(created=target.created or "1970-01-01T00:00:00Z")
        return self._operate(name, target, normalising(latest, owner, base=base), observer)

    def rebase(
        self,
        name: str,
        onto: str,
        target: Target = _HERE,
        observer: Observer = ignore,
        *,
        old_base: str = "",
        force: bool = False,
        dry_run: bool = False,
        pull: bool = False,
    ) -> Rebasing:
        """Puts the layers of an application on another base; tells what could break. Refused, NotFound.

        `onto` and `old_base` (which is found by itself if it can be) are images, `scratch`, or
        IMAGE#LAYER. `dry_run` makes nothing. `pull` asks the registry for the new base in any case.
        """

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Rebasing:
            from lamina.engine.rebasing import Request, run

            return run(opened, Request(name, onto, old_base, force, dry_run, pull), target, tell)

        return self._inside(work, observer)

    def drop(
        self,
        name: str,
        layers: Sequence[str],
        target: Target = _HERE,
        observer: Observer = ignore,
        *,
        force: bool = False,
    ) -> Picking:
        """Leaves layers out; unless forced Bound when one that stays rests on them, Unfit when it breaks."""

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Picking:
            from lamina.engine.reordering import drop

            return drop(opened, name, layers, target, tell, force=force)

        return self._inside(work, observer)

    def reorder(
        self, name: str, layers: Sequence[str], target: Target = _HERE, observer: Observer = ignore
    ) -> Operated:
        """Puts layers into this order (bottom first), at the places that they have; Bound if they may not."""
        from lamina.engine.reordering import reordering

        return self._operate(name, target, reordering(layers), observer)

    def cherry_pick(
        self,
        layers: Sequence[str],
        onto: str,
        target: Target = _HERE,
        observer: Observer = ignore,
        *,
        force: bool = False,
    ) -> Picking:
        """Puts layers of other images (IMAGE#N, IMAGE#A..B) on top of one; Unfit when something breaks."""

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Picking:
            from lamina.engine.reordering import pick

            return pick(opened, layers, onto, target, tell, force=force)

        return self._inside(work, observer)

    def edit(
        self,
        name: str,
        config: ConfigEdit | None = None,
        files: FileEdit | None = None,
        target: Target = _HERE,
        observer: Observer = ignore,
    ) -> Operated:
        """Changes the config, and files: all of these in one new layer. InvalidInput, NotFound for a path."""
        from lamina.engine.editing import FileEdit, editing
        from lamina.surgery.edit import ConfigEdit

        change = editing(config or ConfigEdit(), files or FileEdit(), _epoch(target))
        return self._operate(name, target, change, observer)

    def append(
        self,
        name: str,
        source: str | BinaryIO,
        target: Target = _HERE,
        observer: Observer = ignore,
        *,
        prefix: str = "",
    ) -> Operated:
        """Puts a tar (plain or compressed), just as it is, or a folder's contents on top as a layer.

        With `prefix`, a folder of the image, an archive is unpacked there as ADD does it, and a folder is
        copied there. Conflict when a folder of an archive would replace a link of the image.
        """
        from lamina.engine.appending import appending

        return self._operate(name, target, appending(source, prefix, _epoch(target)), observer)


def _epoch(target: Target) -> int | None:
    """The time of files that are added, in seconds: that of the image where somebody says it."""
    if not target.created:
        return None
    from datetime import datetime

    return int(datetime.fromisoformat(target.created).timestamp())
