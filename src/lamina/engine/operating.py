"""Operating: one operation of surgery on an image, or each image of an index, and where the result goes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb, indexdb, names
from lamina.engine import joined
from lamina.errors import InvalidInput, NotFound
from lamina.events import Notice
from lamina.layers.clock import now
from lamina.oci import manifest as manifests
from lamina.oci import reference as references
from lamina.oci.manifest import Index
from lamina.oci.platform import Platform, host
from lamina.surgery.parts import Parts, put_together, take_apart
from lamina.transfer.index import make_index, part_of, register_index

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.db.names import Named
    from lamina.engine.opened import Opened
    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.oci.digest import Digest, ImageID
    from lamina.transfer.index import Part
    from lamina.transfer.push import Pushed

_BASE = "org.opencontainers.image.base."  # annotations that say which base it was: not true any more
_ATTESTATION = "vnd.docker.reference.type"


class Target(NamedTuple):
    """Where a new image goes: `tags` are its names, `push` sends each to its registry too.

    `platform` takes one image of an index alone; `created` (RFC 3339) is the image's time, "" is now.
    """

    tags: tuple[str, ...] = ()
    push: bool = False
    platform: str = ""
    created: str = ""


class Subject(NamedTuple):
    """The image that is operated on, as the operation sees it."""

    image_id: ImageID
    name: str  # as messages call it
    platform: Platform
    parts: Parts
    created: str  # RFC 3339: the time of the operation


class Operated(NamedTuple):
    """What came of it. `images` are pairs of the old and the new image, one for each platform."""

    image_id: ImageID  # the one that the names show
    digest: Digest  # of the index, else of the manifest
    images: tuple[tuple[ImageID, ImageID], ...]
    names: tuple[str, ...]  # short ones
    pushed: tuple[Pushed, ...] = ()


def operate(
    opened: Opened, name: str, target: Target, change: Callable[[Layers, Subject], Parts], tell: Observer
) -> Operated:
    """Does `change` to what `name` stands for; of an index to each image that the store has of it.

    An image that the store lacks is pulled. What is attested of the old images is left out, with a Notice.
    """
    ctx = opened.ctx
    opened.tell = tell
    tags = [str(references.parse_tagged(tag)) for tag in target.tags]
    if target.push and not tags:
        raise InvalidInput("a name is needed to push to a registry", hint="-t NAME")
    opened.enter()
    found = find(opened, name, target.platform, tell)
    created = target.created or now()
    shown = references.parse(found.tag).familiar() if found.tag else name
    ids = _images(ctx, found)
    made = []
    for image_id in ids:
        row = imagedb.need_image(ctx.db.read(), image_id)
        platform = Platform(row.os, row.architecture, row.variant)
        subject = Subject(image_id, shown, platform, take_apart(ctx, image_id), created)
        made.append(put_together(ctx, change(ctx, subject), created).image_id)
    digest, shown_id = _name(ctx, found, ids, made, tags, tell)
    done = Operated(
        shown_id,
        digest,
        tuple(zip(ids, made, strict=True)),
        tuple([references.parse(tag).familiar() for tag in tags]),
    )
    return done._replace(pushed=_push(opened, tags, tell)) if target.push else done


def find(opened: Opened, name: str, platform: str, tell: Observer) -> Named:
    """The image or index that `name` stands for; it is pulled where the store lacks it. NotFound, Denied."""
    c = opened.ctx.db.read()
    wanted = joined.platform(platform)
    try:
        found = names.resolve_image(c, name)
    except NotFound:
        if references.id_prefix(name) is not None and "/" not in name and ":" not in name:
            raise
        from lamina.transfer.pull import pull

        meant = references.parse(name).with_default_tag()
        pull(opened.ctx, meant, opened.registries(), wanted, strict=wanted is not None, observer=tell)
        found = names.resolve_image(opened.ctx.db.read(), str(meant))
    return names.for_platform(c, found, wanted) if wanted is not None else found


def for_platform(ctx: Layers, found: Named, platform: Platform) -> ImageID:
    """The image of a second name (a new base) for the platform that is worked on. NotFound."""
    return names.for_platform(ctx.db.read(), found, platform).image_id


def _images(ctx: Layers, found: Named) -> list[ImageID]:
    if found.index_digest is None:
        return [found.image_id]
    return [member.image_id for member in indexdb.members(ctx.db.read(), found.index_digest)]


def _name(
    ctx: Layers,
    found: Named,
    old: Sequence[ImageID],
    made: Sequence[ImageID],
    tags: Sequence[str],
    tell: Observer,
) -> tuple[Digest, ImageID]:
    """Makes the names stand for the new images, in an index where the old ones were in one."""
    machine = host(os.uname().machine)
    index = _index_of(ctx, found)
    if index is not None and any(_ATTESTATION in each.annotations for each in index.manifests):
        tell(Notice("what is attested of the old image (SBOM, provenance) is left out of the new one"))
    parts = [_part(ctx, before, after) for before, after in zip(old, made, strict=True)]
    if index is not None:
        document = make_index(parts, annotations=_kept(index.annotations))
        row = register_index(ctx, document, parts, tags, machine)
        return row.digest, row.image_id
    (part,) = parts
    if part.descriptor.digest != imagedb.need_image(ctx.db.read(), part.image_id).manifest:
        register_index(ctx, ctx.blobs.read(part.descriptor.digest), parts, tags, machine)
    else:
        with ctx.db.write() as tx:
            for tag in tags:
                imagedb.put_tag(tx, tag, part.image_id)
    return part.descriptor.digest, part.image_id


def _index_of(ctx: Layers, found: Named) -> Index | None:
    """The index that a name stands for; None for a manifest."""
    if found.index_digest is None:
        return None
    document = manifests.parse(ctx.blobs.read(found.index_digest))
    return document if isinstance(document, Index) else None


def _part(ctx: Layers, old: ImageID, new: ImageID) -> Part:
    """A new image with what the manifest of the old one said of it."""
    row = imagedb.need_image(ctx.db.read(), old)
    before = manifests.parse_manifest(ctx.blobs.read(row.manifest))
    return part_of(ctx, new, _kept(before.annotations))


def _kept(annotations: object) -> dict[str, str]:
    assert isinstance(annotations, dict)
    return {name: value for name, value in annotations.items() if not name.startswith(_BASE)}


def _push(opened: Opened, tags: Sequence[str], tell: Observer) -> tuple[Pushed, ...]:
    """Each name to its registry: only what that lacks is sent."""
    from lamina.transfer.push import push

    done = []
    for tag in tags:
        found = names.resolve_image(opened.ctx.db.read(), tag)
        done.append(push(opened.ctx, found, references.parse(tag), opened.registries(), observer=tell))
    return tuple(done)
