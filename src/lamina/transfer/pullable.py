"""What can be pulled: which image of an index, and what makes a manifest one that can be unpacked here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.archive.image import MAX_LAYERS
from lamina.errors import InvalidInput, NotFound, Unsupported
from lamina.oci import config as configs
from lamina.oci import media
from lamina.transfer.attest import is_attestation

if TYPE_CHECKING:
    from lamina.oci.config import ImageConfig
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.manifest import Index, Manifest
    from lamina.oci.platform import Platform

_MAX_PARTS = 1000


def choose(index: Index, wanted: Platform, shown: str) -> Descriptor:
    """The image for a platform: the one that fits best, else the first that does not say. NotFound.

    `shown` is what messages call the index.
    """
    if len(index.manifests) > _MAX_PARTS:
        raise InvalidInput(f"manifest of {shown}: an index of more than {_MAX_PARTS} images")
    images = [each for each in index.manifests if not is_attestation(each)]
    fits: list[tuple[int, int]] = []
    for number, each in enumerate(images):
        distance = each.platform.distance(wanted) if each.platform is not None else None
        if distance is not None:
            fits.append((distance, number))
    if fits:
        return images[min(fits)[1]]
    for each in images:
        if each.platform is None:
            return each
    have = ", ".join(dict.fromkeys(str(each.platform) for each in images))
    raise NotFound(
        f"no matching manifest for {wanted} in the manifest list entries of {shown}",
        hint=f"it has {have}" if have else None,
    )


def check(manifest: Manifest, shown: str) -> None:
    """Unsupported for what is no image that could be unpacked here, before its blobs are fetched."""
    for layer in manifest.layers:
        if media.compression(layer.media_type) is None:
            raise Unsupported(f"{shown}: {layer.media_type[:100]!r} is not a layer that can be unpacked")
    if manifest.config.media_type not in media.CONFIGS:
        raise Unsupported(
            f"{shown}: {manifest.config.media_type[:100]!r} is not the config of a container image"
        )
    if manifest.config.size > configs.MAX_SIZE:
        raise InvalidInput(f"{shown}: a config of {manifest.config.size} bytes")


def config_of(data: bytes, manifest: Manifest, shown: str) -> ImageConfig:
    """The config that belongs to a manifest. InvalidInput when it does not."""
    try:
        config = configs.parse(data)
    except InvalidInput as error:
        raise InvalidInput(f"config of {shown}: {error.message}", hint=error.hint) from None
    count = len(manifest.layers)
    if count != len(config.diff_ids):
        raise InvalidInput(f"{shown}: {count} layers, and its config names {len(config.diff_ids)} diff IDs")
    if count > MAX_LAYERS:
        raise InvalidInput(f"{shown}: an image of {count} layers; at most {MAX_LAYERS} can be mounted")
    return config


def check_platform(own: Platform, wanted: Platform, shown: str) -> None:
    """NotFound, in Docker's words, for an image for another platform."""
    if own.distance(wanted) is None:
        raise NotFound(
            f"image with reference {shown} was found but does not match the specified platform: "
            f"wanted {wanted}, actual: {own}"
        )
