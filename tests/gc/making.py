"""A store with layers that lie on disk, made from words."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from tests.db.making import WHEN, a_container

from lamina.db import cachedb, containerdb, imagedb, layerdb, leases
from lamina.db.connect import Database
from lamina.db.layerdb import Diff
from lamina.gc.context import Context
from lamina.oci import media
from lamina.oci.digest import DiffID, sha256
from lamina.store import layerfile
from lamina.store.blobs import BlobStore
from lamina.store.files import remove_tree
from lamina.store.layerfile import LayerFile
from lamina.store.layout import Layout
from lamina.store.lease import Lease
from lamina.store.place import place_diff
from lamina.tree.content import content_id
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from lamina.db.imagedb import ImageRow
    from lamina.db.layerdb import Layer


def open_store(root: str) -> Context:
    layout = Layout(root)
    lease = Lease.acquire(layout)
    return Context(layout, BlobStore(layout, lease), Database.open(layout.database), lease)


class Maker(NamedTuple):
    """Puts layers and images into a store as the rooms above do."""

    ctx: Context

    def diff(self, word: str, size: int = 1000, blob: bytes | None = None) -> Diff:
        """A layer with one file in it: folder, rows, and the lease that holds it."""
        ctx = self.ctx
        data = (word.encode() * size)[:size]
        entry = Entry(b"file-" + word.encode(), Kind.FILE, 0o644, size=size, digest=sha256(data)[7:])
        digest = ctx.blobs.put(blob) if blob is not None else None
        diff = Diff(
            DiffID(sha256(b"tar " + word.encode())), content_id([entry]), size, 2048, 1, digest, media.LAYER
        )
        temp = f"{ctx.layout.diff}/{ctx.lease.temp_name()}"
        os.mkdir(temp)
        with open(os.fsencode(temp) + b"/" + entry.path, "wb") as file:
            file.write(data)
        os.chmod(os.fsencode(temp) + b"/" + entry.path, 0o644)
        with ctx.db.write() as tx:
            if layerdb.put_diff(tx, diff):
                cachedb.put_files(tx, diff.diff_id, [entry])
                place_diff(ctx.layout, temp, diff.diff_id)
            leases.hold(tx, ctx.lease.id, leases.DIFF, diff.diff_id)
        remove_tree(temp)  # still there when the layer was
        return diff

    def chain(self, *words: str) -> list[Layer]:
        ctx = self.ctx
        layers: list[Layer] = []
        for word in words:
            diff = self.diff(word)
            with ctx.db.write() as tx:
                layer = layerdb.make_layer(layers[-1] if layers else None, diff, f"RUN {word}", WHEN)
                parents = tuple([below.diff_id for below in reversed(layers)])
                layerfile.write(ctx.layout, ctx.lease, LayerFile(
                    layer.chain_id, diff.diff_id, parents, diff.content_id, layer.content_id, diff.size,
                    diff.tar_size, diff.entries, diff.blob, diff.media_type, layer.created_by, WHEN,
                ))  # fmt: skip
                layers.append(layerdb.put_layer(tx, layer))
        return layers

    def image(self, name: str, *words: str) -> ImageRow:
        """An image of these layers, with this name ("" for none)."""
        layers = self.chain(*words)
        config = self.ctx.blobs.put(json.dumps({"name": name, "layers": words}).encode())
        document = {
            "schemaVersion": 2,
            "config": {"mediaType": media.CONFIG, "digest": config, "size": self.ctx.blobs.size(config)},
            "layers": [{"mediaType": media.LAYER, "digest": layer.diff_id, "size": 2048} for layer in layers],
        }
        manifest = self.ctx.blobs.put(json.dumps(document).encode())
        row = imagedb.ImageRow(  # type: ignore[arg-type]
            config, manifest, WHEN, 1000 * len(words), "linux", "amd64", "", WHEN
        )
        with self.ctx.db.write() as tx:
            imagedb.put_image(tx, row, [layer.chain_id for layer in layers])
            if name:
                imagedb.put_tag(tx, f"docker.io/library/{name}:latest", row.image_id)
        return row

    def step(self, key: str, diff_id: DiffID | None) -> None:
        with self.ctx.db.write() as tx:
            cachedb.put_step(tx, cachedb.Step(key, diff_id, (), "RUN", WHEN, 0.1))

    def container(self, name: str, image: ImageRow, state: str = containerdb.EXITED) -> containerdb.Container:
        """A container with 500 bytes in its writable layer."""
        layers = imagedb.layers_of(self.ctx.db.read(), image.image_id)
        top = layers[-1] if layers else None
        made = a_container(name, image.image_id, top)._replace(state=state)
        upper = self.ctx.layout.snapshot_dir(made.id) + "/upper"
        os.makedirs(upper)
        with open(upper + "/file", "wb") as file:
            file.write(bytes(500))
        with self.ctx.db.write() as tx:
            containerdb.create(tx, made)
            cachedb.put_writable(tx, cachedb.Writable(made.id, top, WHEN, ""))
        return made

    def let_go(self) -> None:
        """Ends what the lease holds, as the end of a command does."""
        with self.ctx.db.write() as tx:
            leases.drop(tx, [self.ctx.lease.id])

    def check(self) -> None:
        """The disk holds what the rows name, and nothing else."""
        layout, c = self.ctx.layout, self.ctx.db.read()
        diffs = {diff.diff_id[7:] for diff in layerdb.diffs(c)}
        assert set(os.listdir(layout.diff)) == diffs
        assert set(os.listdir(layout.layers)) == {layer.chain_id[7:] for layer in layerdb.layers(c)}
        assert set(os.listdir(layout.mnt)) == {made.id for made in containerdb.containers(c)}
        for diff in layerdb.diffs(c):
            assert len(cachedb.files(c, diff.diff_id)) == diff.entries
        for image in imagedb.images(c):
            self.ctx.blobs.read(image.manifest)
            self.ctx.blobs.read(image.image_id)  # type: ignore[arg-type]

    def blobs(self) -> set[str]:
        return {blob.digest for blob in self.ctx.blobs.walk()}
