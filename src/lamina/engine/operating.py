"""Operating: one operation of surgery on an image, or each image of an index, and where the result goes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb, indexdb, names, repodigests
from lamina.engine import joined
from lamina.errors import Conflict, InvalidInput, NotFound
from lamina.events import Notice
from lamina.layers.clock import now
from lamina.oci import manifest as manifests
from lamina.oci import reference as references
from lamina.oci.annotations import BASE_DIGEST, BASE_NAME
from lamina.oci.manifest import Index
from lamina.oci.platform import Platform, host
from lamina.surgery.parts import Parts, put_together, take_apart
from lamina.transfer.find import hold
from lamina.transfer.index import make_index, part_of, register_index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lamina.db.names import Named
    from lamina.engine.opened import Opened
    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import Digest, ImageID
    from lamina.transfer.index import Part
    from lamina.transfer.push import Pushed

    # an operation: what becomes of an image; of one that is returned as it was, nothing is made
    Change = Callable[[Layers, "Subject"], Parts]

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
    annotations: Mapping[str, str] = {}  # of its manifest


class Operated(NamedTuple):
    """What came of it. `images` are pairs of the old and the new image, one for each platform."""

    image_id: ImageID  # the one that the names show
    digest: Digest  # of the index, else of the manifest
    images: tuple[tuple[ImageID, ImageID], ...]
    names: tuple[str, ...]  # short ones
    pushed: tuple[Pushed, ...] = ()


def operate(opened: Opened, name: str, target: Target, change: Change, tell: Observer) -> Operated:
    """Does `change` to what `name` stands for; of an index to each image that the store has of it.

    An image that the store lacks is pulled. What is attested of the old images is left out, with a Notice.
    """
    ctx = opened.ctx
    tags = [str(references.parse_tagged(tag)) for tag in target.tags]
    if target.push and not tags:
        raise InvalidInput("a name is needed to push to a registry", hint="-t NAME")
    found, subjects = look(opened, name, target, tell)
    _left_out(ctx, found, target, tell)
    changed = [change(ctx, subject) for subject in subjects]  # all of them, before anything is made
    made = [_made(ctx, *pair) for pair in zip(subjects, changed, strict=True)]
    digest, shown_id = _name(ctx, found, made, tags, tell)
    done = Operated(
        shown_id,
        digest,
        tuple([(old.image_id, new.image_id) for old, new in zip(subjects, made, strict=True)]),
        tuple([references.parse(tag).familiar() for tag in tags]),
    )
    return done._replace(pushed=_push(opened, tags, tell)) if target.push else done


def _left_out(ctx: Layers, found: Named, target: Target, tell: Observer) -> None:
    """Tells of images of an index that are not in the store: the new index will lack them.

    Conflict when it is to be pushed: most likely over the old one.
    """
    index = _index_of(ctx, found)
    if index is None or found.index_digest is None:
        return
    here = {member.manifest for member in indexdb.members(ctx.db.read(), found.index_digest)}
    missing = [each for each in index.manifests if each.digest not in here and _is_image(each)]
    if not missing:
        return
    listed = ", ".join(str(each.platform) for each in missing)
    if target.push:
        raise Conflict(
            f"the store lacks images of the index, and they would be left out of what is pushed: {listed}",
            hint="pull them with --platform, or push one image alone with --platform",
        )
    tell(Notice(f"images of the index that the store lacks are left out: {listed}"))


def _is_image(descriptor: Descriptor) -> bool:
    return descriptor.platform is not None and _ATTESTATION not in descriptor.annotations


def look(opened: Opened, name: str, target: Target, tell: Observer) -> tuple[Named, list[Subject]]:
    """What `name` stands for, and each image of it that is to be operated on. Errors as of `find`."""
    opened.tell = tell
    opened.enter()
    ctx = opened.ctx
    found = find(opened, name, target.platform, tell)
    created = target.created or now()
    shown = references.parse(found.tag).familiar() if found.tag else name
    images = _images(ctx, found)
    hold(ctx, *[image_id for image_id, _ in images], indexes=[found.index_digest])
    subjects = []
    for image_id, manifest in images:
        parts = take_apart(ctx, image_id)
        platform = Platform(parts.config.os, parts.config.architecture, parts.config.variant)
        said = manifests.parse_manifest(ctx.blobs.read(manifest)).annotations
        subjects.append(Subject(image_id, shown, platform, parts, created, said))
    return found, subjects


def _made(ctx: Layers, subject: Subject, parts: Parts) -> Part:
    """The image of these parts, with what the old manifest said; the old image where nothing was changed."""
    said = dict(subject.annotations)
    if parts == subject.parts:
        return part_of(ctx, subject.image_id, said)
    image_id = put_together(ctx, parts, subject.created).image_id
    return part_of(ctx, image_id, _kept(said) | dict(parts.annotations))


def find(opened: Opened, name: str, platform: str, tell: Observer, *, fresh: bool = False) -> Named:
    """The image or index that `name` stands for; it is pulled where the store lacks it. NotFound, Denied.

    With a platform that image of an index, which is pulled too where only others of the index are here.
    `fresh` asks the registry in any case.
    """
    wanted = joined.platform(platform)
    if fresh:
        _pulled(opened, name, wanted, tell)
    c = opened.ctx.db.read()
    try:
        found = names.resolve_image(c, name)
    except NotFound:
        if references.id_prefix(name) is not None and "/" not in name and ":" not in name:
            raise
        found = _pulled(opened, name, wanted, tell)
    if wanted is None:
        return found
    try:
        return names.for_platform(opened.ctx.db.read(), found, wanted)
    except NotFound:
        if found.tag is None or not repodigests.of_image(c, found.image_id):
            raise
        return names.for_platform(opened.ctx.db.read(), _pulled(opened, name, wanted, tell), wanted)


def _pulled(opened: Opened, name: str, wanted: Platform | None, tell: Observer) -> Named:
    from lamina.transfer.pull import pull

    meant = references.parse(name).with_default_tag()
    pull(opened.ctx, meant, opened.registries(), wanted, strict=wanted is not None, observer=tell)
    return names.resolve_image(opened.ctx.db.read(), str(meant))


def _images(ctx: Layers, found: Named) -> list[tuple[ImageID, Digest]]:
    """The images of a name, each with its manifest."""
    c = ctx.db.read()
    if found.index_digest is None:
        return [(found.image_id, imagedb.need_image(c, found.image_id).manifest)]
    return [(member.image_id, member.manifest) for member in indexdb.members(c, found.index_digest)]


def _name(
    ctx: Layers, found: Named, parts: Sequence[Part], tags: Sequence[str], tell: Observer
) -> tuple[Digest, ImageID]:
    """Makes the names stand for the new images, in an index where the old ones were in one."""
    machine = host(os.uname().machine)
    index = _index_of(ctx, found)
    if index is not None:
        if any(_ATTESTATION in each.annotations for each in index.manifests):
            tell(Notice("what is attested of the old image (SBOM, provenance) is left out of the new one"))
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


def _kept(annotations: Mapping[str, str]) -> dict[str, str]:
    """Those that are true still: which base it was is not."""
    return {name: value for name, value in annotations.items() if name not in (BASE_NAME, BASE_DIGEST)}


def _push(opened: Opened, tags: Sequence[str], tell: Observer) -> tuple[Pushed, ...]:
    """Each name to its registry: only what that lacks is sent."""
    from lamina.transfer.push import push

    done = []
    for tag in tags:
        found = names.resolve_image(opened.ctx.db.read(), tag)
        done.append(push(opened.ctx, found, references.parse(tag), opened.registries(), observer=tell))
    return tuple(done)
