"""Archives as other tools could have written them, member by member; and stores that load them.

    archive(path, [[file("etc/x", "1")], [gone("etc/x")]])

`TRICKY` is a stack in which layers do to each other all that they can; `random_layers` makes others.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile
from typing import TYPE_CHECKING, Any, NamedTuple

from lamina.transfer.load import load
from tests.insight import oracle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID

MOMENT = "2024-01-01T00:00:00Z"
NAME = "docker.io/library/asked:latest"


class Member(NamedTuple):
    """One member of a layer's tar."""

    info: tarfile.TarInfo
    content: bytes = b""


Stack = list[list[Member]]


def file(path: str, content: str | bytes = b"", mode: int = 0o644, **more: Any) -> Member:
    """A file; `more`: uid, gid, mtime, xattrs (a dict of texts). Odd bytes in a path are surrogates."""
    data = content.encode() if isinstance(content, str) else content
    info = _info(path, tarfile.REGTYPE, mode, **more)
    info.size = len(data)
    return Member(info, data)


def folder(path: str, mode: int = 0o755, **more: Any) -> Member:
    """A folder."""
    return Member(_info(path, tarfile.DIRTYPE, mode, **more))


def link(path: str, target: str, **more: Any) -> Member:
    """A symbolic link."""
    info = _info(path, tarfile.SYMTYPE, 0o777, **more)
    info.linkname = target
    return Member(info)


def hard(path: str, target: str) -> Member:
    """Another name of a file that stands before it in the same layer."""
    info = _info(path, tarfile.LNKTYPE, 0o644)
    info.linkname = target
    return Member(info)


def fifo(path: str, mode: int = 0o644) -> Member:
    """A named pipe."""
    return Member(_info(path, tarfile.FIFOTYPE, mode))


def gone(path: str) -> Member:
    """A whiteout of `path`."""
    parent, slash, name = path.rpartition("/")
    return file(f"{parent}{slash}.wh.{name}", mode=0)


def opaque(path: str) -> Member:
    """What makes a folder opaque."""
    return file(f"{path}/.wh..wh..opq", mode=0)


def _info(path: str, kind: bytes, mode: int, **more: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.mode = kind, mode
    for name, value in more.pop("xattrs", {}).items():
        info.pax_headers = {**info.pax_headers, f"SCHILY.xattr.{name}": value}
    for name, value in more.items():
        setattr(info, name, value)
    return info


def layer_tar(members: Sequence[Member]) -> bytes:
    """The bytes of a layer."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return out.getvalue()


def archive(
    path: Path,
    layers: Sequence[Sequence[Member]],
    *,
    name: str = NAME,
    history: Sequence[Mapping[str, Any]] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Path:
    """Writes an image as docker save does. Without a history layer N was made by "step N"."""
    data = [layer_tar(members) for members in layers]
    if history is None:
        history = [{"created": MOMENT, "created_by": f"step {n}"} for n in range(1, len(data) + 1)]
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": MOMENT,
        "config": dict(config or {}),
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + _hex(each) for each in data]},
        "history": list(history),
    }
    raw = json.dumps(document).encode()
    names = [f"{number}/layer.tar" for number in range(len(data))]
    line = {"Config": _hex(raw) + ".json", "RepoTags": [name], "Layers": names}
    parts: dict[str, bytes] = {f"{_hex(raw)}.json": raw, **dict(zip(names, data, strict=True))}
    parts["manifest.json"] = json.dumps([line]).encode()
    with tarfile.open(path, "w") as tar:
        for member, content in parts.items():
            info = tarfile.TarInfo(str(member))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def _hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Asked(NamedTuple):
    """An image in a store, and what it is by the oracle."""

    ctx: Layers
    image_id: ImageID
    image: oracle.Image


def loaded(ctx: Layers, path: Path) -> Asked:
    """Loads the one image of an archive."""
    (found,) = load(ctx, str(path))
    image = oracle.only(path)
    assert found.image_id == image.config_digest
    return Asked(ctx, found.image_id, image)


def asked(ctx: Layers, path: Path, layers: Sequence[Sequence[Member]], **more: Any) -> Asked:
    """Writes an archive at `path`, and loads it."""
    return loaded(ctx, archive(path, layers, **more))


TRICKY: Stack = [
    [
        folder("etc"),
        file("etc/passwd", "root\n", mtime=100),
        file("etc/kept", "kept"),
        file("etc/gone", "gone soon"),
        folder("srv/data"),
        file("srv/data/a", "a"),
        file("srv/data/b", "bb"),
        folder("srv/data/deep"),
        file("srv/data/deep/x", "x"),
        link("bin", "usr/bin"),
        file("usr/bin/tool", "#!/bin/sh\n", 0o755),
        hard("usr/bin/alias", "usr/bin/tool"),
        file("var/log/big", b"\0" * 5000),
        folder("was-folder"),
        file("was-folder/in", "in"),
        file("was-file", "file"),
        fifo("pipe"),
    ],
    [],  # a layer that changes nothing
    [
        file("etc/passwd", "root\n", 0o600, mtime=100),  # only its mode is another
        gone("etc/gone"),
        file("srv/data/b", "BB", uid=7, gid=8),
        gone("never/there"),
        file("odd/\udcff\udcfe", "not UTF-8"),
        file("odd/\x1b[31mred\n", "escapes"),
        file("odd/naïve ü", "ü"),
    ],
    [
        gone("srv/data"),
        folder("srv/data"),
        file("srv/data/new", "new"),
        file("was-folder", "a file now"),
        gone("was-file"),
        folder("was-file"),
        file("was-file/in", "in"),
        file("usr/bin/tool", "#!/bin/sh\nexit 1\n", 0o4755, xattrs={"user.who": "me"}),
        file("etc/gone", "back again"),
    ],
    [
        opaque("odd"),
        file("odd/only", "only"),
        gone("var"),
        folder("srv/data", 0o700, uid=5),
        file("etc/passwd", "root\n", 0o600, mtime=200),  # only touched
        file("a/b/c/d", "its folders stand in no layer"),
        gone("pipe"),
    ],
]


def random_layers(seed: int, layers: int = 5, paths: int = 12) -> Stack:
    """A stack that nobody thought of; the same for the same seed. No whiteout is of what its layer has."""
    rng = random.Random(seed)
    names = ["a", "b", "c", "d"]
    choice = ["/".join(rng.choices(names, k=rng.randint(1, 3))) for _ in range(paths)]
    return [_random_layer(rng, choice) for _ in range(layers)]


def _random_layer(rng: random.Random, choice: Sequence[str]) -> list[Member]:
    made: dict[str, Member] = {}
    hidden: list[Member] = []
    for path in rng.sample(choice, k=rng.randint(0, len(choice) // 2)):
        parts = path.split("/")
        above = ["/".join(parts[:n]) for n in range(1, len(parts))]
        inside = any(other.startswith(path + "/") for other in made)
        if any(up in made and not made[up].info.isdir() for up in above):
            continue
        if inside:
            made[path] = folder(path, rng.choice([0o755, 0o700]))
        else:
            made[path] = _random_member(rng, path)
        if made[path].info.isdir() and rng.random() < 0.25:
            hidden.append(opaque(path))
    for path in rng.sample(choice, k=rng.randint(0, 2)):
        inside = any(f"{each}/".startswith(path + "/") or path.startswith(each + "/") for each in made)
        hidden += [] if inside else [gone(path)]
    return [made[path] for path in sorted(made)] + hidden


def _random_member(rng: random.Random, path: str) -> Member:
    kind = rng.randrange(6)
    owner = {"uid": rng.randrange(2), "mtime": rng.randrange(3)}
    if kind == 0:
        return folder(path, rng.choice([0o755, 0o700]), **owner)
    if kind == 1:
        return link(path, rng.choice(["a", "b/c", "/d"]), **owner)
    return file(path, rng.choice(["", "one", "two", "three" * 20]), rng.choice([0o644, 0o755]), **owner)
