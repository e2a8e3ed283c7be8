"""Shared: what a build takes from caches that machines share (--cache-from), and adds to them (--cache-to).

A cache is opened at the first miss of the store's own, or when a base is not here: a build that the store
knows asks nobody. What it says becomes rows, and the step is looked up once more. Each step that is done, or
found, is handed to the exports, which send it while the build goes on.
"""

from __future__ import annotations

from _thread import allocate_lock
from contextlib import ExitStack
from typing import TYPE_CHECKING

from lamina.build.builtin import INLINE, wants_inline_cache
from lamina.build.records import plain
from lamina.errors import Cancelled, LaminaError, NoSpace, Unsupported
from lamina.events import Notice
from lamina.fetch.stopping import NeverStops, Stop
from lamina.oci.digest import chain_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from lamina.build.given import CacheFrom, CacheTo
    from lamina.build.request import BuildRequest
    from lamina.build.stagerun import StageRun, Work
    from lamina.db.layerdb import Layer
    from lamina.events import Observer
    from lamina.fetch.stopping import Killable, Stopper
    from lamina.layers.context import Layers
    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import DiffID
    from lamina.oci.platform import Platform
    from lamina.registry.settings import Settings
    from lamina.transfer.cache.export import Exporter
    from lamina.transfer.cache.opening import OpenedCache, Sought
    from lamina.transfer.cache.places import CachePlace


class Shared:
    """One build's. Threads of several stages may ask: one at a time."""

    def __init__(
        self,
        ctx: Layers,
        request: BuildRequest,
        platform: Platform,
        observer: Observer,
        enter: Callable[[], None],
        registries: Callable[[], Settings] | None,
    ) -> None:
        self._ctx = ctx
        self._request = request
        self._platform = platform
        self._tell = observer
        self._enter = enter
        self._registries = registries
        self._lock = allocate_lock()
        self._stack = ExitStack()
        self._stopper: Stopper = NeverStops()
        self._stop = Stop(self)  # of all that is asked here, whoever stops that by then
        self._opened: list[OpenedCache] | None = None
        self._exports: list[tuple[CacheTo, Exporter]] | None = None
        self._inline = wants_inline_cache(request.build_args) or any(
            each.type == "inline" for each in request.cache_to
        )
        self._asked: set[str] = set()
        self._keys: dict[str, str] = {}  # what makes a layer again, by the stack that it led to

    def stop_with(self, stopper: Stopper) -> None:
        """From now on asking ends when `stopper` says so."""
        self._stopper = stopper

    def check(self) -> None:
        """As fetch.stopping.Stopper has it."""
        self._stopper.check()

    def killing(self, process: Killable, /) -> AbstractContextManager[None]:
        """As fetch.stopping.Stopper has it."""
        return self._stopper.killing(process)

    # --- from

    def ask(self, run: StageRun, work: Work) -> bool:
        """For a step that the store does not know: whether there are rows now that may be its own."""
        if run.no_cache or not self._request.cache_from:
            return False
        return self._each(work.key.digest, lambda cache: cache.bring_exact(_sought(run, work)))

    def ask_alike(self, run: StageRun, work: Work, recipe: str) -> bool:
        """The same for what is done on other layers, and for what can be told about a step that is missed."""
        if run.no_cache or not self._request.cache_from:
            return False
        sought = _sought(run, work)._replace(recipe=recipe)
        return self._each(f"{work.key.digest} {recipe}", lambda cache: cache.bring_alike(sought))

    def ask_layers(self, diff_ids: Iterable[DiffID]) -> None:
        """Rows of the layers of a base that is not here: then it need not come as a whole."""
        wanted = tuple(diff_ids)

        def bring(cache: OpenedCache) -> bool:
            cache.bring_layers(wanted)
            return False

        if self._request.cache_from:
            self._each(" ".join(wanted), bring)

    def _each(self, what: str, ask: Callable[[OpenedCache], bool]) -> bool:
        """Asks one cache after the other until one has something; what fails is told of and left out.

        Nobody is asked twice for one thing: what another stage has asked for may be here by now.
        """
        with self._lock:
            if what in self._asked:
                return True
            self._asked.add(what)
            if self._opened is None:
                self._enter()
                self._opened = [opened for each in self._request.cache_from if (opened := self._open(each))]
            for cache in list(self._opened):
                try:
                    if ask(cache):
                        return True
                except (Cancelled, NoSpace):
                    raise
                except LaminaError as error:
                    self._opened.remove(cache)
                    self._tell(Notice(f"[Warning] cache {cache.shown}: {error.message}"))
        return False

    def _open(self, source: CacheFrom) -> OpenedCache | None:
        try:
            from lamina.transfer.cache.opening import open_cache  # a build that the store knows asks nobody

            place = self._stack.enter_context(self._place_of(source, self._stop))
            found = open_cache(self._ctx, place, self._platform, self._tell)
        except (Cancelled, NoSpace):
            raise
        except LaminaError as error:
            self._tell(Notice(f"[Warning] importing cache manifest from {source.shown}: {error.message}"))
            return None
        if found is None:
            self._tell(Notice(f"[Warning] {source.shown} has no build cache in it"))
        else:
            self._tell(Notice(f"importing cache manifest from {source.shown}"))
        return found

    # --- to

    def begin_exports(self) -> None:
        """From now on threads may run beside this one: all is forked that is to be forked."""
        for _, export in self._exporters:
            export.start()

    def took(self, run: StageRun, work: Work, diff_id: DiffID, top: Layer) -> None:
        """A step of a stage was done, or found."""
        if not (self._request.cache_to or self._inline):
            return
        keys = tuple([key.digest for key in (work.key, work.alias) if key is not None])
        is_in_image = run.stage.number in _lineage(run)
        if is_in_image:
            self._keys[top.chain_id] = keys[-1]  # the quick one, which is the same however the step was found
        for to, export in self._exporters:
            from lamina.transfer.cache.gather import Exported  # most builds only ask

            export.add(Exported(keys, diff_id, top, to.mode == "max" or is_in_image))

    def finished(self, config: ImageConfig) -> ImageConfig:
        """The config of an image with what --cache-to type=inline puts into it."""
        if not self._inline and INLINE not in config.extra:
            return config
        from lamina.transfer.cache.inline import marked  # few images have their cache inside

        keys, top = [], None
        for diff_id in config.diff_ids:
            top = chain_id(top, diff_id)
            keys.append(self._keys.get(top, ""))
        return marked(config, keys if self._inline else ())

    def finish(self) -> None:
        """Ends the exports of a build that went well. What kept one from it, unless it may (ignore-error)."""
        if self._exporters:
            self._enter()
        failed: LaminaError | None = None
        for to, export in self._exporters:
            self._tell(Notice(f"exporting cache to {to.shown}"))
            try:
                export.finish()
            except Cancelled:
                raise
            except LaminaError as error:
                error.message = f"exporting cache to {to.shown}: {error.message}"
                error.args = (error.message,)
                error.hint = error.hint or "with ignore-error=true the build goes well without it"
                if to.ignore_error:
                    self._tell(Notice(f"[Warning] {error.message}"))
                failed = failed or (None if to.ignore_error else error)
        if failed is not None:
            raise failed

    def close(self) -> None:
        """Stops what is under way, and gives back connections."""
        for _, export in self._exports or ():
            export.stop()
        self._stack.close()

    @property
    def _exporters(self) -> list[tuple[CacheTo, Exporter]]:
        if self._exports is None:
            wanted = [each for each in self._request.cache_to if each.type != "inline"]
            self._exports = [(each, self._exporter(each)) for each in wanted]
        return self._exports

    def _exporter(self, to: CacheTo) -> Exporter:
        from lamina.transfer.cache.export import Exporter
        from lamina.transfer.packing import Packing

        packing = Packing(to.compression, to.level, to.force)
        return Exporter(self._ctx, lambda stop: self._place_of(to, stop), packing, self._tell)

    def _place_of(self, cache: CacheFrom | CacheTo, stop: Stop) -> AbstractContextManager[CachePlace]:
        if cache.type == "local":
            from lamina.transfer.cache.folder import FolderPlace

            return FolderPlace(self._ctx, cache.place, cache.tag, cache.digest)
        from lamina.oci import reference
        from lamina.transfer.cache.places import RegistryPlace

        if self._registries is None:
            raise Unsupported("no registry is asked here")
        return RegistryPlace(self._ctx, reference.parse(cache.place), self._registries(), stop)


def _sought(run: StageRun, work: Work) -> Sought:
    """What a cache is asked for."""
    from lamina.build.adopting import ingredients_of  # as above
    from lamina.transfer.cache.opening import Sought

    keys = [(key.digest, ingredients_of(key)) for key in (work.key, work.alias) if key is not None]
    return Sought(tuple(keys), plain(work.created_by), run.top.chain_id if run.top else "")


def _lineage(run: StageRun) -> set[int]:
    """The stages whose layers are in the image: the target, and what it starts from."""
    plan = run.session.plan
    found: set[int] = set()
    number: int | None = plan.target
    while number is not None:
        found.add(number)
        number = plan.stages[number].parent
    return found
