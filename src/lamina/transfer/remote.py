"""remote: questions about a reference in a registry, and its removal. Nothing of it enters the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import Conflict, InvalidInput, NotFound, Unsupported
from lamina.oci import config as configs
from lamina.oci import media
from lamina.oci.manifest import Index
from lamina.registry.destination import Destination
from lamina.registry.failures import check_online
from lamina.registry.repository import Repository
from lamina.transfer.attest import REFERENCE_DIGEST, REFERENCE_TYPE, is_attestation
from lamina.transfer.copying.copy import Wish, chosen
from lamina.transfer.copying.referrers import referrers_of
from lamina.transfer.pullable import choose
from lamina.transfer.registry_ends import RegistrySource
from lamina.transfer.ship import parse

if TYPE_CHECKING:
    from lamina.fetch.stopping import Stopper
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import Digest
    from lamina.oci.manifest import Manifest
    from lamina.oci.platform import Platform
    from lamina.oci.reference import Reference
    from lamina.registry.settings import Settings


class RemoteDocument(NamedTuple):
    """A manifest or an index, byte for byte."""

    descriptor: Descriptor
    data: bytes


class RemoteImage(NamedTuple):
    """What a reference stands for: `root`, and of an index the image for a platform.

    `manifest` is that of the image; `config` is None, and `config_bytes` whatever it is, of an artifact.
    `whole` is the index, None where the root is the manifest. `tags` are all of the repository, None when not
    asked for.
    """

    reference: Reference
    root: Descriptor
    whole: Index | None
    manifest: Manifest
    config: configs.ImageConfig | None
    config_bytes: bytes
    tags: tuple[str, ...] | None


class RemoteReferrer(NamedTuple):
    """What refers to an image, and how one finds it: its "subject", a "tag", or an "index" that has both."""

    descriptor: Descriptor
    via: str
    tag: str = ""


class Untagged(NamedTuple):
    """A name that a registry has no more."""

    name: str


class Deleted(NamedTuple):
    """A manifest that a registry has no more."""

    id: str


def inspect(
    reference: Reference, settings: Settings, host: Platform, platform: Platform | None, *, tags: bool = True
) -> RemoteImage:
    """What a reference stands for. NotFound, Denied, FetchFailed, Corrupt; InvalidInput for what is none."""
    check_online(reference, settings)
    with Repository(reference, settings) as repository:
        source = RegistrySource(repository)
        root = source.root()
        document = parse(source.document(root), root, source.shown)
        index = document if isinstance(document, Index) else None
        wanted = platform if index is None else platform or _shown(index, host, source.shown)
        own = chosen(source, Wish(platform=wanted), host)
        manifest = parse(source.document(own), own, source.shown)
        assert not isinstance(manifest, Index)
        if manifest.config.size > configs.MAX_SIZE:
            raise InvalidInput(f"{source.shown}: a config of {manifest.config.size} bytes")
        with source.open(manifest.config) as stream:
            data = stream.read()
        config = configs.parse(data) if manifest.config.media_type in media.CONFIGS else None
        found = tuple(repository.tags()) if tags else None
        return RemoteImage(repository.reference, root, index, manifest, config, data, found)


def _shown(index: Index, host: Platform, shown: str) -> Platform:
    """This machine's platform, else that of the first image: a question is no reason to fail."""
    try:
        return choose(index, host, shown).platform or host
    except NotFound:
        own = [each.platform for each in index.manifests if each.platform and not is_attestation(each)]
        if not own:
            raise
        return own[0]


def manifest(reference: Reference, settings: Settings, platform: Platform | None) -> RemoteDocument:
    """The manifest or index of a reference; with `platform` the manifest of its image for that."""
    check_online(reference, settings)
    with Repository(reference, settings) as repository:
        source = RegistrySource(repository)
        found = source.root() if platform is None else chosen(source, Wish(platform=platform), platform)
        return RemoteDocument(found, source.document(found))


def resolve(reference: Reference, settings: Settings) -> Digest:
    """The digest of what a reference stands for; nothing more is fetched where the registry tells it."""
    check_online(reference, settings)
    with Repository(reference, settings) as repository:
        return repository.resolve()


def tags(reference: Reference, settings: Settings) -> list[str]:
    """All tags of a repository. NotFound, Denied, FetchFailed."""
    check_online(reference, settings)
    with Repository(reference, settings) as repository:
        return repository.tags()


def referrers(
    reference: Reference, settings: Settings, platform: Platform | None, artifact_type: str, stop: Stopper
) -> list[RemoteReferrer]:
    """What refers to the manifest or index of a reference; with `platform` to its image for that."""
    from lamina.fetch.stopping import Stop

    check_online(reference, settings)
    with Repository(reference, settings) as repository:
        source = RegistrySource(repository)
        root = source.root()
        own = root if platform is None else chosen(source, Wish(platform=platform), platform)
        found = [
            RemoteReferrer(_typed(source, each.descriptor), "tag" if each.tag else "subject", each.tag)
            for each in referrers_of(source, [own.digest], lambda: settings, Stop(stop), nested=False)
        ]
        known = {each.descriptor.digest for each in found}
        document = parse(source.document(root), root, source.shown)
        for each in document.manifests if isinstance(document, Index) else ():
            about = each.annotations.get(REFERENCE_DIGEST)
            if is_attestation(each) and each.digest not in known and (own == root or about == own.digest):
                found.append(RemoteReferrer(each._replace(artifact_type=_kind(each)), "index"))
        return [each for each in found if artifact_type in ("", each.descriptor.artifact_type)]


def _typed(source: RegistrySource, found: Descriptor) -> Descriptor:
    """With the artifact type that only its manifest tells."""
    if found.artifact_type:
        return found
    document = parse(source.document(found), found, source.shown)
    kind = document.artifact_type or ("" if isinstance(document, Index) else document.config.media_type)
    return found._replace(artifact_type=kind, annotations=found.annotations or document.annotations)


def _kind(attestation: Descriptor) -> str:
    return attestation.artifact_type or attestation.annotations[REFERENCE_TYPE]


def remove(reference: Reference, settings: Settings, *, force: bool = False) -> list[Untagged | Deleted]:
    """Removes a tag, or, named by its digest, a manifest with all of its tags. What happened, in order.

    Where a registry cannot remove a tag alone, its manifest goes with it: when it has no other tag, or by
    `force`; else Conflict. NotFound, Denied, FetchFailed; Unsupported for registries that do not delete.
    """
    check_online(reference, settings)
    reference = reference.with_default_tag()
    with Destination(reference, settings) as destination:
        name, digest = reference._replace(digest=None), reference.digest
        if digest is not None:
            if reference.tag and destination.manifest_digest(reference.tag) != digest:
                raise NotFound(f"{name.familiar()} is not {digest}")
            destination.delete_manifest(digest)
            return [Deleted(digest)]
        try:
            destination.delete_tag(reference.tag)
        except Unsupported:
            return _with_manifest(destination, reference, settings, force)
        return [Untagged(name.familiar())]


def _with_manifest(
    destination: Destination, reference: Reference, settings: Settings, force: bool
) -> list[Untagged | Deleted]:
    digest = destination.manifest_digest(reference.tag)
    if digest is None:
        raise NotFound(f"manifest for {reference.familiar()} not found")
    others = [
        tag
        for tag in tags(reference, settings)
        if tag != reference.tag and destination.manifest_digest(tag) == digest
    ]
    if others and not force:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        raise Conflict(
            f"{reference.familiar()} is also {', '.join(others[:5])}{more}, "
            f"and {reference.domain} cannot remove one tag alone",
            hint="--force removes the manifest, and with it all of these tags",
        )
    destination.delete_manifest(digest)
    gone = [reference._replace(tag=tag).familiar() for tag in (reference.tag, *others)]
    return [*map(Untagged, gone), Deleted(digest)]
