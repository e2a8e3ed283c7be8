"""Archives that lie: a clear error, and the store as before."""

from __future__ import annotations

import gzip
import io
import json
import os
from typing import TYPE_CHECKING

import pytest

from lamina.errors import Corrupt, InvalidInput, LaminaError, NotFound, Unsupported
from lamina.transfer.load import load
from tests.layers.stores import file as tar_file
from tests.layers.stores import member, state, tar_of
from tests.transfer.images import config_of, digest, oci_files, old_docker_archive, tar

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.layers.context import Layers

Files = dict[str, bytes | str | None]
LAYER = tar_of(tar_file("f", b"data"))
CONFIG = config_of(LAYER)
PLAIN = "application/vnd.oci.image.layer.v1.tar"


def docker(**change: bytes | str | None) -> Files:
    """A good archive of Docker's, with other files in it."""
    return old_docker_archive(CONFIG, [LAYER], "test:1") | {
        k.replace("__", "."): v for k, v in change.items()
    }


def manifest(**change: object) -> Files:
    """A good archive, with other fields in manifest.json."""
    files = docker()
    entries = json.loads(files["manifest.json"])  # type: ignore[arg-type]
    entries[0].update(change)
    return files | {"manifest.json": json.dumps(entries).encode()}


def oci(config: bytes = CONFIG, media_type: str = PLAIN, **more: object) -> Files:
    """A good OCI layout, with other fields in its manifest."""
    return oci_files(config, {LAYER: media_type}, **more)  # type: ignore[arg-type]


def index(change: Callable[[dict[str, object]], object]) -> Files:
    """A good layout whose index.json was changed."""
    files = oci()
    value = json.loads(files["index.json"])  # type: ignore[arg-type]
    change(value)
    return files | {"index.json": json.dumps(value).encode()}


def first(value: dict[str, object]) -> dict[str, object]:
    """The first descriptor of an index."""
    return value["manifests"][0]  # type: ignore[index,no-any-return]


OTHER = tar_of(tar_file("f", b"evil"))
HOSTILE: dict[str, Files | bytes] = {
    "not json": docker(manifest__json=b"[{"),
    "not a list": docker(manifest__json=b"{}"),
    "no image": docker(manifest__json=b"[]"),
    "not an object": docker(manifest__json=b"[1]"),
    "too deep": docker(manifest__json=b"[" * 100_000 + b"]" * 100_000),
    "too much json": docker(manifest__json=b"[" + b" " * (9 << 20) + b"]"),
    "config outside": manifest(Config="../../etc/passwd"),
    "config absolute": manifest(Config="/etc/passwd"),
    "config missing": manifest(Config="missing.json"),
    "config no text": manifest(Config=7),
    "config of another name": manifest(Config=digest(b"other") + ".json")
    | {digest(b"other") + ".json": CONFIG},
    "layers outside": manifest(Layers=["../layer.tar"]),
    "layer missing": manifest(Layers=["missing/layer.tar"]),
    "too few layers": manifest(Layers=[]),
    "tags no texts": manifest(RepoTags=[1]),
    "config is no config": docker() | {digest(CONFIG) + ".json": b"{}"},
    "config without diff ids": old_docker_archive(b'{"rootfs": 3}', []),
    "diff id with a path": old_docker_archive(
        CONFIG.replace(digest(LAYER).encode(), b"../../../../etc/passwd"), [LAYER]
    ),
    "another layer": old_docker_archive(CONFIG, [OTHER]),
    "layer is hostile": old_docker_archive(
        config_of(tar_of(member("l", "l", link="/tmp"), tar_file("l/x"))),
        [tar_of(member("l", "l", link="/tmp"), tar_file("l/x"))],
    ),
    "layer is a link outside": docker() | {digest(b"0") + "/layer.tar": "../../../../etc/passwd"},
    "layer is an absolute link": docker() | {digest(b"0") + "/layer.tar": "/etc/passwd"},
    "layer is a link to itself": docker() | {digest(b"0") + "/layer.tar": "layer.tar"},
    "a file twice": tar(docker()).rstrip(b"\0") + bytes(512) + tar({"manifest.json": b"[]"}),
    "before docker 1.10": {"repositories": b"{}", "x/layer.tar": LAYER},
    "a root file system": {"etc/passwd": b"root", "bin/sh": b""},
    "empty": {},
    "layout version": oci() | {"oci-layout": b'{"imageLayoutVersion": "2.0.0"}'},
    "layout is a list": oci() | {"oci-layout": b"[]"},
    "index and manifest": index(lambda value: value.update(layers=[], config={})),
    "index is no index": oci() | {"index.json": b'{"schemaVersion": 2}'},
    "schema 1": oci() | {"index.json": b'{"schemaVersion": 1}'},
    "digest with a path": index(lambda value: first(value).update(digest="sha256:../../../../etc/passwd")),
    "other algorithm": index(lambda value: first(value).update(digest="md5:" + "0" * 32)),
    "manifest missing": index(lambda value: first(value).update(digest="sha256:" + "0" * 64)),
    "manifest size": index(lambda value: first(value).update(size=1)),
    "manifest said to be an index": index(
        lambda value: first(value).update(mediaType="application/vnd.oci.image.index.v1+json")
    ),
    "too many images": index(lambda value: value.update(manifests=[first(value)] * 2000)),
    "blob with other bytes": oci() | {"blobs/sha256/" + digest(CONFIG): CONFIG.replace(b"amd64", b"arm64")},
    "layer with other bytes": oci() | {"blobs/sha256/" + digest(LAYER): OTHER},
    "layer cut short": oci() | {"blobs/sha256/" + digest(LAYER): LAYER[:-1]},
    "layer missing in layout": {k: v for k, v in oci().items() if digest(LAYER) not in k},
    "not an image": oci(config_of(LAYER), media_type="application/vnd.example+tar"),
    "fewer layers than diff ids": oci(config_of(LAYER, OTHER)),
    "config of an artifact": oci(config=b'{"rootfs": {"diff_ids": []}}'),
    "two keys": oci() | {"index.json": b'{"schemaVersion":2,"manifests":[],"manifests":[]}'},
    "no tar": b"MZ" + bytes(100_000),
    "cut short": tar(docker())[:3000],
    "gzip cut short": gzip.compress(tar(docker()))[:-9],
}


@pytest.mark.parametrize("files", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_archives(store: Layers, files: Files | bytes) -> None:
    before = state(store)
    data = files if isinstance(files, bytes) else tar(files)
    with pytest.raises((InvalidInput, Corrupt, NotFound, Unsupported)) as caught:
        load(store, io.BytesIO(data))
    assert isinstance(caught.value, LaminaError)
    assert "\n" not in caught.value.message
    assert state(store) == before


def test_the_good_ones_are_good(store: Layers) -> None:
    assert load(store, io.BytesIO(tar(docker())))
    assert load(store, io.BytesIO(tar(oci())))


def test_a_folder_with_links_in_it(store: Layers, folder: str) -> None:
    for name, data in oci().items():
        os.makedirs(os.path.dirname(f"{folder}/oci/{name}"), exist_ok=True)
        with open(f"{folder}/oci/{name}", "wb") as out:
            out.write(data)  # type: ignore[arg-type]
    os.rename(f"{folder}/oci/index.json", f"{folder}/index.json")
    os.symlink(f"{folder}/index.json", f"{folder}/oci/index.json")
    with pytest.raises(InvalidInput):
        load(store, f"{folder}/oci")
    os.unlink(f"{folder}/oci/index.json")
    os.mkfifo(f"{folder}/oci/index.json")
    with pytest.raises(InvalidInput):
        load(store, f"{folder}/oci")
    with pytest.raises(NotFound):
        load(store, f"{folder}/nothing")


def test_of_several_platforms_one_is_loaded(store: Layers) -> None:
    def inner(arch: str) -> tuple[Files, dict[str, object]]:
        files = oci(config_of(LAYER, architecture=arch))
        found = first(json.loads(files["index.json"]))  # type: ignore[arg-type]
        return files, found | {"platform": {"os": "linux", "architecture": arch}}

    files: Files = {}
    descriptors = []
    for arch in ("s390x", "amd64", "arm64"):
        more, found = inner(arch)
        files |= more
        descriptors.append(found)
    attestation = descriptors[0] | {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    nested = json.dumps({"schemaVersion": 2, "manifests": [attestation, *descriptors]}).encode()
    top = {
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "digest": "sha256:" + digest(nested),
        "size": len(nested),
        "annotations": {"io.containerd.image.name": "docker.io/library/multi:latest"},
    }
    files["blobs/sha256/" + digest(nested)] = nested
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [top]}).encode()
    from lamina.oci.platform import parse

    for arch in ("amd64", "arm64"):
        (loaded,) = load(store, io.BytesIO(tar(files)), platform=parse(f"linux/{arch}"))
        assert loaded == ("sha256:" + digest(config_of(LAYER, architecture=arch)), ("multi:latest",))
