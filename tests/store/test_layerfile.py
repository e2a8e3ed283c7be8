"""The text files that say what a layer stands on."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import Corrupt, NoSpace, NotFound
from lamina.oci.digest import ChainID, DiffID, chain_id, sha256
from lamina.store import layerfile
from lamina.store.layerfile import LayerFile
from lamina.store.layout import Layout
from lamina.store.lease import Lease


def a_layer(depth: int = 3, created_by: str = "RUN true") -> LayerFile:
    diffs = [DiffID(sha256(str(number).encode())) for number in range(depth)]
    chain: ChainID | None = None
    for diff in diffs:
        chain = chain_id(chain, diff)
    assert chain is not None
    return LayerFile(
        chain, diffs[-1], tuple(reversed(diffs[:-1])), "c" * 64, "d" * 64, 10, 2048, 3, sha256(b"blob"),
        "application/vnd.oci.image.layer.v1.tar+gzip", created_by, "2026-01-02T03:04:05Z",
    )  # fmt: skip


def test_what_is_written_is_read(layout: Layout, lease: Lease) -> None:
    for depth in (1, 2, 130):
        layer = a_layer(depth)
        layerfile.write(layout, lease, layer)
        layerfile.write(layout, lease, layer)
        assert layerfile.read(layout, layer.chain_id) == layer
    assert len(set(layerfile.walk(layout))) == 3 == len(os.listdir(layout.layers))
    layerfile.delete(layout, layer.chain_id)
    layerfile.delete(layout, layer.chain_id)
    with pytest.raises(NotFound):
        layerfile.read(layout, layer.chain_id)


@given(st.text())
def test_any_instruction(text: str) -> None:
    if any("\ud800" <= char <= "\udfff" for char in text):
        return
    layer = a_layer(2, text)._replace(blob=None)
    assert layerfile.decode(layerfile.encode(layer), "file") == layer


@given(st.binary(max_size=200), st.integers(0, 600))
def test_a_damaged_file_is_refused(junk: bytes, at: int) -> None:
    good = layerfile.encode(a_layer())
    for data in (junk, good[:at] if at < len(good) - 1 else b""):
        with pytest.raises(Corrupt, match="file"):
            layerfile.decode(data, "file")


def test_a_file_under_another_name(layout: Layout, lease: Lease) -> None:
    layer = a_layer()
    layerfile.write(layout, lease, layer)
    other = ChainID(sha256(b"other"))
    os.rename(layout.layer_file(layer.chain_id), layout.layer_file(other))
    with pytest.raises(Corrupt):
        layerfile.read(layout, other)


def test_a_full_disk(small_disk: str) -> None:
    layout = Layout(small_disk + "/root")
    with Lease.acquire(layout) as lease:
        with open(small_disk + "/filler", "wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(b"x" * 4096)
        with pytest.raises(NoSpace):
            layerfile.write(layout, lease, a_layer(100))
        assert os.listdir(layout.layers) == []
