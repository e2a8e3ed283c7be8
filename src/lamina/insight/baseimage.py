"""The base images of an image: by layers that other images have, by records of builds, by annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb
from lamina.db.bases import bases, bases_on, stood_on
from lamina.db.marks import in_parts
from lamina.errors import LaminaError
from lamina.oci import reference
from lamina.oci.annotations import BASE_DIGEST, BASE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.insight.rows import Rows
    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import ImageID

LAYERS, BUILD, ANNOTATIONS, LABELS = "layers", "build", "annotations", "labels"


class BaseImage(NamedTuple):
    """An image that another one stands on."""

    name: str  # as it is called here, else as the other says; a short ID where it has no name
    digest: str  # image ID of one that the store has, else the digest that is said; "" for none
    layers: int  # how many of the other's lowest layers are its own; 0 where nobody knows
    known_by: str  # layers, build, annotations or labels: the first of them that told


def base_images(rows: Rows, image_id: ImageID, config: ImageConfig) -> list[BaseImage]:
    """The bases of an image, the highest first; one that only annotations or labels name comes last.

    Annotations (image-spec annotations.md) count where no layer is known to be a base's.
    """
    found = [
        BaseImage(base.label, base.image_id, base.layers, LAYERS) for base in bases(rows.connection, image_id)
    ]
    known = {base.layers for base in found}
    found += [base for base in _built_on(rows, image_id) if base.layers not in known]
    found.sort(key=lambda base: -base.layers)  # stable: named ones stay before others
    return found or _said(rows, image_id, config)


def _built_on(rows: Rows, image_id: ImageID) -> list[BaseImage]:
    """What the FROMs of recorded builds named that ended with layers of this image; one for each height.

    All of its layers are a base's only where a build that made it says so: others may just be alike.
    """
    c = rows.connection
    chain: list[str] = list(imagedb.layers_of(c, image_id))
    heights = {chain_id: number for number, chain_id in enumerate(chain, 1)}
    own = (image_id, imagedb.need_image(c, image_id).manifest)
    named = [each for each in stood_on(c, image_id) if each[0] in heights]
    for part in in_parts(chain[:-1]):
        named += bases_on(c, part)
    found: dict[int, BaseImage] = {}
    for chain_id, key in named:
        name, _, digest = key.partition("@")
        if name and digest not in own:
            height = heights[chain_id]
            found.setdefault(height, BaseImage(name, digest, height, BUILD))
    return [_called_here(rows, base) for base in found.values()]


def _called_here(rows: Rows, base: BaseImage) -> BaseImage:
    """The same with image ID and name of the store, where it has the image."""
    sql = "SELECT image_id FROM images WHERE ? IN (image_id, manifest)"
    row = rows.connection.execute(sql, (base.digest,)).fetchone()
    if row is None:
        return base
    names = sorted(imagedb.tags(rows.connection, row[0]))
    return base._replace(name=reference.parse(names[0]).familiar() if names else base.name, digest=row[0])


def _said(rows: Rows, image_id: ImageID, config: ImageConfig) -> list[BaseImage]:
    for known_by, texts in ((ANNOTATIONS, _annotations(rows, image_id)), (LABELS, config.config.labels)):
        name, digest = texts.get(BASE_NAME, ""), texts.get(BASE_DIGEST, "")
        if name or digest:
            return [BaseImage(name or digest.rpartition(":")[2][:12], digest, 0, known_by)]
    return []


def _annotations(rows: Rows, image_id: ImageID) -> Mapping[str, str]:
    """Those of the manifest; none where it is not in the store, or cannot be read."""
    from lamina.oci import manifest as manifests  # rare, and 2 ms

    try:
        data = rows.blobs.read(imagedb.need_image(rows.connection, image_id).manifest)
        return manifests.parse_manifest(data).annotations
    except LaminaError:
        return {}
