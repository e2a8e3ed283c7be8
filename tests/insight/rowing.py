"""Images whose files are rows alone: as many as one likes, in no time, for questions that read no content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import cachedb, layerdb
from lamina.oci import digest
from lamina.oci.config import ContainerConfig, History, ImageConfig, RootFS
from lamina.oci.digest import DiffID
from lamina.transfer.register import register_image
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID

MOMENT = "2024-01-01T00:00:00Z"


def rows_image(
    ctx: Layers, layers: Sequence[Iterable[Entry]], instructions: Sequence[str], tag: str = "rows"
) -> ImageID:
    """An image of these layers, bottom first; the folders of its files come by themselves."""
    diff_ids = [_put(ctx, f"{tag} {number}", layer) for number, layer in enumerate(layers)]
    history = tuple(History(MOMENT, text) for text in instructions)
    config = ImageConfig("amd64", "linux", RootFS(tuple(diff_ids)), ContainerConfig(), history, MOMENT)
    return register_image(ctx, config, diff_ids, [tag]).image_id


def _put(ctx: Layers, seed: str, files: Iterable[Entry]) -> DiffID:
    diff_id = DiffID(digest.sha256(seed.encode()))
    entries = {entry.path: entry._replace(digest=entry.digest or _digest(entry)) for entry in files}
    for path in list(entries):
        while path := path.rpartition(b"/")[0]:
            entries.setdefault(path, Entry(path, Kind.DIR))
    size = sum(entry.size for entry in entries.values() if entry.kind is Kind.FILE)
    with ctx.db.write() as tx:
        layerdb.put_diff(tx, layerdb.Diff(diff_id, seed, size, size, len(entries), None, ""))
        cachedb.put_files(tx, diff_id, entries.values())
    return diff_id


def _digest(entry: Entry) -> str:
    """Each file has a content of its own."""
    return digest.sha256(entry.path).removeprefix("sha256:") if entry.kind is Kind.FILE else ""


def many(count: int, seed: str = "f", per_folder: int = 40) -> list[Entry]:
    """`count` files in folders of `per_folder`, three deep, with sizes as uneven as those of real files."""
    found = []
    for number in range(count):
        folder = number // per_folder
        path = f"opt/{seed}{folder % 23}/{folder % 7}/part{folder}/file-{number}.dat"
        size = (number * 2654435761 % 1000) ** 2 // (1 + number % 50)
        found.append(Entry(path.encode(), Kind.FILE, 0o644, size=size))
    return found
