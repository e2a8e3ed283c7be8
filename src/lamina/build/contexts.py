"""Contexts: where the files of a build come from: its main context, and those that --build-context names.

A main context that is a folder of this machine is all that most builds have, and all that this file knows;
what lies elsewhere is fetched by lamina.build.elsewhere.
"""

from __future__ import annotations

import os
from _thread import allocate_lock
from typing import TYPE_CHECKING, cast

from lamina.build.context import Context
from lamina.db import contexts
from lamina.dockerfile import IgnoreFile
from lamina.errors import InvalidInput, NotFound
from lamina.events import Notice
from lamina.graph.scope import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.build.done import Material
    from lamina.build.pulling import Pulls
    from lamina.build.remote import Remotes
    from lamina.build.request import BuildRequest
    from lamina.build.shared import Shared
    from lamina.events import Observer
    from lamina.fetch.stopping import Stopper
    from lamina.graph.ops import SourceRef
    from lamina.graph.stages import Stage
    from lamina.layers.absent import Fetcher
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.oci.platform import Platform
    from lamina.registry.settings import Settings


class Contexts:
    """One build's. A context is listed by one thread at a time: `lock` is for whoever asks one of them."""

    def __init__(
        self,
        ctx: Layers,
        request: BuildRequest,
        platform: Platform,
        observer: Observer,
        enter: Callable[[], None],
        registries: Callable[[], Settings] | None = None,
    ) -> None:
        """`enter` makes us root in here, which unpacking needs; `registries` is asked when one is to be."""
        self.ctx = ctx
        self.request = request
        self.platform = platform
        self.observer = observer
        self.enter = enter
        self.lock = allocate_lock()
        self._inner = allocate_lock()  # of what fetches; taken inside of the other two
        self._arriving = allocate_lock()  # one further context is brought at a time; taken inside of `lock`
        self.names: frozenset[str] = frozenset()
        self._values: dict[str, str] = {}
        self._roots: dict[str, Context] = {}  # those of this machine, by folder: with a stat cache
        self._main: Context | None = None
        self._files: dict[str, Context] = {}  # further ones, by name
        self._images: dict[tuple[str, str], str] = {}  # further ones that are images
        self._remotes: Remotes | None = None
        self._registries = registries
        self._pulls: Pulls | None = None
        self._stopper: Stopper | None = None
        self.shared: Shared | None = None  # caches that machines share, where the build has any
        self.lost: set[DiffID] = set()  # layers that are elsewhere and cannot be brought
        if request.contexts:
            from lamina.graph.contexts import context_name  # most builds have none

            self._values = {context_name(name): value for name, value in request.contexts.items()}
            self.names = frozenset(self._values)

    def fetching(self) -> Layers:
        """The store, from which layers that are elsewhere come as this build wants it: errors are Lost."""
        self.ctx = self.ctx._replace(fetch=self._fetcher)
        return self.ctx

    def _fetcher(self) -> Fetcher:
        from lamina.build.bringing import Bringing  # most stores have all their layers

        return Bringing(self._registries, self.enter, self._stopper, self.observer)

    def begin(self) -> BuildRequest:
        """The request with its Dockerfile, once a context that lies elsewhere is here.

        NotFound when there is no such context; the failures of fetching, of unpacking.
        """
        place = self.request.context
        if self.request.archive is None and (place is None or os.path.isdir(place)):
            if self.request.dockerfile_inside:
                from lamina.build.elsewhere import bring_dockerfile  # only for -f URL

                self.request = bring_dockerfile(self)
            if self.request.build_args.get(EPOCH) == "context":
                self._forget_epoch()
            return self.request
        from lamina.build.elsewhere import bring  # with all that fetches

        self.request, self._main = bring(self)
        return self.request

    def _forget_epoch(self) -> None:
        """A folder of this machine has no time of its own: as in BuildKit, the build goes on without."""
        args = {name: value for name, value in self.request.build_args.items() if name != EPOCH}
        self.request = self.request._replace(build_args=args)
        self.observer(Notice(f"[Warning] {EPOCH}=context says nothing for a context on this machine"))

    @property
    def remotes(self) -> Remotes:
        """What fetches for this build."""
        if self._remotes is None:
            with self._inner:
                if self._remotes is None:
                    from lamina.build.remote import Remotes  # most builds fetch nothing

                    self._remotes = Remotes(self.ctx, self.request, self.observer)
                    self._remotes.stopper = self._stopper or self._remotes.stopper
        return self._remotes

    @property
    def pulls(self) -> Pulls | None:
        """What brings images from registries for this build; None where that is not wanted."""
        if self._pulls is None and self._registries is not None:
            with self._inner:
                if self._pulls is None:
                    from lamina.build.pulling import Pulls  # most builds have their bases in the store

                    self._pulls = Pulls(
                        self.ctx, self._registries, self.observer, self.enter, self._ask_layers
                    )
                    self._pulls.stopper = self._stopper
        return self._pulls

    def _ask_layers(self, diff_ids: Sequence[DiffID]) -> None:
        if self.shared is not None:
            self.shared.ask_layers(diff_ids)

    def stop_with(self, stopper: Stopper) -> None:
        """From now on fetching ends when `stopper` says so: others work beside it."""
        self._stopper = stopper
        if self._pulls is not None:
            self._pulls.stopper = stopper
        if self._remotes is not None:
            self._remotes.stopper = stopper
        if self.shared is not None:
            self.shared.stop_with(stopper)

    def main(self) -> Context:
        """The main context, scanned as it is asked for. NotFound when the build has none."""
        if self._main is None:
            place = self.request.context
            if place is None:
                raise NotFound("this build has no context", hint="give a folder instead of -")
            self._main = self.folder(place, read_ignore(self.request))
        return self._main

    def folder(self, place: str, ignore: IgnoreFile | None) -> Context:
        """A folder of this machine."""
        root = os.path.realpath(place)
        found = Context(root, ignore, contexts.stats(self.ctx.db.read(), root))
        self._roots.setdefault(root, found)
        return found

    def files(self, name: str) -> Context:
        """A further context that is no image, as files. NotFound, InvalidInput, the failures of fetching."""
        return cast("Context", self._bring(name, None))

    def image(self, name: str, platform: Platform | None = None) -> str:
        """The image that a further context is, by a name or ID that the store knows; "" when it is files."""
        found = self._bring(name, platform)
        return found if isinstance(found, str) else ""

    def settle(self, ref: SourceRef, platform: Platform) -> SourceRef:
        """The same source; one in a further context that is an image becomes that image."""
        image = self.image(ref.context, platform) if ref.context else ""
        return ref._replace(context="", image=image) if image else ref

    def settle_stage(self, stage: Stage) -> Stage:
        """The same stage; one that begins from a further context that is an image begins from the image."""
        image = self.image(stage.context, stage.platform) if stage.context else ""
        return stage._replace(context="", base=image) if image else stage

    def value(self, name: str) -> str:
        """What --build-context says of a name."""
        return self._values[name]

    def _bring(self, name: str, platform: Platform | None) -> Context | str:
        """Files, which are the same for all platforms, or an image."""
        platform = platform or self.platform
        key = name, str(platform)
        found: Context | str | None = self._files.get(name) or self._images.get(key)
        if found is not None:
            return found
        with self._arriving:
            found = self._files.get(name) or self._images.get(key)
            if found is None:
                from lamina.build.named import find_named  # most builds have none

                found = find_named(self, name, self._values[name], platform)
                if isinstance(found, str):
                    self._images[key] = found
                else:
                    self._files[name] = found
        return found

    def materials(self) -> list[Material]:
        """What was taken from elsewhere."""
        return [] if self._remotes is None else self._remotes.materials(self.request.context or "")

    def note(self) -> None:
        """Remembers what was hashed; no transaction when there is nothing new."""
        for root, context in self._roots.items():
            context.close()
            changed, gone = context.news()
            if changed or gone:
                with self.ctx.db.write(durable=False) as c:
                    contexts.put_stats(c, root, changed, gone)

    def close(self) -> None:
        """Gives back all that was brought here for this build."""
        for context in (*self._files.values(), *([self._main] if self._main else [])):
            context.close()
        if self._remotes is not None:
            self._remotes.close()
        if self.shared is not None:
            self.shared.close()


def read_ignore(request: BuildRequest) -> IgnoreFile | None:
    """The patterns of PATH.dockerignore beside the Dockerfile, else of .dockerignore in the context."""
    return first_ignore(ignore_places(request.context, request.dockerfile_path))


def ignore_places(context: str | None, dockerfile: str | None) -> list[str]:
    """The files with patterns for a context, of which the first that is there counts."""
    places = [f"{dockerfile}.dockerignore"] if dockerfile else []
    return places if context is None else [*places, os.path.join(context, ".dockerignore")]


def first_ignore(paths: list[str]) -> IgnoreFile | None:
    """The patterns of the first of these files that is there."""
    found = find_ignore(paths)
    return found and found[1]


def find_ignore(paths: list[str]) -> tuple[str, IgnoreFile] | None:
    """The first of these files that is there, and its patterns. InvalidInput, also for a bad pattern."""
    for path in paths:
        try:
            with open(path, "rb") as file:
                return path, IgnoreFile.parse(file.read())
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise InvalidInput(f"cannot read {path}: {error.strerror}") from None
    return None
