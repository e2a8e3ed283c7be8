"""try_delta: a layer put together from files that the store has and the parts of the blob that it lacks.

Called before a blob is fetched whole, by the thread that would fetch it. It costs nothing where the layer has
no table of contents or the store no files; where there is doubt of any kind, the whole blob comes after all.
What the store gets is verified: the tar has the diff ID, or there is no layer. docs/delta.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import Corrupt, Denied, InvalidInput, NotFound
from lamina.events import Notice, Progress, ignore
from lamina.oci.digest import short

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Generator

    from lamina.archive.chunked.recipe import Recipe
    from lamina.db.layerdb import Diff
    from lamina.events import Observer
    from lamina.fetch.stopping import Stop
    from lamina.layers.context import Layers
    from lamina.registry.repository import Repository
    from lamina.transfer.delta.ranges import Cost, Range
    from lamina.transfer.incoming import Wanted

_SMALLEST = 256 << 10  # bytes of a blob that is worth a look at its table
_MOST_TABLE = 0.5  # of a blob
_FASTER_THAN_LOOKING = 300e6  # bytes a second that chunks of files are looked for with
_PROBE = 128 << 10  # bytes whose time tells how fast they come
_GROWTH, _FREE = 400, 1 << 30  # a tar may be so many times its blob, or so many bytes in any case


def try_delta(
    ctx: Layers, repository: Repository, wanted: Wanted, stop: Stop, observer: Observer = ignore
) -> bool:
    """Whether the layer is in the store now, put together from what is here and what was fetched of it.

    False when its blob is to be fetched whole: because that is sooner done, or because of anything that is
    not as it should be, which is told as a `Notice`. Our lease holds the layer; its form and place are noted.
    NoSpace, Cancelled. `repository` has been resolved.
    """
    layer = wanted.descriptor
    if layer.size < _SMALLEST or not layer.annotations:
        return False
    from lamina.archive.chunked.opening import has_table  # none of it where no layer has a table

    if not has_table(layer.annotations):
        return False
    return _Delta(ctx, repository, wanted, stop, observer).run()


class _Delta:
    """One layer on its way in parts."""

    def __init__(
        self, ctx: Layers, repository: Repository, wanted: Wanted, stop: Stop, observer: Observer
    ) -> None:
        from lamina.transfer.delta.link import link_of  # as above

        self._ctx = ctx
        self._repository = repository
        self._layer, self._diff_id = wanted
        self._name = short(self._layer.digest)
        self._stop = stop
        self._tell = observer
        self._link = link_of(repository)
        self._fetched = 0  # bytes

    def run(self) -> bool:
        from lamina.fetch.failures import FetchFailed
        from lamina.registry.failures import NoRanges

        try:
            return self._run()
        except NoRanges:
            self._link.has_ranges = False
        except (Corrupt, InvalidInput) as error:
            self._tell(Notice(f"{self._name}: {error.message}; fetching all of it"))
        except (FetchFailed, NotFound, Denied):
            self._stop.check()  # else whoever fetches the whole blob will say what is wrong
        return False

    def _run(self) -> bool:
        from lamina.archive.chunked.opening import opened, table_size
        from lamina.archive.chunked.recipe import size_of
        from lamina.transfer.delta.ahead import Ahead
        from lamina.transfer.delta.assembling import Assembly, Here, needs
        from lamina.transfer.delta.ours import seems_ours
        from lamina.transfer.delta.parts import Parts
        from lamina.transfer.delta.present import find, may_have
        from lamina.transfer.delta.ranges import work
        from lamina.transfer.delta.similar import find_chunks

        layer = self._layer
        if not self._link.has_ranges or table_size(layer.annotations, layer.size) > layer.size * _MOST_TABLE:
            return False
        if not may_have(self._ctx, self._repository.reference.name, layer.size):
            return False
        recipe = opened(layer.annotations, layer.size, self._part)
        self._check_size(recipe)
        have = find(self._ctx, {content.digest for content in recipe.contents if content.digest})
        slow = not self._link.is_measured or self._link.rate < _FASTER_THAN_LOOKING
        here = Here(have, find_chunks(self._ctx, recipe.contents, have) if slow else {})
        if not have and not here.chunks:
            return False
        ranges, ours = needs(recipe, here), seems_ours(recipe)
        planned = self._plan(ranges, work(len(recipe.contents), size_of(recipe), ours=ours))
        if planned is None:
            return False
        saved = layer.size - planned.size - self._fetched
        self._tell(Notice(f"{self._name}: {_shown(saved)} of {_shown(layer.size)} are here already"))
        with (
            Parts(ranges, self._told_part(self._fetched + planned.size), self._link) as parts,
            Ahead(Assembly(self._ctx, recipe, here, parts, self._part).pieces()) as tar,
        ):
            self._apply(tar.pieces(), ours=ours)
        return True

    def _part(self, start: int, end: int) -> bytes:
        """Bytes of the blob; Cancelled when it is over."""
        from lamina.transfer.delta.link import timed_part

        self._stop.check()
        data = timed_part(self._repository, self._link, self._layer, start, end)
        self._fetched += len(data)
        return data

    def _check_size(self, recipe: Recipe) -> None:
        """Nobody's layer is that much larger than its blob: it would only fill the disk."""
        from lamina.archive.chunked.recipe import size_of

        limit = max(_FREE, _GROWTH * self._layer.size)
        if size_of(recipe) > limit:
            raise InvalidInput(f"its table of contents promises more than {limit} bytes")

    def _plan(self, ranges: list[Range], work: float) -> Cost | None:
        """What these ranges cost, with `work` seconds beside; None when the whole blob is sooner here."""
        from lamina.transfer.delta.ranges import cost, is_worth_it

        size, link = self._layer.size, self._link
        planned = cost(ranges, link, work)
        if not is_worth_it(planned, size, link) and not link.is_measured:
            # It would not pay if the link were as fast as any. Is it?
            if sum(each.end - each.start for each in ranges) > size / 2:
                return None
            self._part(ranges[0].start, min(ranges[0].start + _PROBE, size))
            planned = cost(ranges, link, work)
        return planned if is_worth_it(planned, size, link) else None

    def _told_part(self, total: int) -> Callable[[int, int], bytes]:
        """`_part`, which says of how many bytes in all."""

        def part(start: int, end: int) -> bytes:
            data = self._part(start, end)
            self._tell(Progress(self._name, min(self._fetched, total), total))
            return data

        return part

    def _apply(self, tar: Generator[bytes, None, None], *, ours: bool) -> None:
        """The tar into the store; of one in another form than ours a packed copy is kept."""
        from lamina.layers.apply import apply_layer, apply_verified
        from lamina.oci import media
        from lamina.transfer.delta.assembling import compressed, stream

        diff_id, check = self._diff_id, self._stop.check
        if ours:
            with stream(tar, check) as plain:
                apply_verified(self._ctx, plain, diff_id, None, also=self._note)
            return
        with stream(compressed(tar), check) as packed:
            apply_layer(self._ctx, packed, diff_id=diff_id, media_type=media.LAYER_ZSTD, also=self._note)

    def _note(self, c: sqlite3.Connection, diff: Diff) -> None:
        """In what form the layer came, and from where."""
        from lamina.db import packed

        packed.put(c, packed.Packed(diff.diff_id, self._layer), self._repository.reference.name)


def _shown(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
