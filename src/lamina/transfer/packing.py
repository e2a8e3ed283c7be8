"""packing: as which blob a layer leaves the store, and how one is made where there is none yet.

A layer that came packed leaves as it came. One that was made here is a folder; it is compressed while it is
sent, and what came out is noted (db.packed), so that the next time it is known before anything is packed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import packed as forms
from lamina.errors import InvalidInput
from lamina.layers.pack import packed
from lamina.oci import media
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from lamina.db.layerdb import Diff
    from lamina.db.packed import Packed
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID

GZIP, ZSTD, CHUNKED, UNCOMPRESSED = "gzip", "zstd", "zstd:chunked", "uncompressed"
KINDS = (GZIP, ZSTD, CHUNKED, UNCOMPRESSED)
_USUAL = GZIP  # what every client reads
_TYPES = {
    GZIP: media.LAYER_GZIP,
    ZSTD: media.LAYER_ZSTD,
    CHUNKED: media.LAYER_ZSTD,
    UNCOMPRESSED: media.LAYER,
}
_LEVELS = {GZIP: range(10), ZSTD: range(23), CHUNKED: range(23)}
_CHUNKED_NOTE = "io.github.containers.zstd-chunked.manifest-position"


class Packing(NamedTuple):
    """How the layers of an image are to be packed.

    `compression` is one of KINDS, or "": gzip for what is not compressed here. What came compressed stays as
    it is, unless `force`. `level` None is the usual one. `types` are the media types of the manifests: "oci",
    "docker", or "" for those that they have.
    """

    compression: str = ""
    level: int | None = None
    force: bool = False
    types: str = ""

    @property
    def kind(self) -> str:
        """What is done with a layer that has to be packed."""
        return self.compression or _USUAL

    @property
    def maker(self) -> str:
        """What db.packed calls who made a form so."""
        return self.kind if self.level is None else f"{self.kind}:{self.level}"


def check(packing: Packing) -> None:
    """InvalidInput for what cannot be: an unknown compression or level, a force without a compression."""
    if packing.compression not in ("", *KINDS):
        raise InvalidInput(f"unknown compression {packing.compression!r}", hint="use " + ", ".join(KINDS))
    levels = _LEVELS.get(packing.kind)
    if packing.level is not None and (levels is None or packing.level not in levels):
        hint = f"{levels[0]} to {levels[-1]} for {packing.kind}" if levels else f"{packing.kind} has none"
        raise InvalidInput(f"invalid compression level {packing.level}", hint=hint)
    if packing.force and not packing.compression:
        raise InvalidInput("force-compression needs a compression", hint="use " + ", ".join(KINDS))
    if packing.types == "docker" and packing.compression in (ZSTD, CHUNKED):
        raise InvalidInput(f"Docker's media types have no {packing.compression}", hint="use OCI's, or gzip")


def form_of(
    c: sqlite3.Connection, diff: Diff, described: Descriptor, packing: Packing, repository: str
) -> Descriptor | None:
    """The blob as which a layer is to go to `repository`, if it is known; None: it has to be packed.

    `described` is how the image's manifest names it. Nobody may have the blob any more.
    """
    known = forms.forms(c, diff.diff_id)
    plain = Digest(diff.diff_id)
    if not packing.force:
        came_plain = any(form.descriptor.digest == plain and not form.maker for form in known)
        if described.digest != plain or (packing.compression == "" and came_plain):
            return described
    if packing.compression == UNCOMPRESSED:
        return Descriptor(media.LAYER, plain, diff.tar_size)
    fitting = [form for form in known if form.descriptor.digest != plain and _fits(form, packing)]
    if not fitting:
        return None
    return min(fitting, key=lambda form: _rank(c, form, packing, repository)).descriptor


def _fits(form: Packed, packing: Packing) -> bool:
    if form.maker == packing.maker:
        return True
    if packing.force or form.maker:
        return False
    chunked = _CHUNKED_NOTE in form.descriptor.annotations
    kind = CHUNKED if chunked else media.compression(form.descriptor.media_type)
    return packing.compression in ("", kind) or (packing.compression == ZSTD and chunked)


def _rank(c: sqlite3.Connection, form: Packed, packing: Packing, repository: str) -> tuple[bool, bool, str]:
    """The smallest is taken: first what the repository was seen to have, then what others made."""
    there = repository in forms.places(c, form.descriptor.digest)
    return not there, form.maker != "", form.descriptor.digest


def pack_into(
    ctx: Layers,
    diff_id: DiffID,
    packing: Packing,
    write: Callable[[bytes], object],
    moved: Callable[[int], object],
) -> Mapping[str, str]:
    """Writes a layer packed to `write`; returns the annotations of its descriptor. Corrupt, NotFound.

    `moved` is told how many bytes of the tar are done.
    """
    if packing.kind == UNCOMPRESSED:
        _feed(ctx, diff_id, write, moved)
        return {}
    if packing.kind == CHUNKED:
        from lamina.archive.chunked.writer import ChunkedWriter  # few ask for it

        with ChunkedWriter(write, packing.level) as chunked:
            _feed(ctx, diff_id, chunked.write, moved)
            chunked.finish()
        return chunked.annotations
    from lamina.archive.compression import compressing  # what is known to be there packs nothing

    compressor = compressing(packing.kind, packing.level, write)
    _feed(ctx, diff_id, compressor.write, moved)
    compressor.finish()
    return {}


def _feed(
    ctx: Layers, diff_id: DiffID, write: Callable[[bytes], object], moved: Callable[[int], object]
) -> None:
    """The tar of a layer, piece by piece."""
    done = 0
    for piece in packed(ctx, diff_id):
        write(piece)
        done += len(piece)
        moved(done)


def type_of(packing: Packing) -> str:
    """The OCI media type of what `pack_into` writes."""
    return _TYPES[packing.kind]
