"""Report: everything that `lamina report` shows of one image, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb
from lamina.events import ignore
from lamina.insight.counts import counts
from lamina.insight.history import history
from lamina.insight.images import tags_of
from lamina.insight.packages.packages import packages
from lamina.insight.report.files import Files, files_of
from lamina.insight.rows import Rows
from lamina.insight.stack import stack
from lamina.insight.waste import Waste, waste

if TYPE_CHECKING:
    from lamina.events import Observer
    from lamina.insight.counts import Counts
    from lamina.insight.history import HistoryItem
    from lamina.insight.packages.package import Package
    from lamina.insight.stack import StackLayer
    from lamina.layers.context import Layers
    from lamina.oci.digest import ChainID, DiffID, ImageID


class ReportLayer(NamedTuple):
    """One layer. How many paths it added, changed and deleted is as insight.counts has it."""

    number: int  # from 1, the bottom
    diff_id: DiffID
    chain_id: ChainID
    created_by: str  # the instruction on one line, as StackLayer has it
    dockerfile: str  # its name, "" where it is not known
    line: int  # in it, from 1; 0 where it is not known
    stage: str
    base: str  # the image that brought it; "" for a layer of the image's own
    size: int  # bytes in its files
    seen: int  # of that, bytes of files that can still be seen
    wasted: int  # of that, bytes that need not be there
    added: int
    changed: int
    deleted: int


class Report(NamedTuple):
    """One image with its layers, files, waste, packages and history; layers and history the oldest first."""

    image_id: ImageID
    name: str  # the first of its names, else its short ID
    names: tuple[str, ...]
    platform: str
    created: str  # RFC 3339, "" where its config does not say
    size: int  # bytes in the files of its layers
    layers: tuple[ReportLayer, ...]
    files: Files
    waste: Waste
    packages: tuple[Package, ...]
    history: tuple[HistoryItem, ...]


def report(ctx: Layers, image_id: ImageID, tell: Observer = ignore) -> Report:
    """The report of an image of the store. NotFound, Corrupt; package databases that cannot be read are told.

    Of the layers' contents only those databases are read.
    """
    rows = Rows(ctx.db.read(), ctx.blobs, ctx.layout)
    row = imagedb.need_image(rows.connection, image_id)
    layers = stack(rows, image_id)
    files, wasted = files_of(rows.connection, layers.diff_ids), waste(rows, image_id)
    return Report(
        image_id,
        layers.name,
        tags_of(rows, image_id),
        "/".join(part for part in (row.os, row.architecture, row.variant) if part),
        row.created,
        sum(layer.size for layer in layers.layers),
        tuple(
            _layer(layer, seen, waste_of.wasted, done)
            for layer, seen, waste_of, done in zip(
                layers.layers,
                files.layers,
                wasted.layers,
                counts(rows.connection, layers.diff_ids),
                strict=True,
            )
        ),
        files,
        wasted,
        packages(ctx, image_id, tell, lines={layer.diff_id: layer.line for layer in layers.layers}),
        tuple(history(rows, image_id, counted=False)[::-1]),
    )


def _layer(layer: StackLayer, seen: int, wasted: int, done: Counts) -> ReportLayer:
    origin = layer.origin
    return ReportLayer(
        layer.number,
        layer.diff_id,
        layer.chain_id,
        layer.created_by,
        origin.dockerfile if origin else "",
        layer.line,
        origin.stage if origin else "",
        layer.base,
        layer.size,
        seen,
        wasted,
        *done,
    )
