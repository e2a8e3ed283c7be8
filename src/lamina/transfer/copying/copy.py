"""copy: an image from one place to another: registries, OCI layouts, archives and the store, in any pair.

What is copied stays byte for byte what it was, so digests come out equal; blobs that are there do not move,
and within a registry none does. Only `form` makes new manifests, and what goes from the store to a registry
is pushed: layers that were never packed are compressed then (transfer.push).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput, Unsupported
from lamina.events import Notice, Progress, ignore
from lamina.fetch.stopping import NeverStops, Stop
from lamina.oci import config as configs
from lamina.oci import media
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import short
from lamina.oci.manifest import Index
from lamina.transfer.copying import forms as copyforms
from lamina.transfer.copying.ends import ArchiveSink, FolderSink
from lamina.transfer.copying.forms import Converted
from lamina.transfer.copying.places import LAYOUT, OCI_ARCHIVE, REGISTRY, STORE
from lamina.transfer.copying.referrers import Referrer, referrers_of
from lamina.transfer.copying.sinks import sink_at
from lamina.transfer.copying.sources import StoreSource, source_at
from lamina.transfer.pullable import check_platform, choose
from lamina.transfer.ship import EXISTS, PUSHED, parse, plan_of, send_blob

if TYPE_CHECKING:
    from lamina.events import Observer
    from lamina.oci.digest import Digest
    from lamina.oci.platform import Platform
    from lamina.transfer.copying.places import Place
    from lamina.transfer.copying.sources import Setting
    from lamina.transfer.ends import Sink, Source
    from lamina.transfer.ship import Plan

_MAX_NESTING = 4
_WORDS = {PUSHED: "Copy complete", EXISTS: "Already exists"}  # as they are for a pull


class Wish(NamedTuple):
    """What to copy of an image: an index `whole`, else of it the image for `platform` (this machine's).

    `referrers`: with what refers to it. `form`: "oci" or "v2s2" makes manifests of that kind, "" keeps them.
    """

    whole: bool = False
    platform: Platform | None = None
    referrers: bool = False
    form: str = ""


class Copied(NamedTuple):
    """What the target stands for now; `referrers` is how many came with it."""

    digest: Digest
    media_type: str
    size: int
    referrers: int = 0


def copy(source: Place, target: Place, wish: Wish, setting: Setting, observer: Observer = ignore) -> Copied:
    """Copies an image. What both places raise; InvalidInput, Unsupported for wishes that they cannot fulfil.

    After an error the target's name is what it was; a registry, a layout and the store keep the blobs that
    arrived, an archive is not there.
    """
    _check(source, target, wish)
    if target.kind == STORE:
        from lamina.transfer.copying.store import into_store  # with all that unpacks layers

        return into_store(source, target, wish, setting, observer)
    if source.kind == STORE and target.kind == REGISTRY:
        from lamina.transfer.copying.store import from_store

        return from_store(source, target, wish, setting, observer)
    stop = Stop(NeverStops())
    with source_at(source, setting, stop) as found:
        if isinstance(found, StoreSource):
            setting = setting._replace(host=found.platform(setting.host))
        return send(found, target, wish, setting, stop, observer)


def send(
    source: Source, target: Place, wish: Wish, setting: Setting, stop: Stop, observer: Observer = ignore
) -> Copied:
    """What a Source has to a place that is not the store. As `copy`."""
    root = chosen(source, wish, setting.host, observer)
    if wish.form:
        converted = Converted(source, root, wish.form)
        if converted.left_out:
            observer(Notice("Annotations are left out: Docker's manifests have none"))
        source, root = converted, converted.root()
    _check_digest(target, root)
    _warn(root, target, observer)
    referrers: list[Referrer] = []
    with sink_at(target, setting, stop, lambda: docker_image(source, root, setting.host)) as sink:
        plan = plan_of(source, sink, root)
        send_plan(source, sink, plan, stop, observer)
        if wish.referrers:
            digests = [root.digest] if not wish.whole else _digests(source, root)
            referrers = referrers_of(source, digests, setting.settings, stop)
            _send_referrers(source, sink, referrers, stop, observer)
        tag = target.reference.tag if target.kind == REGISTRY else ""
        if tag and not sink.has_document(root.digest, tag):
            sink.put_document(root, source.document(root), tag)
        sink.finish(root)
    return Copied(root.digest, root.media_type, root.size, len(referrers))


def _check(source: Place, target: Place, wish: Wish) -> None:
    copyforms.check(wish.form)
    if wish.whole and wish.platform is not None:
        raise InvalidInput("--all copies every platform, --platform one of them", hint="use one of both")
    if wish.form and wish.referrers:
        raise InvalidInput(
            "--format makes manifests that nothing refers to", hint="copy with --referrers or with --format"
        )
    if wish.referrers and STORE in (source.kind, target.kind):
        raise Unsupported(
            "the store keeps no referrers",
            hint="copy to a registry or an OCI layout; attestations of an index are copied with it",
        )
    if target.kind == REGISTRY and target.reference.digest and target.reference.tag:
        raise InvalidInput(f"{target}: a target has a tag or a digest, not both")
    if target.kind == STORE and wish.form:
        raise Unsupported(
            "--format is for what leaves the store", hint="the store keeps manifests as they are"
        )


def _check_digest(target: Place, root: Descriptor) -> None:
    if target.kind == REGISTRY and target.reference.digest not in (None, root.digest):
        raise InvalidInput(f"{target}: the image that is copied is {root.digest}")


def _warn(root: Descriptor, target: Place, observer: Observer) -> None:
    if target.kind in (LAYOUT, OCI_ARCHIVE) and root.media_type in (
        media.DOCKER_MANIFEST,
        media.DOCKER_INDEX,
    ):
        observer(
            Notice("The manifest is Docker's: skopeo and umoci read it in no layout; --format oci converts")
        )


# --- what goes


def chosen(source: Source, wish: Wish, host: Platform, observer: Observer = ignore) -> Descriptor:
    """What goes of what a source's name stands for. NotFound when there is no image for the platform."""
    root = source.root()
    if root.media_type not in media.INDEXES:
        if wish.platform is not None:
            config = config_of(source, root)
            check_platform(config.platform, wish.platform, source.shown)
        return root
    if wish.whole:
        return root
    for _ in range(_MAX_NESTING):
        index = parse(source.document(root), root, source.shown)
        if not isinstance(index, Index):
            return Descriptor(root.media_type, root.digest, root.size)
        root = choose(index, wish.platform or host, source.shown)
        others = sum(each.platform is not None and each != root for each in index.manifests)
        if others and wish.platform is None:
            observer(Notice(f"The image for {root.platform or host} alone: --all copies the whole index"))
    raise InvalidInput(f"{source.shown}: indexes in indexes, more than {_MAX_NESTING} deep")


def config_of(source: Source, manifest: Descriptor) -> configs.ImageConfig:
    """The config of an image. Unsupported for what is none."""
    document = parse(source.document(manifest), manifest, source.shown)
    if isinstance(document, Index) or document.config.media_type not in media.CONFIGS:
        raise Unsupported(f"{source.shown} is not a container image")
    with source.open(document.config) as stream:
        return configs.parse(stream.read(configs.MAX_SIZE + 1))


def docker_image(
    source: Source, root: Descriptor, host: Platform
) -> tuple[configs.ImageConfig, tuple[Descriptor, ...]]:
    """For manifest.json of an archive: a config, and how it and its layers are described."""
    image = chosen(source, Wish(), host) if root.media_type in media.INDEXES else root
    document = parse(source.document(image), image, source.shown)
    assert not isinstance(document, Index)
    config = config_of(source, image)
    if len(config.diff_ids) != len(document.layers):
        raise InvalidInput(f"{source.shown}: its manifest and its config have different layers")
    return config, (document.config, *document.layers)


def _digests(source: Source, root: Descriptor) -> list[Digest]:
    """A root and, of an index, all that is in it; each once."""
    found = {root.digest: root}
    todo = [root]
    for descriptor in todo:  # it grows
        document = parse(source.document(descriptor), descriptor, source.shown)
        for each in document.manifests if isinstance(document, Index) else ():
            if each.digest not in found:
                found[each.digest] = each
                todo.append(each)
    return list(found)


# --- on the way


def send_plan(source: Source, sink: Sink, plan: Plan, stop: Stop, observer: Observer = ignore) -> None:
    """Blobs, then documents; into an archive in the order of their digests, so that it is always the same."""

    def move(descriptor: Descriptor) -> None:
        name = short(descriptor.digest)
        state = send_blob(source, sink, descriptor, lambda done, all: observer(Progress(name, done, all)))
        observer(Notice(f"{name}: {_WORDS.get(state, state)}"))

    documents = {each.descriptor.digest: each for each in plan.documents}
    if isinstance(sink, ArchiveSink):
        for each in sorted([*plan.blobs, *(each.descriptor for each in plan.documents)], key=_digest):
            stop.check()
            if each.digest in documents:
                sink.put_document(each, documents[each.digest].data)
            else:
                move(each)
        return
    from lamina.transfer.downloads import Downloads  # threading: not where one blob follows another

    with Downloads(plan.blobs, move, stop) as under_way:
        for blob in plan.blobs:
            under_way.wait(blob.digest)
    for document in plan.documents:
        stop.check()
        sink.put_document(document.descriptor, document.data)


def _digest(descriptor: Descriptor) -> Digest:
    return descriptor.digest


def _send_referrers(
    source: Source, sink: Sink, referrers: list[Referrer], stop: Stop, observer: Observer
) -> None:
    """After what they refer to, so that registries can list them."""
    for each in referrers:
        send_plan(source, sink, plan_of(source, sink, each.descriptor), stop, observer)
        if isinstance(sink, ArchiveSink | FolderSink):
            sink.refer(each.descriptor, each.tag)
        elif each.tag and not sink.has_document(each.descriptor.digest, each.tag):
            sink.put_document(each.descriptor, source.document(each.descriptor), each.tag)
