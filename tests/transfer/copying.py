"""What the tests of `copy` and `index` share: places, images with referrers, and what skopeo sees of them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.oci import media
from lamina.oci import platform as platforms
from lamina.oci.digest import sha256
from lamina.registry.settings import Settings
from lamina.transfer.copying import places as copyplaces
from lamina.transfer.copying.copy import Copied, Wish, copy
from lamina.transfer.copying.sources import Setting
from tests.registry.images import Made, descriptor, image, index

if TYPE_CHECKING:
    from lamina.layers.context import Layers

HOST = platforms.host(os.uname().machine)
OTHER = platforms.parse("linux/arm64" if HOST.architecture != "arm64" else "linux/amd64")
REF_NAME = "org.opencontainers.image.ref.name"
SBOM, SIGNATURE = "application/spdx+json", "application/x.signature"
ONE = image({"a": b"1" * 500}, {"b": b"2", ".wh.a": b""}, env=["A=b"])
TWO = index({str(OTHER): image({"a": b"1" * 500}, {"o": b"x"}, platform=str(OTHER)), str(HOST): ONE})


def setting(store: Layers | None = None, spool: str = "/nowhere") -> Setting:
    """Places without a store, unless one is given."""

    def need() -> Layers:
        assert store is not None, "the store was opened"
        return store

    return Setting(Settings, need, HOST, spool)


def put(source: str, target: str, store: Layers | None = None, **wish: Any) -> Copied:
    """Copies."""
    return copy(copyplaces.parse(source), copyplaces.parse(target), Wish(**wish), setting(store))


def layout(folder: Path, made: Made = TWO) -> str:
    """An image in a new layout `folder`; its place."""
    return made.layout(folder)


def artifact(folder: Path, subject: str, kind: str, data: bytes, tag: str = "") -> str:
    """Adds an artifact that refers to a manifest of a layout, or has a tag as cosign's; its digest."""
    of = json.loads((folder / "blobs/sha256" / subject[7:]).read_bytes())
    row: dict[str, Any] = {
        "mediaType": of["mediaType"],
        "digest": subject,
        "size": (folder / "blobs/sha256" / subject[7:]).stat().st_size,
    }
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media.MANIFEST,
        "artifactType": kind,
        "config": descriptor(b"{}", media.EMPTY),
        "layers": [descriptor(data, kind)],
    }
    if not tag:
        document["subject"] = row
    made = json.dumps(document).encode()
    for blob in (b"{}", data, made):
        (folder / "blobs/sha256" / sha256(blob)[7:]).write_bytes(blob)
    listed = json.loads((folder / "index.json").read_text())
    entry = descriptor(made, media.MANIFEST) | ({"annotations": {REF_NAME: tag}} if tag else {})
    listed["manifests"].append(entry)
    (folder / "index.json").write_text(json.dumps(listed))
    return sha256(made)


def signed(folder: Path) -> set[str]:
    """A layout with an index, its SBOM, a signature of that, an SBOM of a member, a signature of cosign's."""
    layout(folder)
    sbom = artifact(folder, TWO.digest, SBOM, b'{"of": "the index"}')
    return {
        sbom,
        artifact(folder, sbom, SIGNATURE, b"of the SBOM"),
        artifact(folder, ONE.digest, SBOM, b'{"of": "an image"}'),
        artifact(folder, TWO.digest, SIGNATURE, b"cosign", tag=TWO.digest.replace(":", "-") + ".sig"),
    }


def skopeo(*args: str) -> bytes:
    """Standard output of skopeo."""
    done = subprocess.run(["skopeo", *args], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def seen(place: str) -> str:
    """The digest of what skopeo finds at a place."""
    flags = ["--tls-verify=false"] if place.startswith("docker://") else []
    return sha256(skopeo("inspect", "--raw", *flags, place))


def rows(folder: Path) -> dict[str, str]:
    """What index.json of a layout names."""
    index = json.loads((folder / "index.json").read_text())
    return {each.get("annotations", {}).get(REF_NAME, ""): each["digest"] for each in index["manifests"]}


def files(folder: Path) -> set[str]:
    """All files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
