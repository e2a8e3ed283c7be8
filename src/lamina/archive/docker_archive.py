"""What `docker save` writes: manifest.json, then configs and layers under any names (Docker 1.10 and later).

Docker up to 24 has a folder for each layer with layer.tar in it; since 25 the files are those of an OCI image
layout, blobs/sha256/HEX, and manifest.json names them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.archive.files import check_name, read_small
from lamina.archive.image import ArchivedImage, ArchivedLayer, check_count, check_digest
from lamina.errors import InvalidInput
from lamina.oci import canonical
from lamina.oci import config as configs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.archive.files import Files
    from lamina.oci.digest import DiffID

MANIFEST = "manifest.json"
_BLOBS = "blobs/sha256/"


def read_docker_archive(files: Files, elsewhere: Mapping[DiffID, str] = {}) -> list[ArchivedImage]:
    """The images of an archive. InvalidInput, Corrupt when its documents make no sense.

    `elsewhere` are the layers that it may lack, with the image that has each.
    """
    entries = canonical.loads(read_small(files, MANIFEST), MANIFEST)
    if not isinstance(entries, list) or not entries:
        raise InvalidInput(f"archive: {MANIFEST} is not a list of images")
    return [_image(files, entry, elsewhere) for entry in entries]


def _image(files: Files, entry: object, elsewhere: Mapping[DiffID, str]) -> ArchivedImage:
    if not isinstance(entry, dict):
        raise InvalidInput(f"archive: {MANIFEST} is not a list of images")
    name = check_name(entry.get("Config"))
    config_bytes = read_small(files, name, configs.MAX_SIZE)
    digest = _digest_in(name)
    if digest:
        check_digest(config_bytes, digest, name)
    config = configs.parse(config_bytes)
    names = [check_name(layer) for layer in _texts(entry, "Layers")]
    check_count(len(names), config)
    pairs = zip(names, config.diff_ids, strict=True)
    layers = [_layer(files, name, diff_id, elsewhere) for name, diff_id in pairs]
    return ArchivedImage(tuple(_texts(entry, "RepoTags")), config_bytes, config, b"", tuple(layers))


def _layer(files: Files, name: str, diff_id: DiffID, elsewhere: Mapping[DiffID, str]) -> ArchivedLayer:
    if diff_id in elsewhere and not files.has(name):
        return ArchivedLayer(files, name, diff_id, None, 0, "", elsewhere[diff_id])
    return ArchivedLayer(files, name, diff_id, None, files.size(name), "")


def _texts(entry: dict[str, object], key: str) -> list[str]:
    value = entry.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidInput(f"archive: {key} in {MANIFEST} is not a list of texts")
    return value


def _digest_in(name: str) -> str:
    """The digest that a config's file is named by; "" where it is named otherwise, as some tools do."""
    digits = name.removeprefix(_BLOBS).removesuffix(".json")
    return f"sha256:{digits}" if len(digits) == 64 and "/" not in digits else ""
