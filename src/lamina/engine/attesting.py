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
from lamina.insight.packages.packages import layers_of, made_by, packages, packages_of
from lamina.insight.sbom import PREDICATE_TYPE, Described, spdx
from lamina.layers.clock import now
from lamina.layers.lookup import Lookup
from lamina.oci.platform import host
from lamina.oci.purl import image_purl
from lamina.oci.timestamp import rfc3339
from lamina.transfer.attest import attestation_manifest, statement, statement_of_files
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamina.build.done import Scan
    from lamina.build.request import BuildRequest, BuildResult, BuiltImage
    from lamina.events import Observer
    from lamina.insight.packages.package import Package
    from lamina.layers.context import Layers
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import ImageID

_FILES = (Kind.FILE, Kind.HARDLINK)
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


def attest(
    ctx: Layers,
    request: BuildRequest,
    result: BuildResult,
    image: BuiltImage,
    subject: Descriptor,
    tell: Observer,
) -> list[Descriptor]:
    """Stores the attestations of one image of a build, whose manifest in an index is `subject`.

    What the index adds after its images: nothing where nothing was asked for. Files of layers are read: the
    caller is root in here. NoSpace, Corrupt.
    """
    found = attested(ctx, request, result, image, subject.digest, tell)
    statements = [
        statement(each.type, each.document, result.tags, str(image.platform), subject.digest)
        for each in found
    ]
    return [attestation_manifest(ctx, subject, statements)] if statements else []


def attestation_files(
    ctx: Layers, request: BuildRequest, result: BuildResult, image: BuiltImage, tell: Observer
) -> list[tuple[str, bytes]]:
    """Names and contents of the files that stand for attestations in an output of files alone."""
    row = imagedb.need_image(ctx.db.read(), image.image_id)
    found = attested(ctx, request, result, image, row.manifest, tell)
    wanted = [each for each in found if each.filename]
    if not wanted:
        return []
    chain = [diff_id for diff_id, _ in layers_of(ctx, image.image_id)]
    files = [(os.fsdecode(e.path), e.digest) for e in Lookup(ctx, chain[::-1]).tree() if e.kind in _FILES]
    return [(each.filename, statement_of_files(each.type, each.document, files)) for each in wanted]


def attested(
    ctx: Layers,
    request: BuildRequest,
    result: BuildResult,
    image: BuiltImage,
    digest: str,
    tell: Observer,
) -> list[Attested]:
    """What `request` wants attested of an image, whose manifest is `digest`."""
    found: list[Attested] = []
    if request.sbom:
        lines = {step.diff_id: step.line for step in result.steps}
        made = bill_of(ctx, image.image_id, result.tags, digest, _epoch(request), tell, lines=lines)
        found.append(Attested(PREDICATE_TYPE, made.document, SBOM_FILE))
        found += [_scanned(ctx, request, scan, digest, lines, tell) for scan in image.scans]
    if image.facts is not None:
        chosen = options(request.provenance_options)
        builder = str(host(os.uname().machine))
        told = predicate(ctx, image.facts, result.build_id, builder, lamina.__version__)
        found.append(Attested(told.type, told.document, "" if chosen.inline_only else chosen.filename))
    return found


def _scanned(
    ctx: Layers,
    request: BuildRequest,
    scan: Scan,
    digest: str,
    lines: Mapping[str, int],
    tell: Observer,
) -> Attested:
    """The packages of another stage: part of how the image came about, not of what it has."""
    layers = made_by(scan.history, scan.diff_ids)
    found = packages_of(ctx, layers, tell, lines=lines)
    described = Described(scan.name, digest, "", layers, of=f"stage {scan.name}")
    document = spdx(described, found, _epoch(request) or now(), _TOOL)
    return Attested(PREDICATE_TYPE, document, f"sbom-{scan.name}.spdx.json")


def bill(ctx: Layers, name: str, created: str, tell: Observer) -> Bill:
    """The packages of an image of the store, by its name or ID. NotFound, Conflict, Corrupt."""
    image_id = resolve_image(ctx.db.read(), name).image_id
    row = imagedb.need_image(ctx.db.read(), image_id)
    return bill_of(ctx, image_id, imagedb.tags(ctx.db.read(), image_id), row.manifest, created, tell)


def bill_of(
    ctx: Layers,
    image_id: ImageID,
    names: Sequence[str],
    digest: str,
    created: str,
    tell: Observer,
    *,
    lines: Mapping[str, int] = {},
) -> Bill:
    """The packages of an image as an SPDX document; `names` in full, `created` RFC 3339, "" for now."""
    platform = str(_platform(ctx, image_id))
    found = packages(ctx, image_id, tell, lines=lines)
    name = names[0] if names else image_id
    purl = image_purl(names[0], platform) if names else ""
    image = Described(name, digest, purl, layers_of(ctx, image_id))
    return Bill(found, spdx(image, found, created or now(), _TOOL))


def _epoch(request: BuildRequest) -> str:
    """SOURCE_DATE_EPOCH, where it is given; the build has checked that it is a number."""
    text = request.build_args.get(EPOCH, "")
    return rfc3339(int(text)) if text else ""


def _platform(ctx: Layers, image_id: ImageID) -> str:
    row = imagedb.need_image(ctx.db.read(), image_id)
    return "/".join(part for part in (row.os, row.architecture, row.variant) if part)
