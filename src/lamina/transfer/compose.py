"""compose: what a build's names stand for: an image, or an index of several with what is attested of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb, leases
from lamina.db import packed as forms
from lamina.errors import InvalidInput
from lamina.layers.absent import is_here
from lamina.oci import annotations as notes
from lamina.oci import manifest as manifests
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest, sha256
from lamina.oci.platform import Platform
from lamina.transfer.image_view import StoredImage, StoredLayer, formed_view
from lamina.transfer.index import Part, StoredIndex, described, gather, make_index, register_index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lamina.archive.opening import Spools
    from lamina.layers.context import Layers
    from lamina.oci.annotations import Annotation
    from lamina.oci.digest import ImageID
    from lamina.transfer.form import Form

    # Stores what is attested of the image with this number, whose manifest is so described.
    Attest = Callable[[int, Descriptor], Sequence[Descriptor]]


class Composed(NamedTuple):
    """Images in one form; `whole` is None where it is one image and nothing is attested of it.

    `descriptor_annotations` are for the descriptor of the index, else of the manifest.
    """

    parts: tuple[Part, ...]
    views: tuple[StoredImage, ...]
    whole: StoredIndex | None
    descriptor_annotations: Mapping[str, str]

    @property
    def descriptor(self) -> Descriptor:
        """Of the index, else of the manifest of the one image."""
        if self.whole is None:
            return self.parts[0].descriptor
        data = self.whole.data
        media_type = manifests.parse_index(data).media_type
        return Descriptor(media_type, sha256(data), len(data), self.descriptor_annotations)


def compose(
    ctx: Layers, image_ids: Sequence[ImageID], form: Form, spools: Spools, attest: Attest
) -> Composed:
    """Makes manifests, and an index where there is more than one image, something attested, or it is wanted.

    They are good as long as `spools`. InvalidInput for annotations of an index that there is not.
    """
    parts: list[Part] = []
    views: list[StoredImage] = []
    attested: list[Descriptor] = []
    for number, image_id in enumerate(image_ids):
        platform = _platform(ctx, image_id)
        wanted = notes.pick(form.annotations, notes.MANIFEST, platform)
        view = formed_view(ctx, image_id, form, wanted, spools)
        beside = notes.pick(form.annotations, notes.MANIFEST_DESCRIPTOR, platform)
        part = described(ctx, image_id, view.manifest_bytes, beside)
        parts.append(part)
        views.append(view)
        attested += attest(number, part.descriptor)
    about = notes.pick(form.annotations, notes.INDEX_DESCRIPTOR)
    if len(parts) == 1 and not attested and not form.indexed:
        check_no_index(form.annotations)
        return Composed(tuple(parts), tuple(views), None, parts[0].descriptor.annotations)
    data = make_index(parts, attested, notes.pick(form.annotations, notes.INDEX), oci=form.oci)
    others = gather(ctx, data, [part.descriptor.digest for part in parts])
    return Composed(tuple(parts), tuple(views), StoredIndex(data, tuple(views), others), about)


def check_no_index(annotations: Sequence[Annotation]) -> None:
    """InvalidInput for annotations of an index, where there is none."""
    if any(each.level in (notes.INDEX, notes.INDEX_DESCRIPTOR) for each in annotations):
        raise InvalidInput(
            "index annotations not supported for single platform export",
            hint="an index is made for several platforms, and for attestations",
        )


def keep(ctx: Layers, composed: Composed, tags: Sequence[str], host: Platform) -> Digest | None:
    """Stores what was composed under these names. The digest that they stand for; None for just an image."""
    for view in composed.views:
        for layer in view.layers:
            if layer.digest != Digest(layer.diff_id) and not (
                ctx.blobs.touch(layer.digest) or _is_elsewhere(ctx, layer)
            ):
                with layer.open() as stream:
                    ctx.blobs.put(stream, layer.digest, layer.size)
    (first, *_) = composed.parts
    if composed.whole is not None:
        return register_index(ctx, composed.whole.data, composed.parts, tags, host).digest
    row = imagedb.need_image(ctx.db.read(), first.image_id)
    if row.manifest != first.descriptor.digest:
        return register_index(ctx, composed.views[0].manifest_bytes, composed.parts, tags, host).digest
    with ctx.db.write() as tx:
        imagedb.need_image(tx, first.image_id)
        leases.hold(tx, ctx.lease.id, leases.IMAGE, first.image_id)
        for name in tags:
            imagedb.put_tag(tx, str(references.parse_tagged(name)), first.image_id)
    return None


def _is_elsewhere(ctx: Layers, layer: StoredLayer) -> bool:
    """Whether a layer is absent, and known in just this form: whoever wants it has it from there."""
    known = forms.forms(ctx.db.read(), layer.diff_id)
    return not is_here(ctx, layer.diff_id) and layer.digest in {form.descriptor.digest for form in known}


def _platform(ctx: Layers, image_id: ImageID) -> Platform:
    row = imagedb.need_image(ctx.db.read(), image_id)
    return Platform(row.os, row.architecture, row.variant)
