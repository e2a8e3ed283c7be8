"""Converted: an image as another Source has it, with OCI's media types, or with Docker's (schema 2).

Blobs stay as they are, configs too, so that the image ID stays; manifests become others, with other digests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from lamina.errors import InvalidInput, Unsupported
from lamina.oci import media
from lamina.oci.digest import Digest, sha256
from lamina.oci.manifest import Index, Manifest
from lamina.transfer.attest import REFERENCE_DIGEST
from lamina.transfer.ship import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.oci.descriptor import Descriptor
    from lamina.transfer.ends import Source

OCI, V2S2, DOCKER = "oci", "v2s2", "docker"  # the last two are the same
_MAX_NESTING = 4


def check(form: str) -> None:
    """InvalidInput, Unsupported for a form that cannot be made."""
    if form == "v2s1":
        raise Unsupported("format v2s1 is not supported: Docker gave schema 1 up", hint="use v2s2")
    if form not in ("", OCI, V2S2, DOCKER):
        raise InvalidInput(f"unknown format {form!r}", hint="use oci or docker")


class Converted:
    """What `root` of `source` is in another form. Unsupported for what Docker's has no name for."""

    def __init__(self, source: Source, root: Descriptor, form: str) -> None:
        """`form` has passed `check`."""
        self._source = source
        self._oci = form == OCI
        self._made: dict[Digest, bytes] = {}
        self._done: dict[Digest, tuple[str, Digest, int]] = {}  # what became of a document
        self.left_out = False  # annotations, which Docker's manifests do not have
        self._root = self._document(root, 0)

    @property
    def shown(self) -> str:
        """As it is called there."""
        return self._source.shown

    def root(self) -> Descriptor:
        """The new one."""
        return self._root

    def document(self, descriptor: Descriptor) -> bytes:
        """A new one."""
        return self._made[descriptor.digest]

    def has(self, descriptor: Descriptor) -> bool:
        """All that was there."""
        return descriptor.digest in self._made or self._source.has(descriptor)

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """As it was."""
        return self._source.open(descriptor)

    def places(self, digest: Digest) -> Sequence[str]:
        """As it was."""
        return self._source.places(digest)

    def _document(self, descriptor: Descriptor, depth: int) -> Descriptor:
        if depth > _MAX_NESTING:
            raise InvalidInput(f"{self.shown}: indexes in indexes, more than {_MAX_NESTING} deep")
        if descriptor.digest not in self._done:
            self._done[descriptor.digest] = self._convert(descriptor, depth)
        media_type, digest, size = self._done[descriptor.digest]
        return descriptor._replace(media_type=media_type, digest=digest, size=size)

    def _convert(self, descriptor: Descriptor, depth: int) -> tuple[str, Digest, int]:
        data = self._source.document(descriptor)
        document = parse(data, descriptor, self.shown)
        made: Manifest | Index
        if isinstance(document, Index):
            made, kind = self._index(document, depth), media.INDEX
        else:
            made, kind = self._manifest(document), media.MANIFEST
        if made != document:  # else the bytes stay, however they are written
            data = made.to_bytes()
        digest = sha256(data)
        self._made[digest] = data
        return self._type(kind), digest, len(data)

    def _index(self, index: Index, depth: int) -> Index:
        parts = [self._document(each, depth + 1) for each in index.manifests]
        new = {old.digest: part.digest for old, part in zip(index.manifests, parts, strict=True)}
        parts = [_readdressed(part, new) for part in parts]
        made = index._replace(media_type=self._type(media.INDEX), manifests=tuple(parts))
        if self._oci:
            return made
        self.left_out = self.left_out or bool(made.annotations)
        return made._replace(annotations={}, artifact_type="", subject=None)

    def _manifest(self, manifest: Manifest) -> Manifest:
        if not self._oci and (manifest.subject or manifest.config.media_type == media.EMPTY):
            raise Unsupported(f"{self.shown}: an OCI artifact has no form in Docker's schema 2")
        rows = [manifest.config, *manifest.layers]
        config, *layers = [row._replace(media_type=self._type(row.media_type)) for row in rows]
        for layer in layers:
            if not self._oci and media.compression(layer.media_type) == "zstd":
                raise Unsupported(
                    f"{self.shown}: Docker's schema 2 has no layers compressed with zstd",
                    hint="load the image and push it with --compression gzip",
                )
        made = manifest._replace(media_type=self._type(media.MANIFEST), config=config, layers=tuple(layers))
        if self._oci:
            return made
        self.left_out = self.left_out or bool(made.annotations)
        return made._replace(annotations={}, artifact_type="")

    def _type(self, media_type: str) -> str:
        return media.converted(media_type, oci=self._oci)


def _readdressed(part: Descriptor, new: dict[Digest, Digest]) -> Descriptor:
    """Attestations are of the manifest that took the place of theirs."""
    about = part.annotations.get(REFERENCE_DIGEST)
    if about not in new:
        return part
    return part._replace(annotations={**part.annotations, REFERENCE_DIGEST: new[Digest(about)]})
