"""What images hold, by an independent walk of their archives: Python's tarfile and json, nothing of Lamina.

    for image in read(archive):              # of docker save, lamina save, buildah push ..., or an OCI layout
        image.layers[2].entries[b"etc/x"]    # what the third layer has at /etc/x
        image.states()[2][b"etc/x"]          # what is to be seen there above it
        image.events(b"etc/x")               # [(layer from 0, what it did)]

Paths are bytes without the leading `/`; b"" is the root.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tarfile
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from pathlib import Path

_TYPES = {
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "link",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}
_XATTR = "SCHILY.xattr."
_CHUNK = 1 << 20


class Entry(NamedTuple):
    """One path. The names of one file (hard links) all have its size, content and owner, and its `inode`."""

    path: bytes
    type: str  # file, dir, link, char, block, fifo
    mode: int  # permission bits
    uid: int
    gid: int
    size: int
    mtime: int  # whole seconds
    link: bytes = b""  # target of a symbolic link
    device: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    sha256: str = ""  # of a file's content, in hex
    inode: bytes = b""  # the path of the file that it is a name of, itself or another's
    implied: bool = False  # a folder that the layer does not name, only what is in it

    @property
    def is_hard_link(self) -> bool:
        """Whether the tar has it as a link to another of its files."""
        return self.type == "file" and self.inode != self.path


State = dict[bytes, Entry]


class Layer(NamedTuple):
    """One layer: what its tar says. A path that is named twice is as it was named last.

    Folders that are not named are root's, mode 0755, also over one of a lower layer: as Docker unpacks them.
    """

    diff_id: str
    entries: State
    whiteouts: frozenset[bytes]
    opaque: frozenset[bytes]  # folders
    tar_size: int

    @property
    def size(self) -> int:
        """Bytes in its files; the names of one file count once."""
        return sum(
            each.size for each in self.entries.values() if each.type == "file" and not each.is_hard_link
        )

    def clears(self, path: bytes) -> bool:
        """Whether what lower layers have at `path` is gone here: by its own deed or by that on a folder."""
        if path in self.whiteouts:
            return True
        own = self.entries.get(path)
        if own is not None and own.type != "dir":
            return True
        folder = path
        while folder:
            folder = folder.rpartition(b"/")[0]
            mine = self.entries.get(folder)
            if folder in self.whiteouts or folder in self.opaque or (mine and mine.type != "dir"):
                return True
        return False

    def over(self, below: State) -> State:
        """The merged state of this layer on top of `below` (image-spec layer.md, "Whiteouts")."""
        state = {path: entry for path, entry in below.items() if not self.clears(path)}
        state.update(self.entries)
        return state


class Image(NamedTuple):
    """An image: its names as the archive has them, its config as JSON, its layers, the bottom first."""

    names: tuple[str, ...]
    config: dict[str, Any]
    config_digest: str
    layers: tuple[Layer, ...]
    annotations: dict[str, str]

    def states(self) -> list[State]:
        """The merged state above each layer."""
        states: list[State] = []
        for layer in self.layers:
            states.append(layer.over(states[-1] if states else {}))
        return states

    @property
    def state(self) -> State:
        """What a container of it sees."""
        return self.states()[-1] if self.layers else {}

    def history(self) -> list[tuple[dict[str, Any], int | None]]:
        """Each line with the layer (from 0) that it made; layers too many have an empty line."""
        rest = list(range(len(self.layers)))[::-1]
        lines: list[tuple[dict[str, Any], int | None]] = [
            (line, rest.pop() if rest and not line.get("empty_layer") else None)
            for line in self.config.get("history") or ()
        ]
        return lines + [({}, number) for number in reversed(rest)]

    def events(self, path: bytes) -> list[tuple[int, str]]:
        """What each layer (from 0) did to a path: "added", "changed", "deleted" of what is to be seen.

        Writing the same once more counts as "changed"; deleting what is not there is nothing.
        """
        found, before = [], False
        for number, layer in enumerate(self.layers):
            if path in layer.entries:
                found.append((number, "changed" if before else "added"))
                before = True
            elif before and layer.clears(path):
                found.append((number, "deleted"))
                before = False
        return found

    def owner(self, path: bytes) -> int:
        """The layer (from 0) whose entry is to be seen at `path`."""
        return self.events(path)[-1][0]


def read(archive: str | Path) -> list[Image]:
    """The images of an archive: those of manifest.json, else those of index.json (also of its indexes)."""
    with tarfile.open(archive, errors="surrogateescape") as tar:
        return _Reader(tar).images()


def only(archive: str | Path) -> Image:
    """The one image of an archive."""
    (image,) = read(archive)
    return image


class _Reader:
    """An open archive; layers that images share are read once."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members = {os.path.normpath(member.name): member for member in tar}
        self._layers: dict[str, Layer] = {}

    def images(self) -> list[Image]:
        if "manifest.json" in self._members:
            return [self._docker(each) for each in json.loads(self._bytes("manifest.json"))]
        return self._oci(json.loads(self._bytes("index.json"))["manifests"])

    def _docker(self, line: dict[str, Any]) -> Image:
        return self._image(line["RepoTags"] or (), line["Config"], line["Layers"], {})

    def _oci(self, descriptors: list[dict[str, Any]]) -> list[Image]:
        images: list[Image] = []
        for each in descriptors:
            document = json.loads(self._bytes(_blob(each)))
            if "manifests" in document:
                images += self._oci(document["manifests"])
                continue
            name = each.get("annotations", {}).get("org.opencontainers.image.ref.name")
            blobs = [_blob(layer) for layer in document["layers"]]
            notes = document.get("annotations") or {}
            images.append(self._image([name] if name else (), _blob(document["config"]), blobs, notes))
        return images

    def _image(self, names: Any, config: str, layers: list[str], annotations: dict[str, str]) -> Image:
        data = self._bytes(config)
        document = json.loads(data)
        found = tuple(self._layer(name) for name in layers)
        assert [layer.diff_id for layer in found] == document["rootfs"]["diff_ids"]
        return Image(tuple(names), document, "sha256:" + hashlib.sha256(data).hexdigest(), found, annotations)

    def _open(self, name: str) -> IO[bytes]:
        name = os.path.normpath(name)
        while self._members[name].issym():  # equal layers, as docker saves them
            name = os.path.normpath(os.path.join(os.path.dirname(name), self._members[name].linkname))
        file = self._tar.extractfile(self._members[name])
        assert file is not None
        return file

    def _bytes(self, name: str) -> bytes:
        return self._open(name).read()

    def _layer(self, name: str) -> Layer:
        if name not in self._layers:
            with self._plain(name) as stream:
                hashed = hashlib.sha256()
                size = 0
                while part := stream.read(_CHUNK):
                    hashed.update(part)
                    size += len(part)
            with self._plain(name) as stream, _tar(stream) as tar:
                self._layers[name] = _read_layer(tar, "sha256:" + hashed.hexdigest(), size)
        return self._layers[name]

    def _plain(self, name: str) -> IO[bytes]:
        stream = self._open(name)
        packed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        return cast("IO[bytes]", gzip.GzipFile(fileobj=stream)) if packed else stream


def _tar(stream: IO[bytes]) -> tarfile.TarFile:
    return tarfile.open(fileobj=stream, mode="r:", errors="surrogateescape")


def _blob(descriptor: dict[str, Any]) -> str:
    return "blobs/" + str(descriptor["digest"]).replace(":", "/")


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _clean(name: str) -> bytes:
    parts = [part for part in _raw(name).split(b"/") if part not in (b"", b".")]
    assert b".." not in parts
    return b"/".join(parts)


def _read_layer(tar: tarfile.TarFile, diff_id: str, tar_size: int) -> Layer:
    entries: State = {}
    whiteouts: set[bytes] = set()
    opaque: set[bytes] = set()
    for member in tar:
        path = _clean(member.name)
        folder, slash, name = path.rpartition(b"/")
        if name == b".wh..wh..opq":
            opaque.add(folder)
        elif b".wh..wh." in path:  # AUFS's own
            continue
        elif name.startswith(b".wh."):
            whiteouts.add(folder + slash + name[4:])
        elif member.islnk():
            target = entries[_clean(member.linkname)]
            entries[path] = target._replace(path=path, inode=target.inode)
        else:
            entries[path] = _entry(tar, member, path)
    for path in (*entries, *whiteouts, *(folder + b"/" for folder in opaque)):
        while path := path.rpartition(b"/")[0]:
            entries.setdefault(path, Entry(path, "dir", 0o755, 0, 0, 0, 0, implied=True))
    return Layer(diff_id, entries, frozenset(whiteouts), frozenset(opaque), tar_size)


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo, path: bytes) -> Entry:
    kind = _TYPES.get(member.type, "file")
    is_device = kind in ("char", "block")
    xattrs = [
        (_raw(name.removeprefix(_XATTR)), _raw(value))
        for name, value in member.pax_headers.items()
        if name.startswith(_XATTR)
    ]
    return Entry(
        path,
        kind,
        member.mode & 0o7777,
        member.uid,
        member.gid,
        member.size if kind == "file" else 0,
        int(member.mtime),
        _raw(member.linkname) if kind == "link" else b"",
        (member.devmajor, member.devminor) if is_device else (0, 0),
        tuple(sorted(xattrs)),
        _sha256(tar, member) if kind == "file" else "",
        path if kind == "file" else b"",
    )


def _sha256(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = tar.extractfile(member)
    assert file is not None
    hashed = hashlib.sha256()
    while part := file.read(_CHUNK):
        hashed.update(part)
    return hashed.hexdigest()
