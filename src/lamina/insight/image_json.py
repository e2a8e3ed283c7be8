"""Images as the JSON objects of `docker image inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import imagedb
from lamina.insight.config import config_of
from lamina.insight.images import digests_of, tags_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.insight.rows import Rows
    from lamina.oci.digest import DiffID, ImageID

Json = dict[str, object]
NEVER = "0001-01-01T00:00:00Z"


def image_json(rows: Rows, image_id: ImageID) -> Json:
    """An image; `Config` is what its config document has."""
    config = config_of(rows, image_id)
    row = imagedb.need_image(rows.connection, image_id)
    comment = config.extra.get("comment") or (config.history[-1].comment if config.history else "")
    found: Json = {
        "Id": image_id,
        "RepoTags": list(tags_of(rows, image_id)),
        "RepoDigests": list(digests_of(rows, image_id)),
        "Parent": "",
        "Comment": comment,
        "Created": config.created or NEVER,
        "DockerVersion": config.extra.get("docker_version") or "",
        "Author": config.author,
        "Config": config.config.to_json(),
        "Architecture": config.architecture,
    }
    if config.variant:
        found["Variant"] = config.variant
    return found | {
        "Os": config.os,
        "Size": row.size,
        # Layers lie in overlay's own form, whatever mounts them.
        "GraphDriver": {"Data": folders(rows, config.diff_ids), "Name": "overlay"},
        "RootFS": {"Type": config.rootfs.type, "Layers": list(config.diff_ids)},
        "Metadata": {"LastTagTime": row.added or NEVER},
    }


def folders(rows: Rows, layers: Iterable[DiffID]) -> Json:
    """Where the files of the layers (bottom first) lie, as Docker's overlay driver names them."""
    top_first = [rows.layout.diff_dir(diff_id) for diff_id in layers][::-1]
    data: Json = {}
    if len(top_first) > 1:
        data["LowerDir"] = ":".join(top_first[1:])
    if top_first:
        data["UpperDir"] = top_first[0]
    return data
