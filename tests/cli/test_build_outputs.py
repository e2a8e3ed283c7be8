"""The flags of `build` about what is built for, and what becomes of it; and --platform of other commands."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.build.request import Output
from lamina.cli.build_flags import parse_output
from lamina.errors import InvalidInput, Unsupported
from lamina.oci.platform import host, parse

if TYPE_CHECKING:
    from tests.e2e.lamina_command import Lamina

HOST = host(os.uname().machine)
OTHER = parse("linux/arm64" if HOST.architecture != "arm64" else "linux/amd64")
SMALL = "FROM scratch\nCOPY hello /hello\nARG TARGETARCH\nENV FOR=$TARGETARCH\n"


@pytest.fixture
def small(context: Path) -> Path:
    """A context that needs no base."""
    (context / "Dockerfile").write_text(SMALL)
    return context


def several(program: Lamina, small: Path, name: str) -> None:
    program("build", "-q", "--platform", f"{HOST},{OTHER}", "-t", name, small)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("out", Output("local", "out")),
        ("type=local,dest=out", Output("local", "out", {})),
        ("type=oci,dest=x.tar,compression=zstd", Output("oci", "x.tar", {"compression": "zstd"})),
        ("type=oci,tar=false,dest=x", Output("oci", "x", {"tar": "false"})),
        ("type=docker,tar=false,dest=x", Output("docker", "x", {"tar": "false"})),
        ("type=docker", None),
        ("type=docker,name=x", Output("image", "", {"name": "x"})),
        ("type=image", Output("image", "", {})),
        ('type=image,"name=a,b"', Output("image", "", {"name": "a,b"})),
        ("type=cacheonly", Output("cacheonly", "", {})),
        ("type=image,push=true", Output("image", "", {"push": "true"})),
        ("type=registry", Output("image", "", {"push": "true"})),
        ("type=registry,push=false", Output("image", "", {"push": "false"})),
    ],
)
def test_output_texts(text: str, expected: Output | None) -> None:
    assert parse_output(text) == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("type=floppy,dest=a", Unsupported),
        ("type=local", InvalidInput),
        ("type=cacheonly,dest=x", InvalidInput),
        ("type=image,dest=x", InvalidInput),
    ],
)
def test_bad_output_texts(text: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        parse_output(text)


def test_platform_flag_takes_several(program: Lamina, small: Path) -> None:
    several(program, small, "several")
    for platform in (HOST, OTHER):
        found = json.loads(program("inspect", "--platform", str(platform), "several"))[0]
        assert found["Architecture"] == platform.architecture
        assert f"FOR={platform.architecture}" in found["Config"]["Env"]
    assert program.inspect("several")["Architecture"] == HOST.architecture
    assert program.build("--platform", str(HOST), "--platform", str(OTHER), small).count("CACHED") >= 2


def test_platform_of_the_environment(program: Lamina, small: Path) -> None:
    program("build", "-q", "-t", "env", small, DOCKER_DEFAULT_PLATFORM=str(OTHER))
    assert program.inspect("env")["Architecture"] == OTHER.architecture
    program("build", "-q", "-t", "env", "--platform", "local", small, DOCKER_DEFAULT_PLATFORM=str(OTHER))
    assert program.inspect("env")["Architecture"] == HOST.architecture


def test_images_has_one_row_a_name(program: Lamina, small: Path) -> None:
    several(program, small, "rows")
    assert program("images", "-q", "rows").count("\n") == 1
    shown, everything = program("images", "-q").split(), program("images", "-aq").split()
    assert len(everything) > len(shown)


def test_inspect_platform_that_is_not_there(program: Lamina, small: Path) -> None:
    several(program, small, "two")
    out, err = program.both("image", "inspect", "--platform", "linux/s390x", "two", status=1)
    assert "does not match the specified platform: wanted linux/s390x" in err and out.strip() == "[]"


def test_history_platform(program: Lamina, small: Path) -> None:
    several(program, small, "hist")
    for platform in (HOST, OTHER):
        assert f"ENV FOR={platform.architecture}" in program("history", "--platform", str(platform), "hist")


def test_tag_names_the_whole_index(program: Lamina, small: Path) -> None:
    several(program, small, "before")
    program("tag", "before", "after")
    program("rmi", "before")
    for platform in (HOST, OTHER):
        found = json.loads(program("inspect", "--platform", str(platform), "after"))[0]
        assert found["Architecture"] == platform.architecture


def test_run_platform(program: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nARG TARGETARCH\nENV FOR=$TARGETARCH\n")
    program("build", "-q", "--platform", f"{HOST},{OTHER}", "-t", "ran", context)
    for platform in (HOST, OTHER):
        # The programs are this machine's; only the config is another's.
        out = program("run", "--rm", "--platform", str(platform), "ran", "sh", "-c", "echo $FOR")
        assert out == f"{platform.architecture}\n"
    program("run", "--rm", "--platform", "linux/s390x", "ran", "true", status=125)


def test_save_and_load_platform(program: Lamina, small: Path, tmp_path: Path) -> None:
    several(program, small, "moved")
    program("save", "-o", tmp_path / "all.tar", "moved")
    program("save", "--platform", str(OTHER), "-o", tmp_path / "one.tar", "moved")
    assert (tmp_path / "one.tar").stat().st_size < (tmp_path / "all.tar").stat().st_size
    program("rmi", "moved")
    program("load", "-i", tmp_path / "one.tar")
    assert program.inspect("moved")["Architecture"] == OTHER.architecture
    program("load", "-i", tmp_path / "all.tar")
    assert program.inspect("moved")["Architecture"] == HOST.architecture
    program("load", "--platform", str(OTHER), "-i", tmp_path / "all.tar")
    assert program.inspect("moved")["Architecture"] == OTHER.architecture


def test_iidfile(program: Lamina, small: Path, tmp_path: Path) -> None:
    program("build", "-q", "--iidfile", tmp_path / "id", "-t", "iid", small)
    assert (tmp_path / "id").read_text() == program.inspect("iid")["Id"]
    quiet = program("build", "-q", "--platform", f"{HOST},{OTHER}", "--iidfile", tmp_path / "id", small)
    assert (tmp_path / "id").read_text() == quiet.strip()
    assert program.inspect(quiet.strip())["Architecture"] == HOST.architecture  # the index has it


def test_metadata_file(program: Lamina, small: Path, tmp_path: Path) -> None:
    program("build", "-q", "--metadata-file", tmp_path / "m.json", "-t", "meta", "-t", "meta:2", small)
    found = json.loads((tmp_path / "m.json").read_text())
    assert sorted(found) == [
        "buildx.build.ref",
        "containerimage.config.digest",
        "containerimage.descriptor",
        "containerimage.digest",
        "image.name",
    ]
    assert found["containerimage.config.digest"] == program.inspect("meta")["Id"]
    assert found["image.name"] == "docker.io/library/meta:latest,docker.io/library/meta:2"
    assert found["containerimage.descriptor"]["digest"] == found["containerimage.digest"]
    assert found["containerimage.descriptor"]["platform"]["architecture"] == HOST.architecture
    assert program("build", "show", found["buildx.build.ref"].rpartition("/")[2])


def test_metadata_file_of_several_platforms(program: Lamina, small: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    flags = ("--annotation", "index-descriptor:a=b", "--provenance=mode=min")
    program("build", "-q", "--metadata-file", path, "--platform", f"{HOST},{OTHER}", *flags, small)
    found = json.loads(path.read_text())
    assert "containerimage.config.digest" not in found
    assert found["containerimage.descriptor"]["mediaType"].endswith("image.index.v1+json")
    assert found["containerimage.descriptor"]["annotations"] == {"a": "b"}
    assert {f"buildx.build.provenance/{HOST}", f"buildx.build.provenance/{OTHER}"} < set(found)


def test_quiet_prints_the_id_alone(program: Lamina, small: Path) -> None:
    out, err = program.both("build", "-q", "-t", "quiet", small)
    assert out.strip() == program.inspect("quiet")["Id"] and err == ""


def test_output_to_standard_output(program: Lamina, small: Path) -> None:
    import io
    import subprocess

    for flag in ("-", "type=tar", "type=tar,dest=-"):
        command = [*program.argv, "build", "-q", "-o", flag, str(small)]
        done = subprocess.run(command, capture_output=True, env=program.environ, check=True)
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
            assert "hello" in tar.getnames()


def test_output_options_reach_the_archive(program: Lamina, small: Path, tmp_path: Path) -> None:
    text = f"type=oci,dest={tmp_path}/x.tar,compression=zstd,annotation.who=me"
    program("build", "-q", "-t", "opt", "-o", text, small)
    with tarfile.open(tmp_path / "x.tar") as tar:
        blobs = [tar.extractfile(m) for m in tar if m.isfile()]
        text = b"".join(blob.read() for blob in blobs if blob is not None).decode("latin-1")
    assert "tar+zstd" in text and '"annotations":{"who":"me"}' in text


def test_output_cacheonly_prints_no_id(program: Lamina, small: Path, tmp_path: Path) -> None:
    flags = ("--iidfile", tmp_path / "id", "-t", "nothing")
    assert program("build", "-q", "-o", "type=cacheonly", *flags, small) == ""
    assert not (tmp_path / "id").exists()
    program("inspect", "nothing", status=1)
    program("build", "-q", "-o", "type=cacheonly", "--load", *flags, small)
    assert program.inspect("nothing")


def test_load_and_compress_change_nothing(program: Lamina, small: Path) -> None:
    plain = program("build", "-q", small)
    assert program("build", "-q", "--load", "--compress", small) == plain


def test_tag_flag(program: Lamina, small: Path) -> None:
    image_id = program("build", "-q", "-t", "one", "--tag", "example.com/two:3", small).strip()
    names = ["docker.io/library/one:latest", "example.com/two:3"]
    assert [program.inspect(name)["Id"] for name in names] == [image_id] * 2
    assert {"example.com/two:3", "one:latest"} <= set(program.inspect("one")["RepoTags"])


def test_label_flag(program: Lamina, small: Path) -> None:
    program("build", "-q", "--label", "a=b=c", "--label", "empty", "-t", "labels", small)
    assert program.inspect("labels")["Config"]["Labels"] == {"a": "b=c", "empty": ""}


def test_annotation_flag(program: Lamina, small: Path, tmp_path: Path) -> None:
    program("build", "-q", "--annotation", "manifest:k=v", "-t", "noted", small)
    program("save", "--format", "oci-archive", "-o", tmp_path / "x.tar", "noted")
    with tarfile.open(tmp_path / "x.tar") as tar:
        blobs = [tar.extractfile(m) for m in tar if m.isfile()]
        assert any(b'"annotations":{"k":"v"}' in blob.read() for blob in blobs if blob is not None)
    _, err = program.both("build", "--annotation", "nothing", small, status=1)
    assert 'invalid annotation "nothing", expected key=value' in err
    _, err = program.both("build", "--annotation", "index:a=b", small, status=1)
    assert "index annotations not supported for single platform export" in err


def test_squash_flag(program: Lamina, context: Path) -> None:
    program("build", "-q", "--squash", "-t", "squashed", context)
    layers = program.inspect("squashed")["RootFS"]["Layers"]
    assert len(layers) == len(program.inspect("busybox")["RootFS"]["Layers"]) + 1
    assert program("run", "--rm", "squashed") == "hello\n"


def test_source_date_epoch_that_is_none(program: Lamina, small: Path) -> None:
    _, err = program.both("build", small, status=1, SOURCE_DATE_EPOCH="yesterday")
    assert "invalid SOURCE_DATE_EPOCH: yesterday" in err
