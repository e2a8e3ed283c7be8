"""pull: what is in the store afterwards, also after registries that lie, break off, and have changed."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lamina.db import imagedb, indexdb
from lamina.db.names import for_platform, resolve_image
from lamina.errors import Cancelled, Corrupt, InvalidInput, LaminaError, NotFound, Unsupported
from lamina.events import Event, Notice, Progress
from lamina.fetch.failures import FetchFailed
from lamina.fetch.stopping import Killable, NeverStops
from lamina.gc.context import Context
from lamina.gc.images import remove_image
from lamina.gc.sweep import sweep
from lamina.layers.context import Layers
from lamina.layers.lookup import Lookup
from lamina.oci import media
from lamina.oci import platform as platforms
from lamina.oci import reference as references
from lamina.oci.config import parse as parse_config
from lamina.oci.digest import Digest, ImageID, sha256
from lamina.oci.manifest import parse_index
from lamina.oci.validate import validate
from lamina.registry.settings import Settings
from lamina.transfer.image_view import image_view, read_config
from lamina.transfer.load import load
from lamina.transfer.pull import Pulled, pull
from lamina.transfer.save import save
from tests.registry.conftest import liar, place, quick, registry
from tests.registry.distribution import Registry
from tests.registry.images import Made, descriptor, image, index, layer, manifest, noise
from tests.registry.liar import Liar

__all__ = ["liar", "place", "quick", "registry"]
HOST = platforms.host(os.uname().machine)
OTHER = platforms.parse("linux/arm64" if HOST.architecture != "arm64" else "linux/amd64")
MADE = image({"a": b"1", "b": b"1"}, {".wh.a": b"", "c": b"2"}, env=["A=b"])


def get(store: Layers, name: str, platform: platforms.Platform | None = None, **options: object) -> Pulled:
    return pull(store, references.parse(name), Settings(), platform, **options)  # type: ignore[arg-type]


def files(store: Layers, image_id: ImageID) -> list[str]:
    chain = parse_config(read_config(store, image_id)).diff_ids[::-1]
    return [entry.path.decode() for entry in Lookup(store, chain).tree()]


def is_empty(store: Layers) -> bool:
    """Whether no image is known, and no temporary file is left."""
    c = store.db.read()
    return not (imagedb.images(c) or imagedb.all_tags(c) or store.layout.temps())


def two() -> Made:
    """An index for this machine and another, as Docker writes it."""
    return index({str(OTHER): image({"o": b"x"}, platform=str(OTHER)), str(HOST): MADE})


# --- from a real registry


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_an_image(registry: Registry, store: Layers, place: Path, form: str) -> None:
    name = registry.push(MADE.layout(place / "layout"), "some/app:1", f"--format={form}")
    found = get(store, name)
    assert (found.image_id, found.is_new) == (MADE.image_id, True)
    assert resolve_image(store.db.read(), name).image_id == MADE.image_id
    assert files(store, found.image_id) == ["b", "c"]
    row = imagedb.need_image(store.db.read(), found.image_id)
    assert row.manifest == found.digest  # its own bytes
    kind = media.MANIFEST if form == "oci" else media.DOCKER_MANIFEST
    assert json.loads(store.blobs.read(row.manifest))["mediaType"] == kind
    assert not validate(image_view(store, found.image_id))
    assert not get(store, name).is_new


def test_a_digest(registry: Registry, store: Layers, place: Path) -> None:
    name = registry.push(MADE.layout(place / "layout"), "app:1", "--preserve-digests")
    exact = f"{name.rpartition(':')[0]}@{MADE.digest}"
    found = get(store, exact)
    assert not imagedb.tags(store.db.read(), found.image_id)  # a digest is no tag
    assert resolve_image(store.db.read(), exact).image_id == MADE.image_id
    assert resolve_image(store.db.read(), f"{name}@{MADE.digest}").image_id == MADE.image_id


def test_an_index_and_one_image_of_it(registry: Registry, store: Layers, place: Path) -> None:
    whole = two()
    name = registry.push(whole.layout(place / "layout"), "app:1", "--preserve-digests", "--all")
    found = get(store, name)
    assert (found.digest, found.image_id) == (whole.digest, MADE.image_id)
    c = store.db.read()
    assert resolve_image(c, name) == (MADE.image_id, str(references.parse(name)), whole.digest)
    assert [each.image_id for each in indexdb.members(c, Digest(whole.digest))] == [MADE.image_id]
    with pytest.raises(NotFound, match=f"wanted {OTHER}"):
        for_platform(c, resolve_image(c, name), OTHER)


def test_another_platform_of_the_same_index_comes_beside(liar: Liar, store: Layers) -> None:
    whole = two()
    name = liar.put(whole, "app")
    other = get(store, name, OTHER)
    assert resolve_image(store.db.read(), name).image_id == other.image_id  # all that there is
    get(store, name)
    c = store.db.read()
    assert resolve_image(c, name).image_id == MADE.image_id  # this machine's
    assert for_platform(c, resolve_image(c, name), OTHER).image_id == other.image_id
    members = [each.image_id for each in indexdb.members(c, Digest(whole.digest))]
    assert members == [other.image_id, MADE.image_id]  # in the order of the index
    exact = f"{liar.host}/app@{whole.digest}"
    assert resolve_image(c, exact).index_digest == whole.digest


def test_what_is_there_is_not_fetched(liar: Liar, store: Layers) -> None:
    get(store, liar.put(MADE, "app"))
    before = len(liar.site.asked)
    more = manifest(
        json.dumps({**json.loads(MADE.blobs[MADE.image_id]), "author": "x"}).encode(),
        [MADE.blobs[each] for each in MADE.layers],
    )
    get(store, liar.put(more, "more"))
    asked = liar.site.asked[before:]
    assert [path for _, path, _ in asked if "/blobs/" in path] == [f"/v2/more/blobs/{more.image_id}"]
    before = len(liar.site.asked)
    get(store, liar.put(more, "more"))
    assert [how for how, path, _ in liar.site.asked[before:] if "/manifests/" in path] == ["HEAD"]


def test_a_moved_tag(liar: Liar, store: Layers) -> None:
    name = liar.put(MADE, "app")
    get(store, name)
    newer = image({"n": b"new"})
    liar.put(newer, "app")
    found = get(store, name)
    assert found.is_new and found.image_id == newer.image_id
    assert resolve_image(store.db.read(), name).image_id == newer.image_id
    assert not imagedb.tags(store.db.read(), ImageID(Digest(MADE.image_id)))


def test_events_of_a_pull(liar: Liar, store: Layers) -> None:
    events: list[Event] = []
    get(store, liar.put(MADE, "app"), observer=events.append)
    short = [digest[7:19] for digest in MADE.layers]
    told = [event.text for event in events if isinstance(event, Notice)]
    states = ("Pulling fs layer", "Pull complete")
    assert told == [f"{each}: {state}" for state in states for each in short]
    ends = {event.what: event for event in events if isinstance(event, Progress)}
    for digest in MADE.layers:
        size = len(MADE.blobs[digest])
        assert ends[digest[7:19]] == Progress(digest[7:19], size, size)


def test_the_manifest_stays_where_the_image_had_another(liar: Liar, store: Layers) -> None:
    """The same image, loaded before from an archive that does not tell its manifest."""
    get(store, liar.put(MADE, "app"))
    out = io.BytesIO()
    save(store, [f"{liar.host}/app"], out.write)
    remove_image(Context(*store), f"{liar.host}/app")
    out.seek(0)
    load(store, out)
    found = get(store, liar.put(MADE, "app", "2"))
    c = store.db.read()
    named = resolve_image(c, f"{liar.host}/app:2")
    assert named.image_id == found.image_id == MADE.image_id
    stands = named.index_digest or imagedb.need_image(c, named.image_id).manifest
    assert stands == MADE.digest


# --- a part of an index, and the rest of Lamina


def test_a_sweep_leaves_a_part_of_an_index_alone(liar: Liar, store: Layers) -> None:
    name = liar.put(two(), "app")
    found = get(store, name)
    store.db.close()
    store.lease.release()
    from tests.layers.stores import open_store

    again = open_store(store.layout.root)
    try:
        before = {blob.digest for blob in again.blobs.walk()}
        again.blobs.put(b"of nobody")
        sweep(Context(*again), cache=True, all_images=False, dangling=True)
        assert {blob.digest for blob in again.blobs.walk()} >= before
        assert files(again, found.image_id) == ["b", "c"]
        remove_image(Context(*again), name)
        assert not imagedb.images(again.db.read())
    finally:
        again.db.close()
        again.lease.release()


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_a_part_of_an_index_is_saved_and_loaded(
    liar: Liar, make_store: Callable[[], Layers], form: str
) -> None:
    store, other = make_store(), make_store()
    name = liar.put(two(), "app")
    get(store, name)
    out = io.BytesIO()
    save(store, [name], out.write, form)
    out.seek(0)
    (loaded,) = load(other, out)
    assert loaded.image_id == MADE.image_id
    assert files(other, loaded.image_id) == ["b", "c"]


def test_a_manifest_without_its_blobs_is_not_saved(liar: Liar, store: Layers) -> None:
    """A pull of the other platform was interrupted early: what there is of it is no image."""
    made = two()
    name = liar.put(made, "app")
    other = next(each for each in parse_index(made.data).manifests if str(each.platform) == str(OTHER))
    get(store, name)
    store.blobs.put(made.manifests[other.digest][0])
    out = io.BytesIO()
    save(store, [name], out.write, "oci-archive")
    assert f"blobs/sha256/{other.digest[7:]}".encode() not in out.getvalue()


def test_an_index_that_calls_a_layer_a_manifest_does_not_stop_sweeps(liar: Liar, store: Layers) -> None:
    made = two()
    document = json.loads(made.data)
    platform = {"os": "linux", "architecture": "s390x"}
    odd = {"mediaType": media.MANIFEST, "digest": MADE.layers[0], "size": 1, "platform": platform}
    document["manifests"].append(odd)
    made.data = json.dumps(document).encode()
    get(store, liar.put(made, "app"))
    stray = store.blobs.put(b"stray")
    os.utime(store.blobs.path(stray), ns=(0, 0))
    assert sweep(Context(*store), cache=False, all_images=False).blobs == (stray,)


# --- what cannot be


def test_no_image_for_the_platform(liar: Liar, store: Layers) -> None:
    name = liar.put(two(), "app")
    wanted = platforms.parse("linux/s390x")
    with pytest.raises(NotFound, match=f"no matching manifest for {wanted} in the manifest list") as caught:
        get(store, name, wanted)
    assert str(OTHER) in (caught.value.hint or "")
    assert is_empty(store)


def test_an_image_for_another_platform(liar: Liar, store: Layers) -> None:
    name = liar.put(image({"o": b"x"}, platform=str(OTHER)), "app")
    with pytest.raises(NotFound, match=f"does not match the specified platform: wanted {HOST}, actual"):
        get(store, name, HOST, strict=True)
    assert is_empty(store) and not [path for path in liar.asked() if "/blobs/" in path][1:]  # the config
    get(store, name, HOST)  # as Docker, where nothing was asked for


def test_offline_asks_nobody(liar: Liar, store: Layers) -> None:
    name = liar.put(MADE, "app")
    with pytest.raises(FetchFailed, match="Lamina is offline here"):
        pull(store, references.parse(name), Settings(offline=True))
    assert not liar.site.asked


PLAIN = (media.MANIFEST, media.CONFIG, media.LAYER)


def config_for(tar: bytes) -> bytes:
    rootfs = {"type": "layers", "diff_ids": [sha256(tar)]}
    return json.dumps({"os": "linux", "architecture": HOST.architecture, "rootfs": rootfs}).encode()


def broken_images() -> Iterator[tuple[str, Made, type[LaminaError], str]]:
    config, *packed = MADE.blobs.values()
    other = manifest(config, [packed[1], packed[0]])
    yield "layers in another order", other, Corrupt, "layer .* of .*app:latest: .* should be"
    yield "a layer too few", manifest(config, packed[:1]), InvalidInput, "1 layers, and its config names 2"
    yield "a config that is none", manifest(b"[]", packed), InvalidInput, "config of .*app:latest"
    chart = manifest(b"{}", [], (media.MANIFEST, "application/vnd.cncf.helm.config.v1+json", ""))
    yield "no image", chart, Unsupported, "helm.* is not the config of a container image"
    odd = manifest(config, packed, (media.MANIFEST, media.CONFIG, "application/x-odd"))
    yield "no layer", odd, Unsupported, "application/x-odd' is not a layer"
    bad = b"no tar at all" * 50
    plain = manifest(config_for(bad), [bad], PLAIN)
    yield "a layer that is no archive", plain, InvalidInput, "layer .* of .*app:latest"
    yield "no manifest", Made(b"{}", media.MANIFEST), InvalidInput, "manifest of .*app:latest"
    both = json.dumps({**json.loads(MADE.data), "manifests": []}).encode()
    yield "two readings", Made(both, media.MANIFEST), InvalidInput, "can be read in two ways"
    yield "another type", Made(MADE.data, media.INDEX), InvalidInput, "was announced as"
    nested = MADE
    for _ in range(6):
        nested = index({str(HOST): nested})
    yield "indexes without end", nested, Unsupported, "an index in an index"
    up = layer({"../../evil": b"x"})
    hostile = manifest(config_for(up), [up], PLAIN)
    yield "a way out", hostile, InvalidInput, "layer .* of .*app:latest"


BROKEN = {name: (made, kind, words) for name, made, kind, words in broken_images()}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_image_leaves_no_image(liar: Liar, store: Layers, case: str) -> None:
    made, kind, words = BROKEN[case]
    with pytest.raises(kind, match=words):
        get(store, liar.put(made, "app"))
    assert is_empty(store)


def test_a_wrong_layer_leaves_no_image(liar: Liar, store: Layers) -> None:
    name = liar.put(MADE, "app")
    liar.site.pages[f"/v2/app/blobs/{MADE.layers[1]}"] = b"something else"
    with pytest.raises(Corrupt, match="is not what the manifest says"):
        get(store, name)
    assert is_empty(store)


def test_what_was_verified_is_kept_for_the_next_try(liar: Liar, store: Layers) -> None:
    name = liar.put(MADE, "app")
    good = liar.site.pages.pop(f"/v2/app/blobs/{MADE.layers[1]}")
    first = threading.Event()

    def late(handler: object) -> None:
        deadline = time.monotonic() + 10
        while not store.blobs.has(Digest(MADE.layers[0])) and time.monotonic() < deadline:
            time.sleep(0.01)
        first.set()
        handler.reply(404)  # type: ignore[attr-defined]

    liar.site.pages[f"/v2/app/blobs/{MADE.layers[1]}"] = late
    with pytest.raises(NotFound, match=f"blob {MADE.layers[1][7:19]} of {liar.host}/app:latest: .* 404"):
        get(store, name)
    assert is_empty(store)
    assert first.is_set() and store.blobs.has(Digest(MADE.layers[0]))
    liar.site.pages[f"/v2/app/blobs/{MADE.layers[1]}"] = good
    before = len(liar.site.asked)
    get(store, name)
    blobs = [path for _, path, _ in liar.site.asked[before:] if "/blobs/" in path]
    assert blobs == [f"/v2/app/blobs/{MADE.layers[1]}"]


class Later(NeverStops):
    """Says that it is over after a while."""

    def __init__(self) -> None:
        self.end = time.monotonic() + 0.5
        self.killed = 0

    def check(self) -> None:
        if time.monotonic() > self.end:
            raise Cancelled("over")

    @contextmanager
    def killing(self, process: Killable, /) -> Iterator[None]:  # type: ignore[override]
        timer = threading.Timer(max(0.0, self.end - time.monotonic()), process.kill)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def test_a_stalled_pull_is_stopped(liar: Liar, store: Layers) -> None:
    name = liar.put(MADE, "app")
    over = threading.Event()

    def stall(handler: object) -> None:
        handler.send_response(200)  # type: ignore[attr-defined]
        handler.send_header("Content-Length", "1000000")  # type: ignore[attr-defined]
        handler.end_headers()  # type: ignore[attr-defined]
        over.wait(20)

    liar.site.pages[f"/v2/app/blobs/{MADE.layers[0]}"] = stall
    began = time.monotonic()
    try:
        with pytest.raises((Cancelled, Corrupt)):
            get(store, name, stopper=Later())
    finally:
        over.set()
    assert time.monotonic() - began < 10
    assert is_empty(store)


def test_many_layers_at_once(liar: Liar, store: Layers) -> None:
    many = image(*[{f"f{number}": noise(5000 + number)} for number in range(12)])
    found = get(store, liar.put(many, "app"))
    assert len(files(store, found.image_id)) == 12
    assert descriptor(many.data, many.media_type)["digest"] == found.digest


@pytest.mark.parametrize("which", ["manifest", "config", "layer"])
def test_a_blob_that_rotted_in_the_store_comes_anew(liar: Liar, store: Layers, which: str) -> None:
    digest = {"manifest": MADE.digest, "config": MADE.image_id, "layer": MADE.layers[0]}[which]
    Path(store.blobs.path(Digest(digest))).write_bytes(b"rotten")
    found = get(store, liar.put(MADE, "app"))
    assert files(store, found.image_id) == ["b", "c"]
    with store.blobs.open(Digest(digest)) as stream:
        stream.read()  # Corrupt, were it not sound
