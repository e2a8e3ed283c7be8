"""Exporter: adds what a build did to a shared cache, while the build goes on.

    exporter = Exporter(ctx, open_place, packing)
    exporter.add(Exported(...))      # for each step, from any thread, as soon as it has its row
    exporter.start()                 # a thread sends layers and listings from now on
    exporter.finish()                # what is left, then the records; raises what went wrong
    exporter.stop()                  # instead: nothing has a name then

Many machines may add to one name. Nobody can lock it, so the records are merged with what is there, and put
again when they turn out to have been replaced at the same moment.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lamina.db import cachedb
from lamina.errors import Corrupt, InvalidInput, NotFound
from lamina.events import Notice
from lamina.fetch.stopping import NeverStops, Stop
from lamina.oci import media
from lamina.oci.manifest import Index, Manifest
from lamina.transfer.cache import listing as cachelisting
from lamina.transfer.cache import records as cacherecords
from lamina.transfer.cache.gather import UNLISTED, Gathered
from lamina.transfer.cache.kept import read_kept
from lamina.transfer.cache.opening import keep, read_records
from lamina.transfer.cache.records import Records

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from lamina.db.layerdb import Layer
    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import ChainID, DiffID, Digest
    from lamina.transfer.cache.gather import Exported
    from lamina.transfer.cache.places import CachePlace
    from lamina.transfer.packing import Packing

_ATTEMPTS = 8  # to give merged records the name, while others do the same
_DAY = 86_400.0  # seconds after which a use is worth writing down again
_SETTLE = 0.05  # seconds: who began to write before we had written has done so by then, at the least
_BUILDKITS = "application/vnd.buildkit.cacheconfig.v0"


class Exporter:
    """One build's export to one place; `open_place` is called by the thread that uses the place."""

    def __init__(
        self,
        ctx: Layers,
        open_place: Callable[[Stop], AbstractContextManager[CachePlace]],
        packing: Packing,
        observer: Observer,
    ) -> None:
        import threading  # a build that shares nothing does without

        self._ctx = ctx
        self._open = open_place
        self._packing = packing
        self._tell = observer
        self._stop = Stop(NeverStops())
        self._todo: list[Exported] = []
        self._change = threading.Condition()
        self._over = False  # nothing is added any more
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._failure: BaseException | None = None
        self._mine = Gathered(ctx)
        self._theirs = Records()
        self._seen: Digest | None = None  # what the name stood for when _theirs was read

    def add(self, step: Exported) -> None:
        """Notes a step; returns at once."""
        with self._change:
            self._todo.append(step)
            self._change.notify()

    def start(self) -> None:
        """Begins to send. Once is enough; not before this process has forked what it forks."""
        if self._thread.ident is None:
            self._thread.start()

    def finish(self) -> None:
        """Returns once the cache has its name. What kept it from that."""
        self.start()
        with self._change:
            self._over = True
            self._change.notify()
        try:
            while self._thread.is_alive():
                self._thread.join(0.1)  # Ctrl-C arrives in this thread
        except BaseException:
            self.stop()
            raise
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Ends it; what was sent stays where it is, without a name."""
        self._stop.set()
        with self._change:
            self._over = True
            self._todo.clear()
            self._change.notify()
        if self._thread.ident is not None:
            self._thread.join(5.0)

    # --- the thread

    def _run(self) -> None:
        try:
            with self._open(self._stop) as place:
                self._read(place)
                while steps := self._next():
                    for step in steps:
                        self._mine.add(step)
                    self._send(place)
                self._stop.check()
                self._name(place)
        except BaseException as error:
            self._failure = error
        finally:
            self._ctx.db.close()  # this thread's connection

    def _next(self) -> list[Exported]:
        with self._change:
            while not self._todo and not self._over:
                self._change.wait()
            found, self._todo = self._todo, []
            return found

    def _read(self, place: CachePlace) -> None:
        """What others, or earlier builds, have put there. InvalidInput for what is not to be written over."""
        now = place.digest()
        if now == self._seen:
            return
        self._seen = now
        self._theirs = _records_of(self._ctx, place, now, self._tell) if now is not None else Records()

    # --- layers

    def _send(self, place: CachePlace) -> None:
        """Afterwards the place has all layers of steps, and the listings of these and of those below them."""
        layers = self._mine.layers
        for name, layer in layers.items():
            theirs = self._theirs.layers.get(name)
            if theirs is not None and theirs.diff == layer.diff:
                listing = theirs.listing if layer.listing is UNLISTED else layer.listing
                layers[name] = layer._replace(blob=layer.blob or theirs.blob, listing=listing)
        missing = [name for name in self._mine.made if layers[name].blob is None]
        for name, blob in place.send(missing, self._packing, self._tell).items() if missing else ():
            layers[name] = layers[name]._replace(blob=blob)
        todo = [name for name, layer in layers.items() if layer.listing is UNLISTED]
        for name, listing in zip(todo, self._listings(place, todo), strict=True):
            layers[name] = layers[name]._replace(listing=listing)

    def _listings(self, place: CachePlace, names: list[DiffID]) -> list[Descriptor]:
        """The listings of these layers, once the place has them."""

        def put(name: DiffID) -> Descriptor:
            self._stop.check()
            try:
                entries = cachedb.files(self._ctx.db.read(), name)
                data = cachelisting.pack(entries, read_kept(self._ctx, name, entries))
                return cachelisting.embedded(data) or place.put(data, cachelisting.MEDIA_TYPE)
            finally:
                self._ctx.db.close()  # this thread's connection

        if len(names) < 2:
            return [put(name) for name in names]
        from concurrent.futures import ThreadPoolExecutor  # a request each: they wait more than they work

        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(put, names))

    # --- the name

    def _name(self, place: CachePlace) -> None:
        """Gives the merged records the name. Whoever does the same just now is seen, and merged with."""
        if not self._mine.steps:
            return
        for attempt in range(_ATTEMPTS):
            self._stop.check()
            self._read(place)
            if self._says_nothing_new():
                return
            records = cacherecords.trimmed(cacherecords.merged(self._mine.records(), self._theirs))
            text = cacherecords.to_bytes(records)
            config = place.put(text, cacherecords.MEDIA_TYPE)
            data = _manifest(config, records).to_bytes()
            began = time.monotonic()
            try:
                digest = place.name(data, self._seen)
            except (NotFound, InvalidInput):
                # what the old records name may be gone: the next attempt does without
                if attempt or not self._drop_lost(place):
                    raise
                continue
            if digest is None:
                continue
            time.sleep(max(_SETTLE, time.monotonic() - began))
            if place.digest() == digest:
                keep(self._ctx, place.source, digest, (data, text))
                return
        raise InvalidInput(
            f"cache {place.shown}: others wrote it at the same time, again and again",
            hint="the next build adds what this one did",
        )

    def _says_nothing_new(self) -> bool:
        """Whether the cache says all of it already, and not long ago."""
        mine, theirs = self._mine, self._theirs
        known = {(trace.recipe, trace.diff_id, trace.parent) for trace in theirs.traces}
        return (
            self._seen is not None
            and all(
                key in theirs.steps
                and theirs.steps[key].step.diff_id == each.step.diff_id
                and each.used - theirs.steps[key].used < _DAY
                for key, each in mine.steps.items()
            )
            and mine.stacks.keys() <= theirs.stacks.keys()
            and known.issuperset(mine.traces)
        )

    def _drop_lost(self, place: CachePlace) -> bool:
        """Forgets of the old records what the place has no more; whether there was any such thing."""
        lost = {
            name
            for name, layer in self._theirs.layers.items()
            for blob in (layer.blob, layer.listing)
            if blob is not None and not blob.data and not place.has(blob.digest)
        }
        for name in lost & self._mine.layers.keys():
            self._mine.layers[name] = self._mine.layers[name]._replace(blob=None, listing=UNLISTED)
        theirs = self._theirs
        stacks: dict[ChainID, Layer] = {}
        for layer in theirs.stacks.values():
            if layer.diff_id not in lost and (layer.parent is None or layer.parent in stacks):
                stacks[layer.chain_id] = layer
        self._theirs = Records(
            {name: layer for name, layer in theirs.layers.items() if name not in lost},
            stacks,
            {key: each for key, each in theirs.steps.items() if each.step.diff_id not in lost},
            tuple([trace for trace in theirs.traces if trace.diff_id not in lost]),
        )
        self._send(place)
        return bool(lost)


def _manifest(config: Descriptor, records: Records) -> Manifest:
    return Manifest(config, tuple(cacherecords.blobs_of(records)), artifact_type=cacherecords.MEDIA_TYPE)


def _records_of(ctx: Layers, place: CachePlace, digest: Digest, tell: Observer) -> Records:
    """What is under the name now, to be merged with. InvalidInput, Unsupported: it must not be replaced."""
    try:
        document, records = read_records(ctx, place, digest)
    except (Corrupt, NotFound, InvalidInput) as error:
        tell(Notice(f"[Warning] cache {place.shown}: what is there cannot be read: {error.message}"))
        return Records()
    if records is not None:
        return records
    config = document.config.media_type if isinstance(document, Manifest) else ""
    if config in media.CONFIGS or (not isinstance(document, Manifest) and not _is_buildkits(document)):
        raise InvalidInput(
            f"{place.shown} is an image: the build cache would take its place",
            hint="give the cache a name of its own, as in ref=REGISTRY/NAME:cache",
        )
    tell(Notice(f"[Warning] {place.shown} is a cache of another builder: it is replaced"))
    return Records()


def _is_buildkits(index: Index) -> bool:
    return any(each.media_type == _BUILDKITS for each in index.manifests)
