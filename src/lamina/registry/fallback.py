"""The fallback tag: an index of the referrers of a manifest, where the registry keeps none itself.

Distribution-spec 1.1, "Pushing Manifests with Subject" and "Deleting Manifests": whoever pushes keeps it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lamina.errors import InvalidInput, NotFound
from lamina.oci import manifest as manifest_json
from lamina.oci import media
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import sha256
from lamina.oci.manifest import Index, Manifest
from lamina.registry import manifests
from lamina.registry.discovery import fallback_tag, in_fallback_tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.oci.digest import Digest
    from lamina.oci.reference import Reference
    from lamina.registry.reach import Reached

    Put = Callable[[bytes, str, str], object]  # data, media type, tag

_TRIES = 4  # others may write the same tag at the same time: the last one wins


def subject_of(data: bytes, media_type: str) -> Descriptor | None:
    """What a manifest or an index refers to; None for what does not, or is of a kind we do not know."""
    if b'"subject"' not in data:
        return None
    try:
        return manifest_json.parse(data, media_type).subject
    except InvalidInput:
        return None


def add(at: Reached, reference: Reference, subject: Digest, data: bytes, media_type: str, put: Put) -> None:
    """Lists a manifest, which is there, with the referrers of `subject`."""
    made = _described(data, media_type)
    for _ in range(_TRIES):
        found = in_fallback_tag(at, reference, subject)
        if any(each.digest == made.digest for each in found):
            return
        _put(subject, (*found, made), put)


def remove(at: Reached, reference: Reference, subject: Digest, digest: Digest, put: Put) -> None:
    """Takes a manifest, which is gone, off the referrers of `subject`."""
    for _ in range(_TRIES):
        found = in_fallback_tag(at, reference, subject)
        left = tuple([each for each in found if each.digest != digest])
        if left == found:
            return
        _put(subject, left, put)


def referring(at: Reached, reference: Reference, digest: Digest) -> Digest | None:
    """What the manifest refers to, asked for before it is deleted; None for nothing."""
    try:
        found = manifests.get(at, reference, digest)
    except (NotFound, InvalidInput):
        return None
    subject = subject_of(found.data, found.media_type)
    return subject.digest if subject is not None else None


def _put(subject: Digest, referrers: tuple[Descriptor, ...], put: Put) -> None:
    put(Index(referrers).to_bytes(), media.INDEX, fallback_tag(subject))


def _described(data: bytes, media_type: str) -> Descriptor:
    """As the API would list it: with its annotations, and its type, or else that of its config."""
    document = manifest_json.parse(data, media_type)
    kind = document.artifact_type
    if not kind and isinstance(document, Manifest):
        kind = document.config.media_type
    said = json.loads(data).get("mediaType") or media_type
    return Descriptor(
        said, sha256(data), len(data), annotations=dict(document.annotations), artifact_type=kind
    )
