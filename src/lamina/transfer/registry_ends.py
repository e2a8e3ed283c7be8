"""Ends at registries: a Repository to read an image from, a Destination to write one to (transfer.ends)."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from lamina.oci import manifest as manifests
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.manifest import Index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.oci.digest import Digest
    from lamina.registry.destination import Destination
    from lamina.registry.repository import Repository
    from lamina.transfer.ends import Moved, Opener

_MOST_MOUNTS = 3  # places that are tried before a blob is sent


class RegistrySource:
    """The image that a Repository's reference means."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.reference = repository.reference

    @property
    def shown(self) -> str:
        """As Docker shows it."""
        return self.reference.familiar()

    def root(self) -> Descriptor:
        """Asks the registry."""
        document = self.repository.document(self.repository.resolve())
        media_type = document.media_type or type_of(document.data)
        return Descriptor(media_type, document.digest, len(document.data))

    def document(self, descriptor: Descriptor) -> bytes:
        """From the registry, once."""
        return self.repository.document(descriptor.digest).data

    def has(self, descriptor: Descriptor) -> bool:
        """A registry has all of what its manifests name."""
        return True

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Resumes by itself what broke off."""
        return self.repository.open(descriptor)

    def places(self, digest: Digest) -> Sequence[str]:
        """The repository itself."""
        return (self.reference.name,)


class RegistrySink:
    """A repository to push to."""

    def __init__(self, destination: Destination) -> None:
        self.destination = destination
        self.reference = destination.reference

    @property
    def shown(self) -> str:
        """As Docker shows it."""
        return self.reference.familiar()

    def has(self, descriptor: Descriptor) -> bool:
        """One question (HEAD)."""
        return self.destination.has_blob(descriptor.digest)

    def mount(self, descriptor: Descriptor, places: Sequence[str]) -> str:
        """Asks for a cross-repository mount, where a place is in this registry."""
        tried = 0
        for place in places:
            found = references.parse(place)
            if found.domain == self.reference.domain and found.path != self.reference.path:
                if self.destination.mount(descriptor.digest, found.path):
                    return place
                tried += 1
                if tried == _MOST_MOUNTS:
                    break
        return ""

    def put(self, descriptor: Descriptor, open: Opener, progress: Moved) -> None:
        """Uploads."""
        self.destination.upload(descriptor, open, progress)

    def has_document(self, digest: Digest, tag: str = "") -> bool:
        """One question (HEAD)."""
        return self.destination.manifest_digest(tag or digest) == digest

    def put_document(self, descriptor: Descriptor, data: bytes, tag: str = "") -> None:
        """A manifest without a tag is known by its digest."""
        self.destination.put_manifest(data, descriptor.media_type, tag or descriptor.digest)

    def finish(self, root: Descriptor) -> None:
        """Everything is there already."""


def type_of(data: bytes) -> str:
    """The media type of a document that a registry did not name."""
    parsed = manifests.parse(data)
    return parsed.media_type or (media.INDEX if isinstance(parsed, Index) else media.MANIFEST)
