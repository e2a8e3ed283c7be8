"""load_from_layout: one image of an OCI layout into the store, without a name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.archive.oci_layout import read_named
from lamina.archive.opening import open_files
from lamina.errors import InvalidInput, NotFound
from lamina.layers.apply import apply_layer
from lamina.layers.commit import reuse_diff
from lamina.transfer.register import register_image
from lamina.transfer.since import check_here

if TYPE_CHECKING:
    from lamina.layers.context import Layers
    from lamina.oci.digest import Digest, ImageID
    from lamina.oci.platform import Platform


def load_from_layout(
    ctx: Layers, folder: str, platform: Platform, *, tag: str = "", digest: Digest | None = None
) -> ImageID:
    """Loads the image that `digest` or else `tag` names, the one for `platform` where there are several.

    Without either it is the one called latest, or the only one. NotFound, InvalidInput, Corrupt, NoSpace.
    """
    if not os.path.isdir(folder):
        raise NotFound(f"{folder}: no such folder", hint="an OCI layout is a folder with a file oci-layout")
    files = open_files(folder, ctx.layout.root)
    try:
        try:
            image = read_named(files, platform, tag, digest)
        except (NotFound, InvalidInput) as error:
            raise type(error)(f"{folder}: {error.message}", hint=error.hint) from None
        check_here(ctx, [image])
        for layer in image.layers:
            if reuse_diff(ctx, layer.diff_id, with_files=not layer.elsewhere) is None:
                with layer.open() as stream:
                    apply_layer(
                        ctx, stream, diff_id=layer.diff_id, blob=layer.digest, media_type=layer.media_type
                    )
        manifest = image.manifest_bytes or None
        return register_image(ctx, image.config_bytes, image.config.diff_ids, manifest=manifest).image_id
    finally:
        files.close()
