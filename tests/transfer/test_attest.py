"""Attestations as manifests of an index, in the form that BuildKit stores them in."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from lamina.errors import InvalidInput
from lamina.gc.context import Context
from lamina.gc.sweep import sweep
from lamina.oci import manifest as manifests
from lamina.oci.platform import Platform
from lamina.transfer.attest import attestation_manifest, is_attestation, statement, statement_of_files
from lamina.transfer.index import make_index, part_of, register_index
from lamina.transfer.save import save
from tests.insight.imaging import image

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.layers.context import Layers
    from lamina.oci.descriptor import Descriptor
    from lamina.transfer.index import Part

SPDX = "https://spdx.dev/Document"
SLSA = "https://slsa.dev/provenance/v1"
HOST = Platform("linux", "amd64")


def made(store: Layers, *statements: bytes) -> tuple[Part, Descriptor]:
    part = part_of(store, image(store, {"a": "b"}))
    return part, attestation_manifest(store, part.descriptor, statements)


def said(part: Part, kind: str = SPDX) -> bytes:
    return statement(
        kind, {"says": "so"}, ["docker.io/library/app:latest"], "linux/amd64", part.descriptor.digest
    )


def test_the_descriptor_names_its_subject_and_no_platform(store: Layers) -> None:
    part, found = made(store, statement(SPDX, {}, [], "", "sha256:" + "0" * 64))  # type: ignore[arg-type]
    assert found.to_json() == {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": found.digest,
        "size": len(store.blobs.read(found.digest)),
        "annotations": {
            "vnd.docker.reference.digest": part.descriptor.digest,
            "vnd.docker.reference.type": "attestation-manifest",
        },
        "platform": {"architecture": "unknown", "os": "unknown"},
    }
    assert is_attestation(found)
    assert not is_attestation(part.descriptor)


def test_statements_are_the_layers_and_the_config_lists_them(store: Layers) -> None:
    part = part_of(store, image(store, {"a": "b"}))
    statements = [said(part), said(part, SLSA)]
    found = attestation_manifest(store, part.descriptor, statements)
    manifest = manifests.parse_manifest(store.blobs.read(found.digest), found.media_type)
    assert [store.blobs.read(layer.digest) for layer in manifest.layers] == statements
    assert {layer.media_type for layer in manifest.layers} == {"application/vnd.in-toto+json"}
    kinds = [layer.annotations for layer in manifest.layers]
    assert kinds == [{"in-toto.io/predicate-type": SPDX}, {"in-toto.io/predicate-type": SLSA}]
    assert manifest.config.media_type == "application/vnd.oci.image.config.v1+json"
    assert json.loads(store.blobs.read(manifest.config.digest)) == {
        "architecture": "unknown",
        "os": "unknown",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in manifest.layers]},
    }


def test_an_artifact_names_its_subject_itself(store: Layers) -> None:
    part = part_of(store, image(store, {"a": "b"}))
    found = attestation_manifest(store, part.descriptor, [said(part)], artifact=True)
    document = json.loads(store.blobs.read(found.digest))
    assert document["artifactType"] == "application/vnd.docker.attestation.manifest.v1+json"
    assert document["config"] == {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "size": 2,
        "data": "e30=",
    }
    assert document["subject"] == {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": part.descriptor.digest,
        "size": part.descriptor.size,
    }
    assert store.blobs.read(document["config"]["digest"]) == b"{}"
    assert is_attestation(found)


def test_a_statement_names_the_manifest_by_each_of_its_names() -> None:
    digest = "sha256:" + "1" * 64
    names = ["docker.io/library/app:1", "ghcr.io/a/b:2"]
    document = json.loads(statement(SLSA, {"a": 1}, names, "linux/arm64", digest))  # type: ignore[arg-type]
    assert document == {
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": SLSA,
        "subject": [
            {"name": "pkg:docker/app@1?platform=linux%2Farm64", "digest": {"sha256": "1" * 64}},
            {"name": "pkg:docker/ghcr.io/a/b@2?platform=linux%2Farm64", "digest": {"sha256": "1" * 64}},
        ],
        "predicate": {"a": 1},
    }


def test_an_image_without_a_name_is_a_subject_all_the_same() -> None:
    document = json.loads(statement(SLSA, {}, [], "linux/arm64", "sha256:" + "1" * 64))  # type: ignore[arg-type]
    assert document["subject"] == [{"name": "_", "digest": {"sha256": "1" * 64}}]


def test_a_statement_about_files() -> None:
    document = json.loads(statement_of_files(SPDX, {}, [("etc/a", "00"), ("b", "11")]))
    assert document["subject"] == [
        {"name": "etc/a", "digest": {"sha256": "00"}},
        {"name": "b", "digest": {"sha256": "11"}},
    ]


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"predicateType": 1}', b'{"predicateType": ""}'])
def test_what_is_no_statement_is_refused(store: Layers, data: bytes) -> None:
    part = part_of(store, image(store, {"a": "b"}))
    with pytest.raises(InvalidInput):
        attestation_manifest(store, part.descriptor, [data])


@pytest.mark.parametrize("artifact", [False, True])
def test_skopeo_reads_an_archive_with_attestations(store: Layers, tmp_path: Path, artifact: bool) -> None:
    skopeo = shutil.which("skopeo")
    if skopeo is None:
        pytest.skip("needs skopeo")
    part = part_of(store, image(store, {"a": "b"}))
    statements = [said(part), said(part, SLSA)]
    found = attestation_manifest(store, part.descriptor, statements, artifact=artifact)
    document = make_index([part], [found])
    register_index(store, document, [part], ["app"], HOST)
    archive = tmp_path / "app.tar"
    with archive.open("wb") as file:
        save(store, ["app"], file.write, "oci-archive")
    raw = subprocess.run(
        [skopeo, "inspect", "--raw", f"oci-archive:{archive}"], check=True, capture_output=True
    ).stdout
    assert raw == document
    index = json.loads(raw)
    assert [each["platform"]["os"] for each in index["manifests"]] == ["linux", "unknown"]
    assert (
        index["manifests"][1]["annotations"]["vnd.docker.reference.digest"] == index["manifests"][0]["digest"]
    )
    copied = tmp_path / "copied"
    copy = [skopeo, "--insecure-policy", "copy", "--all", f"oci-archive:{archive}", f"dir:{copied}"]
    subprocess.run(copy, check=True, capture_output=True)
    assert said(part, SLSA) in [path.read_bytes() for path in copied.iterdir()]


def test_attestations_stay_as_long_as_their_index(store: Layers) -> None:
    part = part_of(store, image(store, {"a": "b"}))
    found = attestation_manifest(store, part.descriptor, [said(part)])
    register_index(store, make_index([part], [found]), [part], ["app"], HOST)
    manifest = manifests.parse_manifest(store.blobs.read(found.digest))
    stray = attestation_manifest(store, part.descriptor, [said(part, SLSA)])
    sweep(Context(*store), cache=True, all_images=False)
    assert not store.blobs.has(stray.digest)
    assert store.blobs.has(found.digest)
    assert store.blobs.has(manifest.config.digest)
    assert store.blobs.has(manifest.layers[0].digest)
