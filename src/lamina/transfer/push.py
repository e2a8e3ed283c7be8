"""push: what a name of the store stands for into a registry, an image or an index with all that is in it.

Layers are sent first (transfer.sending), then configs and attestations, then the manifests, from the inside
to the outside; the tag comes last, so that nobody ever sees a part. What came from a registry has the same
digests there: its documents are sent as they are, unless a layer goes in another form than they say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db import imagedb, repodigests
from lamina.db import packed as forms
from lamina.errors import Denied, InvalidInput, NotFound
from lamina.events import ignore
from lamina.fetch.failures import FetchFailed
from lamina.fetch.stopping import NeverStops, Stop
from lamina.oci import media
from lamina.oci import reference as references
from lamina.registry.destination import Destination
from lamina.registry.failures import ManifestRefused, check_online
from lamina.registry.repository import Repository
from lamina.transfer import packing as packings
from lamina.transfer.find import hold
from lamina.transfer.packing import Packing
from lamina.transfer.pushtree import Made, Tree
from lamina.transfer.registry_ends import RegistrySink, RegistrySource
from lamina.transfer.sending import Sending
from lamina.transfer.ship import plan_of, send_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from lamina.db.names import Named
    from lamina.events import Observer
    from lamina.fetch.stopping import Stopper
    from lamina.layers.context import Layers
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import ImageID
    from lamina.oci.platform import Platform
    from lamina.oci.reference import Reference
    from lamina.registry.settings import Settings
    from lamina.transfer.sending import LayerOf


class Pushed(NamedTuple):
    """What a name in a registry stands for now: `descriptor` is of an index, else of a manifest."""

    reference: Reference
    image_id: ImageID
    descriptor: Descriptor


class Pushes:
    """`with Pushes(ctx, target, settings, packing, ...) as pushes:` images to one repository, `target`'s.

    Denied, FetchFailed from the registry; NotFound, Corrupt for what the store has not; Cancelled. After an
    error no tag of the repository is another one; blobs that arrived stay there, for the next try.
    """

    def __init__(
        self,
        ctx: Layers,
        target: Reference,
        settings: Settings,
        packing: Packing | None = None,
        *,
        stopper: Stopper | None = None,
        observer: Observer = ignore,
    ) -> None:
        """InvalidInput for a packing that makes no sense; FetchFailed when we are to be offline."""
        self._packing = packing or Packing()
        packings.check(self._packing)
        check_online(target, settings)
        self._ctx = ctx
        self._target = target
        self._settings = settings
        self._stop = Stop(stopper or NeverStops())
        self._tell = observer
        self._destination = Destination(target, settings, self._stop)
        self._sink = RegistrySink(self._destination)
        self._sending = Sending(ctx, self._sink, settings, self._packing, self._stop, observer)

    def __enter__(self) -> Pushes:
        self._destination.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sending.close()
        self._destination.__exit__(kind, error, trace)

    def push(self, found: Named, tag: str = "", platform: Platform | None = None) -> Pushed:
        """Sends what was found, and gives it the tag there ("": it is known by its digest alone).

        With `platform` only the image for it, without its index. NotFound when there is none.
        """
        hold(self._ctx, found.image_id, indexes=[found.index_digest])
        tree = Tree(self._ctx, found, platform)
        sent = self._sending.send(tree.layers)
        made = Made(self._ctx, tree, sent, self._packing.types)
        self._bring(tree, made.missing)
        self._send_blobs(made)
        root = made.root
        for descriptor, data in made.documents.values():
            if descriptor.digest != root.digest and not self._sink.has_document(descriptor.digest):
                self._put(descriptor, data, "")
        if not self._sink.has_document(root.digest, tag):
            self._put(root, made.documents[root.digest][1], tag)
        self._note(tree, made, sent)
        return Pushed(self._target._replace(tag=tag, digest=None), tree.image_id, root)

    # --- what goes beside the layers

    def _bring(self, tree: Tree, missing: Sequence[Descriptor]) -> None:
        """What an index names and the store never had goes straight from where the index came from."""
        missing = [each for each in missing if not self._sink.has_document(each.digest)]
        if not missing:
            return
        why = "nobody is known who has"
        for place in forms.places(self._ctx.db.read(), tree.root.digest):
            reference = references.parse(place)._replace(digest=tree.root.digest)
            with Repository(reference, self._settings, self._stop) as repository:
                try:
                    repository.resolve()
                except (NotFound, Denied, FetchFailed) as error:
                    why = error.message
                    continue
                source = RegistrySource(repository)
                for each in missing:
                    plan = plan_of(source, self._sink, each)
                    send_all(source, self._sink, plan, self._stop, self._tell)
                return
        raise NotFound(
            f"cannot push {self._target.familiar_name}: the store does not have all of the index "
            f"{tree.root.digest} ({missing[0].platform} is missing): {why}",
            hint="push one of its images with --platform",
        )

    def _send_blobs(self, made: Made) -> None:
        from lamina.transfer.downloads import Downloads  # threading

        def send(descriptor: Descriptor) -> None:
            if not self._sink.has(descriptor):
                self._sink.put(descriptor, made.blobs[descriptor.digest][1], lambda done, total: None)

        with Downloads([each for each, _ in made.blobs.values()], send, self._stop) as under_way:
            for digest in made.blobs:
                under_way.wait(digest)

    def _put(self, descriptor: Descriptor, data: bytes, tag: str) -> None:
        self._stop.check()
        try:
            self._sink.put_document(descriptor, data, tag)
        except ManifestRefused as error:
            raise _explained(error, data, descriptor.media_type) from None

    def _note(self, tree: Tree, made: Made, sent: Mapping[LayerOf, Descriptor]) -> None:
        """What we know of the repository now: the next push asks and packs less."""
        repository = self._target.name
        with self._ctx.db.write(durable=False) as tx:
            layers = [each.digest for each in sent.values()]
            for digest in (*made.documents, *made.blobs, *layers):
                forms.put_place(tx, digest, repository)
            for image in tree.images.values():
                if imagedb.get_image(tx, image.image_id) is not None:
                    repodigests.put(tx, image.image_id, repository, made.root.digest)


def push(
    ctx: Layers,
    found: Named,
    target: Reference,
    settings: Settings,
    packing: Packing | None = None,
    *,
    platform: Platform | None = None,
    by_digest: bool = False,
    stopper: Stopper | None = None,
    observer: Observer = ignore,
) -> Pushed:
    """One name to one reference, `latest` where it has no tag; `by_digest`: without a tag there.

    Errors as of Pushes.
    """
    if target.digest is not None:
        raise InvalidInput("cannot push a digest reference", hint="push to a tag; the digest follows from it")
    target = target.with_default_tag()
    with Pushes(ctx, target, settings, packing, stopper=stopper, observer=observer) as pushes:
        return pushes.push(found, "" if by_digest else target.tag, platform)


def _explained(error: ManifestRefused, data: bytes, media_type: str) -> ManifestRefused:
    """What may help where a registry does not want a manifest."""
    hint = error.hint
    if media.LAYER_ZSTD.encode() in data:
        hint = "a registry that knows no zstd may take --compression gzip --force-compression"
    elif media_type in (media.MANIFEST, media.INDEX):
        hint = "a registry that knows only Docker's media types may take --format docker"
    return ManifestRefused(error.message, error.status, error.codes, hint=hint)
