"""Layers on their way: unpacked while they come, whatever happens; nothing unverified is ever seen."""

from __future__ import annotations

import glob
import json
import os
import time
from collections.abc import Callable

import pytest

from lamina.db import imagedb
from lamina.errors import Corrupt, InvalidInput, LaminaError, NoSpace
from lamina.events import Event, Notice, Progress
from lamina.fetch.stopping import NeverStops, Stop
from lamina.layers.context import Layers
from lamina.layers.lookup import Lookup
from lamina.mount import apply
from lamina.mount.types import Mount
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.config import parse as parse_config
from lamina.oci.digest import DiffID, Digest, ImageID, sha256
from lamina.oci.manifest import parse_manifest
from lamina.registry.repository import Repository
from lamina.registry.settings import Settings
from lamina.testing import isolate
from lamina.transfer.image_view import read_config
from lamina.transfer.incoming import Wanted, bring_layers
from lamina.transfer.pull import pull
from tests.fetch.server import Handler
from tests.layers.stores import open_store
from tests.registry.conftest import liar, quick
from tests.registry.images import Made, image, layer, manifest, noise
from tests.registry.liar import Liar

__all__ = ["liar", "quick"]

FILES = {f"f{number}": noise(200_000 + number) for number in range(8)}
BIG = image(FILES, {"top": b"2"})
HALF = len(BIG.blobs[BIG.layers[0]]) // 2
PATIENCE = 10.0


def get(store: Layers, name: str, **options: object) -> ImageID:
    return pull(store, references.parse(name), Settings(), **options).image_id  # type: ignore[arg-type]


def content(store: Layers, image_id: ImageID, name: str) -> bytes:
    chain = parse_config(read_config(store, image_id)).diff_ids[::-1]
    with Lookup(store, chain).open(name.encode()) as stream:
        return stream.read()


def is_clean(store: Layers) -> bool:
    """Whether no layer and no image is known, and nothing is left on the disk."""
    c = store.db.read()
    rows = c.execute("SELECT count(*) FROM diffs").fetchone()[0] + len(imagedb.images(c))
    return not rows and not os.listdir(store.layout.diff) and not store.layout.temps()


def soon(done: Callable[[], object]) -> bool:
    """Whether it comes true before a server's patience ends."""
    end = time.monotonic() + PATIENCE
    while not done() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(done())


def blob_page(made: Made, number: int, name: str = "app") -> str:
    return f"/v2/{name}/blobs/{made.layers[number]}"


def in_two_parts(data: bytes, between: Callable[[], object]) -> Callable[[Handler], None]:
    """A server that waits in the middle of a blob."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:HALF])
        handler.wfile.flush()
        between()
        handler.wfile.write(data[HALF:])

    return answer


def breaking(data: bytes, first: bytes, *, etag: str = "") -> Callable[[Handler], None]:
    """A server that hangs up on the first who asks, after `first`; parts can be had with an ETag only."""
    asked: list[str | None] = []
    headers = {"ETag": etag} if etag else {}

    def answer(handler: Handler) -> None:
        asked.append(handler.headers.get("Range"))
        if len(asked) == 1:
            handler.broken(first + data[len(first) :], len(first), **headers)
        elif etag and asked[-1]:
            start = int(asked[-1].removeprefix("bytes=").rstrip("-"))
            part = f"bytes {start}-{len(data) - 1}/{len(data)}"
            handler.reply(206, data[start:], Content_Range=part, **headers)
        else:
            handler.reply(200, data, **headers)

    return answer


def test_a_layer_is_unpacked_while_it_comes(liar: Liar, store: Layers) -> None:
    name = liar.put(BIG, "app")
    seen: list[bool] = []
    unpacked = f"{store.layout.diff}/.tmp-*/f1"

    def wait() -> None:
        seen.append(soon(lambda: glob.glob(unpacked)))
        seen.append(
            store.db.read().execute("SELECT count(*) FROM diffs WHERE entries > 1").fetchone()[0] == 0
        )

    liar.site.pages[blob_page(BIG, 0)] = in_two_parts(BIG.blobs[BIG.layers[0]], wait)
    found = get(store, name)
    assert seen == [True, True]  # it was on disk before the blob was all there; and known to nobody
    assert content(store, found, "f7") == FILES["f7"]


def test_other_layers_are_unpacked_while_one_stalls(liar: Liar, store: Layers) -> None:
    name = liar.put(BIG, "app")
    top = parse_config(BIG.blobs[BIG.image_id]).diff_ids[1]
    seen: list[bool] = []
    liar.site.pages[blob_page(BIG, 0)] = in_two_parts(
        BIG.blobs[BIG.layers[0]],
        lambda: seen.append(soon(lambda: os.path.isdir(store.layout.diff_dir(DiffID(top))))),
    )
    told: list[Event] = []
    get(store, name, observer=told.append)
    assert seen == [True]
    complete = [each.text for each in told if isinstance(each, Notice) and each.text.endswith("complete")]
    assert complete == [f"{digest[7:19]}: Pull complete" for digest in BIG.layers]  # still in their order


def test_what_breaks_off_and_resumes_is_unpacked_once(liar: Liar, store: Layers) -> None:
    name, data = liar.put(BIG, "app"), BIG.blobs[BIG.layers[0]]
    liar.site.pages[blob_page(BIG, 0)] = breaking(data, data[:HALF], etag='"it"')
    assert content(store, get(store, name), "f7") == FILES["f7"]
    ranges = [headers.get("Range") for _, path, headers in liar.site.asked if path == blob_page(BIG, 0)]
    assert ranges == [None, f"bytes={HALF}-"]


@pytest.mark.parametrize("kept", [HALF, 1000, 0])
def test_what_breaks_off_and_begins_again_is_unpacked_again(liar: Liar, store: Layers, kept: int) -> None:
    """What came first was not even the same."""
    name, data = liar.put(BIG, "app"), BIG.blobs[BIG.layers[0]]
    other = image({name: noise(100_000)[::-1] for name in FILES}).blobs
    first = data[:kept] + max(other.values(), key=len)[kept:HALF]
    liar.site.pages[blob_page(BIG, 0)] = breaking(data, first)
    found = get(store, name)
    assert all(content(store, found, name) == FILES[name] for name in FILES)
    assert not store.layout.temps()


@pytest.mark.parametrize("at", [0, HALF, -1])
def test_what_is_not_the_blob_is_never_a_layer(liar: Liar, store: Layers, at: int) -> None:
    """The error tells of the blob, and not of the archive that it makes no more."""
    name, data = liar.put(BIG, "app"), bytearray(BIG.blobs[BIG.layers[0]])
    data[at] ^= 1
    liar.site.pages[blob_page(BIG, 0)] = bytes(data)
    with pytest.raises(Corrupt, match=f"blob {BIG.layers[0][7:19]} of .* is not what the manifest says"):
        get(store, name)
    assert not store.blobs.has(Digest(BIG.layers[0])) and not store.layout.temps()
    assert store.db.read().execute("SELECT count(*) FROM diffs WHERE entries > 1").fetchone()[0] == 0


def bad_layers() -> dict[str, tuple[Made, type[LaminaError], str]]:
    up = layer({**{name: FILES[name] for name in ("f1", "f2")}, "../../evil": b"x"})
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [sha256(up)]}})
    hostile = manifest(config.encode(), [up], (media.MANIFEST, media.CONFIG, media.LAYER))
    configs, first, second = BIG.blobs.values()
    return {
        "a way out": (hostile, InvalidInput, "layer .* of .*app:latest"),
        "another diff ID": (manifest(configs, [second, first]), Corrupt, "layer .* of .*: .* should be"),
    }


@pytest.mark.parametrize("case", ["a way out", "another diff ID"])
def test_a_sound_blob_that_cannot_be_unpacked_stays(liar: Liar, store: Layers, case: str) -> None:
    made, kind, words = bad_layers()[case]
    name = liar.put(made, "app")
    for _ in range(2):
        with pytest.raises(kind, match=words):
            get(store, name)
        assert is_clean(store)
    assert store.blobs.has(Digest(made.layers[0]))
    assert liar.asked().count(blob_page(made, 0)) == 1  # the second time it was here


def test_what_is_told_of_a_layer_that_is_here(liar: Liar, store: Layers) -> None:
    """Its blob comes anew when a manifest needs it and nobody knows where it would be."""
    name = liar.put(BIG, "app")
    config = parse_config(read_config(store, get(store, name)))
    manifest = parse_manifest(BIG.data)
    store.blobs.delete(Digest(BIG.layers[1]))
    store.db.read().execute("DELETE FROM packed")
    told: list[Event] = []
    with Repository(references.parse(name), Settings()) as repository:
        repository.resolve()
        wanted = [Wanted(*each) for each in zip(manifest.layers, config.diff_ids, strict=True)]
        bring_layers(store, repository, wanted, Stop(NeverStops()), told.append)
    first, second = (digest[7:19] for digest in BIG.layers)
    assert [each.text for each in told if isinstance(each, Notice)] == [
        f"{first}: Already exists",
        f"{second}: Pulling fs layer",
        f"{second}: Pull complete",
    ]
    assert [each for each in told if isinstance(each, Progress)][-1].what == second
    assert store.blobs.has(Digest(BIG.layers[1]))


def test_a_full_disk_is_told_with_the_name(liar: Liar) -> None:
    name = liar.put(image({f"f{number}": noise(3_000_000 + number) for number in range(4)}), "app")

    def fetch(folder: str) -> None:
        apply.apply(Mount("tmpfs", folder, options="size=8m,mode=700"))
        ctx = open_store(folder + "/store")
        with pytest.raises(NoSpace, match=f"^cannot unpack the layers of {name}: "):
            get(ctx, name)
        assert is_clean(ctx)

    try:
        isolate.run(fetch, "root" if os.geteuid() == 0 else "one")
    except isolate.Skip as skip:
        pytest.skip(str(skip))
