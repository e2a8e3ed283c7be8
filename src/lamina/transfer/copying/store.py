"""The store as an end of `copy`: what comes is pulled or loaded under another name, what goes is pushed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.archive.opening import open_files
from lamina.db import imagedb, indexdb, leases, names
from lamina.errors import InvalidInput
from lamina.events import ignore
from lamina.fetch.stopping import NeverStops, Stop
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.digest import sha256
from lamina.oci.manifest import Index
from lamina.registry.repository import Repository
from lamina.transfer.copying.copy import Copied, Wish, chosen
from lamina.transfer.copying.places import REGISTRY, STORE
from lamina.transfer.copying.sources import StoreSource, image_of
from lamina.transfer.load import load_image
from lamina.transfer.pull import pull
from lamina.transfer.registry_ends import RegistrySource, type_of
from lamina.transfer.ship import named_by, parse
from lamina.transfer.since import check_here

if TYPE_CHECKING:
    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.platform import Platform
    from lamina.transfer.copying.places import Place
    from lamina.transfer.copying.sources import Setting


def into_store(
    source: Place, target: Place, wish: Wish, setting: Setting, observer: Observer = ignore
) -> Copied:
    """An image, or an index with all of its images if `wish.whole`, as `target` in the store."""
    name = references.parse_tagged(target.name)
    ctx = setting.store()
    if source.kind == REGISTRY:
        _pulled(ctx, source, str(name), wish, setting, observer)
    elif source.kind == STORE:
        found = names.resolve_image(ctx.db.read(), source.name)
        if wish.platform is not None:
            found = names.for_platform(ctx.db.read(), found, wish.platform)
        with ctx.db.write() as tx:
            imagedb.need_image(tx, found.image_id)
            imagedb.put_tag(tx, str(name), found.image_id, found.index_digest)
    else:
        files = open_files(source.path, setting.spool)
        try:
            image = image_of(files, source, wish.platform or setting.host, whole=wish.whole)
            check_here(ctx, [image])
            load_image(ctx, image, [name], setting.host, observer)
        finally:
            files.close()
    return _copied(ctx, str(name))


def _pulled(ctx: Layers, source: Place, name: str, wish: Wish, setting: Setting, observer: Observer) -> None:
    reference, settings = source.reference, setting.settings()
    with Repository(reference, settings, Stop(NeverStops())) as repository:
        found = RegistrySource(repository)
        root = chosen(found, wish, setting.host, observer)
        wanted = _platforms(found, root) if wish.whole else []
        for each in _others(found, root) if wish.whole else ():
            _bring(ctx, found, each)
    exact = reference._replace(tag="", digest=root.digest)
    pulled = [pull(ctx, exact, settings, each, observer=observer) for each in wanted or [None]]
    index = indexdb.get_index(ctx.db.read(), root.digest)
    with ctx.db.write() as tx:
        if index is not None:
            imagedb.put_tag(tx, name, index.image_id, index.digest)
        else:
            imagedb.put_tag(tx, name, pulled[0].image_id)


def _platforms(source: RegistrySource, root: Descriptor) -> list[Platform | None]:
    """Those of an index: each is pulled by itself."""
    document = parse(source.document(root), root, source.shown)
    if not isinstance(document, Index):
        return []
    own = [each.platform for each in document.manifests if each.platform and each.platform.os != "unknown"]
    return list({str(each): each for each in own}.values())


def _others(source: RegistrySource, root: Descriptor) -> list[Descriptor]:
    """What an index names beside its images: attestations, and other artifacts."""
    document = parse(source.document(root), root, source.shown)
    if not isinstance(document, Index):
        return []
    return [each for each in document.manifests if not each.platform or each.platform.os == "unknown"]


def _bring(ctx: Layers, source: RegistrySource, descriptor: Descriptor) -> None:
    """A manifest and its blobs, which our lease holds until their index is there."""
    data = source.document(descriptor)
    document = parse(data, descriptor, source.shown)
    blobs = [] if isinstance(document, Index) else named_by(document)
    with ctx.db.write(durable=False) as tx:
        held = [descriptor.digest, *(blob.digest for blob in blobs)]
        leases.hold(tx, ctx.lease.id, leases.BLOB, *held)
    for blob in blobs:
        if not ctx.blobs.touch(blob.digest):
            with source.open(blob) as stream:
                ctx.blobs.put(stream, blob.digest, blob.size)
    ctx.blobs.put(data, descriptor.digest)


def _copied(ctx: Layers, name: str) -> Copied:
    found = imagedb.find_tag(ctx.db.read(), name)
    assert found is not None
    digest = found.index_digest or imagedb.need_image(ctx.db.read(), found.image_id).manifest
    data = ctx.blobs.read(digest)
    return Copied(sha256(data), type_of(data), len(data))


def from_store(
    source: Place, target: Place, wish: Wish, setting: Setting, observer: Observer = ignore
) -> Copied:
    """Pushes an image, or what its name stands for if `wish.whole`."""
    from lamina.transfer.packing import Packing
    from lamina.transfer.push import push

    reference = target.reference
    if reference.digest is not None:
        raise InvalidInput(f"{target}: what is pushed has its digest only then", hint="give a tag")
    ctx = setting.store()
    found = names.resolve_image(ctx.db.read(), source.name)
    platform = wish.platform
    if not wish.whole and found.index_digest is not None:
        platform = platform or StoreSource(ctx, found).platform(setting.host)
    packing = Packing(types={"v2s2": "docker"}.get(wish.form, wish.form))
    pushed = push(ctx, found, reference, setting.settings(), packing, platform=platform, observer=observer)
    made = pushed.descriptor
    return Copied(made.digest, made.media_type or media.MANIFEST, made.size)
