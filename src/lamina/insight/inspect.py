"""inspect: an image or a container, by name or ID, as Docker's JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import containerdb
from lamina.db.names import for_platform, resolve_image
from lamina.errors import InvalidInput, NotFound
from lamina.insight.container_json import container_json
from lamina.insight.image_json import image_json

if TYPE_CHECKING:
    from lamina.insight.rows import Rows
    from lamina.oci.platform import Platform


def inspect(
    rows: Rows, name: str, kind: str | None = None, platform: Platform | None = None
) -> dict[str, object]:
    """The container with this name or ID, else the image (`kind` "container" or "image": only such a one).

    Of an image for several platforms the one for this machine, or for `platform`.

    NotFound in Docker's words; Conflict when an ID is ambiguous.
    """
    if kind != "image" and platform is None:
        try:
            return container_json(rows, containerdb.find(rows.connection, name))
        except NotFound:
            if kind == "container":
                raise
    try:
        found = resolve_image(rows.connection, name)
    except (NotFound, InvalidInput):
        if kind == "image":
            raise
        raise NotFound(f"No such object: {name}") from None
    if platform is not None:
        found = for_platform(rows.connection, found, platform)
    return image_json(rows, found.image_id)
