"""copy with other media types, and with what refers to an image."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lamina.errors import InvalidInput, Unsupported
from lamina.events import Event, Notice
from lamina.oci import media
from lamina.transfer.copying import places as copyplaces
from lamina.transfer.copying.copy import Wish, copy
from tests.registry.conftest import place
from tests.transfer.copying import ONE, TWO, artifact, files, layout, put, rows, setting, signed
from tests.transfer.copying import SBOM as SBOM_TYPE

__all__ = ["place"]


def test_dockers_media_types_and_back(place: Path) -> None:
    source = layout(place / "layout")
    docker = put(source, f"oci:{place}/out:docker", whole=True, form="v2s2")
    assert (docker.media_type, docker.digest != TWO.digest) == (media.DOCKER_INDEX, True)
    inside = json.loads((place / "out/blobs/sha256" / docker.digest[7:]).read_bytes())["manifests"]
    for row in inside:
        assert row["mediaType"] == media.DOCKER_MANIFEST
        document = json.loads((place / "out/blobs/sha256" / row["digest"][7:]).read_bytes())
        kinds = {each["mediaType"] for each in (document["config"], *document["layers"])}
        assert kinds == {media.DOCKER_CONFIG, media.DOCKER_LAYER_GZIP}
    configs = {name for name in files(place / "layout") if name.startswith("blobs/")}
    assert len(configs - files(place / "out")) == 3  # the documents alone
    again = put(f"oci:{place}/out:docker", f"oci:{place}/out:oci", whole=True, form="oci")
    assert again.media_type == media.INDEX
    assert put(source, f"oci:{place}/same:x", whole=True, form="oci").digest == TWO.digest


def test_annotations_have_no_place_in_dockers_and_that_is_told(place: Path) -> None:
    document = json.loads(ONE.data) | {"annotations": {"a": "b"}}
    noted = replace(ONE, data=json.dumps(document).encode())
    told: list[Event] = []
    target = copyplaces.parse(f"oci:{place}/out:x")
    source = copyplaces.parse(layout(place / "layout", noted))
    made = copy(source, target, Wish(form="docker"), setting(), told.append)
    assert "annotations" not in json.loads((place / "out/blobs/sha256" / made.digest[7:]).read_bytes())
    assert [each.text for each in told if isinstance(each, Notice) and "nnotations are" in each.text]


def test_what_has_no_other_form(place: Path) -> None:
    source = layout(place / "layout")
    artifact(place / "layout", TWO.digest, SBOM_TYPE, b"{}", tag="sbom")
    for wish, words in (
        ({"form": "v2s1"}, "v2s1 is not supported"),
        ({"form": "zip"}, "unknown format"),
        ({"form": "oci", "referrers": True}, "nothing refers to"),
    ):
        with pytest.raises((Unsupported, InvalidInput), match=words):
            put(source, f"oci:{place}/out", **wish)
    with pytest.raises(Unsupported, match="an OCI artifact"):
        put(f"oci:{place}/layout:sbom", f"oci:{place}/out", form="v2s2")
    with pytest.raises(Unsupported, match="is not a container image"):
        put(f"oci:{place}/layout:sbom", f"docker-archive:{place}/out.tar")
    assert {path.name for path in place.iterdir()} == {"layout"}


def test_referrers_between_layouts(place: Path) -> None:
    artifacts = signed(place / "layout")
    source = f"oci:{place}/layout:it"
    assert put(source, f"oci:{place}/none:x", whole=True).referrers == 0
    assert put(source, f"oci:{place}/all:x", whole=True, referrers=True).referrers == 4
    assert artifacts < {"sha256:" + name.rpartition("/")[2] for name in files(place / "all")}
    assert (
        put(f"oci:{place}/all:x", f"oci-archive:{place}/a.tar:x", whole=True, referrers=True).referrers == 4
    )
    assert put(f"oci-archive:{place}/a.tar:x", f"oci:{place}/one:x", referrers=True).referrers == 1
    assert len(rows(place / "one")) == 2
    put(source, f"oci:{place}/all:x", whole=True, referrers=True)  # once more: no row twice
    assert len(json.loads((place / "all/index.json").read_text())["manifests"]) == 5
