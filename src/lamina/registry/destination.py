"""Destination: a repository that is written to: blobs, manifests, tags; and what is deleted from it.

OCI distribution-spec 1.1, "Push" and "Content Management"; the same in Docker's API v2. Only the registry
itself is asked, never a mirror. Threads may use one Destination at once; its connections are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.fetch.stopping import Stopper
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import Digest
    from lamina.oci.reference import Reference
    from lamina.registry.settings import Settings


class Destination:
    """`with Destination(reference, settings, stopper) as it:` what `reference.name` is in its registry.

    All methods: Denied (no right to it), FetchFailed (the registry cannot be reached, or fails), Cancelled;
    messages name the host, the repository and the step.
    """

    def __init__(self, reference: Reference, settings: Settings, stopper: Stopper | None = None) -> None:
        self.reference = reference.with_default_tag()

    def __enter__(self) -> Destination:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def has_blob(self, digest: Digest) -> bool:
        """Whether the repository has the blob (HEAD)."""
        raise NotImplementedError

    def mount(self, digest: Digest, from_path: str) -> bool:
        """Takes the blob from another repository of this registry (`library/app`), without sending it.

        False when the registry does not: it has none there, or we may not read it. Then `upload` it.
        """
        raise NotImplementedError

    def upload(
        self, descriptor: Descriptor, open: Callable[[], BinaryIO], progress: Callable[[int, int], object]
    ) -> None:
        """Sends a blob whose digest is known; `open` gives its bytes anew, for each attempt.

        One request where the registry takes it, else pieces; goes on where it broke off, where it can.
        `progress` is told bytes sent (it may fall back), and all. Corrupt when the bytes are not
        `descriptor.size` many, or not what the registry hashes.
        """
        raise NotImplementedError

    def stream(
        self, fill: Callable[[Callable[[bytes], object]], None], progress: Callable[[int, int], object]
    ) -> tuple[Digest, int]:
        """Sends a blob whose digest is known only at its end, in pieces: `fill(write)` writes it.

        `fill` is called again, for all of it, when the registry has forgotten what it had. `progress` is told
        bytes sent, and 0. A few MiB are kept in memory. Returns digest and size.
        """
        raise NotImplementedError

    def manifest_digest(self, name: str) -> Digest | None:
        """The digest of the manifest with this tag or digest; None when there is none."""
        raise NotImplementedError

    def put_manifest(self, data: bytes, media_type: str, name: str) -> Digest:
        """Stores a manifest or an index under a tag or its digest; all that it names must be there.

        Where it has a subject and the registry keeps no referrers, they are kept in the fallback tag.
        ManifestRefused when the registry does not want it as it is (`status`, `codes` say why).
        """
        raise NotImplementedError

    def delete_manifest(self, digest: Digest) -> None:
        """Removes a manifest, and so every tag of it. NotFound; Unsupported when deletes are off."""
        raise NotImplementedError

    def delete_tag(self, tag: str) -> None:
        """Removes a tag alone. NotFound; Unsupported where the registry has no such thing."""
        raise NotImplementedError

    def delete_blob(self, digest: Digest) -> None:
        """Removes a blob of this repository. NotFound; Unsupported when deletes are off."""
        raise NotImplementedError
