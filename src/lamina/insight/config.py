"""The config document of an image as plain JSON: read from its blob, trusted in nothing but its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.oci import canonical
from lamina.oci.digest import DiffID, Digest

if TYPE_CHECKING:
    from lamina.insight.rows import Rows
    from lamina.oci.digest import ImageID


def config_of(rows: Rows, image_id: ImageID) -> dict[str, object]:
    """The image's config (image-spec config.md). NotFound, Corrupt."""
    return canonical.loads_object(rows.blobs.read(Digest(image_id)), f"config of image {image_id}")


def part(document: dict[str, object], name: str) -> dict[str, object]:
    """The object under `name`; {} where there is none."""
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def items(document: dict[str, object], name: str) -> list[object]:
    """The list under `name`; [] where there is none."""
    value = document.get(name)
    return value if isinstance(value, list) else []


def text(document: dict[str, object], name: str) -> str:
    """The text under `name`; "" where there is none."""
    value = document.get(name)
    return value if isinstance(value, str) else ""


def created_of(config: dict[str, object]) -> str:
    """When the image was made (RFC 3339), or ""."""
    return text(config, "created")


def diff_ids(config: dict[str, object]) -> list[DiffID]:
    """The diff IDs of its layers, bottom first."""
    return [DiffID(str(item)) for item in items(part(config, "rootfs"), "diff_ids")]


def history_of(config: dict[str, object]) -> list[dict[str, object]]:
    """The entries of its history, oldest first."""
    return [entry for entry in items(config, "history") if isinstance(entry, dict)]
