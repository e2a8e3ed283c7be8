"""What an SPDX 2.3 document in JSON must have, from its schema, as far as our documents use it."""

from __future__ import annotations

import re

ID = re.compile(r"SPDXRef-[A-Za-z0-9.-]+\Z")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")
CREATOR = re.compile(r"(Tool|Person|Organization): \S.*\Z")
ORIGINATOR = re.compile(r"(NOASSERTION|(Person|Organization): .+)\Z")
_PART = "[A-Za-z0-9%._~:-]+"
PURL = re.compile(rf"pkg:[a-z]+(/{_PART})+(@{_PART})?(\?[a-z]+={_PART}(&[a-z]+={_PART})*)?\Z")
TERM = re.compile(r"[A-Za-z0-9.-]+\Z")
DOCUMENT = {
    "spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace", "creationInfo", "packages",
    "relationships",
}  # fmt: skip
PACKAGE = {"SPDXID", "name", "downloadLocation"}
KNOWN = PACKAGE | {
    "annotations", "checksums", "comment", "copyrightText", "externalRefs", "filesAnalyzed", "homepage",
    "licenseConcluded", "licenseDeclared", "originator", "primaryPackagePurpose", "sourceInfo", "summary",
    "supplier", "versionInfo",
}  # fmt: skip


def check(document: dict) -> None:  # type: ignore[type-arg]
    """Fails where a document is not as the schema and the specification have it."""
    assert set(document) - {"hasExtractedLicensingInfos"} == DOCUMENT
    assert document["spdxVersion"] == "SPDX-2.3"
    assert document["dataLicense"] == "CC0-1.0"
    assert document["SPDXID"] == "SPDXRef-DOCUMENT"
    assert re.match(r"https://[^#\s]+\Z", document["documentNamespace"])
    assert DATE.match(document["creationInfo"]["created"])
    assert document["creationInfo"]["creators"]
    assert all(CREATOR.match(each) for each in document["creationInfo"]["creators"])
    extracted = {each["licenseId"] for each in document.get("hasExtractedLicensingInfos", ())}
    assert all(each["extractedText"] for each in document.get("hasExtractedLicensingInfos", ()))
    for package in document["packages"]:
        _check_package(package, extracted)
    ids = [each["SPDXID"] for each in document["packages"]]
    assert len(ids) == len(set(ids))
    known = {"SPDXRef-DOCUMENT", *ids}
    for each in document["relationships"]:
        assert each["relationshipType"] in ("DESCRIBES", "CONTAINS")
        assert {each["spdxElementId"], each["relatedSpdxElement"]} <= known


def _check_package(package: dict, extracted: set[str]) -> None:  # type: ignore[type-arg]
    assert set(package) >= PACKAGE
    assert set(package) <= KNOWN
    assert ID.match(package["SPDXID"])
    assert package["name"]
    assert package["filesAnalyzed"] is False
    assert ORIGINATOR.match(package.get("originator", "NOASSERTION"))
    _check_licence(package["licenseDeclared"], extracted)
    for reference in package.get("externalRefs", ()):
        assert reference["referenceCategory"] == "PACKAGE-MANAGER"
        assert reference["referenceType"] == "purl"
        assert PURL.match(reference["referenceLocator"]), reference
    for note in package.get("annotations", ()):
        assert DATE.match(note["annotationDate"])
        assert note["annotationType"] == "OTHER"
        assert CREATOR.match(note["annotator"])
        assert note["comment"]


def _check_licence(text: str, extracted: set[str]) -> None:
    from lamina.insight.spdx_ids import EXCEPTIONS, LICENCES

    if text == "NOASSERTION":
        return
    words = text.replace("(", "( ").replace(")", " )").split()
    assert words.count("(") == words.count(")")
    words = [word for word in words if word not in "()"]
    for number, word in enumerate(words):
        if number % 2:
            assert word in ("AND", "OR", "WITH")
        elif number and words[number - 1] == "WITH":
            assert word in EXCEPTIONS
        else:
            assert TERM.match(word)
            assert word in LICENCES or word in extracted, word
