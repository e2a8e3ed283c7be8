"""FolderPlace: a shared cache as an OCI image layout, in a folder (transfer.cache.places).

Blobs are files named by their digests, so exports to one folder share them; a lock keeps two exports from
writing index.json at once. Nobody removes blobs that no name stands for any more: throw the folder away.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from _thread import allocate_lock
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from lamina.archive import oci_layout
from lamina.db import layerdb
from lamina.db.packed import FOLDER, Packed
from lamina.errors import Corrupt, Denied, InvalidInput, LaminaError, NoSpace, NotFound
from lamina.layers.apply import apply_layer
from lamina.oci import canonical, media
from lamina.oci import manifest as manifests
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest, sha256
from lamina.transfer.cache.places import checked, described, note
from lamina.transfer.packing import form_of, pack_into, type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.oci.manifest import Index
    from lamina.transfer.packing import Packing

_PIECE = 1 << 20  # bytes


class FolderPlace:
    """The cache that `tag` names in a layout; with `digest`, another that is in it."""

    def __init__(self, ctx: Layers, path: str, tag: str = "latest", digest: Digest | None = None) -> None:
        self._ctx = ctx
        self._path = os.path.abspath(path)
        self._tag = tag
        self._digest = digest
        self._lock = allocate_lock()
        self.shown = path
        self.source = f"local {self._path} {digest or tag}"
        self.repository = FOLDER + self._path

    def __enter__(self) -> FolderPlace:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def digest(self) -> Digest | None:
        """As index.json says."""
        if self._digest is not None:
            return self._digest
        for row in self._index().manifests:
            if row.annotations.get(oci_layout.REF_NAME) == self._tag:
                return row.digest
        return None

    def document(self, digest: Digest) -> bytes:
        """A manifest is a blob."""
        data = self._read(digest, canonical.MAX_SIZE)
        return checked(data, Descriptor(media.MANIFEST, digest, len(data)), self.shown)

    def blob(self, descriptor: Descriptor) -> bytes:
        """Read whole."""
        return checked(self._read(descriptor.digest, descriptor.size), descriptor, self.shown)

    def has(self, digest: Digest) -> bool:
        """By its name."""
        return os.path.isfile(self._file(digest))

    def put(self, data: bytes, media_type: str) -> Descriptor:
        """A file that is complete, or not there."""
        made = Descriptor(media_type, sha256(data), len(data))
        if not self.has(made.digest):
            with self._writing(self._file(made.digest)) as write:
                write(data)
        return made

    def fetch(self, descriptor: Descriptor, diff_id: DiffID, tell: Observer) -> None:
        """Unpacks a blob of the folder."""
        unpack(self._ctx, self._path, descriptor, diff_id)

    def send(
        self, diff_ids: Iterable[DiffID], packing: Packing, tell: Observer
    ) -> Mapping[DiffID, Descriptor]:
        """Copies layers, or packs them."""
        sent = {diff_id: self._send(diff_id, packing) for diff_id in diff_ids}
        note(self._ctx, sent.values(), self.repository)
        return {diff_id: each.descriptor for diff_id, each in sent.items()}

    def name(self, manifest: bytes, before: Digest | None) -> Digest | None:
        """In the place of what the tag stood for; what else the layout names stays."""
        made = self.put(manifest, media.MANIFEST)
        row = made._replace(annotations={oci_layout.REF_NAME: self._tag})
        with self._locked():
            index = self._index()
            if self.digest() != before:
                return None
            kept = [
                each
                for each in index.manifests
                if each.annotations.get(oci_layout.REF_NAME) != self._tag and each.digest != made.digest
            ]
            self._replace(oci_layout.LAYOUT, canonical.dumps({"imageLayoutVersion": oci_layout.VERSION}))
            self._replace(oci_layout.INDEX, index._replace(manifests=(*kept, row)).to_bytes())
        return made.digest

    # --- files

    def _file(self, digest: Digest) -> str:
        return f"{self._path}/{oci_layout.blob_name(digest)}"

    def _read(self, digest: Digest, most: int) -> bytes:
        try:
            with open(self._file(digest), "rb") as file:
                data = file.read(most + 1)
        except FileNotFoundError:
            raise NotFound(f"{self.shown}: it has no blob {digest}") from None
        except OSError as error:
            raise Denied(f"cannot read {self.shown}: {error.strerror}") from None
        if len(data) > most:
            raise Corrupt(f"{self.shown}: blob {digest} is longer than it should be")
        return data

    def _index(self) -> Index:
        try:
            with open(f"{self._path}/{oci_layout.INDEX}", "rb") as file:
                return manifests.parse_index(file.read(canonical.MAX_SIZE + 1))
        except (FileNotFoundError, NotADirectoryError):
            return manifests.Index(())
        except InvalidInput as error:
            raise InvalidInput(
                f"{self.shown} is no image layout: {error.message}", hint="give a new folder, or an empty one"
            ) from None
        except OSError as error:
            raise Denied(f"cannot read {self.shown}: {error.strerror}") from None

    def _replace(self, name: str, data: bytes) -> None:
        with self._writing(f"{self._path}/{name}") as write:
            write(data)

    @contextmanager
    def _writing(self, path: str) -> Iterator[Callable[[bytes], object]]:
        """A new file, which gets its name when all is written."""
        with self._lock:
            temporary = f"{path}.{os.getpid()}.tmp"
            try:
                os.makedirs(f"{self._path}/blobs/sha256", exist_ok=True)
                with open(temporary, "wb") as file:
                    yield file.write
                os.replace(temporary, path)
            except OSError as error:
                raise _failed(self.shown, error) from None
            finally:
                if os.path.lexists(temporary):
                    os.unlink(temporary)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One export at a time may write index.json, of whatever process."""
        try:
            file = os.open(f"{self._path}/index.json.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _failed(self.shown, error) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    # --- layers

    def _send(self, diff_id: DiffID, packing: Packing) -> Packed:
        ctx = self._ctx
        diff = layerdb.need_diff(ctx.db.read(), diff_id)
        known = form_of(ctx.db.read(), diff, described(ctx, diff_id), packing, self.repository)
        if known is not None and self.has(known.digest):
            return Packed(diff_id, known)
        if known is not None and ctx.blobs.has(known.digest):
            with ctx.blobs.open(known.digest) as stream, self._writing(self._file(known.digest)) as write:
                while piece := stream.read(_PIECE):
                    write(piece)
            return Packed(diff_id, known)
        return self._pack(diff_id, packing)

    def _pack(self, diff_id: DiffID, packing: Packing) -> Packed:
        """The name of the file is known at its end."""
        digest, size = hashlib.sha256(), 0
        spare = f"{self._path}/blobs/sha256/{diff_id[7:]}.packing"

        with self._writing(spare) as write:

            def both(data: bytes) -> None:
                nonlocal size
                digest.update(data)
                size += len(data)
                write(data)

            notes = pack_into(self._ctx, diff_id, packing, both, lambda done: None)
        name = Digest("sha256:" + digest.hexdigest())
        os.replace(spare, self._file(name))
        return Packed(diff_id, Descriptor(type_of(packing), name, size, notes), packing.maker)


def unpack(ctx: Layers, path: str, descriptor: Descriptor, diff_id: DiffID) -> None:
    """A layer of a layout into the store. NotFound, Corrupt, InvalidInput, NoSpace."""
    try:
        with open(f"{path}/{oci_layout.blob_name(descriptor.digest)}", "rb", buffering=0) as file:
            apply_layer(
                ctx,
                cast("BinaryIO", file),
                diff_id=diff_id,
                blob=descriptor.digest,
                media_type=descriptor.media_type,
            )
    except OSError as error:
        raise NotFound(f"{path}: blob {descriptor.digest} cannot be read: {error.strerror}") from None


def keep_blob(ctx: Layers, path: str, descriptor: Descriptor) -> bool:
    """Puts a blob of a layout into the store; False when it is not there, or damaged. NoSpace."""
    try:
        with open(f"{path}/{oci_layout.blob_name(descriptor.digest)}", "rb", buffering=0) as file:
            ctx.blobs.put(cast("BinaryIO", file), descriptor.digest, descriptor.size)
    except (OSError, Corrupt):
        return False
    return True


def _failed(shown: str, error: OSError) -> LaminaError:
    kind = NoSpace if error.errno in (errno.ENOSPC, errno.EDQUOT) else Denied
    return kind(f"cannot write {shown}: {error.strerror}")
