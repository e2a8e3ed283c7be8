"""Two stacks of layers: what differs between them, by path and by step, for people to be told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lamina.db import cachedb, differing, layerdb
from lamina.graph.filefacts import RANKS, differences, of_entry
from lamina.graph.masking import masked
from lamina.graph.reason import Change
from lamina.layers.lookup import Lookup
from lamina.oci.digest import ChainID
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lamina.db.layerdb import Layer
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID

_MOST_ENTRIES = 60_000  # of layers that only one stack has: more are not compared, it would take too long
_MOST_ROWS = 2000  # paths of either stack that are found in them
_MOST_PATHS = 200  # that are looked at one by one
_MANY = 4  # of these in one folder are looked up together with all that the folder holds
# What hardly ever is why somebody cares: it is named last.
_NOISE = re.compile(
    rb"(var/(log|cache|lib/apt/lists)|tmp|run|usr/share/(doc|man|locale|info))(/|$)|root/\.|(.*/)?__pycache__(/|$)"
)
_SHELL = re.compile(r"(RUN )(?:\|\d+ .*? )?/bin/sh -c (.*?)(?: # buildkit)?", re.DOTALL)


class Maker(NamedTuple):
    """A step of this build: its number, its line in the Dockerfile, its text on one line."""

    number: int
    line: int
    text: str


class Stack(NamedTuple):
    """The layers below a step, bottom first; the first `base` of them are those of the image of FROM."""

    layers: tuple[Layer, ...]
    base: int

    @property
    def chain(self) -> tuple[DiffID, ...]:
        """Their diff IDs, top first."""
        return tuple([layer.diff_id for layer in reversed(self.layers)])


class Comparison:
    """What differs from `old` to `new`; `makers` are the steps of this build by the chain IDs they led to."""

    def __init__(self, ctx: Layers, old: Stack, new: Stack, makers: Mapping[str, Maker]) -> None:
        self._c = ctx.db.read()
        self.old, self.new = old, new
        self.before, self.after = Lookup(ctx, old.chain), Lookup(ctx, new.chain)
        self._makers = self._by_diff(makers)
        self._paths: list[bytes] | None = None
        self.count = 0  # entries of the layers that only one stack has
        self.doubt = ""
        self._entries: dict[DiffID, int] = {}
        self._known: dict[bool, list[set[str]]] = {}  # of the old stack, and of the new

    def _by_diff(self, makers: Mapping[str, Maker]) -> dict[DiffID, Maker]:
        """Which step brought each of the new layers; those of the base came with FROM."""
        found = {}
        layers, base = self.new
        for at, layer in enumerate(layers):
            name = layers[base - 1].chain_id if at < base else layer.chain_id
            if name in makers:
                found[layer.diff_id] = makers[name]
        return found

    def paths(self) -> list[bytes]:
        """Where rows of layers differ that only one stack has: sorted. `doubt` says why these are not all."""
        if self._paths is None:
            mine, theirs = self.own()
            self.count = sum([self._entries.get(name, 0) for name in (*mine, *theirs)])
            if self.count > _MOST_ENTRIES:
                mine = theirs = []
            found = set(differing.differing(self._c, theirs, mine, _MOST_ROWS))
            found.update(differing.differing(self._c, mine, theirs, _MOST_ROWS))
            found.discard(b"")
            self._paths = sorted(found)
            if self.count > _MOST_ENTRIES:
                self.doubt = f"the layers below have too many files to compare each: {self.count}"
            elif len(found) >= _MOST_ROWS:
                self.doubt = "there are more differences than are counted"
        return self._paths

    def own(self) -> tuple[list[DiffID], list[DiffID]]:
        """The layers that only the old, and only the new stack has; in another order all from there on."""
        old, new = ([layer.diff_id for layer in stack.layers] for stack in (self.old, self.new))
        known = differing.contents(self._c, [*old, *new])
        self._entries = {name: entries for name, (_, entries) in known.items()}
        contents = {name: content for name, (content, _) in known.items()}
        same = 0
        for one, other in zip(old, new, strict=False):
            if contents.get(one, one) != contents.get(other, other):
                break
            same += 1
        old, new = old[same:], new[same:]
        common = {contents.get(name) for name in old} & {contents.get(name) for name in new}
        mine = [name for name in old if contents.get(name) not in common]
        theirs = [name for name in new if contents.get(name) not in common]
        order = [contents.get(name) for name in old if name not in mine]
        if order != [contents.get(name) for name in new if name not in theirs]:
            return old, new  # what lay above lies below now
        return mine, theirs

    def at(self, kind: str, path: bytes) -> tuple[Change, ...]:
        """What differs at one path, in the two stacks as a whole; () where nothing does."""
        old, new = self.before.get(path), self.after.get(path)
        found = differences(of_entry(old) if old else None, of_entry(new) if new else None)
        if not found:
            return ()
        maker = self.maker(path)
        name = shown(path)
        return tuple([Change(kind, name, *each, maker.number, maker.line) for each in found])

    def listing(self, path: bytes) -> tuple[Change, ...]:
        """What came into a folder, and what went out of it."""
        old, new = (
            {entry.path: entry.kind for entry in look.children(path)} for look in (self.before, self.after)
        )
        came = [each for each, kind in new.items() if old.get(each) != kind]
        gone = [each for each, kind in old.items() if new.get(each) != kind]
        if not came and not gone:
            return ()
        first = (came or gone)[0]
        maker = self.maker(first)
        lost, new_ones = _names(path, gone), _names(path, came)
        return (Change("read", shown(path), "listing", lost, new_ones, maker.number, maker.line),)

    def maker(self, path: bytes) -> Maker:
        """The step of this build that brought what is at `path`, or took it away."""
        source = self.after.source(path)
        if source is not None:
            return self._makers.get(source, NOBODY)
        for layer in reversed(self.new.layers):
            row = cachedb.file(self._c, layer.diff_id, path)
            if row is not None and row.kind is Kind.WHITEOUT:
                return self._makers.get(layer.diff_id, NOBODY)
        source = self.before.source(path)
        at = next((n for n, layer in enumerate(self.old.layers) if layer.diff_id == source), None)
        if at is None:
            return NOBODY
        if at < self.old.base and self.new.base:
            return self._makers.get(self.new.layers[0].diff_id, NOBODY)
        before, after = self._texts(self.old), self._texts(self.new)
        place = at - self.old.base
        same = [number for number, texts in enumerate(after) if texts & before[place]]
        if not same and place < len(after) and not after[place] & set().union(*before):
            same = [place]  # the step that is there instead
        return self._makers.get(self.new.layers[self.new.base + same[0]].diff_id, NOBODY) if same else NOBODY

    def all(self) -> tuple[list[Change], int]:
        """What differs at all paths, the most telling first; and how many paths are not told."""
        groups: list[tuple[bool, int, int, bytes, tuple[Change, ...]]] = []
        left = 0
        under = b"\0"  # a folder that came or went as a whole
        whole: dict[bytes, int] = {}
        self._prefetch()
        for path in self.paths():
            if path.startswith(under):
                whole[under] += 1
                continue
            if len(groups) == _MOST_PATHS:
                left += 1
                continue
            found = self.at("below", path)
            if not found:
                continue
            first = found[0]
            if first.what in ("added", "removed") and "folder" in (first.old, first.new):
                under = path + b"/"
                whole[under] = 0
            rank = RANKS.get(first.what, 3)
            groups.append((_NOISE.match(path) is not None, first.step, rank, path, found))
        groups.sort()
        told = [
            change for *_, path, found in groups for change in _with_count(found, whole.get(path + b"/", 0))
        ]
        return told, left

    def _prefetch(self) -> None:
        """Looks up whole folders of which many entries will be asked for."""
        folders = [path.rpartition(b"/")[0] for path in self.paths()[:_MOST_PATHS]]
        for folder in set(folders):
            if folders.count(folder) > _MANY:
                self.before.prefetch(folder)
                self.after.prefetch(folder)

    def steps(self) -> list[Change]:
        """The instructions above that came, went, changed their text or their place."""
        old, new = self._texts(self.old), self._texts(self.new)
        before, after = set().union(*old), set().union(*new)
        gone = [texts for texts in old if not texts & after]
        found: list[Change] = []
        for at, texts in enumerate(new):
            if texts & before:
                continue
            what, was = "added", None
            if at < len(old) and old[at] in gone:
                gone.remove(old[at])
                what, was = "replaced", min(old[at])
            found.append(self._step(self.new.layers[self.new.base + at], what, was))
        found += [Change("step", masked(min(texts)), "removed") for texts in gone]
        if found or len(old) != len(new):
            return found
        moved = [at for at, pair in enumerate(zip(old, new, strict=True)) if not pair[0] & pair[1]]
        return [self._step(self.new.layers[self.new.base + at], "moved") for at in moved[:1]]

    def _texts(self, stack: Stack) -> list[set[str]]:
        """Of each layer above the base the instructions that it came of: two may have made the same."""
        known = self._known.get(stack is self.old)
        if known is None:
            known = self._known[stack is self.old] = self._texts_of(stack)
        return known

    def _texts_of(self, stack: Stack) -> list[set[str]]:
        layers = stack.layers[stack.base :]
        others = differing.histories(self._c, [layer.diff_id for layer in layers])
        lines = [{layer.created_by} | others.get(layer.diff_id, set()) for layer in layers]
        return [{plain_text(line) for line in each} for each in lines]

    def made_anew(self) -> list[Change]:
        """The steps whose layers only the new stack has."""
        theirs = set(self.own()[1])
        found = [self._step(layer, "content") for layer in self.new.layers if layer.diff_id in theirs]
        return list(dict.fromkeys(found))

    def _step(self, layer: Layer, what: str, before: str | None = None) -> Change:
        maker = self._makers.get(layer.diff_id, NOBODY)
        text = maker.text or plain_text(layer.created_by)
        return Change("step", masked(text), what, before and masked(before), None, maker.number, maker.line)


NOBODY = Maker(0, 0, "")


def stack_of(ctx: Layers, chain_id: str, bases: Iterable[str] | None = None) -> Stack:
    """The layers up to this chain ID ("" for none). `bases` are chain IDs that a FROM led to. NotFound.

    Without `bases` the base is all that no step of the cache has made.
    """
    c = ctx.db.read()
    layers = tuple(layerdb.chain(c, ChainID(chain_id))) if chain_id else ()
    if bases is None:
        made = [bool(cachedb.steps_making(c, layer.diff_id)) for layer in layers]
        return Stack(layers, made.index(True) if True in made else len(made))
    names = set(bases)
    return Stack(layers, max([n for n, layer in enumerate(layers, 1) if layer.chain_id in names], default=0))


def shown(path: bytes) -> str:
    """A path in an image as people write it."""
    return "/" + path.decode(errors="backslashreplace")


def plain_text(created_by: str) -> str:
    """A line of history as the instruction was written, more or less; no values of arguments."""
    found = _SHELL.fullmatch(created_by)
    text = found[1] + found[2] if found else created_by.removesuffix(" # buildkit")
    return " ".join(text.split()) if not text.startswith("RUN |") else "RUN"


def _names(folder: bytes, paths: Sequence[bytes]) -> str | None:
    start = len(folder) + 1 if folder else 0
    names = [path[start:].decode(errors="backslashreplace") for path in paths]
    more = [f"{len(names) - 5} more"] if len(names) > 5 else []
    return ", ".join(names[:5] + more) or None


def _with_count(found: tuple[Change, ...], count: int) -> tuple[Change, ...]:
    if not count:
        return found
    text = f"folder with {count} entries"
    first = found[0]
    return (first._replace(old=first.old and text, new=first.new and text), *found[1:])
