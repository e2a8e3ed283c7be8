"""A digest that is no file's: of a layer, its blob, a manifest or a config, and the images that have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.insight.who.answer import VISIBLE, HoldingImage, Place, Seen
from lamina.insight.who.images import images_of

if TYPE_CHECKING:
    import sqlite3

_LAYERS = """SELECT d.num, d.diff_id, d.size, l.chain_id, l.created_by FROM diffs AS d
    LEFT JOIN layers AS l ON l.diff_id = d.diff_id
    WHERE d.diff_id BETWEEN :low AND :high OR d.blob BETWEEN :low AND :high
    OR d.diff_id IN (SELECT diff_id FROM packed WHERE digest BETWEEN :low AND :high)
    OR d.diff_id IN (SELECT diff_id FROM layers WHERE chain_id BETWEEN :low AND :high)"""
_IMAGES = """SELECT i.image_id, l.diff_id, p.position FROM image_layers AS p JOIN layers AS l USING (chain_id)
    JOIN images AS i USING (image_id) WHERE l.chain_id = ?"""
_ITSELF = (
    "SELECT image_id FROM images WHERE image_id BETWEEN :low AND :high OR manifest BETWEEN :low AND :high"
)
_BY_INDEX = (
    "SELECT image_id FROM index_images WHERE digest BETWEEN :low AND :high OR manifest BETWEEN :low AND :high"
)
_PULLED = "SELECT image_id FROM repo_digests WHERE digest BETWEEN :low AND :high"


def named_by_digest(c: sqlite3.Connection, digits: str) -> tuple[list[Place], list[HoldingImage]]:
    """The layers whose diff ID, chain ID or blob begins so, and the images with them or with that digest."""
    bounds = {"low": "sha256:" + digits, "high": "sha256:" + digits + "g"}
    places: dict[str, Place] = {}
    seen: dict[str, list[Seen]] = {}
    for _, diff_id, size, chain_id, created_by in c.execute(_LAYERS, bounds).fetchall():
        having = c.execute(_IMAGES, (chain_id,)).fetchall()
        before = places.get(diff_id)
        count = len(having) + (before.images if before else 0)
        text = " ".join((created_by or "").split())
        places[diff_id] = Place(diff_id, "", "layer", size, "", "", "", "", "", "", text, "", 0, count)
        for image_id, _, position in having:
            seen.setdefault(image_id, []).append(Seen(diff_id, position + 1, "", "", "", VISIBLE, 0))
    for sql in (_ITSELF, _BY_INDEX, _PULLED):
        for (image_id,) in c.execute(sql, bounds):
            seen.setdefault(image_id, [])
    return list(places.values()), images_of(c, seen)
