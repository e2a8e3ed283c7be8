"""build --provenance, --sbom, --attest: what ends up in the index, in files, and in nothing by default."""

from __future__ import annotations

import json
import pickle
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from lamina import Engine
from lamina.build.request import BuildRequest
from tests.insight.spdx import check

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.lamina_command import Lamina

SLSA1, SLSA02 = "https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"
SPDX = "https://spdx.dev/Document"
DOCKERFILE = """FROM scratch AS tools
ARG BUILDKIT_SBOM_SCAN_STAGE={scan}
COPY tool /usr/lib/tool-2.0.dist-info/METADATA
FROM scratch
ARG TOKEN
COPY --from=tools /usr/lib /opt/
COPY status /var/lib/dpkg/status
"""


class Archive:
    """An OCI archive: its index, and the statements about each of its images."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path)  # noqa: SIM115 - closed in close
        (top,) = self._json("index.json")["manifests"]
        self.top = top
        self.document = self.blob(top["digest"])

    def close(self) -> None:
        self._tar.close()

    def blob(self, digest: str) -> Any:
        return self._json("blobs/sha256/" + digest.removeprefix("sha256:"))

    def statements(self) -> dict[str, dict[str, Any]]:
        """By predicate type, with the digest of its blob checked against the manifest's subject."""
        found = {}
        for each in self.document["manifests"]:
            about = each.get("annotations", {}).get("vnd.docker.reference.digest")
            if about is None:
                continue
            for layer in self.blob(each["digest"])["layers"]:
                statement = self.blob(layer["digest"])
                assert statement["predicateType"] == layer["annotations"]["in-toto.io/predicate-type"]
                assert {"sha256:" + subject["digest"]["sha256"] for subject in statement["subject"]} == {
                    about
                }
                found[statement["predicateType"]] = statement
        return found

    def _json(self, name: str) -> Any:
        file = self._tar.extractfile(name)
        assert file is not None
        return json.load(file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "context"
    made.mkdir()
    (made / "Dockerfile").write_text(DOCKERFILE.format(scan="false"))
    (made / "tool").write_text("Name: tool\nVersion: 2.0\n")
    (made / "status").write_text("Package: curl\nStatus: install ok installed\nVersion: 7.88\n\n")
    return made


def built(program: Lamina, folder: Path, *flags: str, **environ: str) -> Archive:
    path = folder.parent / "image.oci"
    program("build", "-q", "-t", "attested:1", "-o", f"type=oci,dest={path}", *flags, folder, **environ)
    return Archive(path)


def test_nothing_is_attested_unless_asked(program: Lamina, folder: Path) -> None:
    for flags in ([], ["--provenance=false", "--sbom=false"], ["--attest", "type=provenance,disabled=true"]):
        archive = built(program, folder, *flags)
        assert archive.top["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
        archive.close()


def test_provenance_and_sbom_are_beside_the_image(program: Lamina, folder: Path) -> None:
    archive = built(program, folder, "--provenance=true", "--sbom=true", "--build-arg", "TOKEN=t")
    assert archive.top["mediaType"] == "application/vnd.oci.image.index.v1+json"
    image, beside = archive.document["manifests"]
    assert image["platform"]["os"] == "linux"
    assert beside["platform"] == {"architecture": "unknown", "os": "unknown"}
    assert beside["annotations"]["vnd.docker.reference.type"] == "attestation-manifest"
    statements = archive.statements()
    assert list(statements) == [SPDX, SLSA1]
    platform = image["platform"]["os"] + "%2F" + image["platform"]["architecture"]
    assert statements[SLSA1]["subject"][0]["name"].startswith(f"pkg:docker/attested@1?platform={platform}")
    check(statements[SPDX]["predicate"])
    names = [each["name"] for each in statements[SPDX]["predicate"]["packages"]]
    assert names == ["docker.io/library/attested:1", "curl", "tool"]
    asked = statements[SLSA1]["predicate"]["buildDefinition"]["externalParameters"]["request"]
    assert asked["args"] == {"build-arg:TOKEN": "t"}  # the mode is max where none is given, as BuildKit's
    archive.close()


def test_packages_name_the_lines_of_the_dockerfile(program: Lamina, folder: Path) -> None:
    archive = built(program, folder, "--sbom=true")
    document = archive.statements()[SPDX]["predicate"]
    notes = [note["comment"].split() for note in document["packages"][0]["annotations"]]
    lines = {note[1]: note[3] for note in notes}
    packages = {each["name"]: each["comment"].split()[1] for each in document["packages"][1:]}
    assert lines[packages["tool"]] == "6"
    assert lines[packages["curl"]] == "7"
    archive.close()


@pytest.mark.parametrize("flag", ["--provenance=mode=min", "--attest=type=provenance,mode=min"])
def test_mode_min(program: Lamina, folder: Path, flag: str) -> None:
    archive = built(program, folder, flag, "--build-arg", "TOKEN=very-private")
    (statement,) = archive.statements().values()
    assert "very-private" not in json.dumps(statement)
    assert "buildConfig" not in statement["predicate"]["buildDefinition"]["internalParameters"]
    archive.close()


def test_version_builder_id_and_reproducible(program: Lamina, folder: Path) -> None:
    flag = "--provenance=mode=max,version=v0.2,builder-id=https://ci.example/7,reproducible=true"
    archive = built(program, folder, flag)
    predicate = archive.statements()[SLSA02]["predicate"]
    assert predicate["builder"]["id"] == "https://ci.example/7"
    assert predicate["metadata"]["reproducible"] is True
    assert predicate["buildConfig"]["llbDefinition"]
    archive.close()


def test_the_invocation_is_the_record_of_the_build(program: Lamina, folder: Path) -> None:
    archive = built(program, folder, "--provenance=true")
    metadata = archive.statements()[SLSA1]["predicate"]["runDetails"]["metadata"]
    assert metadata["invocationId"] in program("build", "ls")
    archive.close()


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--provenance=mode=middle", "invalid provenance mode"),
        ("--provenance=version=v3", "invalid provenance SLSA version"),
        ("--provenance=colour=red", "--provenance has no 'colour'"),
        ("--sbom=generator=some/image", "SBOM scanner"),
        ("--attest=type=magic", "unknown attestation type"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_built(
    program: Lamina, folder: Path, flag: str, message: str
) -> None:
    (folder / "status").write_text("something new\n")
    before = program("build", "ls", "-q").splitlines() if flag.startswith("--attest") else None
    assert message in program.both("build", flag, folder, status=1)[1]
    if before is not None:
        assert program("build", "ls", "-q").splitlines() == before


def test_a_scanned_stage_has_a_document_of_its_own(program: Lamina, folder: Path) -> None:
    (folder / "Dockerfile").write_text(DOCKERFILE.format(scan="true"))
    archive = built(program, folder, "--sbom=true")
    beside = archive.document["manifests"][1]
    kinds = [archive.blob(layer["digest"]) for layer in archive.blob(beside["digest"])["layers"]]
    assert [each["predicateType"] for each in kinds] == [SPDX, SPDX]
    first, second = (each["predicate"] for each in kinds)
    check(second)
    assert [each["name"] for each in second["packages"]] == ["tools", "tool"]
    assert first["documentNamespace"] != second["documentNamespace"]
    archive.close()


def test_each_platform_has_attestations_of_its_own(program: Lamina, folder: Path) -> None:
    archive = built(program, folder, "--sbom=true", "--platform=linux/amd64,linux/arm64")
    manifests = archive.document["manifests"]
    kinds = [each["platform"]["architecture"] for each in manifests]
    assert kinds == ["amd64", "arm64", "unknown", "unknown"]
    about = [each["annotations"]["vnd.docker.reference.digest"] for each in manifests[2:]]
    assert about == [each["digest"] for each in manifests[:2]]
    archive.close()


def test_the_sbom_is_the_same_with_source_date_epoch(program: Lamina, folder: Path) -> None:
    digests = []
    for _ in range(2):
        archive = built(program, folder, "--sbom=true", SOURCE_DATE_EPOCH="1000000000")
        digests.append(archive.top["digest"])
        archive.close()
    assert digests[0] == digests[1]


def test_outputs_of_files_have_them_as_files(program: Lamina, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    program("build", "-q", "--sbom=true", "--provenance=filename=how.json", "-o", out, folder)
    provenance = json.loads((out / "how.json").read_text())
    assert provenance["predicateType"] == SLSA1
    assert "var/lib/dpkg/status" in [subject["name"] for subject in provenance["subject"]]
    check(json.loads((out / "sbom.spdx.json").read_text())["predicate"])


def test_inline_only_leaves_provenance_out_of_files(program: Lamina, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    program("build", "-q", "--provenance=inline-only=true", "-o", out, folder)
    assert sorted(path.name for path in out.iterdir()) == ["opt", "var"]


def test_oci_artifact(program: Lamina, folder: Path) -> None:
    path = folder.parent / "image.oci"
    output = f"type=oci,dest={path},oci-artifact=true"
    program("build", "-q", "-t", "attested:1", "--sbom=true", "-o", output, folder)
    archive = Archive(path)
    image, beside = archive.document["manifests"]
    assert archive.blob(beside["digest"])["subject"]["digest"] == image["digest"]
    assert list(archive.statements()) == [SPDX]
    archive.close()
    assert "attested:1" in program("load", "-i", path)
    program("save", "--format=oci-archive", "-o", folder.parent / "again.oci", "attested:1")
    again = Archive(folder.parent / "again.oci")
    assert again.top["digest"] == archive.top["digest"]
    again.close()


def test_attestations_need_the_media_types_of_oci(program: Lamina, folder: Path) -> None:
    path = folder.parent / "image.oci"
    program("build", "-q", "--sbom=true", "-o", f"type=oci,dest={path},oci-mediatypes=false", folder)
    archive = Archive(path)
    assert archive.top["mediaType"] == "application/vnd.oci.image.index.v1+json"
    kinds = {each["mediaType"] for each in archive.document["manifests"]}
    assert kinds == {"application/vnd.oci.image.manifest.v1+json"}
    archive.close()


def test_a_store_keeps_them_with_the_name(program: Lamina, folder: Path, tmp_path: Path) -> None:
    program("build", "-q", "-t", "kept", "--provenance=true", folder)
    program("prune", "-f")
    path = tmp_path / "kept.oci"
    program("save", "--format=oci-archive", "-o", path, "kept")
    archive = Archive(path)
    assert list(archive.statements()) == [SLSA1]
    archive.close()


def test_from_python(program: Lamina, folder: Path) -> None:
    request = BuildRequest.of_folder(folder, tags=("from-python",))._replace(provenance="max", sbom=True)
    with Engine.open(str(program.root)) as engine:
        result = engine.build(request)
    assert result.index_digest is not None
    assert pickle.loads(pickle.dumps(result)) == result
