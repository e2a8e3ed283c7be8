"""The store behind an Engine: opened when it is first asked for, made when something is first written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.db.connect import Database
from lamina.errors import Denied, LaminaError
from lamina.events import ignore
from lamina.insight.rows import Rows
from lamina.layers.context import Layers
from lamina.store.blobs import BlobStore
from lamina.store.files import remove_tree
from lamina.store.layout import Layout
from lamina.store.lease import Lease

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.build.request import BuildRequest
    from lamina.build.session import Tools
    from lamina.events import Observer
    from lamina.layers.absent import Fetcher
    from lamina.registry.settings import Settings
    from lamina.sandbox.native import NativeRuntime
    from lamina.snapshot.protocol import Snapshotter
    from lamina.trace.recorder import Recorder
    from lamina.trace.wire import Setting


class Opened:
    """One root as one process uses it; nothing of it may be carried through a fork."""

    def __init__(self, root: str, snapshotter: str | None, environ: Mapping[str, str] = os.environ) -> None:
        self.layout = Layout(root)
        self._environ = environ
        self._snapshotter_name = snapshotter
        self._reading: Database | None = None
        self._writing: Layers | None = None
        self._snapshotter: Snapshotter | None = None
        self._runtime: NativeRuntime | None = None
        self._recorder: Recorder | None = None
        self._untraced = ""  # why there is none
        self.brought: BuildRequest | None = None  # of the last build, with its Dockerfile
        self._refused: Denied | None = None  # why there is no user namespace
        self._registries: Settings | None = None
        self.tell: Observer = ignore  # of layers that are fetched because something needs their files

    @property
    def rows(self) -> Rows:
        """For questions. A store that does not exist is not made: it is an empty one."""
        if self._writing is not None:
            return Rows(self._writing.db.read(), self._writing.blobs, self.layout)
        return Rows(self._reader().read(), BlobStore(self.layout), self.layout)

    def _reader(self) -> Database:
        """The database to read: the empty one in memory only until somebody, anybody, makes the store."""
        path = self.layout.database
        if self._reading is not None and self._reading.path != path and os.path.exists(path):
            self._reading.close()
            self._reading = None
        if self._reading is None:
            self.layout.exists()  # Denied when it is someone else's
            self._reading = Database.open(path, create=False)
        return self._reading

    @property
    def ctx(self) -> Layers:
        """For work: with a lease, and after cleaning up what dead processes left."""
        if self._writing is None:
            lease = Lease.acquire(self.layout)
            try:
                db = Database.open(self.layout.database)
            except BaseException:
                lease.release()
                raise
            self._writing = Layers(self.layout, BlobStore(self.layout, lease), db, lease, self._fetcher)
            self._recover(self._writing)
        return self._writing

    def _fetcher(self) -> Fetcher:
        """What brings layers that are elsewhere."""
        from lamina.transfer.lazy import Lazy  # only when the files of such a layer are needed

        return Lazy(self.registries, self.enter, observer=self.tell)

    def _recover(self, ctx: Layers) -> None:
        from lamina.gc.recover import recover  # imported here so that questions do without

        try:
            recover(ctx.layout, ctx.db)
        except Denied:  # left by a process in a user namespace, with owners that only exist there
            self.enter()
            recover(ctx.layout, ctx.db)

    def enter(self) -> None:
        """Makes this process root in here, if it is not. Where that is refused, files work as they can."""
        if self._refused is not None:
            return
        from lamina.mount import userns  # only work that changes files comes here

        try:
            userns.enter()  # does nothing for real root
        except Denied as error:
            self._refused = error

    @property
    def snapshotter(self) -> Snapshotter:
        """What mounts: found out by trying, once."""
        if self._snapshotter is None:
            from lamina.snapshot.probe import choose  # loads ctypes

            self._snapshotter = choose(self._snapshotter_name, self.layout, self.ctx.lease)
        return self._snapshotter

    @property
    def runtime(self) -> NativeRuntime:
        """What runs processes. Denied, with the reason, where nothing may mount."""
        if self._runtime is None:
            from lamina.mount import userns
            from lamina.sandbox.native import NativeRuntime

            if not userns.is_privileged():
                raise self._refused or Denied("running a process needs root, or a user namespace")
            self._runtime = NativeRuntime()
            self._runtime.warm()
        return self._runtime

    def registries(self) -> Settings:
        """What this machine says about registries. InvalidInput, Denied for its files."""
        if self._registries is None:
            from lamina.engine.registries import settings  # what pulls nothing does without

            self._registries = settings(self._environ)
        return self._registries

    def tools(self, *, traced: bool = True) -> Tools:
        """What a RUN step needs; the process that starts all others is forked first, while we are thin.

        With `traced` false no step is to be traced: what does that is not started.
        """
        self.enter()
        recorder = (
            self._make_recorder() if traced else None
        )  # before the runtime, whose descriptors it must not keep
        runtime = self.runtime
        from lamina.build.session import Tools

        if not traced:
            return Tools(self.snapshotter, runtime)
        self._untraced = self._untraced or self._unsuitable()
        return Tools(self.snapshotter, runtime, None if self._untraced else recorder, self._untraced)

    def _make_recorder(self) -> Recorder | None:
        """What traces steps; forked now, so that it is ready when the first one runs."""
        from lamina.mount import userns
        from lamina.trace import support

        if self._recorder is None and not self._untraced and userns.is_privileged():
            self._untraced = support.why_not()
            if not self._untraced:
                from lamina.trace.recorder import Recorder

                self._recorder = Recorder(self._trace_setting(), self.layout.diff)
        return self._recorder

    def _trace_setting(self) -> Setting:
        """What is the same for all recordings here."""
        from lamina.fs import xattr
        from lamina.mount import userns
        from lamina.trace.wire import Setting

        ids = userns.current_ids()
        uids, gids = [
            tuple([(each.inside, each.inside + each.length - 1) for each in ranges])
            for ranges in (ids.uids, ids.gids)
        ]
        return Setting(self.layout.database, xattr.overlay_prefix().encode(), uids, gids)

    def why_untraced(self) -> str:
        """Why steps are not traced here, found out by tracing something; "" when they are."""
        from lamina.mount import userns
        from lamina.trace import support

        unsuitable = self._unsuitable()
        if unsuitable or not userns.is_privileged():
            return unsuitable or "mounting needs root, or a user namespace"
        from lamina.snapshot.overlay import mount_options

        folder = f"{self.layout.mnt}/{self.ctx.lease.temp_name()}"
        try:
            return support.try_it(folder, mount_options(volatile=True), self._trace_setting())
        finally:
            remove_tree(folder)

    def _unsuitable(self) -> str:
        """Why what mounts layers cannot mount recorded ones."""
        name = self.snapshotter.name
        return "" if name == "overlay" else f"the {name} snapshotter copies all files for a step"

    def _clean_up(self) -> None:
        """Removes what an interruption left; what cannot be removed now is left to the next process."""
        from lamina.store.recover import recover  # work that ends well does without

        try:
            recover(self.layout)
        except (LaminaError, OSError):
            pass

    def close(self) -> None:
        """Ends the runtime's processes and the lease."""
        if self._recorder is not None:
            self._recorder.stop()
        if self._runtime is not None:
            self._runtime.close()
        if self._writing is not None:
            self._writing.db.close()
            if not self._writing.lease.release():
                self._clean_up()
        if self._reading is not None:
            self._reading.close()
        if self._recorder is not None:
            self._recorder.close()
