"""What `lamina index` does with drafts: create, add, annotate, remove. See transfer.drafts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.db import drafts as rows
from lamina.db import names
from lamina.db.drafts import DraftRow
from lamina.errors import Conflict, InvalidInput, NotFound
from lamina.events import Notice, ignore
from lamina.fetch.stopping import NeverStops, Stop
from lamina.layers.clock import now
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.manifest import Index
from lamina.transfer import drafts
from lamina.transfer.attest import is_attestation
from lamina.transfer.copying.copy import Wish, chosen, config_of
from lamina.transfer.copying.places import FILES, REGISTRY, STORE, Place, parse
from lamina.transfer.copying.sources import StoreSource, source_at
from lamina.transfer.drafts import Draft, Entry, IndexChanges
from lamina.transfer.ship import parse as parse_document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.oci.descriptor import Descriptor
    from lamina.transfer.copying.sources import Setting
    from lamina.transfer.ends import Source


def full_name(text: str) -> str:
    """The name of a draft, in full. InvalidInput."""
    return str(references.parse_tagged(text.removeprefix("docker://")))


def create(
    ctx: Layers,
    name: str,
    images: Sequence[str],
    setting: Setting,
    observer: Observer = ignore,
    *,
    amend: bool = False,
    whole: bool = False,
    annotations: Mapping[str, str] | None = None,
) -> Draft:
    """A new draft of these images, or with `amend` one that is there with these too. Conflict; as `add`."""
    name = full_name(name)
    before = rows.get_draft(ctx.db.read(), name)
    if before is not None and not amend:
        raise Conflict(
            f"refusing to amend the existing index {name} with no --amend flag",
            hint="`lamina index rm` removes it",
        )
    draft = drafts.read(before.document) if before is not None else Draft()
    draft = draft._replace(annotations={**draft.annotations, **(annotations or {})})
    for image in images:
        for entry in _entries(image, setting, whole, observer):
            draft = _added(draft, entry, observer)
    return _keep(ctx, name, draft)


def add(
    ctx: Layers,
    name: str,
    images: Sequence[str],
    changes: IndexChanges,
    setting: Setting,
    observer: Observer = ignore,
    *,
    whole: bool = False,
) -> Draft:
    """Adds images to a draft: of an index the image for this machine, or with `whole` all of them.

    NotFound for a draft or an image that is not there; what looking for it raises.
    """
    name = full_name(name)
    draft = drafts.read(rows.need_draft(ctx.db.read(), name).document)
    for image in images:
        for entry in _entries(image, setting, whole, observer):
            changed = entry._replace(descriptor=changes.of(entry.descriptor))
            draft = _added(draft, changed, observer)
    return _keep(ctx, name, draft)


def annotate(ctx: Layers, name: str, image: str, changes: IndexChanges) -> Draft:
    """Changes what a draft says of one of its manifests; with `image` "" of the index. NotFound, Conflict."""
    name = full_name(name)
    draft = drafts.read(rows.need_draft(ctx.db.read(), name).document)
    if not image:
        if changes._replace(annotations={}) != IndexChanges():
            raise InvalidInput("an index has no platform", hint="name one of its images")
        return _keep(ctx, name, draft._replace(annotations={**draft.annotations, **changes.annotations}))
    found = draft.find(image)
    changed = found._replace(descriptor=changes.of(found.descriptor))
    entries = tuple([changed if each == found else each for each in draft.entries])
    return _keep(ctx, name, draft._replace(entries=entries))


def remove(ctx: Layers, name: str, image: str) -> Draft:
    """Takes one manifest out of a draft. NotFound, Conflict."""
    name = full_name(name)
    draft = drafts.read(rows.need_draft(ctx.db.read(), name).document)
    return _keep(ctx, name, draft.without(draft.find(image)))


def delete(ctx: Layers, name: str) -> str:
    """Removes a draft; its name in full. NotFound."""
    name = full_name(name)
    with ctx.db.write() as tx:
        rows.need_draft(tx, name)
        rows.delete_draft(tx, name)
    return name


def _keep(ctx: Layers, name: str, draft: Draft) -> Draft:
    with ctx.db.write() as tx:
        rows.put_draft(tx, DraftRow(name, drafts.write(draft), now()))
    return draft


def _added(draft: Draft, entry: Entry, observer: Observer) -> Draft:
    draft = draft.added(entry)
    own = entry.descriptor.platform
    same = [each for each in draft.entries if own is not None and each.descriptor.platform == own]
    if len(same) > 1 and own is not None and own.os != "unknown":
        observer(
            Notice(f"{len(same)} images for {own} in this index: clients take the first, {same[0].given}")
        )
    return draft


# --- what an image is


def _entries(text: str, setting: Setting, whole: bool, observer: Observer) -> list[Entry]:
    """What a name brings into a draft: one manifest, or with `whole` all of an index."""
    place = _place(text, setting)
    with source_at(place, setting, Stop(NeverStops())) as source:
        root = source.root()
        if root.media_type in media.INDEXES and whole:
            document = parse_document(source.document(root), root, source.shown)
            assert isinstance(document, Index)
            found = [each for each in document.manifests if place.kind != STORE or not is_attestation(each)]
            if len(found) < len(document.manifests):
                observer(
                    Notice(
                        f"attestations of {text} are left out: they are of manifests as the store has them"
                    )
                )
            return [_entry(source, each, place, text) for each in found]
        return [_entry(source, chosen(source, Wish(), setting.host), place, text)]


def _place(text: str, setting: Setting) -> Place:
    """A bare name is an image of the store or, where that has none, of a registry."""
    place = parse(text)
    if place.kind in FILES:
        return place._replace(path=os.path.abspath(place.path))
    if place.kind == STORE and not text.startswith("store:"):
        try:
            names.resolve_image(setting.store().db.read(), text)
        except NotFound:
            return Place(REGISTRY, "", str(references.parse(text).with_default_tag()))
    return place


def _entry(source: Source, found: Descriptor, place: Place, given: str) -> Entry:
    if found.platform is None and not is_attestation(found) and found.media_type not in media.INDEXES:
        document = parse_document(source.document(found), found, source.shown)
        assert not isinstance(document, Index)
        if document.config.media_type in media.CONFIGS:
            found = found._replace(platform=config_of(source, found).platform)
        elif not found.artifact_type:
            found = found._replace(artifact_type=document.artifact_type or document.config.media_type)
    return Entry(found, str(_pinned(source, found, place)), given)


def _pinned(source: Source, found: Descriptor, place: Place) -> Place:
    """The place of just this manifest, whatever its name comes to mean."""
    if place.kind == REGISTRY:
        return place._replace(name=str(place.reference._replace(tag="", digest=found.digest)))
    if place.kind == STORE:
        assert isinstance(source, StoreSource)
        image_id = source.image_of(found.digest)
        return place if image_id is None else place._replace(name=image_id)
    return place
