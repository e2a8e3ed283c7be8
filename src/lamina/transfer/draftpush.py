"""push_draft: what a draft names goes to where its index is to be, each from where it is; then the index."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

from lamina.db import drafts as rows
from lamina.db import names
from lamina.errors import InvalidInput, NotFound
from lamina.events import ignore
from lamina.fetch.stopping import NeverStops, Stop
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import sha256
from lamina.oci.manifest import Index
from lamina.transfer import drafts
from lamina.transfer.copying import forms as copyforms
from lamina.transfer.copying.copy import Copied, Wish, send
from lamina.transfer.copying.places import LAYOUT, REGISTRY, STORE, Place, parse
from lamina.transfer.copying.sources import source_at
from lamina.transfer.draftedit import full_name
from lamina.transfer.ship import named_by
from lamina.transfer.ship import parse as parse_document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.oci.digest import Digest
    from lamina.transfer.copying.sources import Setting
    from lamina.transfer.drafts import Draft
    from lamina.transfer.ends import Source


def push_draft(
    ctx: Layers,
    name: str,
    target: str,
    setting: Setting,
    observer: Observer = ignore,
    *,
    form: str = "",
    purge: bool = False,
) -> Copied:
    """Makes the index at `target` (copying.places; "" for the draft's own name in its registry).

    With `purge` the draft is removed then. NotFound for what is no more where it was; InvalidInput for an
    index of nothing; errors as of copy.
    """
    copyforms.check(form)
    name = full_name(name)
    row = rows.need_draft(ctx.db.read(), name)
    draft = drafts.read(row.document)
    if not draft.entries:
        raise InvalidInput(f"the index {name} has no images", hint=f"lamina index add {name} IMAGE")
    place = _target(target) if target else Place(REGISTRY, "", name)
    if place.kind == REGISTRY:
        draft = _with_pushed(ctx, draft, place, setting, observer)
    with ExitStack() as stack:
        source = DraftSource(draft, _opened(stack, draft, setting), name)
        if place.kind == STORE:
            copied = _into_store(source, place, setting, observer)
        else:
            copied = send(source, place, Wish(whole=True, form=form), setting, Stop(NeverStops()), observer)
    if purge:
        with ctx.db.write() as tx:
            if rows.get_draft(tx, name) == row:  # else it was changed meanwhile
                rows.delete_draft(tx, name)
    return copied


def _target(text: str) -> Place:
    """A bare name is one in a registry, as for `docker manifest push`."""
    place = parse(text)
    if place.kind == STORE and not text.startswith("store:"):
        return Place(REGISTRY, "", full_name(text))
    return place


def _opened(stack: ExitStack, draft: Draft, setting: Setting) -> Mapping[Digest, Source]:
    """Where each manifest is; a place that has several is opened once."""
    stop = Stop(NeverStops())
    places = {entry.place: None for entry in draft.entries}
    opened = {text: stack.enter_context(source_at(parse(text), setting, stop)) for text in places}
    return {entry.descriptor.digest: opened[entry.place] for entry in draft.entries}


def _with_pushed(ctx: Layers, draft: Draft, place: Place, setting: Setting, observer: Observer) -> Draft:
    """Images of the store are pushed first: the index names what became of them."""
    mine = [entry for entry in draft.entries if parse(entry.place).kind == STORE]
    if not mine:
        return draft
    from lamina.transfer.push import Pushes  # with all that packs layers

    made = {}
    with Pushes(ctx, place.reference, setting.settings(), observer=observer) as pushes:
        for entry in mine:
            found = names.resolve_image(ctx.db.read(), parse(entry.place).name)
            new = pushes.push(found).descriptor
            old = entry.descriptor
            described = old._replace(media_type=new.media_type, digest=new.digest, size=new.size)
            there = str(Place(REGISTRY, "", str(place.reference._replace(tag="", digest=new.digest))))
            made[old.digest] = entry._replace(descriptor=described, place=there)
    return draft._replace(entries=tuple([made.get(each.descriptor.digest, each) for each in draft.entries]))


def _into_store(source: Source, place: Place, setting: Setting, observer: Observer) -> Copied:
    """By way of a layout: the store takes images from one place only."""
    from lamina.transfer.copying.store import into_store  # with all that unpacks layers

    os.makedirs(setting.spool, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="lamina-index-", dir=setting.spool)
    try:
        layout = Place(LAYOUT, f"{folder}/layout", "it")
        wish = Wish(whole=True)
        send(source, layout, wish, setting, Stop(NeverStops()), observer)
        return into_store(layout, place, wish, setting, observer)
    finally:
        shutil.rmtree(folder)


class DraftSource:
    """The index that a draft is, and what it names, each from its own Source (transfer.ends)."""

    def __init__(self, draft: Draft, sources: Mapping[Digest, Source], shown: str) -> None:
        index = draft.document()
        self._data = index.to_bytes()
        self._root = Descriptor(index.media_type, sha256(self._data), len(self._data))
        self._shown = shown
        self._from: dict[Digest, Source] = dict(sources)

    @property
    def shown(self) -> str:
        """The draft's name."""
        return self._shown

    def root(self) -> Descriptor:
        """The index."""
        return self._root

    def document(self, descriptor: Descriptor) -> bytes:
        """The index, or from where it is; what it names is there, too."""
        if descriptor.digest == self._root.digest:
            return self._data
        source = self._source(descriptor.digest)
        data = source.document(descriptor)
        parsed = parse_document(data, descriptor, self._shown)
        for each in parsed.manifests if isinstance(parsed, Index) else named_by(parsed):
            self._from.setdefault(each.digest, source)
        return data

    def has(self, descriptor: Descriptor) -> bool:
        """As far as its place knows."""
        return descriptor.digest == self._root.digest or self._source(descriptor.digest).has(descriptor)

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """From where the manifest is that names it."""
        return self._source(descriptor.digest).open(descriptor)

    def places(self, digest: Digest) -> Sequence[str]:
        """As its place knows."""
        return self._source(digest).places(digest)

    def _source(self, digest: Digest) -> Source:
        if digest not in self._from:
            raise NotFound(f"{self._shown}: nobody has {digest}")
        return self._from[digest]
