"""RecordsCache: a cache that Lamina exported, whose records become rows as far as a build asks for them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from lamina.db import cachedb, layerdb, traces
from lamina.db import packed as forms
from lamina.db.packed import Packed
from lamina.errors import Corrupt, InvalidInput, LaminaError, NotFound
from lamina.events import Notice
from lamina.layers.absent import put_absent
from lamina.layers.commit import stack
from lamina.oci.digest import ChainID, chain_id
from lamina.transfer.cache import listing as cachelisting
from lamina.transfer.cache.kept import put_kept
from lamina.transfer.cache.places import checked

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from lamina.db.cachedb import Step
    from lamina.events import Observer
    from lamina.layers.context import Layers
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.digest import DiffID
    from lamina.transfer.cache.opening import Sought
    from lamina.transfer.cache.places import CachePlace
    from lamina.transfer.cache.records import Records, SharedLayer, SharedStep
    from lamina.tree.entry import Entry

_AT_ONCE = 8  # listings that are fetched, and held in memory
_MOST_ALIKE = 8  # runs of one recipe that are brought, as many as the store keeps traces of


class RecordsCache:
    """A cache that Lamina exported."""

    def __init__(self, ctx: Layers, place: CachePlace, records: Records, tell: Observer) -> None:
        self.shown = place.shown
        self._ctx = ctx
        self._place = place
        self._records = records
        self._tell = tell
        self._brought: set[str] = set()  # keys of steps
        self._refused: set[DiffID] = set()  # layers of which something untrue was said
        self._recipes: dict[str, list[SharedStep]] = {}
        self._above: dict[str, list[SharedStep]] = {}
        for each in records.steps.values():
            self._recipes.setdefault(each.step.recipe, []).append(each)
            self._above.setdefault(each.step.parent or "", []).append(each)

    def bring_exact(self, sought: Sought) -> bool:
        """As OpenedCache has it."""
        exact = [self._records.steps[key] for key, _ in sought.keys if key in self._records.steps]
        return self._bring(self._onward(exact))

    def bring_alike(self, sought: Sought) -> bool:
        """As OpenedCache has it."""
        return self._bring(self._alike(sought))

    def _bring(self, found: Iterable[SharedStep]) -> bool:
        todo = {each.step.key: each.step for each in found}
        diffs = {step.diff_id for step in todo.values()}
        for trace in self._records.traces:  # the runs that left the traces of their layers
            if trace.diff_id in diffs and trace.step in self._records.steps:
                todo.setdefault(trace.step, self._records.steps[trace.step].step)
        new = [step for key, step in todo.items() if key not in self._brought]
        self._brought.update(todo)
        return bool(new) and self._put(new)

    def bring_layers(self, diff_ids: Iterable[DiffID]) -> None:
        """As OpenedCache has it."""
        self._put_layers([name for name in diff_ids if name in self._records.layers])

    # --- which steps

    def _onward(self, exact: Sequence[SharedStep]) -> list[SharedStep]:
        """These steps, and what was done on them by the builds that used each stack last."""
        found: dict[str, SharedStep] = {}
        todo = list(exact)
        while todo:
            each = todo.pop()
            if each.step.key in found:
                continue
            found[each.step.key] = each
            top = _led_to(each.step)
            above = self._above.get(top, []) if top else []
            last = max([one.used for one in above], default=0.0)
            todo += [one for one in above if one.used == last]
        return list(found.values())

    def _alike(self, sought: Sought) -> list[SharedStep]:
        runs = self._recipes.get(sought.recipe, []) if sought.recipe else []
        if runs:
            return sorted(runs, key=lambda each: -each.step.ran)[:_MOST_ALIKE]
        same = [each for each in self._records.steps.values() if each.step.created_by == sought.created_by]
        if same:
            return [max(same, key=lambda each: each.step.ran)]
        word = sought.created_by.partition(" ")[0]
        near = [each for each in self._above.get(sought.on, []) if each.step.created_by.startswith(word)]
        return sorted(near, key=lambda each: -each.step.ran)[:_MOST_ALIKE]

    # --- rows

    def _put(self, steps: Sequence[Step]) -> bool:
        """Puts the rows of steps, and of what they speak of. Whether any is new."""
        records = self._records
        runs = {step.key for step in steps} & {trace.step for trace in records.traces}
        tops = {step.parent: None for step in steps} | {
            trace.parent: None for trace in records.traces if trace.step in runs
        }
        stacks = [layer for top in tops for layer in records.chain(top)]
        names = [step.diff_id for step in steps if step.diff_id] + [layer.diff_id for layer in stacks]
        self._put_layers(names)
        new = False
        with self._ctx.db.write() as tx:
            for layer in stacks:
                self._put_stack(tx, layer)
            for step in steps:
                if step.diff_id is not None and self._is_known(tx, step.diff_id):
                    new |= self._put_step(tx, step)
            for trace in records.traces:
                if trace.step in runs and self._is_known(tx, trace.diff_id):
                    self._put_trace(tx, trace)
        return new

    def _put_stack(self, tx: sqlite3.Connection, layer: layerdb.Layer) -> None:
        diff = layerdb.get_diff(tx, layer.diff_id)
        if diff is not None and (layer.parent is None or layerdb.get_layer(tx, layer.parent) is not None):
            stack(tx, self._ctx, layer.parent, diff, layer.created_by, layer.created)

    def _put_step(self, tx: sqlite3.Connection, step: Step) -> bool:
        mine = step._replace(origin=self.shown)
        return cachedb.put_step(tx, mine) is mine

    def _put_trace(self, tx: sqlite3.Connection, trace: traces.Trace) -> None:
        known = traces.candidates(tx, trace.recipe)
        if all((one.diff_id, one.parent) != (trace.diff_id, trace.parent) for one in known):
            traces.put(tx, trace)

    def _is_known(self, c: sqlite3.Connection, name: DiffID) -> bool:
        return name not in self._refused and layerdb.get_diff(c, name) is not None

    # --- layers

    def _put_layers(self, names: Iterable[DiffID]) -> None:
        """Rows of those of these layers that the store does not know, a few at a time: lists can be long."""
        c, repository = self._ctx.db.read(), self._place.repository
        wanted = [self._records.layers[name] for name in dict.fromkeys(names) if name not in self._refused]
        todo = [layer for layer in wanted if layerdb.get_diff(c, layer.diff.diff_id) is None]
        known = [
            layer
            for layer in wanted
            if layer.blob is not None and not forms.is_at(c, layer.blob.digest, repository)
        ]
        for at in range(0, len(todo), _AT_ONCE):
            some = todo[at : at + _AT_ONCE]
            for layer, data in zip(some, self._fetched([each.listing for each in some]), strict=True):
                self._put_listed(layer, data)
        with self._ctx.db.write(durable=False) as tx:
            for layer in known:
                if self._is_known(tx, layer.diff.diff_id):
                    self._put_layer(tx, layer.diff.diff_id, None)

    def _put_listed(self, layer: SharedLayer, data: bytes | LaminaError) -> None:
        kept: dict[bytes, bytes] = {}
        try:
            entries = _entries(layer, data, kept)
        except (InvalidInput, NotFound, Corrupt) as error:
            self._refused.add(layer.diff.diff_id)
            self._tell(Notice(f"[Warning] cache {self.shown}: {error.message}"))
            return
        put_kept(self._ctx, kept)
        with self._ctx.db.write(durable=False) as tx:
            self._put_layer(tx, layer.diff.diff_id, entries)

    def _put_layer(self, tx: sqlite3.Connection, name: DiffID, entries: Iterable[Entry] | None) -> None:
        """The rows of a layer, and where it is; of one that is known (None) only that."""
        layer = self._records.layers[name]
        if entries is not None and not put_absent(self._ctx, tx, layer.diff, entries):
            self._refused.add(name)
            return
        for form in layer.forms:
            forms.put(tx, Packed(name, form))
        if layer.blob is not None:
            forms.put(tx, Packed(name, layer.blob), self._place.repository)

    def _fetched(self, listings: Sequence[Descriptor]) -> list[bytes | LaminaError]:
        """These blobs; what kept one from coming in its place."""
        from concurrent.futures import ThreadPoolExecutor  # only where a cache is read

        def fetch(descriptor: Descriptor) -> bytes | LaminaError:
            try:
                if descriptor.data:
                    return checked(base64.b64decode(descriptor.data, validate=True), descriptor, self.shown)
                return self._place.blob(descriptor)
            except (NotFound, Corrupt) as error:
                return error
            except ValueError:
                return Corrupt(f"listing {descriptor.digest} is no base64")

        if sum(not each.data for each in listings) < 2:
            return [fetch(each) for each in listings]
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(fetch, listings))


def _led_to(step: Step) -> str:
    """The stack that a step led to; "" where that is not known."""
    if step.diff_id is None or step.parent is None:
        return ""
    return chain_id(ChainID(step.parent) if step.parent else None, step.diff_id)


def _entries(layer: SharedLayer, data: bytes | LaminaError, kept: dict[bytes, bytes]) -> list[Entry]:
    """The entries of a listing, which are as the records say; `kept` gets content of files (cachekept).

    InvalidInput, NotFound, Corrupt.
    """
    from lamina.tree.content import content_id
    from lamina.tree.entry import Kind

    if isinstance(data, LaminaError):
        raise data
    entries = cachelisting.unpack(data, kept)
    diff = layer.diff
    size = sum([entry.size for entry in entries if entry.kind is Kind.FILE])
    if (content_id(entries), size, len(entries)) != (diff.content_id, diff.size, diff.entries):
        raise InvalidInput(f"the listing of layer {diff.diff_id} is not what its records say")
    return entries
