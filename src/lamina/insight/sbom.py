"""The packages of an image as an SPDX 2.3 document (JSON), the form that Docker's scanner writes.

A package's `comment` is `layerID: DIFF_ID` of the layer that brought it: where syft and BuildKit put it. The
image itself is a package too, which contains all others; its annotations say what made each layer. What the
document says depends on the image alone, but for `created`.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from lamina.insight.licences import expression
from lamina.insight.packages.package import APK, DEB, NODE, PYTHON, RPM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lamina.insight.packages.package import Package

Json = dict[str, object]

PREDICATE_TYPE = "https://spdx.dev/Document"
_DOCUMENT = "SPDXRef-DOCUMENT"
_NONE = "NOASSERTION"
_DATABASES = {DEB: "DPKG DB", APK: "APK DB", RPM: "RPM DB", PYTHON: "installed python package manifest file"}
_DATABASES[NODE] = "installed node module manifest file"
_PERSON = re.compile(r"\s*(.*?)\s*<([^<>]*)>.*")
_UNFIT = re.compile(r"[^A-Za-z0-9.-]+")


class Described(NamedTuple):
    """The image that a document is of: `layers` are pairs of a diff ID and what made it, bottom first."""

    name: str
    digest: str  # of its manifest
    purl: str  # "" for an image without a name
    layers: Sequence[tuple[str, str]]
    of: str = ""  # "stage NAME" when it is not the image itself, but what that was made with


def spdx(image: Described, packages: Sequence[Package], created: str, tool: str) -> Json:
    """The document. `created` is its time (RFC 3339), `tool` who wrote it, as NAME-VERSION."""
    known: dict[str, str] = {}
    elements = [_package(package, known) for package in packages]
    root = _image(image, created[:19] + "Z", tool, packages)
    contained = [_relation(str(root["SPDXID"]), "CONTAINS", str(each["SPDXID"])) for each in elements]
    document: Json = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": image.name,
        "documentNamespace": _namespace(image),
        "creationInfo": {"created": created[:19] + "Z", "creators": [f"Tool: {tool}"]},
        "packages": [root, *elements],
        "relationships": [_relation(_DOCUMENT, "DESCRIBES", str(root["SPDXID"])), *contained],
    }
    if known:
        document["hasExtractedLicensingInfos"] = _extracted(known)
    return document


def _namespace(image: Described) -> str:
    """A URI that only documents of this image have."""
    rest = "-" + _UNFIT.sub("-", image.of) if image.of else ""
    return "https://spdx.org/spdxdocs/lamina-" + image.digest.replace(":", "-") + rest


def _image(image: Described, moment: str, tool: str, packages: Iterable[Package]) -> Json:
    lines = {package.layer: package.line for package in packages if package.line}
    element: Json = {
        "SPDXID": "SPDXRef-Image-" + image.digest.rpartition(":")[2][:16],
        "name": image.name,
        "supplier": _NONE,
        "downloadLocation": _NONE,
        "filesAnalyzed": False,
        "licenseConcluded": _NONE,
        "licenseDeclared": _NONE,
        "copyrightText": _NONE,
        "primaryPackagePurpose": "CONTAINER",
    }
    if not image.of:
        element["versionInfo"] = image.digest
        element["checksums"] = [{"algorithm": "SHA256", "checksumValue": image.digest.rpartition(":")[2]}]
    if image.purl:
        element["externalRefs"] = [_reference(image.purl)]
    if image.layers:
        element["annotations"] = [
            {
                "annotationDate": moment,
                "annotationType": "OTHER",
                "annotator": f"Tool: {tool}",
                "comment": _layer(diff_id, created_by, lines),
            }
            for diff_id, created_by in image.layers
        ]
    return element


def _layer(diff_id: str, created_by: str, lines: Mapping[str, int]) -> str:
    line = f" line: {lines[diff_id]}" if diff_id in lines else ""
    return f"layerID: {diff_id}{line} createdBy: {created_by}"


def _package(package: Package, known: dict[str, str]) -> Json:
    licence = expression(package.licence)
    known.update(licence.extracted)
    element: Json = {
        "SPDXID": _identifier(package),
        "name": package.name,
        "versionInfo": package.version,
        "supplier": _NONE,
        "originator": _person(package.maintainer),
        "downloadLocation": _NONE,
        "filesAnalyzed": False,
        "homepage": package.homepage if re.match(r"https?://[^\s<>]+\Z", package.homepage) else "",
        "sourceInfo": f"acquired package info from {_DATABASES[package.kind]}: {package.path}",
        "licenseConcluded": _NONE,
        "licenseDeclared": licence.text or _NONE,
        "copyrightText": _NONE,
        "summary": package.description,
        "comment": f"layerID: {package.layer}",
        "externalRefs": [_reference(package.purl)],
    }
    return {name: value for name, value in element.items() if value != ""}


def _identifier(package: Package) -> str:
    """The same for the same package of every image; two of one name and version differ in their place."""
    digest = hashlib.sha256("\0".join((*package.key, package.path)).encode("utf-8", "surrogateescape"))
    return f"SPDXRef-Package-{package.kind}-{_UNFIT.sub('-', package.name)}-{digest.hexdigest()[:16]}"


def _person(text: str) -> str:
    """`Person: NAME (EMAIL)`, as SPDX writes it."""
    found = _PERSON.match(text)
    name, email = found.groups() if found else (text.strip(), "")
    name = name.strip("\"' ").replace("(", "").replace(")", "")
    if not name:
        name, email = email, ""
    return f"Person: {name} ({email})" if name and email else f"Person: {name}" if name else _NONE


def _reference(purl: str) -> Json:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}


def _relation(one: str, kind: str, other: str) -> Json:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _extracted(known: Mapping[str, str]) -> list[Json]:
    return [{"licenseId": name, "name": text, "extractedText": text} for name, text in sorted(known.items())]
