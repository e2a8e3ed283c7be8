"""layers/HEX(chain ID): a small text file for each layer, enough to fill layerdb again without the database.

    lamina layer 1
    chain-id sha256:...
    diff-id sha256:...
    content-id ...
    size 10
    ...
    created-by "RUN true"
    parent sha256:...      the diff IDs of the layers below, top first

Write it inside the transaction that puts the layer's row (as store.place does with the folder): then every
row has its file, and no sweep mistakes it for one that a dead process left.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import Corrupt, InvalidInput, NotFound
from lamina.oci.digest import ChainID, DiffID, Digest, chain_id, parse
from lamina.store.guard import guard
from lamina.store.sync import fsync_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.store.layout import Layout
    from lamina.store.lease import Lease

_HEADER = "lamina layer 1"


class LayerFile(NamedTuple):
    """What the file says: the layer, its diff, and what it stands on."""

    chain_id: ChainID
    diff_id: DiffID
    parents: tuple[DiffID, ...]  # diff IDs of the layers below, top first
    content_id: str  # of the diff
    chain_content_id: str  # of the whole stack
    size: int
    tar_size: int
    entries: int
    blob: Digest | None
    media_type: str
    created_by: str
    created: str


def write(layout: Layout, lease: Lease, layer: LayerFile) -> None:
    """Afterwards the file is there and on disk; an older one of the same layer stays. NoSpace, Denied."""
    path = layout.layer_file(layer.chain_id)
    if os.path.exists(path):
        return
    temp = f"{layout.layers}/{lease.temp_name()}"
    with guard(path):
        try:
            descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
            with open(descriptor, "wb", buffering=0) as out:
                data = memoryview(encode(layer))
                while data:
                    data = data[out.write(data) :]
                os.fsync(descriptor)
            os.rename(temp, path)
        except OSError:
            _unlink(temp)
            raise
        fsync_dir(layout.layers)


def read(layout: Layout, chain: ChainID) -> LayerFile:
    """The file of one layer. NotFound, Corrupt."""
    path = layout.layer_file(chain)
    with guard(path):
        try:
            with open(path, "rb") as file:
                layer = decode(file.read(1 << 24), path)
        except FileNotFoundError:
            raise NotFound(f"layer {chain} has no file in {layout.layers}") from None
    if layer.chain_id != chain:
        raise Corrupt(f"{path} speaks of layer {layer.chain_id}")
    return layer


def walk(layout: Layout) -> Iterator[ChainID]:
    """The chain IDs that have a file, in no order."""
    try:
        names = os.listdir(layout.layers)
    except FileNotFoundError:
        return
    for name in names:
        if len(name) == 64 and not name.startswith("."):
            yield ChainID("sha256:" + name)


def delete(layout: Layout, chain: ChainID) -> None:
    """Afterwards the file is not there."""
    with guard(layout.layer_file(chain)):
        _unlink(layout.layer_file(chain))


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def encode(layer: LayerFile) -> bytes:
    """The bytes of the file."""
    import json  # spares the cached path, which writes no layer

    lines = [
        _HEADER,
        f"chain-id {layer.chain_id}",
        f"diff-id {layer.diff_id}",
        f"content-id {layer.content_id}",
        f"chain-content-id {layer.chain_content_id}",
        f"size {layer.size}",
        f"tar-size {layer.tar_size}",
        f"entries {layer.entries}",
        f"blob {layer.blob or '-'}",
        f"media-type {layer.media_type}",
        f"created {layer.created}",
        f"created-by {json.dumps(layer.created_by)}",
        *(f"parent {parent}" for parent in layer.parents),
    ]
    return "\n".join([*lines, ""]).encode()


def decode(data: bytes, path: str) -> LayerFile:
    """Reads the file's bytes; Corrupt names `path` when they make no sense, or name another chain ID."""
    import json

    try:
        header, *lines = data.decode().splitlines()
        fields: dict[str, str] = {}
        parents: list[DiffID] = []
        for line in lines:
            label, _, value = line.partition(" ")
            if label == "parent":
                parents.append(DiffID(parse(value)))
            else:
                fields[label] = value
        if header != _HEADER:
            raise ValueError(header)
        layer = LayerFile(
            chain_id=ChainID(parse(fields["chain-id"])),
            diff_id=DiffID(parse(fields["diff-id"])),
            parents=tuple(parents),
            content_id=fields["content-id"],
            chain_content_id=fields["chain-content-id"],
            size=int(fields["size"]),
            tar_size=int(fields["tar-size"]),
            entries=int(fields["entries"]),
            blob=None if fields["blob"] == "-" else parse(fields["blob"]),
            media_type=fields["media-type"],
            created_by=str(json.loads(fields["created-by"])),
            created=fields["created"],
        )
    except (ValueError, KeyError, InvalidInput):
        raise Corrupt(f"{path} is not a layer file") from None
    if chain_of(layer) != layer.chain_id:
        raise Corrupt(f"{path}: the chain ID is not that of its diff IDs")
    return layer


def chain_of(layer: LayerFile) -> ChainID:
    """The chain ID that the diff IDs in the file give."""
    below: ChainID | None = None
    for diff_id in reversed(layer.parents):
        below = chain_id(below, diff_id)
    return chain_id(below, layer.diff_id)
