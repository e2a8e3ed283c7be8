"""The SPDX document of an image: valid, the same for the same image, each package with its layer."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from lamina.insight.licences import expression
from lamina.insight.packages.package import Package
from lamina.insight.packages.packages import layers_of, packages
from lamina.insight.sbom import Described, spdx
from tests.insight.imaging import image
from tests.insight.spdx import check

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.layers.context import Layers

DIGEST = "sha256:" + "ab" * 32
CREATED = "2026-11-23T09:00:00.123456789Z"
TOOL = "lamina-0.1.0"
SITE = "usr/lib/python3/site-packages"


def metadata(name: str, *more: str) -> str:
    return "\n".join([f"Name: {name}", "Version: 1.0", *more, "", ""])


@pytest.fixture
def document(store: Layers) -> dict:  # type: ignore[type-arg]
    made = image(
        store,
        {
            "lib/apk/db/installed": "P:musl\nV:1.2\nA:x86_64\nL:MIT\nm:Timo <timo@x.y>\nU:https://musl.libc.org/\n\n"
        },
        {
            f"{SITE}/odd-1.0.dist-info/METADATA": metadata(
                "odd", "License: the odd licence", "Home-page: no url"
            ),
            f"{SITE}/dual-1.dist-info/METADATA": metadata(
                "dual", "License-Expression: MIT OR (Apache-2.0 AND ISC)"
            ),
            "srv/node_modules/@a/b/package.json": '{"name": "@a/b", "version": "1.0.0-rc.1+x"}',
            "srv/node_modules/c/node_modules/b/package.json": '{"name": "@a/b", "version": "1.0.0-rc.1+x"}',
        },
    )
    named = Described("docker.io/library/app:latest", DIGEST, "pkg:docker/app@latest", layers_of(store, made))
    return spdx(named, packages(store, made), CREATED, TOOL)  # type: ignore[return-value]


def test_the_document_is_valid(document: dict) -> None:  # type: ignore[type-arg]
    check(document)


def test_the_document_is_valid_for_the_tools_of_spdx(document: dict, tmp_path: Path) -> None:  # type: ignore[type-arg]
    program = shutil.which("pyspdxtools")
    if program is None:
        pytest.skip("needs pyspdxtools (pip install spdx-tools)")
    path = tmp_path / "sbom.spdx.json"
    path.write_text(json.dumps(document))
    done = subprocess.run([program, "-i", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_each_package_names_its_layer_and_each_layer_what_made_it(document: dict) -> None:  # type: ignore[type-arg]
    root, *rest = document["packages"]
    notes = [note["comment"] for note in root["annotations"]]
    assert [note.rpartition(" createdBy: ")[2] for note in notes] == ["step 1", "step 2"]
    layers = [note.split()[1] for note in notes]
    found = {each["name"]: each["comment"] for each in rest}
    assert found["musl"] == f"layerID: {layers[0]}"
    assert found["@a/b"] == found["odd"] == f"layerID: {layers[1]}"
    contained = [each for each in document["relationships"] if each["relationshipType"] == "CONTAINS"]
    assert [each["relatedSpdxElement"] for each in contained] == [each["SPDXID"] for each in rest]
    assert root["primaryPackagePurpose"] == "CONTAINER"
    assert root["versionInfo"] == DIGEST


def test_what_is_said_of_a_package(document: dict) -> None:  # type: ignore[type-arg]
    musl = next(each for each in document["packages"] if each["name"] == "musl")
    assert musl["licenseDeclared"] == "MIT"
    assert musl["originator"] == "Person: Timo (timo@x.y)"
    assert musl["homepage"] == "https://musl.libc.org/"
    assert musl["sourceInfo"] == "acquired package info from APK DB: /lib/apk/db/installed"
    assert musl["externalRefs"][0]["referenceLocator"] == "pkg:apk/alpine/musl@1.2?arch=x86_64"
    odd = next(each for each in document["packages"] if each["name"] == "odd")
    assert odd["licenseDeclared"] == "LicenseRef-the-odd-licence"
    assert "homepage" not in odd
    assert document["hasExtractedLicensingInfos"][0]["extractedText"] == "the odd licence"


def test_only_the_time_differs_between_two_documents(store: Layers) -> None:
    made = image(store, {"lib/apk/db/installed": "P:musl\nV:1.2\n\n"})
    named = Described("app", DIGEST, "", layers_of(store, made))
    one = json.dumps(spdx(named, packages(store, made), CREATED, TOOL))
    two = json.dumps(spdx(named, packages(store, made), "2030-01-01T00:00:00Z", TOOL))
    assert one == json.dumps(spdx(named, packages(store, made), CREATED, TOOL))
    assert one != two
    assert re.sub("2026-11-23T09:00:00Z", "", one) == re.sub("2030-01-01T00:00:00Z", "", two)


def test_the_namespace_is_of_the_image(store: Layers) -> None:
    one = spdx(Described("app", DIGEST, "", ()), (), CREATED, TOOL)
    two = spdx(Described("app", "sha256:" + "cd" * 32, "", ()), (), CREATED, TOOL)
    assert DIGEST[7:] in str(one["documentNamespace"])
    assert one["documentNamespace"] != two["documentNamespace"]


def test_an_image_without_packages_has_a_valid_document() -> None:
    document = spdx(Described("sha256:1", DIGEST, "", ()), (), CREATED, TOOL)
    check(document)
    assert len(document["packages"]) == 1  # type: ignore[arg-type]


def test_the_line_of_the_dockerfile_stands_with_its_layer() -> None:
    package = Package("pypi", "x", "1", purl="pkg:pypi/x@1", layer="sha256:1", line=7)
    document = spdx(Described("app", DIGEST, "", [("sha256:1", "RUN pip")]), [package], CREATED, TOOL)
    (note,) = document["packages"][0]["annotations"]  # type: ignore[index]
    assert note["comment"] == "layerID: sha256:1 line: 7 createdBy: RUN pip"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("MIT OR Apache-2.0", "MIT OR Apache-2.0"),
        ("(MIT or Apache-2.0) and ISC", "(MIT OR Apache-2.0) AND ISC"),
        ("GPLv2+ and MIT", "GPL-2.0-or-later AND MIT"),
        ("GPL-2+ AND LGPL-2.1", "GPL-2.0-or-later AND LGPL-2.1-only"),
        ("GPL-3.0-only WITH GCC-exception-3.1", "GPL-3.0-only WITH GCC-exception-3.1"),
        ("GPL-2 with OpenSSL exception", "LicenseRef-GPL-2-with-OpenSSL-exception"),
        ("Expat", "MIT"),
        ("ASL 2.0", "Apache-2.0"),
        ("MIT License", "MIT"),
        ("ISC License (ISCL)", "ISC"),
        ("public-domain AND MIT", "LicenseRef-public-domain AND MIT"),
        ("BSD License (new)", "LicenseRef-BSD-License-new"),
        ("MIT AND", "LicenseRef-MIT-AND"),
        ("(MIT", "LicenseRef-MIT"),
        ("Lizenz für alle", "LicenseRef-Lizenz-f-r-alle"),
        ("«»", "LicenseRef-unknown"),
    ],
)
def test_licences_become_expressions(text: str, expected: str) -> None:
    assert expression(text).text == expected


def test_two_texts_with_one_short_name_are_kept_apart() -> None:
    found = expression("«» AND »«")
    assert len(found.extracted) == 2
    assert found.text == " AND ".join(found.extracted)
