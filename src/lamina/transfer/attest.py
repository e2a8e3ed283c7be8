"""Attestations as an image index holds them: in-toto statements are the layers of a manifest of their own.

The form is BuildKit's (docs/attestations/attestation-storage.md): that manifest's config is an image config
for the platform unknown/unknown, and its descriptor in the index names the manifest that it speaks of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import InvalidInput
from lamina.oci import canonical, media
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import sha256
from lamina.oci.manifest import Manifest
from lamina.oci.platform import Platform
from lamina.oci.purl import image_purl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lamina.layers.context import Layers
    from lamina.oci.digest import Digest

IN_TOTO = "application/vnd.in-toto+json"
PREDICATE_TYPE = "in-toto.io/predicate-type"
REFERENCE_TYPE = "vnd.docker.reference.type"
REFERENCE_DIGEST = "vnd.docker.reference.digest"
ATTESTATION = "attestation-manifest"
ARTIFACT = "application/vnd.docker.attestation.manifest.v1+json"
UNKNOWN = Platform("unknown", "unknown")
MAX_SIZE = 80 << 20  # bytes of one statement: what BuildKit reads

_STATEMENT = "https://in-toto.io/Statement/v1"
_NO_NAME = "_"


def statement(
    predicate_type: str, predicate: Mapping[str, object], names: Iterable[str], platform: str, digest: Digest
) -> bytes:
    """An in-toto statement (v1) about the image manifest `digest`, under each of its names, in full.

    `platform` is the image's, as os/architecture.
    """
    algorithm, _, value = digest.partition(":")
    subjects = [image_purl(name, platform) for name in names] or [_NO_NAME]
    return _statement(predicate_type, predicate, [(name, {algorithm: value}) for name in subjects])


def statement_of_files(
    predicate_type: str, predicate: Mapping[str, object], files: Iterable[tuple[str, str]]
) -> bytes:
    """The same about files: pairs of a path and the SHA-256 of the content in hex."""
    return _statement(predicate_type, predicate, [(path, {"sha256": digest}) for path, digest in files])


def _statement(
    predicate_type: str, predicate: Mapping[str, object], subjects: Iterable[tuple[str, dict[str, str]]]
) -> bytes:
    return canonical.dumps(
        {
            "_type": _STATEMENT,
            "predicateType": predicate_type,
            "subject": [{"name": name, "digest": digest} for name, digest in subjects],
            "predicate": predicate,
        }
    )


def attestation_manifest(
    ctx: Layers, subject: Descriptor, statements: Sequence[bytes], *, artifact: bool = False
) -> Descriptor:
    """Stores a manifest of these statements about the manifest `subject`; returns how an index names it.

    `artifact` gives it the form of an OCI artifact (image-spec manifest.md, "Guidelines for artifact usage"),
    which refers to its subject itself. InvalidInput for what is no statement, or a longer one than others
    would read. NoSpace, Denied.
    """
    layers = tuple([_layer(ctx, data) for data in statements])
    if artifact:
        plain = Descriptor(subject.media_type, subject.digest, subject.size)
        made = Manifest(_empty(ctx), layers, artifact_type=ARTIFACT, subject=plain)
    else:
        made = Manifest(_config(ctx, layers), layers)
    data = made.to_bytes()
    notes = {REFERENCE_DIGEST: subject.digest, REFERENCE_TYPE: ATTESTATION}
    return Descriptor(media.MANIFEST, ctx.blobs.put(data), len(data), notes, UNKNOWN)


def _config(ctx: Layers, layers: Sequence[Descriptor]) -> Descriptor:
    """An image config for no platform, which lists the layers: older tools want one."""
    data = canonical.dumps(
        {
            "architecture": UNKNOWN.architecture,
            "os": UNKNOWN.os,
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        }
    )
    return Descriptor(media.CONFIG, ctx.blobs.put(data), len(data))


def _empty(ctx: Layers) -> Descriptor:
    """The config of an artifact that has none."""
    data = b"{}"
    return Descriptor(media.EMPTY, ctx.blobs.put(data), len(data), data="e30=")


def is_attestation(descriptor: Descriptor) -> bool:
    """Whether an index names this manifest as attestations of another of its manifests."""
    return descriptor.annotations.get(REFERENCE_TYPE) == ATTESTATION


def readdressed(
    ctx: Layers, manifest: Manifest, before: Digest, after: Descriptor, made: dict[Digest, bytes]
) -> Manifest:
    """An attestation manifest that speaks of the manifest `after` wherever it spoke of `before`.

    Statements name their subject by its digest, so they are written anew; what was is put into `made`. One
    that names others, or that is signed, stays as it is. NotFound, Corrupt.
    """
    layers = tuple([_about(ctx, layer, before, after.digest, made) for layer in manifest.layers])
    subject, config = manifest.subject, manifest.config
    if subject is not None and subject.digest == before:
        subject = Descriptor(after.media_type, after.digest, after.size)
    if layers != manifest.layers and config.media_type != media.EMPTY:
        document = canonical.loads_object(ctx.blobs.read(config.digest), "attestation")
        document["rootfs"] = {"type": "layers", "diff_ids": [layer.digest for layer in layers]}
        data = canonical.dumps(document)
        config = config._replace(digest=sha256(data), size=len(data))
        made[config.digest] = data
    return manifest._replace(layers=layers, config=config, subject=subject)


def _about(
    ctx: Layers, layer: Descriptor, before: Digest, after: Digest, made: dict[Digest, bytes]
) -> Descriptor:
    """One statement, about `after` if it was about `before`."""
    if layer.media_type != IN_TOTO:
        return layer
    data = made.get(layer.digest) or ctx.blobs.read(layer.digest, MAX_SIZE)
    document = canonical.loads_object(data, "attestation", max_size=MAX_SIZE)
    subjects = document.get("subject")
    old = before.partition(":")[2]
    changed = False
    for subject in subjects if isinstance(subjects, list) else ():
        digests = subject.get("digest") if isinstance(subject, dict) else None
        if isinstance(digests, dict) and digests.get("sha256") == old:
            digests["sha256"] = after.partition(":")[2]
            changed = True
    if not changed:
        return layer
    data = canonical.dumps(document)
    layer = layer._replace(digest=sha256(data), size=len(data))
    made[layer.digest] = data
    return layer


def _layer(ctx: Layers, data: bytes) -> Descriptor:
    document = canonical.loads_object(data, "attestation", max_size=MAX_SIZE)
    kind = document.get("predicateType")
    if not isinstance(kind, str) or not kind:
        raise InvalidInput("attestation: it has no predicateType, so it is no in-toto statement")
    return Descriptor(IN_TOTO, ctx.blobs.put(data), len(data), {PREDICATE_TYPE: kind})
