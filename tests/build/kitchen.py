"""A store of its own with a busybox base, and builds of small folders on it."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lamina.build.build import build
from lamina.build.request import BuildRequest, BuildResult
from lamina.build.session import Tools
from lamina.db import imagedb
from lamina.db.connect import Database
from lamina.events import Event, StepOutput, StepStarted
from lamina.layers.context import Layers
from lamina.layers.lookup import Lookup
from lamina.layers.write import LayerItem, write_layer
from lamina.oci import config as configs
from lamina.oci.config import ContainerConfig, History, ImageConfig, RootFS
from lamina.oci.digest import Digest, ImageID
from lamina.oci.platform import host
from lamina.sandbox.native import NativeRuntime
from lamina.snapshot.probe import choose
from lamina.store.blobs import BlobStore
from lamina.store.files import remove_tree
from lamina.store.layout import Layout
from lamina.store.lease import Lease
from lamina.transfer.register import register_image
from lamina.tree.entry import Entry, Kind
from tests.machine import busybox, quick_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lamina.registry.settings import Settings

HOST = host(os.uname().machine)
_TOOLS = (
    b"sh ls cat echo mkdir rm touch stat id env sleep true false test date chmod chown ln find wc sort seq dd"
)
_PASSWD = b"root:x:0:0:root:/root:/bin/sh\nworker:x:1234:4321:w:/home/worker:/bin/sh\n"
_GROUP = b"root:x:0:\nstaff:x:50:\nworkers:x:4321:\n"


@dataclass
class Kitchen:
    """One store. `events` are those of the last build."""

    folder: Path
    snapshotter: str | None = None
    events: list[Event] = field(default_factory=list)
    entered: int = 0
    registries: Settings | None = None  # without, nothing is pulled

    def __post_init__(self) -> None:
        self.layout = Layout(str(self.folder / "root"))
        self.lease = Lease.acquire(self.layout)
        self.db = Database.open(self.layout.database)
        self.ctx = Layers(self.layout, BlobStore(self.layout, self.lease), self.db, self.lease)
        self.runtime: NativeRuntime | None = None
        self.context = self.folder / "context"
        self.context.mkdir()

    def close(self) -> None:
        """Ends its processes, and gives the store back."""
        if self.runtime is not None:
            self.runtime.close()
        self.db.close()
        self.lease.release()

    def tools(self) -> Tools:
        if self.runtime is None:
            self.runtime = NativeRuntime()
            self.runtime.warm()
        return Tools(choose(self.snapshotter, self.layout, self.lease), self.runtime)

    def enter(self) -> None:
        self.entered += 1

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Puts files into the context."""
        for name, content in files.items():
            path = self.context / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def build(self, dockerfile: str, **options: object) -> BuildResult:
        """Builds; `events` are those of this build."""
        self.events = []
        fields: dict[str, object] = {"context": str(self.context), "dockerfile": dockerfile.encode()}
        request = BuildRequest(**(fields | options))  # type: ignore[arg-type]
        registries = self.registries
        ask = None if registries is None else lambda: registries
        return build(self.ctx, request, HOST, self.events.append, self.enter, self.tools, None, ask)

    def ran(self, result: BuildResult) -> list[str]:
        """The steps that were done, by their first words."""
        return [" ".join(step.text.split()[:2]) for step in result.steps if not step.cached]

    @property
    def started(self) -> list[str]:
        """The steps of the last build, as they began."""
        return [event.text for event in self.events if isinstance(event, StepStarted)]

    @property
    def output(self) -> str:
        """What the processes of the last build wrote."""
        return b"".join(event.data for event in self.events if isinstance(event, StepOutput)).decode()

    def config(self, image: ImageID) -> ImageConfig:
        return configs.parse(self.ctx.blobs.read(Digest(image)))

    def files(self, image: ImageID) -> Lookup:
        """The files of an image."""
        return Lookup(self.ctx, self.config(image).diff_ids[::-1])

    def read(self, image: ImageID, path: str) -> str:
        """A file of an image, links followed."""
        files = self.files(image)
        with files.open(files.resolve(path.encode())) as file:
            return file.read().decode()

    def listing(self, image: ImageID, folder: str = "") -> dict[str, str]:
        """What an image has below a folder: `f 644 0:0` by path; links with their target."""
        files = self.files(image)
        base = files.resolve(folder.encode())
        shown = {}
        for entry in files.walk(base):
            if entry.path == base:
                continue
            name = entry.path[len(base) + 1 if base else 0 :].decode()
            target = f" -> {entry.link.decode()}" if entry.kind is Kind.SYMLINK else ""
            shown[name] = f"{entry.kind.value} {entry.mode:o} {entry.uid}:{entry.gid}{target}"
        return shown

    def add_image(
        self,
        name: str,
        config: ContainerConfig,
        files: Mapping[str, bytes | None] = {},
        items: tuple[LayerItem, ...] = (),
    ) -> ImageID:
        """An image of one layer: files with their content, folders with None."""
        made = [*items]
        for path, content in files.items():
            kind = Kind.DIR if content is None else Kind.FILE
            entry = Entry(path.encode(), kind, 0o755, size=len(content or b""), mtime=1_700_000_000 * 10**9)
            made.append(LayerItem(entry, content))
        diff = write_layer(self.ctx, made)
        image = ImageConfig(
            HOST.architecture,
            "linux",
            RootFS((diff.diff_id,)),
            config,
            (History("2024-01-01T00:00:00Z", "made by a test"),),
            "2024-01-01T00:00:00Z",
            variant=HOST.variant,
        )
        return register_image(self.ctx, image, [diff.diff_id], [name]).image_id

    def add_busybox(self) -> ImageID:
        """The image `busybox`."""
        links = tuple(
            LayerItem(Entry(b"bin/" + tool, Kind.SYMLINK, 0o777, link=b"busybox")) for tool in _TOOLS.split()
        )
        with open(busybox(), "rb") as file:
            binary = file.read()
        size = len(binary)
        program = LayerItem(Entry(b"bin/busybox", Kind.FILE, 0o755, size=size), lambda: io.BytesIO(binary))
        folders: dict[str, bytes | None] = dict.fromkeys(("bin", "etc", "home/worker", "root", "usr", "var"))
        files = {**folders, "etc/passwd": _PASSWD, "etc/group": _GROUP}
        temp = LayerItem(Entry(b"tmp", Kind.DIR, 0o1777))
        config = ContainerConfig(env=("PATH=/bin",), cmd=("sh",))
        return self.add_image("busybox", config, files, (*links, program, temp))

    def tag(self, name: str) -> ImageID | None:
        return imagedb.get_tag(self.db.read(), name)


K = TypeVar("K", bound=Kitchen)


@contextmanager
def opened(kind: type[K], folder: str = "") -> Iterator[K]:
    """A kitchen of this kind in a new folder; nothing is left of it."""
    folder = folder or tempfile.mkdtemp(prefix="lamina-build-", dir=quick_place())
    made = kind(Path(folder))
    try:
        yield made
    finally:
        made.close()
        remove_tree(folder)
        shutil.rmtree(folder, ignore_errors=True)
