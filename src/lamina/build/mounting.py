"""The mounts of a RUN, made ready for the time of its process and taken away after it, whatever happens.

Nothing is mounted here: what a process shall see is told to the sandbox, which mounts it where only that
process sees it. A stage or an image is shown as a snapshot of its layers; what is written to one (rw) goes
with the snapshot. Of the build context the files that are shown become a layer first (see contextlayer): it
has BuildKit's owners and honours .dockerignore. Everything on disk has a name of the lease, for `recover`.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from lamina.build.mountsources import Folder, Layered
from lamina.errors import NotFound
from lamina.layers.absent import bring
from lamina.mount.types import Mount
from lamina.sandbox.spec import HeldFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.build.agents import Agents
    from lamina.build.cachemounts import CacheMounts
    from lamina.build.cancel import Cancel
    from lamina.build.given import Secret
    from lamina.build.session import Session, Tools
    from lamina.build.stagerun import StageRun, Work
    from lamina.cachemounts.wanted import CacheWanted
    from lamina.errors import LaminaError
    from lamina.graph.ops import RunMount
    from lamina.oci.digest import DiffID
    from lamina.sandbox.spec import ProcessSpec


class Mounted(NamedTuple):
    """What a process gets for its mounts, in the words of sandbox.spec."""

    mounts: tuple[Mount, ...] = ()
    aside: tuple[Mount, ...] = ()
    files: tuple[HeldFile, ...] = ()
    env: tuple[tuple[str, str], ...] = ()

    def added_to(self, spec: ProcessSpec) -> ProcessSpec:
        """The process with these."""
        return replace(
            spec,
            mounts=(*spec.mounts, *self.mounts),
            aside=self.aside,
            files=self.files,
            env=(*spec.env, *self.env),
        )


class Mounter:
    """What the mounts of one build share. Its threads may use it at once; `close` it when they have ended."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.secrets: dict[str, Secret] = {secret.id: secret for secret in session.request.secrets}
        self.lock = Lock()
        self._caches: CacheMounts | None = None
        self._agents: Agents | None = None

    @contextmanager
    def mounted(self, run: StageRun, work: Work, tools: Tools, cancel: Cancel) -> Iterator[Mounted]:
        """While this lasts, all mounts of the RUN are there. DockerfileError for one that cannot be."""
        mounts: tuple[RunMount, ...] = getattr(work.op, "mounts", ())
        with ExitStack() as stack:
            made = _Making(self, run, work, tools, stack)
            made.lend_caches(mounts, cancel)
            for number, mount in enumerate(mounts):
                made.add(number, mount)
            yield Mounted(tuple(made.mounts), tuple(made.aside), tuple(made.files), tuple(made.env))

    def caches(self) -> CacheMounts:
        """The cache mounts of this build."""
        from lamina.build.cachemounts import CacheMounts  # only for builds that have some

        with self.lock:
            self._caches = self._caches or CacheMounts(self.session.ctx)
            return self._caches

    def agents(self) -> Agents:
        """The SSH agents of this build."""
        from lamina.build.agents import Agents  # only for builds that have some

        with self.lock:
            ctx = self.session.ctx
            folder = f"{ctx.layout.mnt}/{ctx.lease.temp_name()}"
            self._agents = self._agents or Agents(self.session.request.ssh, folder)
            return self._agents

    def close(self) -> None:
        """Ends the agents that were started."""
        if self._agents is not None:
            self._agents.close()


class _Making:
    """The mounts of one RUN while they are made; `stack` undoes them."""

    def __init__(self, mounter: Mounter, run: StageRun, work: Work, tools: Tools, stack: ExitStack) -> None:
        self._mounter = mounter
        self._run = run
        self._work = work
        self._tools = tools
        self._stack = stack
        self._ctx = run.session.ctx
        self._folders: dict[int, str] = {}  # of caches, by the number of the mount
        self._views: dict[tuple[DiffID, ...], str] = {}
        self.mounts: list[Mount] = []
        self.aside: list[Mount] = []
        self.files: list[HeldFile] = []
        self.env: list[tuple[str, str]] = []

    def add(self, number: int, mount: RunMount) -> None:
        """Makes one mount ready."""
        match mount.type:
            case "bind":
                self._bind(number, mount)
            case "cache":
                folder = self._folders[number]
                self.mounts.append(Mount("bind", mount.target, folder, read_only=mount.read_only))
            case "tmpfs":
                size = f",size={mount.size}" if mount.size else ""
                self.mounts.append(
                    Mount("tmpfs", mount.target, options="nosuid" + size, read_only=mount.read_only)
                )
            case "secret":
                self._secret(mount)
            case "ssh":
                self._ssh(mount)

    def lend_caches(self, mounts: tuple[RunMount, ...], cancel: Cancel) -> None:
        """All cache mounts together: two RUNs that want the same ones must not wait for each other."""
        numbers = [number for number, mount in enumerate(mounts) if mount.type == "cache"]
        if not numbers:
            return
        wanted = [self._wanted(number, mounts[number]) for number in numbers]
        folders = self._stack.enter_context(self._mounter.caches().borrow_all(wanted, cancel))
        self._folders = dict(zip(numbers, folders, strict=True))

    def _wanted(self, number: int, mount: RunMount) -> CacheWanted:
        from lamina.build.seeding import cache_wanted  # see Mounter.caches

        return cache_wanted(self._run, self._work, mount, self._work.mounts[number])

    def _bind(self, number: int, mount: RunMount) -> None:
        source = self._work.mounts[number]
        chain: tuple[DiffID, ...]
        if isinstance(source, Folder):
            from lamina.build.contextlayer import SHOWN, context_layer  # only for mounts of a context

            with self._mounter.lock:  # two stages that show the same files write them once
                chain, inside = (context_layer(self._run.session, mount, source),), SHOWN
        else:
            assert isinstance(source, Layered)
            chain, inside = source.chain, f"/{mount.source}"
        folder = self._view(chain) if mount.read_only else self._snapshot(chain, writable=True)
        self.mounts.append(Mount("bind", mount.target, folder, read_only=mount.read_only, inside=inside))

    def _view(self, chain: tuple[DiffID, ...]) -> str:
        """Where these layers can be seen; the same for all mounts that only read."""
        if chain not in self._views:
            self._views[chain] = self._snapshot(chain, writable=False)
        return self._views[chain]

    def _snapshot(self, chain: tuple[DiffID, ...], *, writable: bool) -> str:
        ctx, snapshotter = self._ctx, self._tools.snapshotter
        key = ctx.lease.temp_name()
        self._stack.callback(snapshotter.remove, key)
        bring(ctx, chain)
        parents = [ctx.layout.diff_dir(diff_id) for diff_id in chain]
        if writable:
            snapshotter.prepare(key, parents, volatile=True)
        else:
            snapshotter.view(key, parents)
        target = ctx.layout.snapshot_dir(key)
        self.aside += snapshotter.mounts(key, target)
        return target

    def _secret(self, mount: RunMount) -> None:
        secret = self._mounter.secrets.get(mount.id)
        if secret is None:
            if mount.required:
                hint = f"give it to the build: --secret id={mount.id},src=FILE"
                raise self._located(mount, NotFound(f"secret {mount.id}: not found", hint=hint))
            return
        from lamina.build.secrets import content_of  # only for builds that have some

        content = content_of(secret)
        if mount.env:
            self.env.append((mount.env, content.decode(errors="surrogateescape")))
        if mount.target:
            mode, uid, gid = mount.mode or 0, mount.uid or 0, mount.gid or 0
            self.files.append(HeldFile(mount.target, content, mode, uid, gid))

    def _ssh(self, mount: RunMount) -> None:
        agents = self._mounter.agents()
        if not agents.has(mount.id):
            if mount.required:
                hint = f"give one to the build: --ssh {mount.id}"
                raise self._located(
                    mount, NotFound(f'no SSH key "{mount.id}" forwarded from the client', hint=hint)
                )
            return
        from lamina.build.forwarding import forwarded  # see Mounter.agents

        folder = f"{self._ctx.layout.mnt}/{self._ctx.lease.temp_name()}"
        owner = (mount.uid or 0, mount.gid or 0)
        path = self._stack.enter_context(
            forwarded(agents.connector(mount.id), folder, mount.mode or 0, owner)
        )
        self.mounts.append(Mount("bind", mount.target, path))

    def _located(self, mount: RunMount, error: LaminaError) -> LaminaError:
        """The error at the words of this mount."""
        word = f"id={mount.id}" if f"id={mount.id}" in self._work.instruction.original else "--mount"
        return self._run.session.locate(self._work.instruction, error, at=word)
