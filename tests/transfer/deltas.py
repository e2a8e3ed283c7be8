"""Images whose layers have tables of contents, and how much of them travels."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

from lamina.events import Event, Notice, Observer, ignore
from lamina.fetch.stopping import NeverStops, Stop
from lamina.layers.context import Layers
from lamina.oci import media
from lamina.oci import platform as platforms
from lamina.oci import reference as references
from lamina.oci.descriptor import from_json
from lamina.oci.digest import DiffID, sha256
from lamina.registry.repository import Repository
from lamina.registry.settings import Settings
from lamina.transfer.delta.attempt import try_delta
from lamina.transfer.incoming import Wanted
from lamina.tree.entry import Entry, Kind
from tests.archive.chunked_layers import Layer, written
from tests.fetch.server import Answer, Handler
from tests.registry.images import Made, descriptor
from tests.registry.liar import Liar
from tests.tree import tars


def ours(files: Mapping[str, bytes]) -> bytes:
    """A layer of these files in the form that Lamina packs."""
    folders = {path[:at] for path in files for at in range(len(path)) if path[at] == "/"}
    entries = [(Entry(name.encode(), Kind.DIR, 0o755), b"") for name in folders]
    entries += [
        (Entry(name.encode(), Kind.FILE, 0o644, size=len(data)), data) for name, data in files.items()
    ]
    return tars.written(sorted(entries))


def image(*layers: tuple[bytes, Layer]) -> Made:
    """An image of these tars, each with its blob."""
    host = platforms.host(os.uname().machine)
    config = json.dumps(
        {
            "os": host.os,
            "architecture": host.architecture,
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [sha256(tar) for tar, _ in layers]},
            "history": [{"created_by": f"layer {number}"} for number in range(len(layers))],
        }
    ).encode()
    document = {
        "schemaVersion": 2,
        "mediaType": media.MANIFEST,
        "config": descriptor(config, media.CONFIG),
        "layers": [
            {**descriptor(layer.blob, _type(layer)), "annotations": layer.notes} for _, layer in layers
        ],
    }
    blobs = {str(sha256(data)): data for data in (config, *[layer.blob for _, layer in layers])}
    return Made(json.dumps(document).encode(), media.MANIFEST, blobs)


def chunked(*tars: bytes) -> Made:
    """An image of these tars as zstd:chunked."""
    return image(*[(tar, written(tar)) for tar in tars])


def _type(layer: Layer) -> str:
    return media.LAYER_GZIP if layer.blob.startswith(b"\x1f\x8b") else media.LAYER_ZSTD


def in_parts(blob: bytes) -> Answer:
    """Answers with a blob, or the range of it that is asked for."""

    def answer(handler: Handler) -> None:
        first, _, last = handler.headers.get("Range", "").removeprefix("bytes=").partition("-")
        if not last:
            handler.file(blob)
        else:
            place = f"bytes {first}-{last}/{len(blob)}"
            handler.reply(206, blob[int(first) : int(last) + 1], Content_Range=place)

    return answer


def served(liar: Liar, made: Made, name: str) -> str:
    """Serves an image, its layers also in parts; its name."""
    found = liar.put(made, name)
    for digest in made.layers:
        liar.site.pages[f"/v2/{name}/blobs/{digest}"] = in_parts(made.blobs[digest])
    return found


def delta(
    store: Layers, name: str, made: Made, number: int = 0, *, seen: Observer = ignore
) -> tuple[bool, list[str]]:
    """try_delta of one layer: what it returned, and its notices; `seen` is told all of it."""
    told: list[Event] = []

    def tell(event: Event) -> None:
        told.append(event)
        seen(event)

    stop = Stop(NeverStops())
    with Repository(references.parse(name), Settings(), stop) as repository:
        repository.resolve()
        done = try_delta(store, repository, wanted(made, number), stop, tell)
    return done, [event.text for event in told if isinstance(event, Notice)]


def wanted(made: Made, number: int = 0) -> Wanted:
    """A layer of an image."""
    return Wanted(from_json(json.loads(made.data)["layers"][number]), diff_ids(made)[number])


def diff_ids(made: Made) -> Sequence[DiffID]:
    """What the layers of an image are."""
    config = made.blobs[json.loads(made.data)["config"]["digest"]]
    return [DiffID(each) for each in json.loads(config)["rootfs"]["diff_ids"]]
