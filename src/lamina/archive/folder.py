"""An OCI image layout as a folder (image-spec image-layout.md): written, or added to one that is there."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from lamina.archive import docker_archive, oci_layout
from lamina.archive.writing import blobs_of, docker_entries, index_of, pieces
from lamina.errors import Denied, InvalidInput, NoSpace
from lamina.oci import canonical
from lamina.oci import manifest as manifests

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.archive.writing import Named
    from lamina.oci.manifest import Index


def write_layout(images: Sequence[Named], path: str, *, docker: bool) -> None:
    """Writes images into the layout at `path`, which is made if it is missing; index.json comes last.

    Images of other names that the layout has stay. With `docker` there is a manifest.json for these images.
    Denied, NoSpace, Corrupt; InvalidInput when what is there is something else.
    """
    try:
        os.makedirs(f"{path}/blobs/sha256", exist_ok=True)
        index = _merged(path, index_of(images))
        for digest, blob in blobs_of(images).items():
            data = [blob] if isinstance(blob, bytes) else pieces(blob)
            _put(f"{path}/{oci_layout.blob_name(digest)}", data)
        layout = canonical.dumps({"imageLayoutVersion": oci_layout.VERSION})
        _put(f"{path}/{oci_layout.LAYOUT}", [layout])
        if docker:
            _put(f"{path}/{docker_archive.MANIFEST}", [canonical.dumps(docker_entries(images))])
        _put(f"{path}/{oci_layout.INDEX}", [index.to_bytes()])
    except OSError as error:
        kind = NoSpace if error.errno in (errno.ENOSPC, errno.EDQUOT) else Denied
        raise kind(f"cannot write {path}: {error.strerror}") from None


def _merged(path: str, index: Index) -> Index:
    """What index.json has to say: these images, and those of other names that it names already."""
    try:
        with open(f"{path}/{oci_layout.INDEX}", "rb") as file:
            old = manifests.parse_index(file.read())
    except FileNotFoundError:
        return index
    except InvalidInput as error:
        raise InvalidInput(
            f"{path} is no image layout: {error.message}", hint="give a new folder, or an empty one"
        ) from None
    names = {each.annotations.get(oci_layout.NAME) for each in index.manifests}
    digests = {each.digest for each in index.manifests}
    kept = [
        each
        for each in old.manifests
        if each.annotations.get(oci_layout.NAME) not in names and each.digest not in digests
    ]
    return index._replace(manifests=(*kept, *index.manifests))


def _put(path: str, data: Iterable[bytes]) -> None:
    """A file that is complete, or as it was before."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            for piece in data:
                file.write(piece)
        os.replace(temporary, path)
    finally:
        if os.path.lexists(temporary):
            os.unlink(temporary)
