"""pull: an image of a registry into the store: its manifest, the blobs that are missing, a name for it.

What was fetched is verified before it has a name in the store, so that what an interrupted pull has brought
is there for the next one, and nothing else is. In which form each layer came, and from where, is noted
(db.packed): a push elsewhere sends it so again, and a push back sends nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb, leases, repodigests
from lamina.db import packed as forms
from lamina.db.indexdb import members
from lamina.errors import InvalidInput, LaminaError, NotFound, Unsupported
from lamina.events import Notice, ignore
from lamina.fetch.stopping import NeverStops, Stop
from lamina.layers.commit import reuse_diff
from lamina.oci import config as configs
from lamina.oci import manifest as manifests
from lamina.oci import media
from lamina.oci import platform as platforms
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import short
from lamina.oci.manifest import Index
from lamina.registry.failures import check_online
from lamina.registry.repository import Repository
from lamina.transfer.forms import is_form, note_forms
from lamina.transfer.incoming import Wanted, bring_layers, is_sound
from lamina.transfer.index import Part, register_index
from lamina.transfer.pullable import check, check_platform, choose, config_of
from lamina.transfer.register import register_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.db.imagedb import ImageRow
    from lamina.events import Observer
    from lamina.fetch.stopping import Stopper
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID, Digest, ImageID
    from lamina.oci.manifest import Manifest
    from lamina.oci.platform import Platform
    from lamina.oci.reference import Reference
    from lamina.registry.settings import Settings

_MAX_NESTING = 3


class Pulled(NamedTuple):
    """What a reference stands for: `digest` is that of the index, else of the manifest, in the registry.

    `is_new`: the name stood for something else before, or for nothing.
    """

    reference: Reference
    image_id: ImageID
    digest: Digest
    is_new: bool


def pull(
    ctx: Layers,
    reference: Reference,
    settings: Settings,
    platform: Platform | None = None,
    *,
    strict: bool = False,
    lazy: Callable[[Sequence[DiffID]], object] | None = None,
    stopper: Stopper | None = None,
    observer: Observer = ignore,
) -> Pulled:
    """Brings the image for `platform`, this machine's if not given, and names it.

    An index is kept as a whole, with the images of it that were asked for. What is no index is taken for
    whatever platform it is, unless it is `strict`. What the store has is not fetched.
    `lazy` is told the layers before they come, and may put rows of them into the store: layers that have rows
    then need not come (layers.absent).
    NotFound, Denied, FetchFailed; Corrupt for what is not what its digest or size says; InvalidInput,
    Unsupported for what is no image; NoSpace, Cancelled. After an error the store knows no new image.
    """
    check_online(reference, settings)
    stop = Stop(stopper or NeverStops())
    with Repository(reference, settings, stop) as repository:
        return _Pull(ctx, repository, platform, strict, lazy, stop, observer).run()


def pull_all(
    ctx: Layers,
    reference: Reference,
    settings: Settings,
    platform: Platform | None = None,
    *,
    stopper: Stopper | None = None,
    observer: Observer = ignore,
) -> list[Pulled]:
    """Brings what every tag of a repository stands for; tells of each where it begins and ends.

    A tag that has no image for here (signatures, another platform) is told of and left out; when all are so,
    that is the error. InvalidInput when `reference` has a tag or a digest; else as of `pull`.
    """
    if reference.tag or reference.digest:
        raise InvalidInput("tag can't be used with --all-tags/-a", hint="write the name without a tag")
    check_online(reference, settings)
    with Repository(reference, settings, stopper) as repository:
        tags = sorted(repository.tags())
    done: list[Pulled] = []
    failure: LaminaError = NotFound(f"{reference.familiar_name} has no tags")
    for tag in tags:
        one = references.parse(f"{reference.name}:{tag}")
        if one.tag != tag:
            raise InvalidInput(f"the registry of {reference.familiar_name} names a tag {tag[:100]!r}")
        observer(Notice(f"{tag}: Pulling from {one.path}"))
        try:
            found = pull(
                ctx, one, settings, platform, strict=platform is not None, stopper=stopper, observer=observer
            )
        except (Unsupported, NotFound) as error:
            failure = error
            observer(Notice(f"{tag}: left out: {error.message}"))
            continue
        observer(Notice(f"Digest: {found.digest}"))
        done.append(found)
    if not done:
        raise failure
    return done


def resolve(reference: Reference, settings: Settings, stopper: Stopper | None = None) -> Digest:
    """The digest of what a reference means in its registry now. NotFound, Denied, FetchFailed."""
    check_online(reference, settings)
    with Repository(reference, settings, stopper) as repository:
        return repository.resolve()


class _Pull:
    """One pull on its way."""

    def __init__(
        self,
        ctx: Layers,
        repository: Repository,
        platform: Platform | None,
        strict: bool,
        lazy: Callable[[Sequence[DiffID]], object] | None,
        stop: Stop,
        observer: Observer,
    ) -> None:
        self._ctx = ctx
        self._repository = repository
        self._reference = repository.reference
        self._shown = repository.reference.familiar()
        self._host = platforms.host(os.uname().machine)
        self._wanted = platform or self._host
        self._strict = strict
        self._lazy = lazy
        self._stop = stop
        self._tell = observer
        self._documents: list[Digest] = []  # those that the name stands for, with what is in them

    def run(self) -> Pulled:
        reference = self._reference
        digest = self._repository.resolve()
        tags = [] if reference.digest is not None else [str(reference)]
        before = imagedb.find_tag(self._ctx.db.read(), tags[0]) if tags else None
        if before is not None and self._was_pushed(before.image_id, digest):
            return Pulled(reference, before.image_id, digest, False)
        data, document = self._document(digest)
        if isinstance(document, Index):
            row = self._index(digest, data, document, tags)
        else:
            row = self._image(digest, data, document, self._wanted if self._strict else None)
            row = self._named(row, digest, data, tags)
        self._note(row, digest)
        after = imagedb.find_tag(self._ctx.db.read(), tags[0]) if tags else None
        return Pulled(reference, row.image_id, digest, after is None or before != after)

    def _was_pushed(self, image_id: ImageID, digest: Digest) -> bool:
        """Whether the registry has what we packed for it of this image, which is for the platform wanted."""
        c = self._ctx.db.read()
        known = (self._reference.name, digest) in repodigests.of_image(c, image_id)
        if not known or self._ctx.blobs.has(digest):
            return False
        row = imagedb.need_image(c, image_id)
        return platforms.Platform(row.os, row.architecture, row.variant) == self._wanted

    # --- manifests

    def _document(self, digest: Digest, media_type: str = "") -> tuple[bytes, Manifest | Index]:
        """A manifest or an index, of the store or of the registry; it is in the store afterwards."""
        ctx = self._ctx
        with ctx.db.write(durable=False) as tx:
            leases.hold(tx, ctx.lease.id, leases.BLOB, digest)
        data = b""
        if ctx.blobs.touch(digest) and is_sound(ctx, digest):
            data = ctx.blobs.read(digest)
        if not data:
            found = self._repository.document(digest)
            data, media_type = found.data, found.media_type or media_type
        try:
            parsed = manifests.parse(data, media_type)
        except InvalidInput as error:
            raise InvalidInput(f"manifest of {self._shown}: {error.message}", hint=error.hint) from None
        ctx.blobs.put(data, digest)
        self._documents.append(digest)
        return data, parsed

    def _index(self, digest: Digest, data: bytes, index: Index, tags: list[str]) -> ImageRow:
        """The image for the platform, and the index with those of its images that the store has."""
        ctx = self._ctx
        descriptor = choose(index, self._wanted, self._shown)
        _, document = self._document(descriptor.digest, descriptor.media_type)
        inner = descriptor
        for _ in range(_MAX_NESTING):
            if not isinstance(document, Index):
                break
            inner = choose(document, self._wanted, self._shown)
            _, document = self._document(inner.digest, inner.media_type)
        else:
            raise Unsupported(f"manifest of {self._shown}: an index in an index in an index")
        assert not isinstance(document, Index)
        row = self._image(inner.digest, ctx.blobs.read(inner.digest), document)
        have = {member.manifest: member.image_id for member in members(ctx.db.read(), digest)}
        have[inner.digest] = row.image_id
        parts = [Part(have.pop(each.digest), each) for each in index.manifests if each.digest in have]
        if inner.digest in have:  # it stands in an index within
            parts.append(Part(row.image_id, inner))
        register_index(ctx, data, parts, tags, self._host)
        return row

    # --- images

    def _image(
        self, digest: Digest, data: bytes, manifest: Manifest, platform: Platform | None = None
    ) -> ImageRow:
        """One image, with all of its layers; it has no name yet. NotFound when it is not for `platform`."""
        ctx = self._ctx
        check(manifest, self._shown)
        blobs = [manifest.config, *manifest.layers]
        with ctx.db.write(durable=False) as tx:
            leases.hold(tx, ctx.lease.id, leases.BLOB, digest, *[each.digest for each in blobs])
        if ctx.blobs.touch(manifest.config.digest):
            is_sound(ctx, manifest.config.digest)
        self._repository.blob(manifest.config, ctx.blobs, lambda done, total: None)
        config_bytes = ctx.blobs.read(manifest.config.digest, configs.MAX_SIZE)
        config = config_of(config_bytes, manifest, self._shown)
        if platform is not None:
            check_platform(config.platform, platform, self._shown)
        layers = [Wanted(*each) for each in zip(manifest.layers, config.diff_ids, strict=True)]
        if self._lazy is not None:
            self._lazy(config.diff_ids)
        wanted = [each for each in layers if not self._is_here(each)]
        for each in layers if wanted else ():
            if each not in wanted:
                self._tell(Notice(f"{short(each.descriptor.digest)}: Already exists"))
        bring_layers(ctx, self._repository, wanted, self._stop, self._tell)
        note_forms(ctx, self._reference, layers, manifest.config.digest)
        return register_image(ctx, config_bytes, config.diff_ids, manifest=data)

    def _named(self, row: ImageRow, digest: Digest, data: bytes, tags: list[str]) -> ImageRow:
        """The names stand for the manifest as it was pulled, also where the image had another one before."""
        ctx = self._ctx
        if row.manifest != digest:
            media_type = manifests.parse_manifest(data).media_type or media.MANIFEST
            own = platforms.Platform(row.os, row.architecture, row.variant)
            made = Descriptor(media_type, digest, len(data), platform=own)
            register_index(ctx, data, [Part(row.image_id, made)], tags, self._host)
            return row
        with ctx.db.write() as tx:
            imagedb.need_image(tx, row.image_id)
            for tag in tags:
                if not imagedb.is_tagged(tx, tag, row.image_id):
                    imagedb.put_tag(tx, tag, row.image_id)
        return row

    # --- what we know now

    def _is_here(self, layer: Wanted) -> bool:
        """Whether the files are here, and are known to be what the blob holds: then it need not come."""
        diff = reuse_diff(self._ctx, layer.diff_id, with_files=self._lazy is None)
        return diff is not None and is_form(self._ctx, diff, layer.descriptor)

    def _note(self, row: ImageRow, digest: Digest) -> None:
        with self._ctx.db.write(durable=False) as tx:
            for each in self._documents:
                forms.put_place(tx, each, self._reference.name)
            if imagedb.get_image(tx, row.image_id) is not None:
                repodigests.put(tx, row.image_id, self._reference.name, digest)
