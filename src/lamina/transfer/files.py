"""Outputs that are the files of images, and no images: a tar, or a folder of the calling user's."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.errors import InvalidInput
from lamina.layers.absent import bring
from lamina.transfer.find import hold
from lamina.transfer.local import LocalFolder
from lamina.transfer.merged import image_lookup
from lamina.tree.entry import Entry, Kind
from lamina.tree.tar import write as tar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID

_CLOCK = 1_000_000_000


class FileSet(NamedTuple):
    """One image's files: the folder that they go into, "" for none, and files that come beside them."""

    image_id: ImageID
    folder: str
    more: tuple[tuple[str, bytes], ...] = ()


def write_tar(
    ctx: Layers, sets: Sequence[FileSet], sink: Callable[[bytes], object], epoch: int | None = None
) -> None:
    """Writes merged trees as one tar, sorted by path. `epoch` is the time of everything, in seconds.

    NotFound, Corrupt; InvalidInput when an image has a file where one of `more` goes.
    """
    tar.write_tar(_entries(ctx, sets, epoch), sink)


def write_folder(
    ctx: Layers, sets: Sequence[FileSet], path: str, epoch: int | None = None, *, delete: bool = False
) -> None:
    """Writes merged trees into the folder `path`, as files of the calling user.

    What is there stays, unless an image has something at its path; with `delete` it goes. Links in the folder
    are never followed; devices are left out, and so are setuid and setgid. NotFound, Corrupt, InvalidInput,
    Denied, NoSpace.
    """
    with LocalFolder(path) as out:
        for entry, source in _entries(ctx, sets, epoch):
            if entry.kind is Kind.FILE:
                with source() if source is not None else io.BytesIO() as stream:
                    out.put(entry, stream)
            else:
                out.put(entry)
        if delete:
            out.delete_others()
        out.finish()


def _entries(
    ctx: Layers, sets: Sequence[FileSet], epoch: int | None
) -> Iterator[tuple[Entry, Callable[[], BinaryIO] | None]]:
    """Every entry, and what opens the content of a FILE that has some."""
    hold(ctx, *[each.image_id for each in sets])
    for image_id, folder, more in sets:
        lookup = image_lookup(ctx, image_id)
        bring(ctx, lookup.chain)
        prefix = folder.encode() + b"/" if folder else b""
        time = 0 if epoch is None else epoch * _CLOCK
        if folder:
            yield Entry(folder.encode(), Kind.DIR, mtime=time), None
        for entry in lookup.tree():
            if not entry.path and folder:
                continue
            placed = _placed(entry, prefix, epoch)
            source = _opener(lookup.open, entry.path) if entry.kind is Kind.FILE and entry.size else None
            yield placed, source
        for name, data in more:
            if lookup.get(name.encode()) is not None:
                raise InvalidInput(
                    f"the image has a file {name}, where its attestation goes",
                    hint="attestation-prefix=TEXT gives attestations other names",
                )
            made = Entry(prefix + name.encode(), Kind.FILE, 0o600, size=len(data), mtime=time)
            yield made, _bytes(data)


def _placed(entry: Entry, prefix: bytes, epoch: int | None) -> Entry:
    if epoch is not None:
        entry = entry._replace(mtime=epoch * _CLOCK)
    if prefix:
        link = prefix + entry.link if entry.kind is Kind.HARDLINK else entry.link
        entry = entry._replace(path=prefix + entry.path, link=link)
    return entry


def _opener(open_: Callable[[bytes], BinaryIO], path: bytes) -> Callable[[], BinaryIO]:
    return lambda: open_(path)


def _bytes(data: bytes) -> Callable[[], BinaryIO]:
    return lambda: io.BytesIO(data)
