"""Files of images, as `engine.files`: ls, find, grep, tree, cat; no container, and nothing is mounted."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from lamina.engine import joined
from lamina.engine.reading import reading
from lamina.errors import InvalidInput, LaminaError
from lamina.events import ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lamina.engine.base import Inside
    from lamina.engine.opened import Opened
    from lamina.events import Observer
    from lamina.insight.files.find import FindHit
    from lamina.insight.files.grep import GrepFile, GrepLine, GrepQuery, GrepSummary
    from lamina.insight.files.listing import Listing, TreeLine
    from lamina.insight.files.merged import Merged
    from lamina.insight.files.owners import Owners
    from lamina.insight.rows import Rows


class ImagePath(NamedTuple):
    """A path of an image; with `layer` of its state after that layer (its number, or a diff ID)."""

    image: str
    path: str = "/"  # absolute, by os.fsdecode
    layer: str = ""
    platform: str = ""

    @classmethod
    def parse(cls, text: str, layer: str = "", platform: str = "") -> ImagePath:
        """`IMAGE` or `IMAGE:/PATH` (from the first `:/`); `IMAGE#LAYER` names a layer, too. InvalidInput."""
        image, mark, path = text.partition(":/")
        image, number, after = image.partition("#")
        if number and (layer or not after):
            raise InvalidInput(f"invalid image and layer: {text!r}", hint="IMAGE#LAYER, or --layer LAYER")
        if not image:
            raise InvalidInput(f"invalid image and path: {text!r}", hint="IMAGE:/PATH")
        return cls(image, mark[1:] + path or "/", layer or after, platform)

    @property
    def raw(self) -> bytes:
        """The path as bytes of the image. InvalidInput when it is not absolute."""
        if not self.path.startswith("/"):
            raise InvalidInput(f"{self.path!r} is not an absolute path of the image", hint="IMAGE:/PATH")
        return os.fsencode(self.path)


class Files:
    """Questions about files, one method each. An image that the store lacks is not pulled: NotFound."""

    def __init__(self, inside: Inside, opened: Callable[[], Opened]) -> None:
        self._inside = inside
        self._opened = opened

    def ls(
        self, place: ImagePath, *, recursive: bool = False, itself: bool = False, follow: bool = True
    ) -> Iterator[Listing]:
        """What a folder of an image holds, with `recursive` also each one below it.

        `itself` lists a folder like a file; without `follow` so is a link that the path ends with.
        """
        from lamina.insight.files.listing import ls

        merged = _merged(self._opened().rows, place)
        return ls(merged, place.raw, recursive=recursive, itself=itself, follow=follow)

    def tree(self, place: ImagePath, *, levels: int = 0, folders_only: bool = False) -> Iterator[TreeLine]:
        """A path with what is below it, depth first, with the bytes below each folder; 0 is all levels."""
        from lamina.insight.files.listing import tree

        merged = _merged(self._opened().rows, place)
        return tree(merged, place.raw, levels=levels, folders_only=folders_only)

    def find(self, place: ImagePath, words: Sequence[str] = (), *, follow: bool = False) -> Iterator[FindHit]:
        """What an expression of find(1) is true for, at and below a path (lamina.insight.files.primaries)."""
        from lamina.insight.files.expression import Setting
        from lamina.insight.files.find import find

        merged = _merged(self._opened().rows, place)
        setting = Setting(merged, lambda: self.owners(place, fetch=True), time.time_ns())
        return find(setting, place.raw, words, follow=follow)

    def grep(
        self,
        query: GrepQuery,
        place: ImagePath,
        tell: Callable[[GrepLine | GrepFile], object],
        observer: Observer = ignore,
    ) -> GrepSummary:
        """Tells of each line that matches in a file, or in all files below a folder, and of each file.

        `observer` is told of layers that are fetched for it.
        """

        def work(opened: Opened, _: Observer, out: BinaryIO | None) -> GrepSummary:
            from lamina.insight.files.grep import grep

            assert out is not None
            with reading(opened) as ctx:
                return grep(ctx, _merged(opened.rows, place), place.raw, query, _Telling.into(out))

        return self._inside(work, observer, cast("BinaryIO", _Telling(tell)))

    def cat(self, place: ImagePath, sink: BinaryIO, observer: Observer = ignore) -> int:
        """Writes the content of a file to `sink`; how many bytes it has."""

        def work(opened: Opened, _: Observer, out: BinaryIO | None) -> int:
            from lamina.insight.files.cat import cat

            assert out is not None
            with reading(opened) as ctx:
                return cat(ctx, _merged(opened.rows, place), place.raw, out.write)

        return self._inside(work, observer, sink)

    def owners(self, place: ImagePath, *, fetch: bool = False) -> Owners:
        """The users and groups of the image by name.

        Without `fetch` none where they cannot be read; with it errors as of cat.
        """
        from lamina.insight.files.owners import Owners, owners

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> Owners:
            with reading(opened) as ctx:
                return owners(ctx if fetch else ctx._replace(fetch=None), _merged(opened.rows, place))

        try:
            return self._inside(work)
        except LaminaError:
            if fetch:
                raise
            return Owners()


class _Telling:
    """What is told by a worker goes through its pipe, one write each; see lamina.engine.inside."""

    def __init__(self, tell: Callable[[GrepLine | GrepFile], object]) -> None:
        self.tell = tell

    @staticmethod
    def into(out: BinaryIO) -> Callable[[GrepLine | GrepFile], object]:
        """What tells, on the worker's side."""
        if isinstance(out, _Telling):
            return out.tell
        import pickle

        return lambda told: out.write(pickle.dumps(told))

    def write(self, data: bytes) -> int:
        """Takes what a worker wrote."""
        import pickle

        self.tell(pickle.loads(data))
        return len(data)


def _merged(rows: Rows, place: ImagePath) -> Merged:
    """The state of an image that is asked. NotFound, Conflict, InvalidInput."""
    from lamina.db.imagedb import diff_ids_of
    from lamina.db.layernames import number_of
    from lamina.insight.files.merged import Merged

    c = rows.connection
    whole = diff_ids_of(c, joined.image_id(rows, place.image, place.platform))
    number = number_of(whole, place.layer) if place.layer else len(whole)
    return Merged(c, whole[:number], whole)
