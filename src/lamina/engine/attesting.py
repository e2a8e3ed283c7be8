"""Attestations of what a build made: its bill of materials and its provenance, as in-toto statements.

What insight knows of an image and what the build notes come together here; transfer.attest stores them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import lamina
from lamina.build.provenance import options, predicate
from lamina.db import imagedb
from lamina.db.names import resolve_image
from lamina.graph.scope import EPOCH
from lamina.insight.packages.packages import layers_of, made_by, packages_of
from lamina.insight.sbom import PREDICATE_TYPE, Described, spdx
from lamina.layers.clock import now
from lamina.layers.lookup import Lookup
from lamina.oci.platform import host
from lamina.oci.purl import image_purl
from lamina.oci.timestamp import rfc3339
from lamina.transfer.attest import attestation_manifest, statement, statement_of_files
from lamina.tree.entry import FILES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamina.build.done import Scan
    from lamina.build.request import BuildRequest, BuildResult, BuiltImage
    from lamina.events import Observer
    from lamina.insight.packages.package import Package
    from lamina.layers.context import Layers
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import DiffID

_TOOL = f"lamina-{lamina.__version__}"
SBOM_FILE = "sbom.spdx.json"


class Attested(NamedTuple):
    """A predicate about an image; `filename` is for outputs without an index, "" when none is wanted."""

    type: str
    document: Mapping[str, object]
    filename: str


class Bill(NamedTuple):
    """An image's packages, and the SPDX document that says so."""

    packages: tuple[Package, ...]
    document: Mapping[str, object]


class Attester:
    """Attests the images of one build, for as many outputs as it has; packages are looked for once.

    Files of layers are read: the caller is root in here.
    """

    def __init__(self, ctx: Layers, request: BuildRequest, result: BuildResult, tell: Observer) -> None:
        self._ctx = ctx
        self._request = request
        self._result = result
        self._tell = tell
        self._created = _epoch(request) or now()
        self._lines = {step.diff_id: step.line for step in result.steps}
        self._packages: dict[tuple[tuple[DiffID, str], ...], tuple[Package, ...]] = {}

    def attest(
        self, number: int, subject: Descriptor, names: Sequence[str], *, artifact: bool = False
    ) -> Sequence[Descriptor]:
        """Stores what is attested of the image with this number, whose manifest is `subject`.

        `names` are those that it gets, in full; `artifact` asks for the form of an OCI artifact. What an
        index adds after its images; nothing where nothing was asked for. NoSpace, Corrupt.
        """
        platform = str(self._result.images[number].platform)
        statements = [
            statement(each.type, each.document, names, platform, subject.digest)
            for each in self._attested(number, subject.digest)
        ]
        if not statements:
            return []
        return [attestation_manifest(self._ctx, subject, statements, artifact=artifact)]

    def files(self, number: int) -> list[tuple[str, bytes]]:
        """Names and contents of the files that stand for attestations in an output of files alone."""
        image_id = self._result.images[number].image_id
        row = imagedb.need_image(self._ctx.db.read(), image_id)
        wanted = [each for each in self._attested(number, row.manifest) if each.filename]
        if not wanted:
            return []
        chain = [diff_id for diff_id, _ in layers_of(self._ctx, image_id)][::-1]
        entries = [entry for entry in Lookup(self._ctx, chain).tree() if entry.kind in FILES]
        subjects = [(os.fsdecode(entry.path), entry.digest) for entry in entries]
        return [(each.filename, statement_of_files(each.type, each.document, subjects)) for each in wanted]

    def _attested(self, number: int, digest: str) -> list[Attested]:
        """What was asked for of an image, whose manifest is `digest`."""
        image = self._result.images[number]
        found: list[Attested] = []
        if self._request.sbom:
            found.append(self._bill(image, digest))
            found += [self._bill_of_stage(scan, digest) for scan in image.scans]
        if image.facts is not None:
            chosen = options(self._request.provenance_options)
            builder = str(host(os.uname().machine))
            told = predicate(self._ctx, image.facts, self._result.build_id, builder, lamina.__version__)
            filename = "" if chosen.inline_only else chosen.filename
            found.append(Attested(told.type, told.document, filename))
        return found

    def _bill(self, image: BuiltImage, digest: str) -> Attested:
        layers = layers_of(self._ctx, image.image_id)
        named = described(image.image_id, self._result.tags, str(image.platform), digest, layers)
        document = spdx(named, self._packages_of(layers), self._created, _TOOL)
        return Attested(PREDICATE_TYPE, document, SBOM_FILE)

    def _bill_of_stage(self, scan: Scan, digest: str) -> Attested:
        """The packages of another stage: part of how the image came about, not of what it has."""
        layers = made_by(scan.history, scan.diff_ids)
        named = Described(scan.name, digest, "", layers, of=f"stage {scan.name}")
        document = spdx(named, self._packages_of(layers), self._created, _TOOL)
        return Attested(PREDICATE_TYPE, document, f"sbom-{scan.name}.spdx.json")

    def _packages_of(self, layers: Sequence[tuple[DiffID, str]]) -> tuple[Package, ...]:
        stack = tuple(layers)
        if stack not in self._packages:
            self._packages[stack] = packages_of(self._ctx, stack, self._tell, lines=self._lines)
        return self._packages[stack]


def bill(ctx: Layers, name: str, created: str, tell: Observer) -> Bill:
    """The packages of an image of the store, by its name or ID, as an SPDX document.

    `created` is the time of the document (RFC 3339), "" for now. NotFound, Conflict, Corrupt.
    """
    image_id = resolve_image(ctx.db.read(), name).image_id
    row = imagedb.need_image(ctx.db.read(), image_id)
    platform = "/".join(part for part in (row.os, row.architecture, row.variant) if part)
    layers = layers_of(ctx, image_id)
    named = described(image_id, imagedb.tags(ctx.db.read(), image_id), platform, row.manifest, layers)
    found = packages_of(ctx, layers, tell)
    return Bill(found, spdx(named, found, created or now(), _TOOL))


def described(
    image_id: str, names: Sequence[str], platform: str, digest: str, layers: Sequence[tuple[DiffID, str]]
) -> Described:
    """An image for its SPDX document, by the first of its names, else by its ID."""
    purl = image_purl(names[0], platform) if names else ""
    return Described(names[0] if names else image_id, digest, purl, layers)


def _epoch(request: BuildRequest) -> str:
    """SOURCE_DATE_EPOCH, where it is given; the build has checked that it is a number."""
    text = request.build_args.get(EPOCH, "")
    return rfc3339(int(text)) if text.isdigit() else ""
