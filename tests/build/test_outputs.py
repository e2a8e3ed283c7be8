"""--output: every type and option, what an output contains, and what is refused before anything is built."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from lamina.archive.compression import decompressed
from lamina.build.build import build
from lamina.build.request import BuildRequest, Output
from lamina.db import imagedb, indexdb
from lamina.db.names import resolve_image
from lamina.engine.outputs import Outputs
from lamina.errors import InvalidInput, LaminaError, NotFound, Unsupported
from lamina.events import Notice
from lamina.fetch.failures import FetchFailed
from lamina.oci import media
from lamina.oci import platform as platforms
from lamina.registry.settings import Settings
from tests.build.kitchen import HOST, Kitchen

if TYPE_CHECKING:
    from lamina.build.request import BuildResult

OTHER = platforms.parse("linux/arm64" if HOST.architecture != "arm64" else "linux/amd64")
TEXT = 'FROM busybox\nCOPY a /a\nCMD ["cat", "/a"]\n'
SMALL = "FROM scratch\nCOPY a /a\nCOPY d /d\n"
BOTH = (str(HOST), str(OTHER))


def offline() -> Settings:
    """No registry is asked."""
    return Settings(offline=True)


def deliver(kitchen: Kitchen, dockerfile: str, *outputs: Output, **options: object) -> BuildResult:
    """A build with its outputs, as the engine does it."""
    kitchen.events = []
    fields: dict[str, object] = {"context": str(kitchen.context), "dockerfile": dockerfile.encode()}
    request = BuildRequest(**(fields | {"output": outputs} | options))  # type: ignore[arg-type]
    made = Outputs(kitchen.ctx, request, kitchen.events.append, offline)
    result = build(kitchen.ctx, request, HOST, kitchen.events.append, kitchen.enter, kitchen.tools)
    return made.deliver(result)


@pytest.fixture
def small(kitchen: Kitchen) -> Kitchen:
    """A kitchen whose context has a file and a folder with one."""
    kitchen.write({"a": "A\n" * 5000, "d/b": "B"})
    os.utime(kitchen.context / "a", (1_600_000_000, 1_600_000_000))
    return kitchen


def members(path: Path) -> dict[str, bytes]:
    """The files in a tar."""
    with tarfile.open(path) as tar:
        return {m.name: cast("io.BufferedReader", tar.extractfile(m)).read() for m in tar if m.isfile()}


def blob(files: dict[str, bytes], digest: str) -> dict[str, object]:
    found = json.loads(files[f"blobs/sha256/{digest[7:]}"])
    assert isinstance(found, dict)
    return found


def top(files: dict[str, bytes]) -> dict[str, object]:
    """What the only row of index.json names."""
    (row,) = json.loads(files["index.json"])["manifests"]
    return blob(files, row["digest"])


def layers(files: dict[str, bytes], manifest: dict[str, object]) -> list[tuple[str, bytes]]:
    """The layers of a manifest: media type and bytes. Their digests are right."""
    found = []
    for layer in manifest["layers"]:  # type: ignore[attr-defined]
        data = files[f"blobs/sha256/{layer['digest'][7:]}"]
        assert hashlib.sha256(data).hexdigest() == layer["digest"][7:] and len(data) == layer["size"]
        found.append((layer["mediaType"], data))
    return found


# --- archives


def test_type_oci(small: Kitchen, tmp_path: Path) -> None:
    made = deliver(small, TEXT, Output("oci", str(tmp_path / "x.tar")), tags=("t", "u:1"))
    files = members(tmp_path / "x.tar")
    assert "manifest.json" not in files
    rows = json.loads(files["index.json"])["manifests"]
    names = [row["annotations"]["io.containerd.image.name"] for row in rows]
    assert names == ["docker.io/library/t:latest", "docker.io/library/u:1"]
    manifest = blob(files, rows[0]["digest"])
    assert manifest["config"]["digest"] == made.image_id  # type: ignore[index]
    assert {kind for kind, _ in layers(files, manifest)} == {media.LAYER_GZIP}
    assert small.tag("docker.io/library/t:latest") == made.image_id  # and it is in the store


def test_type_docker(small: Kitchen, tmp_path: Path) -> None:
    made = deliver(small, TEXT, Output("docker", str(tmp_path / "x.tar")), tags=("t",))
    files = members(tmp_path / "x.tar")
    (entry,) = json.loads(files["manifest.json"])
    assert entry["RepoTags"] == ["t:latest"]
    assert entry["Config"].endswith(made.image_id[7:])
    diff_ids = [hashlib.sha256(files[name]).hexdigest() for name in entry["Layers"]]
    assert [f"sha256:{digest}" for digest in diff_ids] == list(small.config(made.image_id).diff_ids)


@pytest.mark.parametrize("kind", ["oci", "docker"])
@pytest.mark.parametrize(
    ("compression", "media_type"),
    [
        ("gzip", media.LAYER_GZIP),
        ("zstd", media.LAYER_ZSTD),
        ("uncompressed", media.LAYER),
        ("none", media.LAYER),
    ],
)
def test_option_compression(
    small: Kitchen, tmp_path: Path, kind: str, compression: str, media_type: str
) -> None:
    made = deliver(small, SMALL, Output(kind, str(tmp_path / "x.tar"), {"compression": compression}))
    files = members(tmp_path / "x.tar")
    found = layers(files, top(files))
    assert [name for name, _ in found] == [media_type] * 2
    plain = [decompressed(io.BytesIO(data))[0].read() for _, data in found]
    digests = [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in plain]
    assert digests == list(small.config(made.image_id).diff_ids)


@pytest.mark.parametrize(("compression", "low", "high"), [("gzip", "0", "9"), ("zstd", "1", "19")])
def test_option_compression_level(
    small: Kitchen, tmp_path: Path, compression: str, low: str, high: str
) -> None:
    sizes = []
    for level in (low, high):
        options = {"compression": compression, "compression-level": level}
        deliver(small, SMALL, Output("oci", str(tmp_path / "x.tar"), options))
        files = members(tmp_path / "x.tar")
        sizes.append(sum(len(data) for _, data in layers(files, top(files))))
    assert sizes[0] > sizes[1]


def test_option_force_compression(small: Kitchen, tmp_path: Path) -> None:
    """Layers that came compressed stay as they are, without it."""
    deliver(small, "FROM scratch\nCOPY a /base\n", Output("oci", str(tmp_path / "base.tar")), tags=("gz",))
    from lamina.gc.context import Context
    from lamina.gc.images import remove_image
    from lamina.gc.sweep import sweep
    from lamina.transfer.load import load

    with small.db.write() as tx:
        tx.execute("DELETE FROM leases")
    remove_image(Context(*small.ctx), "gz")
    sweep(Context(*small.ctx), cache=True, all_images=False, dangling=True, all_cache=True)
    load(small.ctx, str(tmp_path / "base.tar"))
    kinds = {}
    for force in ("false", "true"):
        options = {"compression": "zstd", "force-compression": force}
        deliver(small, "FROM gz\nCOPY a /new\n", Output("oci", str(tmp_path / "x.tar"), options))
        files = members(tmp_path / "x.tar")
        kinds[force] = [name for name, _ in layers(files, top(files))]
    assert kinds == {
        "false": [media.LAYER_GZIP, media.LAYER_ZSTD],
        "true": [media.LAYER_ZSTD, media.LAYER_ZSTD],
    }


def test_option_oci_mediatypes(small: Kitchen, tmp_path: Path) -> None:
    deliver(small, SMALL, Output("oci", str(tmp_path / "x.tar"), {"oci-mediatypes": "false"}))
    files = members(tmp_path / "x.tar")
    manifest = top(files)
    assert manifest["mediaType"] == media.DOCKER_MANIFEST
    assert manifest["config"]["mediaType"] == media.DOCKER_CONFIG  # type: ignore[index]
    assert {kind for kind, _ in layers(files, manifest)} == {media.DOCKER_LAYER_GZIP}


def test_option_name(small: Kitchen, tmp_path: Path) -> None:
    deliver(small, SMALL, Output("oci", str(tmp_path / "x.tar"), {"name": "other:2,more"}), tags=("t",))
    rows = json.loads(members(tmp_path / "x.tar")["index.json"])["manifests"]
    names = [row["annotations"]["io.containerd.image.name"] for row in rows]
    assert names == ["docker.io/library/other:2", "docker.io/library/more:latest"]


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_option_tar_false_is_a_layout_folder(small: Kitchen, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "layout"
    made = deliver(small, SMALL, Output(kind, str(place), {"tar": "false"}), tags=("one",))
    deliver(small, SMALL + "LABEL a=b\n", Output(kind, str(place), {"tar": "false"}), tags=("two",))
    rows = json.loads((place / "index.json").read_text())["manifests"]
    assert [row["annotations"]["org.opencontainers.image.ref.name"] for row in rows] == ["latest"] * 2
    assert json.loads((place / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    for path in (place / "blobs/sha256").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    assert (place / "blobs/sha256" / made.image_id[7:]).exists()
    assert (place / "manifest.json").exists() == (kind == "docker")
    assert not list(place.rglob("*.tmp"))


def test_option_tar_false_does_not_overwrite_something_else(small: Kitchen, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("[]")
    with pytest.raises(InvalidInput, match="is no image layout"):
        deliver(small, SMALL, Output("oci", str(tmp_path), {"tar": "false"}))
    assert (tmp_path / "index.json").read_text() == "[]"


def test_option_rewrite_timestamp_needs_an_epoch(small: Kitchen, tmp_path: Path) -> None:
    output = Output("oci", str(tmp_path / "x.tar"), {"rewrite-timestamp": "true"})
    deliver(small, SMALL, output)
    told = [event.text for event in small.events if isinstance(event, Notice)]
    assert any("no source-date-epoch was found" in text for text in told)
    deliver(small, SMALL, output, build_args={"SOURCE_DATE_EPOCH": "1000"})
    assert not any(isinstance(event, Notice) for event in small.events)
    files = members(tmp_path / "x.tar")
    for _, data in layers(files, top(files)):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            assert all(member.mtime <= 1000 for member in tar)


# --- several platforms


def test_type_oci_with_several_platforms_is_an_index(small: Kitchen, tmp_path: Path) -> None:
    made = deliver(small, SMALL, Output("oci", str(tmp_path / "x.tar")), platforms=BOTH, tags=("t",))
    files = members(tmp_path / "x.tar")
    index = top(files)
    assert index["mediaType"] == media.INDEX
    assert [m["platform"]["architecture"] for m in index["manifests"]] == [  # type: ignore[attr-defined]
        HOST.architecture, OTHER.architecture,
    ]  # fmt: skip
    for row, image in zip(index["manifests"], made.images, strict=True):  # type: ignore[call-overload]
        manifest = blob(files, row["digest"])
        assert manifest["config"]["digest"] == image.image_id  # type: ignore[index]
        layers(files, manifest)
    found = resolve_image(small.db.read(), "t")
    assert found.index_digest == made.index_digest and found.image_id == made.image_id


def test_type_docker_has_no_index(small: Kitchen, tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInput, match="docker exporter does not currently support exporting manifest lists"
    ):
        deliver(small, SMALL, Output("docker", str(tmp_path / "x.tar")), platforms=BOTH)
    assert not small.events  # before anything was built


# --- files


def test_type_local(small: Kitchen, tmp_path: Path) -> None:
    deliver(small, SMALL, Output("local", str(tmp_path / "out")))
    assert (tmp_path / "out/a").read_text() == "A\n" * 5000
    assert (tmp_path / "out/b").exists() is False
    assert (tmp_path / "out/d/b").read_text() == "B"
    assert (tmp_path / "out/a").stat().st_mtime == 1_600_000_000


def test_type_local_copy_leaves_what_is_there(small: Kitchen, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    deliver(small, SMALL, Output("local", str(tmp_path), {"mode": "copy"}))
    assert (tmp_path / "mine").read_text() == "mine" and (tmp_path / "a").exists()


def test_type_local_mode_delete(small: Kitchen, tmp_path: Path) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    for path in (out / "old/deep", out / "d/old", outside):
        path.mkdir(parents=True)
        (path / "file").write_text("old")
    (out / "link").symlink_to(outside)
    (out / "d/b").write_text("changed")
    deliver(small, SMALL, Output("local", str(out), {"mode": "delete"}))
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*")) == ["a", "d", "d/b"]
    assert (out / "d/b").read_text() == "B"
    assert (outside / "file").read_text() == "old"


@pytest.mark.parametrize(
    "what", ["/", "the current folder", "the home folder", "the store", "the build context", "the system"]
)
def test_mode_delete_never_empties_the_machine(
    small: Kitchen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The folder is refused before the build begins, by whatever way it is named."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "link").symlink_to(".")
    folder = str(tmp_path / "link")
    if what == "/":
        folder, what = "//", "the current folder"
    elif what == "the current folder":
        monkeypatch.chdir(tmp_path / "inner")
        folder = ".."
    elif what == "the home folder":
        monkeypatch.setenv("HOME", str(tmp_path / "inner"))
    elif what == "the store":
        folder = small.layout.root
    elif what == "the system":
        folder = "/usr"
        monkeypatch.setenv("HOME", str(tmp_path))
    else:
        folder = str(small.context)
    output = Output("local", folder, {"mode": "delete"})
    request = BuildRequest(str(small.context), SMALL.encode(), output=(output,))
    with pytest.raises(InvalidInput, match=f"{what} is in there"):
        # Nothing is built or delivered here: were the check broken, this very test would empty the machine.
        Outputs(small.ctx, request, small.events.append, offline)


def test_type_local_platform_split(small: Kitchen, tmp_path: Path) -> None:
    deliver(small, SMALL, Output("local", str(tmp_path / "both")), platforms=BOTH)
    names = sorted(os.listdir(tmp_path / "both"))
    assert names == sorted(name.replace("/", "_") for name in BOTH)
    assert (tmp_path / "both" / names[0] / "d/b").read_text() == "B"
    deliver(small, SMALL, Output("local", str(tmp_path / "one"), {"platform-split": "true"}))
    assert os.listdir(tmp_path / "one") == [str(HOST).replace("/", "_")]
    with pytest.raises(InvalidInput, match="cannot lie in one folder"):
        deliver(small, SMALL, Output("local", str(tmp_path), {"platform-split": "false"}), platforms=BOTH)


def test_type_tar(small: Kitchen, tmp_path: Path) -> None:
    deliver(small, SMALL, Output("tar", str(tmp_path / "x.tar")))
    assert members(tmp_path / "x.tar") == {"a": b"A\n" * 5000, "d/b": b"B"}
    deliver(small, SMALL, Output("tar", str(tmp_path / "x.tar")), platforms=BOTH)
    folders = {name.split("/")[0] for name in members(tmp_path / "x.tar")}
    assert folders == {name.replace("/", "_") for name in BOTH}


def test_option_attestation_prefix(small: Kitchen, tmp_path: Path) -> None:
    small.write({"provenance.json": "mine"})
    text = SMALL + "COPY provenance.json /\n"
    with pytest.raises(InvalidInput, match=r"the image has a file provenance\.json"):
        deliver(small, text, Output("local", str(tmp_path / "out")), provenance="min")
    output = Output("tar", str(tmp_path / "x.tar"), {"attestation-prefix": "of-"})
    deliver(small, text, output, provenance="min")
    files = members(tmp_path / "x.tar")
    assert files["provenance.json"] == b"mine" and "predicate" in json.loads(files["of-provenance.json"])


def test_source_date_epoch_dates_the_files(small: Kitchen, tmp_path: Path) -> None:
    args = {"SOURCE_DATE_EPOCH": "1234"}
    outputs = Output("tar", str(tmp_path / "x.tar")), Output("local", str(tmp_path / "out"))
    deliver(small, "FROM busybox\nCOPY a /a\n", *outputs, build_args=args)
    with tarfile.open(tmp_path / "x.tar") as tar:
        assert {member.mtime for member in tar} == {1234}
    assert (tmp_path / "out/bin/busybox").stat().st_mtime == 1234


# --- the store


def test_type_image_name(small: Kitchen) -> None:
    made = deliver(small, SMALL, Output("image", "", {"name": "a:1,b"}), tags=("t",))
    assert set(made.tags) == {f"docker.io/library/{name}" for name in ("t:latest", "a:1", "b:latest")}
    for name in ("a:1", "b"):
        assert resolve_image(small.db.read(), name).image_id == made.image_id


def test_type_image_compression(small: Kitchen) -> None:
    made = deliver(small, SMALL, Output("image", "", {"compression": "zstd"}), tags=("t",))
    assert made.descriptor is not None and made.index_digest == made.descriptor.digest
    manifest = json.loads(small.ctx.blobs.read(made.descriptor.digest))
    assert {layer["mediaType"] for layer in manifest["layers"]} == {media.LAYER_ZSTD}
    assert all(small.ctx.blobs.has(layer["digest"]) for layer in manifest["layers"])


def test_type_cacheonly_leaves_no_image(small: Kitchen) -> None:
    before = imagedb.images(small.db.read())
    made = deliver(small, SMALL, Output("cacheonly"), tags=("t",))
    assert imagedb.images(small.db.read()) == before and made.tags == ()
    assert deliver(small, SMALL, Output("cacheonly")).cached  # the steps stay


def test_several_outputs_at_once(small: Kitchen, tmp_path: Path) -> None:
    outputs = [
        Output("oci", str(tmp_path / "oci.tar")), Output("docker", str(tmp_path / "docker.tar")),
        Output("tar", str(tmp_path / "files.tar")), Output("local", str(tmp_path / "out")),
        Output("image", "", {"name": "named"}), Output("cacheonly"),
    ]  # fmt: skip
    made = deliver(small, SMALL, *outputs)
    assert sorted(os.listdir(tmp_path)) == ["docker.tar", "files.tar", "oci.tar", "out"]
    assert resolve_image(small.db.read(), "named").image_id == made.image_id


# --- annotations and labels


def test_annotation_levels(small: Kitchen, tmp_path: Path) -> None:
    annotations = (
        "plain=1", "manifest:m=2", f"manifest[{OTHER}]:only=3", "index:i=4",
        "manifest-descriptor:md=5", "index-descriptor:id=6", "index,manifest:both=7",
    )  # fmt: skip
    output = Output("oci", str(tmp_path / "x.tar"))
    made = deliver(small, SMALL, output, platforms=BOTH, annotations=annotations, tags=("t",))
    files = members(tmp_path / "x.tar")
    (row,) = json.loads(files["index.json"])["manifests"]
    assert row["annotations"]["id"] == "6"
    index = blob(files, row["digest"])
    assert index["annotations"] == {"i": "4", "both": "7"}
    first, second = index["manifests"]  # type: ignore[misc]
    assert first["annotations"] == second["annotations"] == {"md": "5"}
    common = {"plain": "1", "m": "2", "both": "7"}
    assert blob(files, first["digest"])["annotations"] == common
    assert blob(files, second["digest"])["annotations"] == common | {"only": "3"}
    assert made.index_digest is not None
    assert json.loads(small.ctx.blobs.read(made.index_digest))["annotations"] == index["annotations"]


def test_annotations_of_one_output(small: Kitchen, tmp_path: Path) -> None:
    options = {"annotation.a": "1", "annotation-manifest.b": "2", "annotation-manifest-descriptor.c": "3"}
    deliver(small, SMALL, Output("oci", str(tmp_path / "x.tar"), options), annotations=("all=0",))
    files = members(tmp_path / "x.tar")
    assert top(files)["annotations"] == {"a": "1", "all": "0", "b": "2"}
    assert json.loads(files["index.json"])["manifests"][0]["annotations"] == {"c": "3"}
    row = imagedb.images(small.db.read())[0]
    assert "annotations" not in json.loads(small.ctx.blobs.read(row.manifest))


def test_index_annotations_need_an_index(small: Kitchen) -> None:
    for options in ({"annotations": ("index:a=b",)}, {"annotations": ("index-descriptor:a=b",)}):
        with pytest.raises(InvalidInput, match="index annotations not supported for single platform export"):
            deliver(small, SMALL, **options)
    assert not small.events


def test_label_goes_over_the_dockerfiles_own(small: Kitchen) -> None:
    text = SMALL + "LABEL a=dockerfile keep=1\n"
    made = small.build(text, labels={"a": "flag", "b": "new"})
    config = small.config(made.image_id)
    assert config.config.labels == {"a": "flag", "b": "new", "keep": "1"}
    assert config.history == small.config(small.build(text).image_id).history
    assert small.build(text, labels={"a": "flag", "b": "new"}).cached


# --- squash


def test_squash_makes_one_layer_of_the_new_ones(small: Kitchen) -> None:
    text = (
        "FROM busybox\nRUN echo secret > /secret && echo 1 > /kept && mkdir -p /d && echo x > /d/x\n"
        'RUN rm /secret && echo 2 >> /kept && rm -r /d && mkdir /d && rm /bin/dd\nCMD ["cat", "/kept"]\n'
    )
    plain, squashed = small.build(text), small.build(text, squash=True, tags=("s",))
    base = small.config(resolve_image(small.db.read(), "busybox").image_id)
    config = small.config(squashed.image_id)
    assert len(config.diff_ids) == len(base.diff_ids) + 1
    assert small.listing(squashed.image_id) == small.listing(plain.image_id)
    assert small.read(squashed.image_id, "kept") == "1\n2\n"
    lines = config.history[len(base.history) :]
    assert [line.empty_layer for line in lines] == [True, True, True, False]
    before = small.config(plain.image_id).history[len(base.history) :]
    assert [line.created_by for line in lines[:-1]] == [line.created_by for line in before]
    base_id = resolve_image(small.db.read(), "busybox").image_id
    assert lines[-1].comment == f"merge {plain.image_id} to {base_id}" and lines[-1].created_by == ""
    again = small.build(text, squash=True)
    assert again.image_id == squashed.image_id and again.cached


def test_squash_from_scratch(small: Kitchen) -> None:
    made = small.build(SMALL, squash=True)
    config = small.config(made.image_id)
    assert len(config.diff_ids) == 1
    assert config.history[-1].comment.startswith("create new from sha256:")
    assert sorted(small.listing(made.image_id)) == ["a", "d", "d/b"]


# --- what is refused, before anything is built


@pytest.mark.parametrize(
    ("output", "kind", "message"),
    [
        (Output("oci", "x", {"nonsense": "1"}), InvalidInput, "unknown option 'nonsense' of output type oci"),
        (Output("local", "x", {"compression": "gzip"}), InvalidInput, "unknown option 'compression'"),
        (
            Output("cacheonly", "", {"name": "x"}),
            InvalidInput,
            "unknown option 'name' of output type cacheonly",
        ),
        (Output("oci", "x", {"compression": "estargz"}), Unsupported, "estargz is not supported"),
        (Output("oci", "x", {"compression": "lzma"}), InvalidInput, "unsupported compression type lzma"),
        (Output("oci", "x", {"compression-level": "10"}), InvalidInput, "invalid compression-level '10'"),
        (Output("oci", "x", {"compression-level": "best"}), InvalidInput, "invalid compression-level 'best'"),
        (
            Output("oci", "x", {"force-compression": "maybe"}),
            InvalidInput,
            "non-bool value specified for force",
        ),
        (Output("oci", "", {"tar": "false"}), InvalidInput, "tar=false needs a folder"),
        (Output("oci", "x", {"name": "UPPER"}), InvalidInput, "must be lowercase"),
        (Output("oci", "x", {"annotation-what.a": "b"}), InvalidInput, "unknown annotation type"),
        (Output("local", "x", {"mode": "move"}), InvalidInput, "invalid mode 'move'"),
        (Output("image", "", {"push": "true"}), InvalidInput, "tag is needed when pushing"),
        (Output("image", "", {"push": "true", "name": "x"}), FetchFailed, "Lamina is offline"),
        (Output("registry", "", {"name": "x"}), FetchFailed, "Lamina is offline"),
        (Output("image", "", {"push": "maybe"}), InvalidInput, "non-bool value specified for push"),
        (
            Output("image", "", {"push": "true", "compression": "lz4"}),
            InvalidInput,
            "unsupported compression",
        ),
        (Output("oci", "x", {"compression": "zstd:chunked"}), Unsupported, "is for what is pushed"),
        (Output("image", "", {"store": "false"}), Unsupported, "store=false is not supported"),
    ],
)
def test_bad_options_are_refused_first(
    small: Kitchen, output: Output, kind: type[LaminaError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        deliver(small, SMALL, output)
    assert not small.events


def test_only_one_output_goes_to_standard_output(small: Kitchen) -> None:
    with pytest.raises(InvalidInput, match="only one output can go to standard output"):
        deliver(small, SMALL, Output("tar", "-"), Output("oci", "-"))


def test_a_place_that_is_not_there_leaves_nothing(small: Kitchen, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no such folder"):
        deliver(small, SMALL, Output("oci", str(tmp_path / "none/x.tar")))
    assert os.listdir(tmp_path) == []
    assert indexdb.indexes(small.db.read()) == []
