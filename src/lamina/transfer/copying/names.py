"""Which image of a layout or an archive a name means: its tag, its whole name, or the only one there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.archive import oci_layout
from lamina.archive.files import MAX_JSON
from lamina.errors import InvalidInput, NotFound
from lamina.oci import manifest as manifests
from lamina.oci import reference as references

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.archive.files import Files
    from lamina.archive.image import ArchivedImage
    from lamina.oci.descriptor import Descriptor


def find_row(files: Files, name: str) -> Descriptor:
    """The image of a layout that is called so; the only one without a name. NotFound, InvalidInput."""
    rows = oci_layout.read_rows(files)
    full = _full(name)
    found = {row.digest: row for row in rows if not name or name == row.digest or _is(row, name, full)}
    if not name and len(found) > 1:
        found = {digest: row for digest, row in found.items() if _called(row) or not _refers(files, row)}
    if len(found) == 1:
        return next(iter(found.values()))
    known = ", ".join(sorted({_called(row) or row.digest for row in rows})[:20])
    if not found:
        raise NotFound(
            f"no image {name!r}" if name else "no image", hint=f"it has {known}" if known else None
        )
    what = f"{len(found)} images {name!r}" if name else f"it has {len(found)} images"
    raise InvalidInput(what, hint=f"name one: {known}")


def _refers(files: Files, row: Descriptor) -> bool:
    """Whether this is attached to another image, and has no name for that."""
    data = oci_layout.read_blob(files, row, MAX_JSON)
    return manifests.parse(data, row.media_type).subject is not None


def _is(row: Descriptor, name: str, full: str) -> bool:
    return oci_layout.is_called(row, name) or full == row.annotations.get(oci_layout.NAME)


def _full(name: str) -> str:
    try:
        return str(references.parse_tagged(name)) if "/" in name or ":" in name else ""
    except InvalidInput:
        return ""


def _called(row: Descriptor) -> str:
    return row.annotations.get(oci_layout.NAME) or row.annotations.get(oci_layout.REF_NAME, "")


def find_image(images: Sequence[ArchivedImage], name: str) -> ArchivedImage:
    """The same for what Docker's manifest.json names. NotFound, InvalidInput."""
    full = _full(name)
    found = [each for each in images if not name or full in map(_full, each.names)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(tag for each in images for tag in each.names)
    if not found:
        raise NotFound(f"no image {name!r}", hint=f"it has {known}" if known else None)
    raise InvalidInput(f"it has {len(found)} images", hint=f"name one: {known}")
