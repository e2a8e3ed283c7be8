"""Ends of `copy` that are files: a layout or an archive to read an image from, or to write one to.

See transfer.ends for what a Source and a Sink are; those of registries are in transfer.registry_ends.
"""

from __future__ import annotations

from _thread import allocate_lock
from typing import TYPE_CHECKING, BinaryIO

from lamina.archive import docker_archive, oci_layout
from lamina.archive.checked import checked
from lamina.archive.compression import CHUNK
from lamina.archive.files import MAX_JSON
from lamina.archive.since import left_out
from lamina.errors import Corrupt, InvalidInput, NotFound
from lamina.oci import canonical
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.manifest import Index
from lamina.transfer.registry_ends import type_of
from lamina.tree.entry import Entry, Kind
from lamina.tree.tar.write import TarWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamina.archive.files import Files
    from lamina.archive.layoutfolder import LayoutFolder
    from lamina.archive.newfile import NewFile
    from lamina.oci.digest import Digest
    from lamina.transfer.ends import Moved, Opener


class LayoutSource:
    """One image of an OCI layout, a folder or a tar; `row` is what index.json says of it."""

    def __init__(self, files: Files, row: Descriptor, shown: str) -> None:
        self.files = files
        self._row = row
        self._shown = shown

    @property
    def shown(self) -> str:
        """The place."""
        return self._shown

    def root(self) -> Descriptor:
        """Without what index.json says beside."""
        media_type = self._row.media_type or type_of(self.document(self._row))
        return Descriptor(media_type, self._row.digest, self._row.size)

    def document(self, descriptor: Descriptor) -> bytes:
        """From the layout."""
        self._name(descriptor)
        try:
            return oci_layout.read_blob(self.files, descriptor, MAX_JSON)
        except (Corrupt, InvalidInput) as error:
            raise type(error)(f"{self._shown}: {error.message}", hint=error.hint) from None

    def has(self, descriptor: Descriptor) -> bool:
        """Layouts may be sparse, and archives made with `save --since` are."""
        return self.files.has(oci_layout.blob_name(descriptor.digest))

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """From the layout."""
        name = self._name(descriptor)
        stream = self.files.open(name)
        return checked(stream, descriptor.digest, descriptor.size, f"{self._shown}: {name}")

    def places(self, digest: Digest) -> Sequence[str]:
        """None that are registries."""
        return ()

    def _name(self, descriptor: Descriptor) -> str:
        """The file of a blob. NotFound."""
        name = oci_layout.blob_name(descriptor.digest)
        if not self.files.has(name):
            bases = ", ".join(sorted(set(left_out(self.files).values())))
            hint = f"it leaves out layers of {bases}: the target needs them" if bases else None
            raise NotFound(f"{self._shown}: {name} is not in it", hint=hint)
        return name


class FolderSink:
    """A layout in a folder; in the end the image gets a row in index.json, and so does what refers to it."""

    def __init__(self, folder: LayoutFolder, annotations: dict[str, str], shown: str) -> None:
        self._folder = folder
        self._annotations = annotations
        self._shown = shown
        self._rows: list[Descriptor] = []

    @property
    def shown(self) -> str:
        """The place."""
        return self._shown

    def has(self, descriptor: Descriptor) -> bool:
        """Whether the bytes are there."""
        return self._folder.has(descriptor.digest, descriptor.size)

    def mount(self, descriptor: Descriptor, places: Sequence[str]) -> str:
        """It cannot."""
        return ""

    def put(self, descriptor: Descriptor, open: Opener, progress: Moved) -> None:
        """A new file."""
        self._folder.put(descriptor.digest, _pieces(open, descriptor, progress))

    def has_document(self, digest: Digest, tag: str = "") -> bool:
        """Not asked: what a manifest names may have gone meanwhile."""
        return False

    def put_document(self, descriptor: Descriptor, data: bytes, tag: str = "") -> None:
        """A blob as any other. There are no tags but in index.json."""
        self._folder.put(descriptor.digest, [data])

    def refer(self, descriptor: Descriptor, tag: str = "") -> None:
        """Notes a referrer for index.json."""
        self._rows.append(descriptor._replace(annotations={**descriptor.annotations, **row_notes(tag)}))

    def finish(self, root: Descriptor) -> None:
        """index.json names the image."""
        named = root._replace(annotations={**root.annotations, **self._annotations})
        self._folder.name([named, *self._rows])


class ArchiveSink:
    """A layout in a tar, which is written from start to end: who comes second waits.

    `docker` is what manifest.json is to say, None for no such file.
    """

    def __init__(
        self, file: NewFile, annotations: dict[str, str], docker: list[dict[str, object]] | None, shown: str
    ) -> None:
        self._annotations = annotations
        self._docker = docker
        self._shown = shown
        self._tar = TarWriter(file.write)
        self._lock = allocate_lock()
        self._written: set[Digest] = set()
        self._rows: list[Descriptor] = []
        for folder in (b"blobs", b"blobs/sha256"):
            self._tar.add(Entry(folder, Kind.DIR))

    @property
    def shown(self) -> str:
        """The place."""
        return self._shown

    def has(self, descriptor: Descriptor) -> bool:
        """Whether it was written before."""
        return descriptor.digest in self._written

    def mount(self, descriptor: Descriptor, places: Sequence[str]) -> str:
        """It cannot."""
        return ""

    def put(self, descriptor: Descriptor, open: Opener, progress: Moved) -> None:
        """The next file of the tar."""
        with self._lock:
            if descriptor.digest in self._written:
                return
            self._written.add(descriptor.digest)
            self._entry(oci_layout.blob_name(descriptor.digest), descriptor.size)
            for piece in _pieces(open, descriptor, progress):
                self._tar.data(piece)

    def has_document(self, digest: Digest, tag: str = "") -> bool:
        """A new archive has none."""
        return digest in self._written

    def put_document(self, descriptor: Descriptor, data: bytes, tag: str = "") -> None:
        """A blob as any other."""
        with self._lock:
            if descriptor.digest not in self._written:
                self._written.add(descriptor.digest)
                self._file(oci_layout.blob_name(descriptor.digest), data)

    def refer(self, descriptor: Descriptor, tag: str = "") -> None:
        """Notes a referrer for index.json."""
        self._rows.append(descriptor._replace(annotations={**descriptor.annotations, **row_notes(tag)}))

    def finish(self, root: Descriptor) -> None:
        """What names the image, and the end of the tar."""
        named = root._replace(annotations={**root.annotations, **self._annotations})
        self._file(oci_layout.INDEX, Index((named, *self._rows)).to_bytes())
        if self._docker is not None:
            self._file(docker_archive.MANIFEST, canonical.dumps(self._docker))
        self._file(oci_layout.LAYOUT, canonical.dumps({"imageLayoutVersion": oci_layout.VERSION}))
        self._tar.finish()

    def _file(self, name: str, data: bytes) -> None:
        self._entry(name, len(data))
        self._tar.data(data)

    def _entry(self, name: str, size: int) -> None:
        self._tar.add(Entry(name.encode(), Kind.FILE, 0o644, size=size))


def row_notes(name: str, *, docker: bool = False) -> dict[str, str]:
    """The annotations of an image in index.json that is called `name` there: a tag, or a whole reference.

    skopeo and umoci find it by `name` as it is; with `docker` they say what Docker's archives do.
    """
    if "/" not in name and ":" not in name:
        return {oci_layout.REF_NAME: name} if name else {}
    try:
        meant = references.parse_tagged(name)
    except InvalidInput:
        return {oci_layout.REF_NAME: name}
    return {oci_layout.NAME: str(meant), oci_layout.REF_NAME: meant.tag if docker else name}


def _pieces(open: Opener, descriptor: Descriptor, progress: Moved) -> Iterator[bytes]:
    """The bytes of a blob: as many as the descriptor says, or Corrupt."""
    done = 0
    with open() as stream:
        while piece := stream.read(CHUNK):
            done += len(piece)
            if done > descriptor.size:
                break
            yield piece
            progress(done, descriptor.size)
    if done != descriptor.size:
        raise Corrupt(f"blob {descriptor.digest} has not the {descriptor.size} bytes that its manifest says")
