"""What `build --metadata-file` says of a build, with buildx's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.db import imagedb
from lamina.oci import canonical, media
from lamina.oci import manifest as manifests
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.platform import Platform
from lamina.transfer.attest import MAX_SIZE, PREDICATE_TYPE, REFERENCE_DIGEST

if TYPE_CHECKING:
    from lamina.build.request import BuildResult
    from lamina.layers.context import Layers

Json = dict[str, object]
_PROVENANCE = "https://slsa.dev/provenance/"  # how the type of a predicate that tells it begins


def metadata(ctx: Layers, result: BuildResult) -> Json:
    """The JSON object of a build, by name. NotFound when the image was removed meanwhile."""
    found: Json = {"buildx.build.ref": f"lamina/lamina/{result.build_id}"}
    found.update(_provenance(ctx, result))
    if imagedb.get_image(ctx.db.read(), result.image_id) is not None:
        descriptor = result.pushed or result.descriptor or _descriptor(ctx, result)
        if descriptor.media_type not in media.INDEXES:
            found["containerimage.config.digest"] = result.image_id
        found["containerimage.descriptor"] = descriptor.to_json()
        found["containerimage.digest"] = descriptor.digest
    if result.tags:
        found["image.name"] = ",".join(result.tags)
    return dict(sorted(found.items()))


def _descriptor(ctx: Layers, result: BuildResult) -> Descriptor:
    row = imagedb.need_image(ctx.db.read(), result.image_id)
    data = ctx.blobs.read(row.manifest)
    media_type = manifests.parse_manifest(data).media_type or media.MANIFEST
    platform = Platform(row.os, row.architecture, row.variant)
    return Descriptor(media_type, row.manifest, len(data), platform=platform)


def _provenance(ctx: Layers, result: BuildResult) -> Json:
    """The provenance in the index, where it was asked for; of several platforms each under its name."""
    if result.descriptor is None or result.descriptor.media_type not in media.INDEXES:
        return {}
    found: Json = {}
    index = manifests.parse_index(ctx.blobs.read(result.descriptor.digest))
    platforms = {each.digest: each.platform for each in index.manifests}
    for descriptor in index.manifests:
        subject = descriptor.annotations.get(REFERENCE_DIGEST)
        if subject is None:
            continue
        suffix = f"/{platforms.get(Digest(subject))}" if len(result.images) > 1 else ""
        for layer in manifests.parse_manifest(ctx.blobs.read(descriptor.digest)).layers:
            if layer.annotations.get(PREDICATE_TYPE, "").startswith(_PROVENANCE):
                statement = canonical.loads_object(
                    ctx.blobs.read(layer.digest, MAX_SIZE), "provenance", max_size=MAX_SIZE
                )
                found[f"buildx.build.provenance{suffix}"] = statement.get("predicate")
    return found
