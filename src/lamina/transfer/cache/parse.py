"""What a shared cache says, read from bytes that anybody may have written: all is checked."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, cast

from lamina.db.cachedb import Ingredient, Step
from lamina.db.layerdb import Diff, Layer, make_layer
from lamina.db.traces import Trace
from lamina.errors import InvalidInput, Unsupported
from lamina.graph.rules import RULES
from lamina.oci import canonical, media
from lamina.oci import descriptor as descriptors
from lamina.oci import digest as digests
from lamina.oci.digest import DiffID
from lamina.transfer.cache import listing as cachelisting
from lamina.transfer.cache.records import MOST_FORMS, VERSION, Records, SharedLayer, SharedStep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.oci.descriptor import Descriptor

MAX_SIZE = 32 << 20  # bytes of records that are read
_MOST_READ = 20_000  # items of one list that are read
_LONGEST = 1 << 20  # characters of a text; a RUN may have a script
_LATEST = 4_102_444_800.0  # the year 2100, in seconds since 1970
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def parse(data: bytes) -> Records:
    """The records of a cache. InvalidInput for what is none, and for what could not be true; Unsupported."""
    value = canonical.loads_object(data, "cache", max_size=MAX_SIZE)
    if value.get("version") != VERSION:
        raise Unsupported(
            f"cache: version {str(value.get('version'))[:20]!r}, and this Lamina reads {VERSION}",
            hint="export it again with this version, or upgrade Lamina",
        )
    layers = [_layer(_Item(each, "layer")) for each in _list(value, "layers")]
    stacks: list[Layer] = []
    for each in _list(value, "stacks"):
        stacks.append(_stack(each, layers, stacks))
    diff_ids = [layer.diff.diff_id for layer in layers]
    steps = [_step(_Item(each, "step"), diff_ids) for each in _list(value, "steps")]
    traces = [_trace(_Item(each, "trace"), diff_ids) for each in _list(value, "traces")]
    return Records(
        {layer.diff.diff_id: layer for layer in layers},
        {layer.chain_id: layer for layer in stacks},
        {each.step.key: each for each in steps},
        tuple(traces),
    )


class _Item:
    """Takes the fields of one object."""

    def __init__(self, value: object, what: str) -> None:
        if type(value) is not dict:
            raise InvalidInput(f"cache: a {what} that is no object")
        self.value: dict[str, object] = value
        self.what = what

    def text(self, name: str) -> str:
        return checked_text(self.value.get(name), f"{name} of a {self.what}")

    def digest(self, name: str) -> str:
        return digests.parse(self.text(name))

    def digest_or_none(self, name: str) -> str:
        """A digest, or ""."""
        return self.digest(name) if self.value.get(name) != "" else ""

    def number(self, name: str, least: int = 0, most: int = (1 << 63) - 1) -> int:
        found = self.value.get(name)
        if type(found) is not int or not least <= found <= most:
            raise self.wrong(name)
        return found

    def seconds(self, name: str) -> float:
        found = self.value.get(name)
        if type(found) not in (int, float) or not 0 <= cast("float", found) <= _LATEST:
            raise self.wrong(name)
        return float(cast("float", found))

    def time(self, name: str) -> str:
        found = self.text(name)
        if not _TIME.fullmatch(found):
            raise self.wrong(name)
        return found

    def wrong(self, name: str) -> InvalidInput:
        return InvalidInput(f"cache: {name} of a {self.what} cannot be {str(self.value.get(name))[:60]!r}")


def _list(value: Mapping[str, object], name: str) -> list[object]:
    found = value.get(name)
    if type(found) is not list or len(found) > _MOST_READ:
        raise InvalidInput(f"cache: {name} is no list of at most {_MOST_READ}")
    return found


def checked_text(value: object, what: str) -> str:
    """A text that rows can hold. InvalidInput."""
    if type(value) is str and len(value) <= _LONGEST:
        try:
            value.encode()
        except UnicodeEncodeError:
            pass
        else:
            return value
    raise InvalidInput(f"cache: {what} is no text")


def _layer(item: _Item) -> SharedLayer:
    content = item.text("contentID")
    digests.parse("sha256:" + content)
    forms = [_blob(item, each) for each in _list({"forms": [], **item.value}, "forms")]
    blob = item.value.get("blob")
    listing = descriptors.from_json(item.value.get("listing"))
    if listing.media_type != cachelisting.MEDIA_TYPE or listing.size > cachelisting.MAX_PACKED:
        raise item.wrong("listing")
    found = _blob(item, blob) if blob is not None else None
    if len(forms) > MOST_FORMS:
        raise item.wrong("forms")
    size, tar_size, entries = (item.number(name) for name in ("size", "tarSize", "entries"))
    if entries > cachelisting.MAX_ENTRIES:
        raise item.wrong("entries")
    diff = Diff(DiffID(item.digest("diffID")), content, size, tar_size, entries, None, media.LAYER)
    return SharedLayer(diff, listing, found, tuple(forms))


def _blob(item: _Item, value: object) -> Descriptor:
    found = descriptors.from_json(value)
    if media.compression(found.media_type) is None:
        raise item.wrong("blob")
    return found


def _stack(value: object, layers: list[SharedLayer], below: list[Layer]) -> Layer:
    if type(value) is not list or len(value) != 4:
        raise InvalidInput("cache: a stack that is no list of four")
    parent, layer, created_by, created = value
    if type(parent) is not int or not -1 <= parent < len(below):
        raise InvalidInput("cache: a stack on one that does not come before it")
    if type(layer) is not int or not 0 <= layer < len(layers):
        raise InvalidInput("cache: a stack of a layer that is not there")
    made_by = checked_text(created_by, "a line of history")
    on = below[parent] if parent >= 0 else None
    return make_layer(on, layers[layer].diff, made_by, checked_text(created, "a time"))


def _step(item: _Item, diff_ids: list[DiffID]) -> SharedStep:
    number = item.number("layer", -1, len(diff_ids) - 1)
    rule = item.text("rule")
    if rule not in ("", *RULES):
        raise item.wrong("rule")
    parent = None if item.value.get("parent") is None else item.digest_or_none("parent")
    step = Step(
        item.digest("key"),
        diff_ids[number] if number >= 0 else None,
        _ingredients(item),
        item.text("createdBy"),
        item.time("created"),
        item.seconds("seconds"),
        item.digest_or_none("recipe"),
        parent,
        rule,
        item.seconds("ran"),
    )
    return SharedStep(step, item.seconds("used"))


def _ingredients(item: _Item) -> tuple[Ingredient, ...]:
    found = item.value.get("ingredients")
    if type(found) is not list or not all(type(each) is list and len(each) == 2 for each in found):
        raise item.wrong("ingredients")
    return tuple([Ingredient(checked_text(a, "a label"), checked_text(b, "an ingredient")) for a, b in found])


def _trace(item: _Item, diff_ids: list[DiffID]) -> Trace:
    text = item.value.get("readSet")
    read_set = None
    if text is not None:
        try:
            read_set = base64.b64decode(item.text("readSet"), validate=True)
        except ValueError:
            raise item.wrong("readSet") from None
    return Trace(
        item.digest("recipe"),
        diff_ids[item.number("layer", 0, len(diff_ids) - 1)],
        item.digest_or_none("parent"),
        item.digest("step"),
        item.number("paths", 0, 1 << 31),
        read_set,
        item.text("doubt"),
    )
