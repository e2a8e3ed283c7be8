"""read_images: whichever format an archive has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.archive import docker_archive, oci_layout, since
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from lamina.archive.files import Files
    from lamina.archive.image import ArchivedImage
    from lamina.oci.platform import Platform


def detect(files: Files) -> str:
    """ "docker-archive" or "oci"; what is both, as Docker writes it since 25, is read as Docker does.

    Of an image for several platforms manifest.json tells only one, so then it is "oci".
    """
    is_layout = files.has(oci_layout.LAYOUT) and files.has(oci_layout.INDEX)
    if files.has(docker_archive.MANIFEST):
        return "oci" if is_layout and oci_layout.names_an_index(files) else "docker-archive"
    if is_layout:
        return "oci"
    if files.has("repositories"):
        raise InvalidInput(
            "archive: written by a Docker before 1.10", hint="load and save it with a newer one"
        )
    raise InvalidInput(
        "archive: neither docker save nor an OCI tool wrote it: no manifest.json, no index.json",
        hint="for the files of a root file system use `lamina import`",
    )


def read_images(files: Files, host: Platform, *, whole: bool = True) -> list[ArchivedImage]:
    """The images in an archive (see read_oci_layout); not `whole`, only those for `host`.

    InvalidInput, Corrupt, NotFound.
    """
    if detect(files) == "oci":
        return oci_layout.read_oci_layout(files, host, whole=whole)
    return docker_archive.read_docker_archive(files, since.left_out(files))
