"""Records of shared caches: what is written is read, merged and trimmed; nothing impossible is believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lamina.db.cachedb import Ingredient, Step
from lamina.db.layerdb import Diff, make_layer
from lamina.db.traces import Trace
from lamina.errors import InvalidInput, Unsupported
from lamina.oci import media
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, sha256
from lamina.transfer.cache import listing as cachelisting
from lamina.transfer.cache import records as cacherecords
from lamina.transfer.cache.parse import parse
from lamina.transfer.cache.records import Records, SharedLayer, SharedStep, merged, to_bytes, trimmed

TIME = "2026-11-23T15:00:00.123456789Z"


def _id(text: str) -> DiffID:
    return DiffID(sha256(text.encode()))


def _layer(name: str, *, blob: bool = True) -> SharedLayer:
    diff = Diff(_id(name), sha256(name.encode())[7:], 10, 2048, 1, None, media.LAYER)
    listing = Descriptor(cachelisting.MEDIA_TYPE, sha256(f"listing {name}".encode()), 50)
    made = Descriptor(media.LAYER_GZIP, sha256(f"blob {name}".encode()), 500)
    return SharedLayer(diff, listing, made if blob else None, () if blob else (made,))


def _records(used: float = 1000.0, *, ran: float = 900.0, more: str = "") -> Records:
    """A base layer, and a step on it that has a trace."""
    base, layer = _layer("base", blob=False), _layer(f"made{more}")
    stack = make_layer(None, base.diff, "ADD rootfs", "2020-01-01T00:00:00Z")
    step = Step(
        sha256(f"key{more}".encode()), layer.diff.diff_id, (Ingredient("a", "ü\n" + more),), "RUN x", TIME,
        1.5, sha256(b"recipe"), stack.chain_id, "untouched", ran,
    )  # fmt: skip
    trace = Trace(step.recipe, layer.diff.diff_id, stack.chain_id, step.key, 3, b"\0read", "")
    return Records(
        {each.diff.diff_id: each for each in (base, layer)},
        {stack.chain_id: stack},
        {step.key: SharedStep(step, used)},
        (trace,),
    )


def test_what_is_written_is_read() -> None:
    records = _records()
    data = to_bytes(records)
    assert parse(data) == records
    assert to_bytes(parse(data)) == data


def test_both_are_in_a_merger_and_the_later_use_counts() -> None:
    old, new = _records(1000.0), _records(2000.0)
    other = _records(1500.0, more="2")
    both = merged(new, merged(other, old))
    assert {each.used for each in both.steps.values()} == {2000.0, 1500.0}
    assert len(both.layers) == 3
    assert len(both.traces) == 2
    assert parse(to_bytes(both)) == both


def test_a_layer_that_one_of_them_keeps_is_kept() -> None:
    without = _records()
    name = _layer("made").diff.diff_id
    bare = without.layers[name]._replace(blob=None)
    both = merged(without._replace(layers={**without.layers, name: bare}), _records())
    assert both.layers[name].blob == _layer("made").blob


def test_the_steps_used_last_stay_with_all_that_belongs_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    both = merged(_records(1000.0), _records(2000.0, more="2"))
    monkeypatch.setattr(cacherecords, "_MOST_STEPS", 1)
    one = trimmed(both)
    assert one == trimmed(_records(2000.0, more="2"))
    monkeypatch.setattr(cacherecords, "_MOST_STEPS", 1000)
    monkeypatch.setattr(cacherecords, "_MAX_WRITTEN", len(to_bytes(one)))
    assert trimmed(both) == one
    monkeypatch.setattr(cacherecords, "_MAX_WRITTEN", 10)
    assert trimmed(both) == Records()


def test_a_manifest_names_each_blob_once() -> None:
    both = merged(_records(), _records(more="2"))
    found = [each.digest for each in cacherecords.blobs_of(both)]
    assert len(found) == len(set(found)) == 3 + 2  # three listings, two layers: the base is elsewhere


Change = Callable[[dict[str, Any]], object]
LIES: dict[str, Change] = {
    "no layers": lambda v: v.pop("layers"),
    "layers that are no list": lambda v: v.update(layers={}),
    "too many": lambda v: v.update(traces=[{}] * 20_001),
    "a layer that is no object": lambda v: v["layers"].append(1),
    "a diff ID": lambda v: v["layers"][0].update(diffID="sha256:../../x"),
    "a content ID": lambda v: v["layers"][0].update(contentID="x"),
    "a size below zero": lambda v: v["layers"][0].update(size=-1),
    "a size that is none": lambda v: v["layers"][0].update(size=True),
    "a size too large": lambda v: v["layers"][0].update(tarSize=1 << 63),
    "too many entries": lambda v: v["layers"][0].update(entries=10**9),
    "no listing": lambda v: v["layers"][0].pop("listing"),
    "a listing of another kind": lambda v: v["layers"][0]["listing"].update(mediaType=media.LAYER),
    "a listing too large": lambda v: v["layers"][0]["listing"].update(size=1 << 40),
    "a blob that is no layer": lambda v: v["layers"][0].update(blob=v["layers"][0]["listing"]),
    "many forms": lambda v: v["layers"][0].update(forms=[_layer("x").blob.to_json()] * 9),  # type: ignore[union-attr]
    "a stack on a later one": lambda v: v["stacks"][0].__setitem__(0, 0),
    "a stack of no layer": lambda v: v["stacks"][0].__setitem__(1, 2),
    "a stack of three": lambda v: v["stacks"][0].pop(),
    "a step that is no object": lambda v: v["steps"].append([]),
    "a key": lambda v: v["steps"][0].update(key="x"),
    "a layer that is not there": lambda v: v["steps"][0].update(layer=2),
    "ingredients that are none": lambda v: v["steps"][0].update(ingredients=[["a"]]),
    "an ingredient that is no text": lambda v: v["steps"][0].update(ingredients=[["a", 1]]),
    "half a character": lambda v: v["steps"][0].update(createdBy="\ud800"),
    "a time": lambda v: v["steps"][0].update(created="yesterday"),
    "seconds below zero": lambda v: v["steps"][0].update(seconds=-1),
    "seconds without end": lambda v: v["steps"][0].update(seconds=1e300),
    "a rule": lambda v: v["steps"][0].update(rule="always"),
    "a parent": lambda v: v["steps"][0].update(parent="../x"),
    "a use in the far future": lambda v: v["steps"][0].update(used=1e12),
    "a read set": lambda v: v["traces"][0].update(readSet="!"),
    "a trace of no layer": lambda v: v["traces"][0].update(layer=-1),
    "paths": lambda v: v["traces"][0].update(paths=1.5),
    "a recipe": lambda v: v["traces"][0].update(recipe=""),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_cannot_be_is_refused(lie: str) -> None:
    value = json.loads(to_bytes(_records()))
    LIES[lie](value)
    with pytest.raises(InvalidInput):
        parse(json.dumps(value).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"version":1,"version":1}', b"[" * 9999])
def test_what_are_no_records_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse(data)


def test_another_version_is_left_alone() -> None:
    with pytest.raises(Unsupported, match="version '2', and this Lamina reads 1"):
        parse(to_bytes(_records()).replace(b'"version":1', b'"version":2'))


def test_an_endless_number_is_refused() -> None:
    data = to_bytes(_records()).replace(b'"seconds":1.5', b'"seconds":1e999')
    with pytest.raises(InvalidInput, match="seconds"):
        parse(data)
