"""LayoutFolder: an OCI image layout as a folder that blobs are added to, one by one (image-layout.md).

Each blob is complete or not there, and index.json names nothing before all of it is there: what an
interruption leaves is a layout as before, with some more blobs in it, which the next try finds.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamina.archive import oci_layout
from lamina.archive.compression import CHUNK
from lamina.archive.newfile import NewFile
from lamina.errors import Corrupt, InvalidInput
from lamina.fs.failures import failure
from lamina.oci import canonical
from lamina.oci import manifest as manifests
from lamina.oci.digest import hex_of
from lamina.oci.manifest import Index

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import Digest


class LayoutFolder:
    """The layout at `path`, which is made with the first blob. Threads may add blobs at once."""

    def __init__(self, path: str) -> None:
        """InvalidInput when something else is there."""
        self._path = path
        _read_index(path)
        if os.path.lexists(path) and not os.path.isdir(path):
            raise InvalidInput(f"{path} is no folder", hint="an OCI layout is one")

    def has(self, digest: Digest, size: int) -> bool:
        """Whether the blob is there, and sound."""
        try:
            with open(self._file(digest), "rb") as file:
                return os.fstat(file.fileno()).st_size == size and _digest(file.fileno()) == digest
        except OSError:
            return False

    def put(self, digest: Digest, pieces: Iterable[bytes]) -> None:
        """Adds a blob. Corrupt when the bytes are others; NoSpace, Denied."""
        path = self._file(digest)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        except OSError as error:
            raise failure(error, os.path.dirname(path)) from error
        made = hashlib.sha256()
        with NewFile(path) as file:
            for piece in pieces:
                made.update(piece)
                file.write(piece)
            if made.hexdigest() != hex_of(digest):
                raise Corrupt(f"a blob is not {digest}")
            file.commit()

    def name(self, rows: Sequence[Descriptor]) -> None:
        """Adds rows to index.json; those that had their names, and equal ones, go. All they name is there."""
        with self._locked():
            old = _read_index(self._path)
            names = {_names(row) for row in rows} - {("", "")}
            digests = {row.digest for row in rows if _names(row) == ("", "")}
            kept = [
                row
                for row in (old.manifests if old else ())
                if _names(row) not in names and row not in rows and row.digest not in digests
            ]
            have = {row.digest for row in kept}
            new = [row for row in rows if _names(row) != ("", "") or row.digest not in have]
            index = (old or Index(()))._replace(manifests=(*kept, *new))
            layout = canonical.dumps({"imageLayoutVersion": oci_layout.VERSION})
            for name, data in ((oci_layout.LAYOUT, layout), (oci_layout.INDEX, index.to_bytes())):
                with NewFile(f"{self._path}/{name}") as file:
                    file.write(data)
                    file.commit()

    def _file(self, digest: Digest) -> str:
        return f"{self._path}/{oci_layout.blob_name(digest)}"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Others who write this layout in the same way wait."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise failure(error, self._path) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _read_index(path: str) -> Index | None:
    try:
        with open(f"{path}/{oci_layout.INDEX}", "rb") as file:
            return manifests.parse_index(file.read())
    except (FileNotFoundError, NotADirectoryError):
        if os.path.isdir(path) and not all(map(_is_ours, os.listdir(path))):
            raise InvalidInput(
                f"{path} is no image layout: it has other files, and no {oci_layout.INDEX}",
                hint="give a new folder, or an empty one",
            ) from None
        return None
    except OSError as error:
        raise failure(error, path) from error
    except InvalidInput as error:
        raise InvalidInput(
            f"{path} is no image layout: {error.message}", hint="give a new folder, or an empty one"
        ) from None


def _is_ours(name: str) -> bool:
    """Whether a file may be in a layout whose index.json somebody else is just about to write."""
    return name in ("blobs", oci_layout.LAYOUT) or (name.startswith(".") and name.endswith(".tmp"))


def _names(row: Descriptor) -> tuple[str, str]:
    return row.annotations.get(oci_layout.NAME, ""), row.annotations.get(oci_layout.REF_NAME, "")


def _digest(descriptor: int) -> str:
    made = hashlib.sha256()
    while piece := os.read(descriptor, CHUNK):
        made.update(piece)
    return "sha256:" + made.hexdigest()
