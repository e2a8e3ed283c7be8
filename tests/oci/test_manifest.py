"""Manifests and indexes: read, written, and refused when they can be read in two ways."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lamina.errors import InvalidInput
from lamina.oci import manifest, media
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import sha256
from lamina.oci.manifest import Index, Manifest
from lamina.oci.platform import Platform

BLOB = Descriptor(media.CONFIG, sha256(b"{}"), 2)
LAYER = Descriptor(media.LAYER_GZIP, sha256(b"x"), 1, annotations={"b": "2", "a": "1"})
IMAGE: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": media.MANIFEST,
    "artifactType": "a/b",
    "config": {"mediaType": media.CONFIG, "digest": sha256(b"{}"), "size": 2, "data": "e30="},
    "layers": [
        {
            "mediaType": media.LAYER,
            "digest": sha256(b"x"),
            "size": 1,
            "urls": ["http://x"],
            "annotations": {"a": "1"},
        },
        {"mediaType": media.LAYER, "digest": sha256(b"y"), "size": 0, "vendor": {"x": 1}},
    ],
    "subject": {"mediaType": media.MANIFEST, "digest": sha256(b"z"), "size": 3},
    "annotations": {"k": "v"},
    "vendor": [1],
}
LIST: dict[str, Any] = {
    "schemaVersion": 2,
    "manifests": [
        {
            "mediaType": media.MANIFEST,
            "digest": sha256(b"m"),
            "size": 5,
            "platform": {
                "architecture": "arm",
                "os": "linux",
                "variant": "v7",
                "os.features": ["f"],
                "features": ["q"],
            },
            "artifactType": "x/y",
        }
    ],
    "annotations": None,
}


def parse(value: object, media_type: str = "") -> Manifest | Index:
    return manifest.parse(json.dumps(value).encode(), media_type)


@pytest.mark.parametrize(
    "value", [IMAGE, LIST, {**LIST, "mediaType": media.DOCKER_INDEX}, {**LIST, "manifests": []}]
)
def test_reading_and_writing_gives_the_same(value: dict[str, Any]) -> None:
    assert parse(value).to_json() == value


def test_what_we_write_is_fixed() -> None:
    digest, other = sha256(b"{}"), sha256(b"x")
    assert Manifest(BLOB, (LAYER,)).to_bytes().decode() == (
        f'{{"schemaVersion":2,"mediaType":"{media.MANIFEST}",'
        f'"config":{{"mediaType":"{media.CONFIG}","digest":"{digest}","size":2}},'
        f'"layers":[{{"mediaType":"{media.LAYER_GZIP}","digest":"{other}","size":1,'
        '"annotations":{"a":"1","b":"2"}}]}'
    )
    platform = Platform("linux", "arm64", "v8")
    made = Index((LAYER._replace(platform=platform, annotations={}),))
    assert made.to_bytes().decode() == (
        f'{{"schemaVersion":2,"mediaType":"{media.INDEX}",'
        f'"manifests":[{{"mediaType":"{media.LAYER_GZIP}","digest":"{other}","size":1,'
        '"platform":{"architecture":"arm64","os":"linux","variant":"v8"}}]}'
    )
    assert manifest.parse_index(made.to_bytes()) == made


def test_an_empty_manifest_still_has_its_list() -> None:
    assert json.loads(Manifest(BLOB, ()).to_bytes())["layers"] == []
    assert json.loads(Index(()).to_bytes())["manifests"] == []


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"schemaVersion": 1, "fsLayers": []},
        {"schemaVersion": 2},
        {"schemaVersion": "2", "config": IMAGE["config"], "layers": []},
        {**IMAGE, "manifests": []},
        {**LIST, "config": IMAGE["config"]},
        {**LIST, "mediaType": media.MANIFEST},
        {**IMAGE, "mediaType": media.INDEX},
        {**IMAGE, "mediaType": "text/plain"},
        {**IMAGE, "layers": [{}]},
        {**IMAGE, "layers": {}},
        {**IMAGE, "config": {"mediaType": "x", "digest": "sha256:abc", "size": 1}},
        {**IMAGE, "config": {"mediaType": "x", "digest": sha256(b""), "size": -1}},
        {**IMAGE, "config": {"mediaType": "x", "digest": sha256(b""), "size": True}},
        {**IMAGE, "config": {"mediaType": "x", "digest": sha256(b""), "size": "1"}},
        {**IMAGE, "config": {"mediaType": 1, "digest": sha256(b""), "size": 1}},
    ],
)
def test_others_are_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        parse(value)


def test_the_announced_type_counts() -> None:
    assert parse(IMAGE, media.MANIFEST)
    with pytest.raises(InvalidInput, match="announced"):
        parse(IMAGE, media.DOCKER_MANIFEST)
    with pytest.raises(InvalidInput, match="not the media type"):
        parse(LIST, media.MANIFEST)
    assert parse(LIST, media.INDEX)


def test_one_kind_can_be_asked_for() -> None:
    with pytest.raises(InvalidInput, match="not an image"):
        manifest.parse_manifest(json.dumps(LIST).encode())
    with pytest.raises(InvalidInput, match="not an index"):
        manifest.parse_index(json.dumps(IMAGE).encode())


@pytest.mark.parametrize(
    ("media_type", "packing"),
    [(media.LAYER, ""), (media.DOCKER_LAYER_GZIP, "gzip"), (media.LAYER_ZSTD, "zstd"), (media.CONFIG, None)],
)
def test_packing_of_layers(media_type: str, packing: str | None) -> None:
    assert media.compression(media_type) == packing
