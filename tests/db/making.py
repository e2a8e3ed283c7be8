"""Rows, made from a word each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import layerdb
from lamina.db.containerdb import CREATED, Container
from lamina.db.imagedb import ImageRow
from lamina.db.layerdb import Diff, Layer
from lamina.oci import media
from lamina.oci.digest import ChainID, DiffID, ImageID, sha256

if TYPE_CHECKING:
    import sqlite3

WHEN = "2026-01-02T03:04:05Z"


def a_diff(word: str, size: int = 10) -> Diff:
    return Diff(
        DiffID(sha256(word.encode())),
        sha256(b"content " + word.encode())[7:],
        size,
        2048,
        1,
        None,
        media.LAYER,
    )


def put_chain(c: sqlite3.Connection, *words: str) -> list[Layer]:
    """Puts a diff and a layer for each word, each on the one before."""
    layers: list[Layer] = []
    for word in words:
        diff = a_diff(word)
        layerdb.put_diff(c, diff)
        layer = layerdb.make_layer(layers[-1] if layers else None, diff, f"RUN {word}", WHEN)
        layers.append(layerdb.put_layer(c, layer))
    return layers


def an_image(word: str) -> ImageRow:
    config = sha256(b"config " + word.encode())
    return ImageRow(
        ImageID(config), sha256(b"manifest " + word.encode()), WHEN, 10, "linux", "amd64", "", WHEN
    )


def a_container(word: str, image_id: ImageID, chain_id: ChainID | None = None) -> Container:
    return Container(
        sha256(word.encode())[7:], word, image_id, "image", chain_id, "{}", "overlay",
        CREATED, 0, 0, None, WHEN, "", "", "sh",
    )  # fmt: skip
