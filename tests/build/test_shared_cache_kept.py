"""Whom a name stands for is told by the shared cache, and not by a layer that would have to be fetched."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from lamina.archive.compression import compressing, decompressed
from lamina.build.request import Output
from lamina.errors import InvalidInput
from lamina.mount.userns import IdMap
from lamina.oci.digest import sha256
from lamina.transfer.cache import listing as cachelisting
from lamina.transfer.cache.kept import MOST, is_kept
from lamina.tree.entry import Entry, Kind
from tests.build.machines import counting, fleet_of, here
from tests.build.ruled import rules
from tests.registry.distribution import Registry

pytestmark = pytest.mark.timeout(120)
TEXT = "FROM {base}\nCOPY --chown=worker:staff seed /seed\nUSER worker\nRUN id -u > /tmp/who\n"
PASSWD = b"root:x:0:0\n"
ENTRY = Entry(b"etc/passwd", Kind.FILE, size=len(PASSWD), digest=sha256(PASSWD)[7:])
LAYER = [Entry(b"etc", Kind.DIR), ENTRY]


@pytest.fixture(scope="module")
def counted() -> Iterator[Registry]:
    with counting() as made:
        yield made


def test_names_of_a_base_that_is_elsewhere(inside: IdMap, counted: Registry) -> None:
    with fleet_of(counted, "kept") as fleet:
        first, second = fleet.machine(), fleet.machine()
        fleet.build(first, TEXT, cache_to=(fleet.to(),))
        pushed = (Output("registry"),)
        result = fleet.build(second, TEXT, cache_from=(fleet.source("cache:main"),), output=pushed)
        assert rules(result) == ["exact"] * 2 and here(second, result) == [False] * 3
        _, down = fleet.moved()
        assert down < 40_000, "the base alone has a megabyte"
        other = fleet.build(second, "FROM {base}\nCOPY --chown=:workers seed /other\n")
        assert rules(other) == ["ran"] and here(second, other) == [False, True]
        assert second.listing(other.image_id)["other"] == "f 644 0:4321"


def test_content_comes_back() -> None:
    data = cachelisting.pack(LAYER, {b"etc/passwd": PASSWD})
    kept: dict[bytes, bytes] = {}
    assert cachelisting.unpack(data, kept) == LAYER and kept == {b"etc/passwd": PASSWD}
    assert cachelisting.unpack(data) == LAYER
    kept.clear()
    assert cachelisting.unpack(cachelisting.pack(LAYER), kept) == LAYER and not kept


@pytest.mark.parametrize("lie", [[[1, "bm8="]], [[0, ""]], [[2, ""]], [[1]], [[1, 5]], 5, [[1, "*"]]])
def test_content_that_is_another_is_refused(lie: object) -> None:
    packed = io.BytesIO(cachelisting.pack(LAYER))
    columns = json.loads(decompressed(packed)[0].read()) | {"kept": lie}
    out = io.BytesIO()
    writer = compressing("zstd", 3, out.write)
    writer.write(json.dumps(columns).encode())
    writer.finish()
    with pytest.raises(InvalidInput, match="listing"):
        cachelisting.unpack(out.getvalue(), {})


def test_only_a_few_small_files_are_kept() -> None:
    assert is_kept(ENTRY) and is_kept(ENTRY._replace(path=b"etc/group"))
    for other in (
        ENTRY._replace(path=b"etc/shadow"),
        ENTRY._replace(size=MOST + 1),
        ENTRY._replace(size=0),
        ENTRY._replace(kind=Kind.SYMLINK),
    ):
        assert not is_kept(other)
