"""apply_layer: a layer archive made by somebody else, verified and bounded, into the store."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from lamina.archive.compression import CHUNK, decompressed, media_suffix
from lamina.errors import Corrupt, InvalidInput
from lamina.fs.create import Builder
from lamina.fs.entries import Entries
from lamina.fs.failures import failure, shown
from lamina.fs.folders import Folders
from lamina.layers.commit import TempFolder, commit_diff
from lamina.layers.pack import canonical_pieces, canonical_size
from lamina.layers.received import Received
from lamina.oci import media
from lamina.oci.digest import DiffID, Digest
from lamina.tree.tar.read import read_tar

if TYPE_CHECKING:
    from lamina.db.layerdb import Diff
    from lamina.layers.commit import Also
    from lamina.layers.context import Layers
    from lamina.store.blobio import BlobWriter
    from lamina.tree.entry import Entry
    from lamina.tree.tar.content import Readable

_WHOLE = 1 << 20  # files up to so many bytes are read at once


def apply_layer(
    ctx: Layers,
    stream: BinaryIO,
    *,
    diff_id: DiffID | None = None,
    blob: Digest | None = None,
    media_type: str = "",
    also: Also | None = None,
) -> Diff:
    """Reads a layer blob (tar, plain or compressed) and commits it; the blob is kept as received.

    `diff_id` and `blob` are what the archive and the blob must hash to (None: not known before). A blob that
    is just what we would pack ourselves is not kept: the layer's files are enough to make it again.
    Corrupt when a digest is wrong; InvalidInput when the archive is broken or hostile; Denied when it needs
    root; NoSpace. After an error the store is as before.
    """
    with TempFolder(ctx) as temp, Entries(ctx.temp_path) as entries:
        with ctx.blobs.writer(blob) as out:
            source = _Source(stream, out, blob)
            tar = _unpack(cast("BinaryIO", source), temp, entries)
            _check(tar, diff_id)
            source.check()
            received = None
            if tar.compression or not _is_canonical(temp, tar):
                received = out.commit()
        return _commit(ctx, temp, tar, received, media_type, also)


def apply_verified(
    ctx: Layers,
    stream: Readable,
    diff_id: DiffID,
    blob: Digest | None,
    media_type: str = "",
    *,
    also: Also | None = None,
) -> Diff:
    """The same for a blob that somebody else puts into the store, and verifies, while it is read here.

    `blob` None: nobody does, and only a tar that is just what we would pack is taken; else InvalidInput.
    `stream` ends (b"") only when the store has the blob. What it raises otherwise comes out as it is.
    """
    with TempFolder(ctx) as temp, Entries(ctx.temp_path) as entries:
        tar = _unpack(cast("BinaryIO", stream), temp, entries)
        _check(tar, diff_id)
        is_ours = not tar.compression and _is_canonical(temp, tar)
        if blob is None and not is_ours:
            raise InvalidInput("the layer's archive is in another form than it seemed")
        received = None if is_ours else blob
        return _commit(ctx, temp, tar, received, media_type, also)


def _check(tar: _Tar, diff_id: DiffID | None) -> None:
    if diff_id is not None and tar.diff_id != diff_id:
        raise Corrupt(f"a layer's archive is {tar.diff_id}, and should be {diff_id}")


def _commit(
    ctx: Layers, temp: str, tar: _Tar, received: Digest | None, media_type: str, also: Also | None
) -> Diff:
    if media.compression(media_type) != tar.compression:
        media_type = media.LAYER + media_suffix(tar.compression)
    return commit_diff(
        ctx, temp, tar.entries, tar.diff_id, tar.size, blob=received, media_type=media_type, also=also
    )


class _Tar(NamedTuple):
    """An archive that was unpacked."""

    entries: Entries
    diff_id: DiffID
    size: int  # bytes, uncompressed
    compression: str


def _unpack(stream: BinaryIO, temp: str, entries: Entries) -> _Tar:
    """Unpacks an archive into the new folder `temp`, and reads it to its end, whatever follows the files."""
    digest, size = hashlib.sha256(), 0

    def seen(data: bytes) -> None:
        nonlocal size
        digest.update(data)
        size += len(data)

    plain, compression = decompressed(stream, seen=seen)
    with Builder(temp, place=entries.place) as builder:
        received = Received(builder.put, made=entries)
        for record in read_tar(plain, need_end=False):
            if record.name.startswith(b"/"):
                raise InvalidInput(
                    f"the archive has an absolute path: {shown(record.name)}",
                    hint="pack it relative to its root, for example with tar -C FOLDER .",
                )
            received.add(record.entry, partial(_put_file, builder, record.content))
        builder.finish()
    while plain.read(CHUNK):
        pass
    return _Tar(received.entries(), DiffID("sha256:" + digest.hexdigest()), size, compression)


def _put_file(builder: Builder, content: Readable, entry: Entry) -> str:
    if entry.size <= _WHOLE:
        return builder.put(entry, content.read())
    return builder.put(entry, iter(lambda: content.read(_WHOLE), b""))


def _is_canonical(temp: str, tar: _Tar) -> bool:
    """Whether what we would pack from these entries is the archive itself, byte for byte."""
    if canonical_size(tar.entries) != tar.size:
        return False
    digest = hashlib.sha256()
    try:
        with Folders(temp) as folders:
            for piece in canonical_pieces(folders, tar.entries):
                digest.update(piece)
    except OSError as error:
        raise failure(error, temp) from error
    return tar.diff_id == "sha256:" + digest.hexdigest()


class _Source:
    """The blob as it is read: each byte also goes into the store, or is checked against what is there."""

    def __init__(self, stream: BinaryIO, out: BlobWriter, expected: Digest | None) -> None:
        self._stream = stream
        self._out = out
        self._expected = expected
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._stream.read(size)
        except OSError as error:
            raise failure(error, "layer archive") from error
        if self._out.present:
            self._digest.update(data)
        else:
            self._out.write(data)
        return data

    def check(self) -> None:
        """Corrupt when the store has the blob already and these bytes were others."""
        if self._out.present and self._expected != "sha256:" + self._digest.hexdigest():
            raise Corrupt(f"a blob's bytes are not {self._expected}")
