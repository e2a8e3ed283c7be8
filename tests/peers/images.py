"""Images in an archive of `docker save` or `lamina save`, read by nothing of Lamina: trees and configs."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import stat
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e.trees import Seen

_TYPES = {
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
}
_CAPABILITY = "SCHILY.xattr.security.capability"
_FOLDER = oct(stat.S_IFDIR)


class Member(NamedTuple):
    """One member of a layer; a hard link has the path of its file in `link` and nothing in `seen`."""

    path: str
    seen: Seen | None
    link: str


class Shown(NamedTuple):
    """One image: its config as JSON, the tree that its layers add up to, and which names are one file."""

    config: dict[str, Any]
    tree: dict[str, Seen]
    links: frozenset[frozenset[str]]


def read_images(archive: Path) -> dict[str, Shown]:
    """Every tagged image of an archive, by the short form of its tag."""
    with tarfile.open(archive) as tar:
        members = {member.name: member for member in tar}

        def read(name: str) -> bytes:
            while members[name].issym():  # equal layers, as docker saves them
                name = os.path.normpath(os.path.join(os.path.dirname(name), members[name].linkname))
            file = tar.extractfile(members[name])
            assert file is not None
            return file.read()

        layers: dict[str, list[Member]] = {}
        images: dict[str, Shown] = {}
        for line in json.loads(read("manifest.json")):
            for name in line["Layers"]:
                if name not in layers:
                    layers[name] = _layer(read(name))
            shown = _flatten(json.loads(read(line["Config"])), [layers[name] for name in line["Layers"]])
            for tag in line["RepoTags"] or ():
                images[tag.removeprefix("docker.io/library/").removesuffix(":latest")] = shown
    return images


def _layer(data: bytes) -> list[Member]:
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as tar:
        return [
            Member(
                _clean(member.name),
                None if member.islnk() else _seen(tar, member),
                _clean(member.linkname) if member.islnk() else "",
            )
            for member in tar
        ]


def _clean(name: str) -> str:
    return os.path.normpath(name).lstrip("/")


def _seen(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Seen:
    content, size = "", 0
    if member.isreg():
        file = tar.extractfile(member)
        assert file is not None
        data = file.read()
        content, size = _shown(data), len(data)
    elif member.issym():
        content = member.linkname
    elif member.ischr() or member.isblk():
        content = f"{member.devmajor}:{member.devminor}"
    value = member.pax_headers.get(_CAPABILITY)
    xattrs = ((_CAPABILITY, value.encode(errors="surrogateescape")),) if value else ()
    mode = 0o777 if member.issym() else member.mode & 0o7777
    kind = oct(_TYPES.get(member.type, stat.S_IFREG))
    return Seen(kind, mode, member.uid, member.gid, size, content, xattrs)


def _shown(data: bytes) -> str:
    """Short text as it is, so that a failure shows it; anything else by its digest."""
    if len(data) < 2000:
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
    return hashlib.sha256(data).hexdigest()


def _flatten(config: dict[str, Any], layers: list[list[Member]]) -> Shown:
    """The layers one over the other, with the whiteouts of the image-spec."""
    tree: dict[str, Seen] = {}
    numbers: dict[str, int] = {}  # which file a path names
    number = itertools.count()
    for layer in layers:
        for member in layer:
            folder, _, name = member.path.rpartition("/")
            if name == ".wh..wh..opq":
                _remove_below(tree, folder)
            elif name.startswith(".wh."):
                _remove(tree, os.path.join(folder, name.removeprefix(".wh.")))
        for member in layer:
            if member.path.rpartition("/")[2].startswith(".wh."):
                continue
            if member.seen is None:
                tree[member.path] = tree[member.link]
                numbers[member.path] = numbers[member.link]
                continue
            if member.seen.kind != _FOLDER:
                _remove(tree, member.path)
            tree[member.path] = member.seen
            numbers[member.path] = next(number)
    names: dict[int, set[str]] = {}
    for path in tree:
        names.setdefault(numbers[path], set()).add(path)
    return Shown(config, tree, frozenset(frozenset(same) for same in names.values() if len(same) > 1))


def _remove(tree: dict[str, Seen], path: str) -> None:
    seen = tree.pop(path, None)
    if seen is not None and seen.kind == _FOLDER:
        _remove_below(tree, path)


def _remove_below(tree: dict[str, Seen], path: str) -> None:
    for below in [name for name in tree if name.startswith(path + "/")]:
        del tree[below]
