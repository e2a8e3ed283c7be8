"""Remote: questions about references in registries, as `engine.registry`. The store is not opened."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.engine import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.oci.digest import Digest
    from lamina.oci.reference import Reference
    from lamina.registry.settings import Settings
    from lamina.transfer.remote import Deleted, RemoteDocument, RemoteImage, RemoteReferrer, Untagged


class Remote:
    """All methods raise NotFound, Denied and FetchFailed, with the registry's own words."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    def inspect(self, name: str, *, platform: str = "", tags: bool = True) -> RemoteImage:
        """What a reference stands for; of an index the image for `platform`, else for this machine."""
        from lamina.oci.platform import host
        from lamina.transfer import remote

        machine = host(os.uname().machine)
        return remote.inspect(
            reference_of(name), self._settings(), machine, joined.platform(platform), tags=tags
        )

    def manifest(self, name: str, *, platform: str = "") -> RemoteDocument:
        """The manifest or index, byte for byte; with `platform` that of its image for it."""
        from lamina.transfer import remote

        return remote.manifest(reference_of(name), self._settings(), joined.platform(platform))

    def resolve(self, name: str) -> Digest:
        """The digest of what a reference stands for."""
        from lamina.transfer import remote

        return remote.resolve(reference_of(name), self._settings())

    def tags(self, name: str) -> list[str]:
        """All tags of a repository. InvalidInput for the name of one image."""
        from lamina.errors import InvalidInput
        from lamina.transfer import remote

        reference = reference_of(name)
        if reference.tag or reference.digest:
            raise InvalidInput(
                f"{reference.familiar()} is one image, and tags are a repository's",
                hint=f"write the name alone: {reference.familiar_name}",
            )
        return remote.tags(reference, self._settings())

    def referrers(
        self, name: str, *, platform: str = "", artifact_type: str = ""
    ) -> Sequence[RemoteReferrer]:
        """SBOMs, signatures and other artifacts that refer to it, or to its image for `platform`."""
        from lamina.fetch.stopping import NeverStops
        from lamina.transfer import remote

        wanted = joined.platform(platform)
        return remote.referrers(reference_of(name), self._settings(), wanted, artifact_type, NeverStops())

    def rm(self, name: str, *, force: bool = False) -> Sequence[Untagged | Deleted]:
        """Removes a tag, or a manifest by its digest. What happened, in order."""
        from lamina.transfer import remote

        return remote.remove(reference_of(name), self._settings(), force=force)


def reference_of(name: str) -> Reference:
    """A reference as a user writes it, with docker:// before it or not. InvalidInput."""
    from lamina.oci import reference

    return reference.parse(name.removeprefix("docker://"))
