"""Images for tests, and archives as other tools write them, made by hand."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING

from lamina.layers.commit import commit_empty
from lamina.layers.write import LayerItem, write_layer
from lamina.oci.config import ContainerConfig, History, ImageConfig, RootFS
from lamina.transfer.register import register_image
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID

CREATED = "2026-01-02T03:04:05.678901234Z"
SECOND = 1_000_000_000


def entry(path: bytes, kind: Kind = Kind.FILE, data: bytes = b"", **more: object) -> LayerItem:
    """An item of a layer."""
    mode = 0o755 if kind is Kind.DIR else 0o644
    made = Entry(path, kind, mode, size=len(data), mtime=77 * SECOND)._replace(**more)  # type: ignore[arg-type]
    return LayerItem(made, data if kind is Kind.FILE else None)


FIRST = [
    entry(b"etc/passwd", data=b"root:x:0:0"),
    entry(b"etc/shadow", data=b"secret", mode=0o640, gid=42),
    entry(b"bin/sh", data=b"#!" * 1000, mode=0o4755),
    entry(b"bin/ash", Kind.HARDLINK, link=b"bin/sh"),
    entry(b"lib", Kind.SYMLINK, link=b"usr/lib"),
    entry(b"usr/lib/\xc3\xa4", data=b"umlaut", uid=1000, gid=1000, xattrs=((b"user.note", b"\0\1"),)),
    entry(b"tmp", Kind.DIR, mode=0o1777),
    entry(b"old/one", data=b"1"),
    entry(b"old/two", data=b"2"),
]
SECOND_LAYER = [
    entry(b"etc/passwd", data=b"root:x:0:0\nme:x:1:1"),
    entry(b"old/one", Kind.WHITEOUT),
    entry(b"new/file with space", data=b"new"),
]


def make_image(ctx: Layers, *tags: str, label: str = "") -> ImageID:
    """An image of four layers, two of them the empty one."""
    diffs = [write_layer(ctx, FIRST), commit_empty(ctx), write_layer(ctx, SECOND_LAYER), commit_empty(ctx)]
    ids = tuple(diff.diff_id for diff in diffs)
    lines = [History(CREATED, f"step {number}") for number in range(4)]
    lines.insert(2, History(CREATED, "CMD", empty_layer=True))
    config = ImageConfig(
        "amd64",
        "linux",
        rootfs=RootFS(ids),
        config=ContainerConfig(cmd=("sh",), labels={"label": label} if label else {}),
        history=tuple(lines),
        created=CREATED,
    )
    return register_image(ctx, config, ids, tags).image_id


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def tar(files: Mapping[str, bytes | str | None]) -> bytes:
    """A tar of files: bytes are content, text is a link's target, None is a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            made.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


def config_of(*layers: bytes, **more: object) -> bytes:
    """A config as Docker writes it, with a field of its own that nobody knows."""
    value = {
        "architecture": "amd64",
        "config": {"Cmd": ["sh"], "Hostname": "", "Env": None},
        "container_config": {"Odd": [1, 2]},
        "created": CREATED,
        "docker_version": "20.10.24",
        "history": [{"created": CREATED, "created_by": f"step {i}"} for i in range(len(layers))],
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest(layer) for layer in layers]},
    }
    return json.dumps(value | more).encode()


def old_docker_archive(
    config: bytes, layers: list[bytes], *tags: str, links: bool = True
) -> dict[str, bytes | str | None]:
    """The files of `docker save` as Docker 20.10 writes them: a layer that was written before is a link."""
    files: dict[str, bytes | str | None] = {}
    names: list[str] = []
    seen: dict[bytes, str] = {}
    for number, layer in enumerate(layers):
        folder = digest(b"%d" % number)
        files[folder + "/"] = None
        files[folder + "/VERSION"] = b"1.0"
        files[folder + "/json"] = json.dumps({"id": folder}).encode()
        files[folder + "/layer.tar"] = f"../{seen[layer]}/layer.tar" if links and layer in seen else layer
        seen.setdefault(layer, folder)
        names.append(folder + "/layer.tar")
    files[digest(config) + ".json"] = config
    entries = [{"Config": digest(config) + ".json", "RepoTags": list(tags) or None, "Layers": names}]
    files["manifest.json"] = json.dumps(entries).encode()
    files["repositories"] = b"{}"
    return files


def oci_files(
    config: bytes, layers: Mapping[bytes, str], annotations: Mapping[str, str] = {}, **more: object
) -> dict[str, bytes | str | None]:
    """The files of an OCI layout; `layers` are blobs with their media types."""

    def descriptor(data: bytes, media_type: str) -> dict[str, object]:
        return {"mediaType": media_type, "digest": "sha256:" + digest(data), "size": len(data)}

    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor(data, media_type) for data, media_type in layers.items()],
        "annotations": {"org.example.note": "kept"},
    } | more
    data = json.dumps(manifest).encode()
    top = descriptor(data, "application/vnd.oci.image.manifest.v1+json") | {"annotations": dict(annotations)}
    files: dict[str, bytes | str | None] = {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [top]}).encode(),
    }
    for blob in (config, data, *layers):
        files["blobs/sha256/" + digest(blob)] = blob
    return files
