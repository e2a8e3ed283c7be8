"""Layers that are in a registry alone: what one store has becomes known to another, by its rows."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING

from lamina.db import cachedb, layerdb, packed
from lamina.db.packed import Packed
from lamina.layers.absent import put_absent
from lamina.layers.pack import pack
from lamina.oci import config as configs
from lamina.oci import media
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, sha256
from lamina.registry.settings import Settings
from lamina.store.files import remove_tree
from lamina.transfer.image_view import read_config
from lamina.transfer.lazy import Lazy
from lamina.transfer.register import register_image

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.fetch.stopping import Stopper
    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID
    from lamina.tree.entry import Entry
    from tests.registry.liar import Liar


def fetching(ctx: Layers, settings: Settings | None = None, stopper: Stopper | None = None) -> Layers:
    """A store that brings what is elsewhere."""
    return ctx._replace(fetch=lambda: Lazy(lambda: settings or Settings(), stopper=stopper))


def offer(ctx: Layers, liar: Liar, diff_id: DiffID, name: str = "cache") -> Packed:
    """Puts a layer into a repository, with gzip."""
    out = io.BytesIO()
    pack(ctx, diff_id, out.write)
    data = gzip.compress(out.getvalue(), mtime=0)
    liar.site.pages[f"/v2/{name}/blobs/{sha256(data)}"] = data
    return Packed(diff_id, Descriptor(media.LAYER_GZIP, sha256(data), len(data)))


def tell(
    there: Layers,
    here: Layers,
    form: Packed,
    *repositories: str,
    entries: Iterable[Entry] | None = None,
    **said: object,
) -> bool:
    """Tells a store of a layer, what is `said` otherwise than it is; whether it believed that."""
    diff = layerdb.need_diff(there.db.read(), form.diff_id)._replace(**said)  # type: ignore[arg-type]
    rows = cachedb.files(there.db.read(), form.diff_id) if entries is None else entries
    with here.db.write() as tx:
        believed = put_absent(here, tx, diff, rows)
        packed.put(tx, form)
        for repository in repositories:
            packed.put_place(tx, form.descriptor.digest, repository)
    return believed


def known(there: Layers, here: Layers, liar: Liar, image_id: ImageID, *tags: str) -> dict[DiffID, Packed]:
    """Makes an image known: its layers are in the repository `cache` alone."""
    config = read_config(there, image_id)
    diff_ids = configs.parse(config).diff_ids
    forms = {diff_id: offer(there, liar, diff_id) for diff_id in dict.fromkeys(diff_ids)}
    for form in forms.values():
        tell(there, here, form, f"{liar.host}/cache")
    register_image(here, config, diff_ids, tags)
    return forms


def send_away(ctx: Layers, liar: Liar, *diff_ids: str, name: str = "cache") -> list[Packed]:
    """Layers of a store are in a repository alone from now on; all rows stay."""
    forms = [offer(ctx, liar, DiffID(diff_id), name) for diff_id in dict.fromkeys(diff_ids)]
    for form in forms:
        blob = layerdb.need_diff(ctx.db.read(), form.diff_id).blob
        if blob is not None:
            ctx.blobs.delete(blob)
        with ctx.db.write() as tx:
            packed.put(tx, form, f"{liar.host}/{name}")
            tx.execute("UPDATE diffs SET blob = NULL WHERE diff_id = ?", (form.diff_id,))
        remove_tree(ctx.layout.diff_dir(form.diff_id))
    return forms
