"""Engine: every use case as one method. It joins the rooms below and does nothing itself.

Rooms are imported where they are used, so that a command loads only what it needs.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from lamina.db import containerdb
from lamina.engine import joined
from lamina.engine.opened import Opened
from lamina.engine.root import root_folder
from lamina.events import ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lamina.build.request import BuildRequest, BuildResult
    from lamina.containers.changes import ContainerChange
    from lamina.containers.request import RunRequest, RunResult
    from lamina.containers.stdio import Stdio
    from lamina.engine.attesting import Bill
    from lamina.engine.cache import Cache
    from lamina.engine.checking import Checks
    from lamina.engine.records import Records
    from lamina.events import Observer
    from lamina.gc.images import Deleted, Untagged
    from lamina.gc.usage import Usage
    from lamina.insight.containers import ContainerSummary
    from lamina.insight.history import HistoryItem
    from lamina.insight.images import ImageSummary
    from lamina.insight.info import Info, MountSummary
    from lamina.insight.layers import LayerItem
    from lamina.insight.pruned import Pruned
    from lamina.oci.digest import ImageID
    from lamina.transfer.loaded import LoadedImage

Result = TypeVar("Result")


class Engine:
    """One store and everything that can be done with it.

    All methods raise lamina.LaminaError, with a message and often a hint; none prints. One Engine may be used
    by several threads for questions; work is done by one thread at a time.
    """

    def __init__(self, root: str, snapshotter: str | None, *, own_process: bool) -> None:
        self.root = root
        self._snapshotter = snapshotter
        self._own_process = own_process
        self._opened = Opened(root, snapshotter)

    @classmethod
    def open(
        cls,
        root: str | None = None,
        *,
        snapshotter: str | None = None,
        environ: Mapping[str, str] = os.environ,
        own_process: bool = False,
    ) -> Engine:
        """The Engine on a store; nothing is made until something is written.

        `root` is a folder, else LAMINA_ROOT, else the default for this user. `snapshotter` is overlay or
        native, else LAMINA_SNAPSHOTTER, else what works. `own_process` allows an ordinary user's process to
        enter a user namespace for good (the command line does); otherwise such work is done by a worker.
        """
        chosen = snapshotter or environ.get("LAMINA_SNAPSHOTTER")
        return cls(root_folder(root, environ), chosen, own_process=own_process)

    def close(self) -> None:
        """Ends what this Engine started. Harmless when done twice."""
        self._opened.close()
        self._opened = Opened(self.root, self._snapshotter)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- work as root in here

    def _in_place(self) -> bool:
        """Whether this process may do the work itself: it is all ours, or it is root as it is."""
        if self._own_process:
            return True
        from lamina.mount.userns import is_privileged  # the command line does without

        return is_privileged()

    def _inside(
        self,
        work: Callable[[Opened, Observer, BinaryIO | None], Result],
        observer: Observer = ignore,
        sink: BinaryIO | None = None,
    ) -> Result:
        """Does `work` where it is root: here, or in a worker (lamina.engine.inside says when and why)."""
        if self._in_place():
            self._opened.enter()
            return work(self._opened, observer, sink)
        from lamina.engine.inside import in_worker  # pickle and pipes, for programs of ordinary users only

        return in_worker(self._as_worker(work), observer, sink)

    def _as_worker(
        self, work: Callable[[Opened, Observer, BinaryIO | None], Result]
    ) -> Callable[[Observer, BinaryIO], Result]:
        def run(observer: Observer, sink: BinaryIO) -> Result:
            opened = Opened(self.root, self._snapshotter)
            try:
                opened.enter()
                return work(opened, observer, sink)
            finally:
                opened.close()

        return run

    # --- making

    def build(self, request: BuildRequest, observer: Observer = ignore) -> BuildResult:
        """Builds an image from a Dockerfile. DockerfileError, BuildFailed."""
        if self._in_place():
            return joined.build(self._opened, request, observer)
        return self._inside(lambda opened, tell, _: joined.build(opened, request, tell), observer)

    def metadata(self, result: BuildResult) -> dict[str, object]:
        """What `build --metadata-file` says of a build of this store, with buildx's names."""
        from lamina.engine.metadata import metadata

        return metadata(self._opened.ctx, result)

    def run(self, request: RunRequest, stdio: Stdio | None = None) -> RunResult:
        """Runs a process on a writable layer over an image, and waits for its end."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> RunResult:
            from lamina.containers.run import run

            return run(joined.containers_of(opened), request, stdio)

        return self._inside(work)

    def commit(
        self,
        container: str,
        tag: str | None = None,
        *,
        message: str = "",
        author: str = "",
        changes: Sequence[str] = (),
    ) -> ImageID:
        """Makes an image of a container's writable layer; `changes` are Dockerfile instructions."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> ImageID:
            from lamina.containers.commit import commit

            return commit(
                joined.containers_of(opened), container, tag, message=message, author=author, changes=changes
            )

        return self._inside(work)

    def import_(
        self, source: BinaryIO, tag: str | None = None, *, message: str = "", changes: Sequence[str] = ()
    ) -> ImageID:
        """Makes an image of one layer from the tar of a root file system."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> ImageID:
            from lamina.transfer.import_image import import_

            return import_(opened.ctx, source, tag=tag or "", message=message, changes=changes).image_id

        return self._inside(work)

    # --- naming and removing

    def tag(self, source: str, target: str) -> None:
        """Gives an image one more name."""
        from lamina.db import imagedb, names
        from lamina.oci import reference

        name = str(reference.parse_tagged(target))
        with self._opened.ctx.db.write() as tx:
            found = names.resolve_image(tx, source)
            imagedb.put_tag(tx, name, found.image_id, found.index_digest)

    def rmi(self, name: str, *, force: bool = False) -> Sequence[Untagged | Deleted]:
        """Removes a name, and the image when that was its last one. What happened, in order."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> Sequence[Untagged | Deleted]:
            from lamina.gc.context import Context
            from lamina.gc.images import remove_image

            joined.let_go(opened)
            return remove_image(Context(*opened.ctx), name, force=force)

        return self._inside(work)

    def rm(self, name: str, *, force: bool = False) -> None:
        """Removes a container; a running one only with `force`, which kills it."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> None:
            from lamina.containers.remove import remove

            remove(joined.containers_of(opened), name, force=force)

        self._inside(work)

    def prune(
        self,
        *,
        containers: bool = False,
        dangling: bool = False,
        all_images: bool = False,
        cache: bool = False,
    ) -> Pruned:
        """Removes what is not in use: stopped containers, images, the build cache with its cache mounts."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> Pruned:
            return joined.prune(opened, containers, dangling, all_images, cache)

        return self._inside(work)

    @property
    def cache(self) -> Cache:
        """The folders of RUN --mount=type=cache: ls, inspect, rm, export, import_."""
        from lamina.engine.cache import Cache

        return Cache(self._inside, lambda: self._opened.rows)

    @property
    def checks(self) -> Checks:
        """What can be asked of a Dockerfile without building it: report, warnings, outline, targets."""
        from lamina.engine.checking import Checks

        return Checks(self._inside, lambda: self._opened)

    # --- moving

    def save(
        self, images: Sequence[str], sink: BinaryIO, *, format: str = "docker-archive", platform: str = ""
    ) -> None:
        """Writes images (for `platform` alone) as docker-archive, an OCI layout too, or oci-archive."""

        def work(opened: Opened, _: Observer, out: BinaryIO | None) -> None:
            from lamina.transfer.save import save

            assert out is not None
            save(opened.ctx, images, out.write, format, joined.platform(platform))

        self._inside(work, sink=sink)

    def load(
        self, source: str | BinaryIO, observer: Observer = ignore, *, platform: str = ""
    ) -> Sequence[LoadedImage]:
        """Takes the images of an archive (a path, or a stream) into the store; those for `platform` alone."""

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Sequence[LoadedImage]:
            from lamina.transfer.load import load

            return load(opened.ctx, source, platform=joined.platform(platform), observer=tell)

        return self._inside(work, observer)

    def export(self, container: str, sink: BinaryIO) -> None:
        """Writes a container's whole file system as a tar."""

        def work(opened: Opened, _: Observer, out: BinaryIO | None) -> None:
            from lamina.containers.export import export

            assert out is not None
            export(joined.containers_of(opened), container, out)

        self._inside(work, sink=sink)

    # --- asking

    @property
    def records(self) -> Records:
        """The builds that were: their steps, logs, and what a step left."""
        from lamina.engine.records import Records

        return Records(self._inside, lambda: self._opened)

    def images(self) -> list[ImageSummary]:
        """All images, the newest first."""
        from lamina.insight.images import images

        return images(self._opened.rows)

    def history(self, name: str, *, platform: str = "") -> list[HistoryItem]:
        """What made an image, the newest instruction first."""
        from lamina.insight.history import history

        return history(self._opened.rows, self._image(name, platform))

    def layers(self, name: str) -> list[LayerItem]:
        """The layers of an image, the bottom first."""
        from lamina.insight.layers import layers

        return layers(self._opened.rows, self._image(name))

    def sbom(self, name: str, observer: Observer = ignore, *, created: str = "") -> Bill:
        """The packages of an image with the layers that brought them, and the SPDX document of them."""

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Bill:
            from lamina.engine.attesting import bill

            return bill(opened.ctx, name, created, tell)

        return self._inside(work, observer)

    def inspect(self, name: str, kind: str | None = None, *, platform: str = "") -> dict[str, object]:
        """An image or a container (`kind` image or container; None: whichever there is) as Docker's JSON."""
        from lamina.insight.inspect import inspect

        if kind != "image":
            self._settle()
        return inspect(self._opened.rows, name, kind, joined.platform(platform))

    def ps(self, *, all: bool = False, size: bool = False) -> list[ContainerSummary]:
        """Containers, the newest first: running ones, or all."""
        from lamina.insight.containers import summary

        if size:
            return self._inside(lambda opened, _, __: joined.listed(opened, all=all, size=True))
        self._settle()
        rows = self._opened.rows
        found = [summary(rows, row) for row in containerdb.containers(rows.connection)]
        return [one for one in found if all or one.state == containerdb.RUNNING]

    def diff(self, container: str) -> Sequence[ContainerChange]:
        """What a container added, changed and deleted."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> Sequence[ContainerChange]:
            from lamina.containers.changes import changes

            return changes(joined.containers_of(opened), container)

        return self._inside(work)

    def mount(self, name: str) -> str:
        """Mounts an image (read-only) or a container, and returns where; `umount` ends it."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> str:
            from lamina.containers.mounting import mount

            return mount(joined.containers_of(opened), name)

        return self._inside(work)

    def umount(self, name: str) -> None:
        """Ends what `mount` made."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> None:
            from lamina.containers.mounting import umount

            umount(joined.containers_of(opened), name)

        self._inside(work)

    def mounts(self) -> list[MountSummary]:
        """What `mount` mounted and is still there."""
        from lamina.containers.mounting import mounts
        from lamina.insight.info import MountSummary

        return [MountSummary(*found) for found in mounts(joined.containers_of(self._opened))]

    def df(self) -> Usage:
        """What the store costs on disk, and what could be freed."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> Usage:
            from lamina.gc.context import Context
            from lamina.gc.usage import usage

            return usage(Context(*opened.ctx))

        return self._inside(work)

    def info(self) -> Info:
        """The store, and what this machine gives."""
        from lamina.engine.machine import info

        return self._inside(lambda opened, _, __: info(opened))

    def _settle(self) -> None:
        """Sets right what the rows say of containers that ran with a Lamina that died."""
        rows = self._opened.rows
        if any(row.state == containerdb.RUNNING for row in containerdb.containers(rows.connection)):
            self._inside(lambda opened, _, __: joined.listed(opened, all=True, size=False))

    def _image(self, name: str, platform: str = "") -> ImageID:
        from lamina.db.names import for_platform, resolve_image

        c = self._opened.rows.connection
        found, wanted = resolve_image(c, name), joined.platform(platform)
        return (for_platform(c, found, wanted) if wanted else found).image_id
