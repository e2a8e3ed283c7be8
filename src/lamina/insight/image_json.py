"""Images as the JSON objects of `docker image inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import imagedb
from lamina.insight.config import config_of, created_of, diff_ids, items, part, text
from lamina.insight.images import tags_of

if TYPE_CHECKING:
    from lamina.insight.rows import Rows
    from lamina.oci.digest import DiffID, ImageID

Json = dict[str, object]
_NEVER = "0001-01-01T00:00:00Z"


def image_json(rows: Rows, image_id: ImageID, snapshotter: str) -> Json:
    """An image; `Config` is exactly what its config document has."""
    config = config_of(rows, image_id)
    row = imagedb.get_image(rows.connection, image_id)
    history = items(config, "history")
    newest = history[-1] if history and isinstance(history[-1], dict) else {}
    found: Json = {
        "Id": image_id,
        "RepoTags": list(tags_of(rows, image_id)),
        "RepoDigests": [],
        "Parent": "",
        "Comment": text(config, "comment") or text(newest, "comment"),
        "Created": created_of(config) or _NEVER,
        "DockerVersion": text(config, "docker_version"),
        "Author": text(config, "author"),
        "Architecture": text(config, "architecture"),
    }
    if text(config, "variant"):
        found["Variant"] = text(config, "variant")
    return found | {
        "Os": text(config, "os"),
        "Size": row.size if row else 0,
        "GraphDriver": {"Name": snapshotter, "Data": _folders(rows, diff_ids(config))},
        "RootFS": {"Type": "layers", "Layers": diff_ids(config)},
        "Metadata": {"LastTagTime": row.added if row else _NEVER},
        "Config": part(config, "config"),
    }


def _folders(rows: Rows, layers: list[DiffID]) -> Json:
    """Where the files of the layers lie, as the overlay driver names them."""
    folders = [rows.layout.diff_dir(diff_id) for diff_id in reversed(layers)]
    data: Json = {}
    if folders:
        data["UpperDir"] = folders[0]
    if len(folders) > 1:
        data["LowerDir"] = ":".join(folders[1:])
    return data
