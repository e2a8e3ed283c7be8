"""What `build --output` writes beside the image in the store: an archive of it, or its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.archive.compression import CHUNK
from lamina.archive.opening import Spools
from lamina.archive.writing import Named, write_archive
from lamina.errors import InvalidInput
from lamina.layers.lookup import Lookup
from lamina.oci import config as configs
from lamina.transfer.find import hold
from lamina.transfer.image_view import gzip_view, plain_view, read_config
from lamina.transfer.local import LocalFolder
from lamina.tree.entry import Kind
from lamina.tree.tar.write import TarWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID

TYPES = ("oci", "docker", "tar", "local")


def write_output(
    ctx: Layers, image_id: ImageID, names: Sequence[str], type: str, sink: Callable[[bytes], object]
) -> None:
    """Writes an image to `sink`: "oci" with compressed layers, "docker" as `save` does, "tar" its files.

    `names` are full names for the archive. NotFound, Corrupt, NoSpace; InvalidInput for another type.
    """
    hold(ctx, image_id)
    if type == "oci":
        with Spools(ctx.layout.root) as spools:
            write_archive([Named(gzip_view(ctx, image_id, spools), tuple(names))], sink, docker=False)
    elif type == "docker":
        write_archive([Named(plain_view(ctx, image_id), tuple(names))], sink, docker=True)
    elif type == "tar":
        write_merged(image_lookup(ctx, image_id), sink)
    else:
        raise InvalidInput(f"unknown output type {type!r}", hint="use " + ", ".join(TYPES))


def write_local(ctx: Layers, image_id: ImageID, folder: str) -> None:
    """Writes the merged files of an image into `folder`, as files of the calling user.

    What is there stays, unless the image has something at its path. Links in `folder` are never followed;
    devices are left out, and so are setuid and setgid. InvalidInput, Denied, NoSpace.
    """
    hold(ctx, image_id)
    lookup = image_lookup(ctx, image_id)
    with LocalFolder(folder) as out:
        for entry in lookup.tree():
            if entry.kind is Kind.FILE:
                with lookup.open(entry.path) as source:
                    out.put(entry, source)
            else:
                out.put(entry)
        out.finish()


def write_merged(lookup: Lookup, sink: Callable[[bytes], object]) -> None:
    """Writes a merged tree as one tar, sorted by path."""
    tar = TarWriter(sink)
    for entry in lookup.tree():
        tar.add(entry)
        if entry.kind is Kind.FILE and entry.size:
            with lookup.open(entry.path) as source:
                while chunk := source.read(CHUNK):
                    tar.data(chunk)
    tar.finish()


def image_lookup(ctx: Layers, image_id: ImageID) -> Lookup:
    """The merged view of an image. NotFound."""
    config = configs.parse(read_config(ctx, image_id))
    return Lookup(ctx, config.diff_ids[::-1])
