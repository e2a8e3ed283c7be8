"""Engine: every use case as one method. It joins the rooms below and does nothing itself.

Rooms are imported where they are used, so that a command loads only what it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from lamina.engine import joined
from lamina.engine.asking import Asking
from lamina.events import ignore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.build.request import BuildRequest, BuildResult
    from lamina.containers.request import RunRequest, RunResult
    from lamina.containers.stdio import Stdio
    from lamina.engine.cache import Cache
    from lamina.engine.checking import Checks
    from lamina.engine.indexes import Indexes
    from lamina.engine.logins import Logins
    from lamina.engine.opened import Opened
    from lamina.engine.pushing import PushRequest
    from lamina.engine.remote import Remote
    from lamina.engine.surgery import Surgery
    from lamina.events import Observer
    from lamina.gc.images import Deleted, Untagged
    from lamina.insight.pruned import Pruned
    from lamina.oci.digest import ImageID
    from lamina.serving.settings import ServeSettings
    from lamina.transfer.copying.copy import Copied
    from lamina.transfer.loaded import LoadedImage
    from lamina.transfer.pull import Pulled
    from lamina.transfer.push import Pushed


class Engine(Asking):
    """One store and everything that can be done with it; the questions are in Asking.

    All methods raise lamina.LaminaError, with a message and often a hint; none prints. One Engine may be used
    by several threads for questions; work is done by one thread at a time.
    """

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
            removed = remove_image(Context(*opened.ctx), name, force=force)
            joined.expire_blobs(opened)
            return removed

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

    @property
    def credentials(self) -> Logins:
        """What is kept for registries: login, logout, check, knows."""
        from lamina.engine.logins import Logins

        return Logins(lambda: self._opened.registries())

    # --- moving

    def save(
        self,
        images: Sequence[str],
        sink: BinaryIO,
        observer: Observer = ignore,
        *,
        format: str = "docker-archive",
        platform: str = "",
        since: Sequence[str] = (),
    ) -> None:
        """Writes images (for `platform` alone) as docker-archive, an OCI layout too, or oci-archive.

        Layers of the images `since` are left out, for a `load` where these are.
        """

        def work(opened: Opened, tell: Observer, out: BinaryIO | None) -> None:
            from lamina.transfer.save import save

            assert out is not None
            save(opened.ctx, images, out.write, format, joined.platform(platform), since, tell)

        self._inside(work, observer, sink)

    def load(
        self, source: str | BinaryIO, observer: Observer = ignore, *, platform: str = ""
    ) -> Sequence[LoadedImage]:
        """Takes the images of an archive (a path, or a stream) into the store; those for `platform` alone."""

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Sequence[LoadedImage]:
            from lamina.transfer.load import load

            return load(opened.ctx, source, platform=joined.platform(platform), observer=tell)

        return self._inside(work, observer)

    def pull(self, name: str, observer: Observer = ignore, *, platform: str = "") -> Pulled:
        """Brings an image from its registry (the one for `platform`); `latest` if the name has no tag."""

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Pulled:
            from lamina.oci import reference
            from lamina.transfer.pull import pull

            wanted = joined.platform(platform)
            strict, meant = wanted is not None, reference.parse(name)
            return pull(opened.ctx, meant, opened.registries(), wanted, strict=strict, observer=tell)

        return self._inside(work, observer)

    def pull_all(self, name: str, observer: Observer = ignore, *, platform: str = "") -> Sequence[Pulled]:
        """Brings what every tag of a repository stands for, `name` being one without a tag."""

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Sequence[Pulled]:
            from lamina.oci import reference
            from lamina.transfer.pull import pull_all

            wanted = joined.platform(platform)
            return pull_all(opened.ctx, reference.parse(name), opened.registries(), wanted, observer=tell)

        return self._inside(work, observer)

    def fetch(self, name: str, observer: Observer = ignore, *, platform: str = "") -> int:
        """Brings the layers of an image that are elsewhere, all of them; how many these were."""

        def work(opened: Opened, _: Observer, __: BinaryIO | None) -> int:
            return joined.fetch(opened, self._image(name, platform))

        return self._inside(work, observer)

    def push(self, request: PushRequest, observer: Observer = ignore) -> Sequence[Pushed]:
        """Sends an image, or all tags of a repository, to a registry: what each tag there stands for now."""

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> Sequence[Pushed]:
            from lamina.engine.pushing import push

            return push(opened, request, tell)

        return self._inside(work, observer)

    def copy(
        self,
        source: str,
        target: str,
        observer: Observer = ignore,
        *,
        all: bool = False,
        platform: str = "",
        referrers: bool = False,
        format: str = "",
    ) -> Copied:
        """Copies an image between registries, OCI layouts, archives and the store (transfer.copying.places).

        Of an index the image for `platform`, else for this machine, or with `all` the whole of it; with
        `referrers` what refers to it; `format` oci or v2s2 makes other manifests.
        """
        from lamina.engine.places import copy

        return copy(
            self._opened,
            self._inside,
            self._environ,
            source,
            target,
            observer,
            all=all,
            platform=platform,
            referrers=referrers,
            format=format,
        )

    @property
    def index(self) -> Indexes:
        """Indexes in the making: create, add, annotate, remove, rm, ls, inspect, push."""
        from lamina.engine.indexes import Indexes

        return Indexes(self._inside, lambda: self._opened, self._environ)

    @property
    def surgery(self) -> Surgery:
        """New images from old ones: squash, rebase, edit, ... Nothing is run, and the old image stays."""
        from lamina.engine.surgery import Surgery

        return Surgery(self._inside)

    @property
    def registry(self) -> Remote:
        """References in registries: inspect, manifest, resolve, tags, referrers, rm."""
        from lamina.engine.remote import Remote

        return Remote(self._opened.registries)

    def serve(self, settings: ServeSettings, observer: Observer = ignore, until: int | None = None) -> None:
        """Serves the store as a registry until the descriptor `until` can be read; first it tells where."""

        def work(opened: Opened, tell: Observer, _: BinaryIO | None) -> None:
            from lamina.engine.serving import serve

            serve(opened, settings, tell, until)

        return self._inside(work, observer)

    def export(self, container: str, sink: BinaryIO) -> None:
        """Writes a container's whole file system as a tar."""

        def work(opened: Opened, _: Observer, out: BinaryIO | None) -> None:
            from lamina.containers.export import export

            assert out is not None
            export(joined.containers_of(opened), container, out)

        self._inside(work, sink=sink)

    # --- mounting

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
