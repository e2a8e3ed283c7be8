"""Small images as registries have them: blobs and manifests made by hand, and OCI layouts of them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamina.oci import media
from lamina.oci.digest import sha256


@dataclass
class Made:
    """One image, or an index of some: the document, and all that it names by digest."""

    data: bytes
    media_type: str
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return sha256(self.data)

    @property
    def layers(self) -> list[str]:
        return [each["digest"] for each in json.loads(self.data)["layers"]]

    @property
    def image_id(self) -> str:
        return str(json.loads(self.data)["config"]["digest"])

    def everything(self) -> dict[str, tuple[bytes, str]]:
        """All manifests, this one too."""
        return {**self.manifests, self.digest: (self.data, self.media_type)}

    def layout(self, folder: Path) -> str:
        """Writes an OCI layout, and returns what skopeo calls it."""
        where = folder / "blobs/sha256"
        where.mkdir(parents=True)
        for digest, data in {**self.blobs, **{d: m[0] for d, m in self.everything().items()}}.items():
            (where / digest.removeprefix("sha256:")).write_bytes(data)
        row = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}
        row["annotations"] = {"org.opencontainers.image.ref.name": "it"}
        (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [row]}))
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        return f"oci:{folder}:it"


def layer(files: Mapping[str, bytes]) -> bytes:
    """A tar as others write it: not in the form that Lamina packs."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def image(
    *layers: Mapping[str, bytes],
    platform: str = "",
    docker: bool = False,
    env: Sequence[str] = (),
    onbuild: Sequence[str] = (),
) -> Made:
    """An image of gzip layers with these files; `platform` this machine's if not given."""
    system, architecture, *variant = (platform or _here()).split("/")
    tars = [layer(files) for files in layers]
    packed = [gzip.compress(tar, mtime=0) for tar in tars]
    config: dict[str, Any] = {
        "os": system,
        "architecture": architecture,
        "config": {"Env": list(env), "OnBuild": list(onbuild) or None},
        "rootfs": {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]},
        "history": [{"created_by": f"layer {number}"} for number in range(len(tars))],
    }
    if variant:
        config["variant"] = variant[0]
    types = _DOCKERS if docker else _OCIS
    return manifest(json.dumps(config).encode(), packed, types)


_OCIS = (media.MANIFEST, media.CONFIG, media.LAYER_GZIP)
_DOCKERS = (media.DOCKER_MANIFEST, media.DOCKER_CONFIG, media.DOCKER_LAYER_GZIP)


def manifest(config: bytes, layers: Sequence[bytes], types: tuple[str, str, str] = _OCIS) -> Made:
    """The manifest of a config and layers, right or wrong."""
    document = {
        "schemaVersion": 2,
        "mediaType": types[0],
        "config": descriptor(config, types[1]),
        "layers": [descriptor(data, types[2]) for data in layers],
    }
    blobs = {sha256(data): data for data in (config, *layers)}
    return Made(json.dumps(document).encode(), types[0], blobs)


def descriptor(data: bytes, media_type: str) -> dict[str, object]:
    """What names these bytes."""
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}


def index(parts: Mapping[str, Made], *, docker: bool = False) -> Made:
    """An index with these images for these platforms."""
    rows = []
    for platform, made in parts.items():
        system, architecture, *variant = platform.split("/")
        own = {"os": system, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
        rows.append({**descriptor(made.data, made.media_type), "platform": own})
    media_type = media.DOCKER_INDEX if docker else media.INDEX
    document = {"schemaVersion": 2, "mediaType": media_type, "manifests": rows}
    blobs = {digest: data for made in parts.values() for digest, data in made.blobs.items()}
    inside = {digest: each for made in parts.values() for digest, each in made.everything().items()}
    return Made(json.dumps(document).encode(), media_type, blobs, inside)


def noise(size: int) -> bytes:
    """Bytes that do not get smaller, the same each time."""
    return b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(size // 32 + 1))[:size]


def _here() -> str:
    import os

    from lamina.oci.platform import host

    return str(host(os.uname().machine))
