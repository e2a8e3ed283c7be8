"""try_delta, and what it does for pull: how much travels, and what is in the store then."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from lamina.db import packed
from lamina.db.names import resolve_image
from lamina.errors import Cancelled
from lamina.events import Event, Notice, Progress, ignore
from lamina.fetch.stopping import NeverStops
from lamina.layers.apply import apply_layer
from lamina.layers.context import Layers
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.digest import DiffID, sha256
from lamina.registry.settings import Settings
from lamina.transfer.packing import Packing
from lamina.transfer.pull import Pulled, pull
from lamina.transfer.push import push
from lamina.transfer.register import register_image
from tests.archive.chunked_layers import Layer, forged, written
from tests.archive.test_chunked import SAMPLES, noise, tar_of
from tests.archive.test_chunked_hostile import LIES
from tests.fetch.server import Handler
from tests.layers.stores import packed_bytes, state
from tests.machine import THOROUGH
from tests.registry.conftest import liar, place, quick
from tests.registry.distribution import Registry, need, running
from tests.registry.images import Made
from tests.registry.liar import Liar
from tests.transfer.deltas import chunked, delta, diff_ids, image, in_parts, ours, served, wanted

__all__ = ["liar", "place", "quick"]

FILES = {f"app/d{number % 7}/f{number}": noise(100 + number * 997 % 40_000, number) for number in range(150)}
FILES["app/big"] = noise(3_000_000, 1000)
CHANGED = {**FILES, "app/d3/f3": b"what was edited\n" * 100, "new": noise(20_000, 2000)}


@cache
def before() -> Made:
    """The image that a store has."""
    return chunked(ours(FILES))


@cache
def after() -> Made:
    """The next one."""
    return chunked(ours(CHANGED))


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """One docker-registry for all, with a count of what goes over the line."""
    with running(tmp_path_factory.mktemp("registry"), count=True) as made:
        yield made


@pytest.fixture(params=["ours", "other"])
def packer(request: pytest.FixtureRequest) -> Callable[[dict[str, bytes]], bytes]:
    return ours if request.param == "ours" else tar_of


def get(store: Layers, name: str, told: list[Event] | None = None) -> Pulled:
    return pull(store, references.parse(name), Settings(), observer=ignore if told is None else told.append)


# --- how much travels


def test_a_changed_file_in_a_big_layer_moves_little(
    counted: Registry, store: Layers, place: Path, packer: Callable[[dict[str, bytes]], bytes]
) -> None:
    path = packer.__name__
    old, new = chunked(packer(FILES)), chunked(packer(CHANGED))
    name = counted.push(old.layout(place / "1"), f"{path}:1", "--preserve-digests")
    get(store, name)
    name = counted.push(new.layout(place / "2"), f"{path}:2", "--preserve-digests")
    counted.requests.clear()
    told: list[Event] = []
    found = get(store, name, told)
    assert found.digest == new.digest
    assert counted.requests.down < 300_000
    assert len(counted.requests.of("GET", "/blobs/")) < 8
    [diff_id] = diff_ids(new)
    assert packed_bytes(store, diff_id) == packer(CHANGED)
    text = f"{new.layers[0][7:19]}: "
    notices = [event.text for event in told if isinstance(event, Notice)]
    assert notices[0] == text + "Pulling fs layer"
    assert notices[1].endswith(" are here already")
    assert notices[2:] == [text + "Pull complete"]
    last = [event for event in told if isinstance(event, Progress)][-1]
    assert last.done == last.total < 300_000

    c = store.db.read()
    [form] = [form for form in packed.forms(c, diff_id) if not form.maker]
    assert form.descriptor.digest == new.layers[0]
    assert form.descriptor.annotations == json.loads(new.data)["layers"][0]["annotations"]
    assert packed.places(c, form.descriptor.digest) == [f"{counted.host}/{path}"]

    counted.requests.clear()
    get(store, name)  # once more: it is known to be here
    assert not counted.requests.of("GET", "/blobs/")


def test_what_is_pushed_is_pulled_in_parts(counted: Registry, make_store: Callable[[], Layers]) -> None:
    """From one store to another, with nothing in between but the registry."""
    here, there = make_store(), make_store()
    reference = references.parse(counted.name("pushed:1"))
    for files in (FILES, CHANGED):
        tar = ours(files)
        diff = apply_layer(here, io.BytesIO(tar), diff_id=DiffID(sha256(tar)))
        config = json.loads(after().blobs[json.loads(after().data)["config"]["digest"]])
        config["rootfs"]["diff_ids"] = [diff.diff_id]
        register_image(here, json.dumps(config).encode(), [diff.diff_id], [str(reference)])
        found = resolve_image(here.db.read(), str(reference))
        made = push(here, found, reference, Settings(), Packing("zstd:chunked"))
        counted.requests.clear()
        pulled = get(there, str(reference))
        assert pulled.digest == made.descriptor.digest
        assert packed_bytes(there, diff.diff_id) == tar
    assert counted.requests.down < 300_000


def test_a_file_under_another_name_in_another_image_counts(
    counted: Registry, store: Layers, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamina.transfer.delta.present._LARGE", 1 << 20)
    get(store, counted.push(before().layout(place / "1"), "one:1", "--preserve-digests"))
    moved = chunked(ours({"elsewhere/" + name: data for name, data in FILES.items()}))
    name = counted.push(moved.layout(place / "2"), "two:1", "--preserve-digests")
    counted.requests.clear()
    get(store, name)
    assert counted.requests.down < 100_000


@pytest.mark.parametrize("how", ["in place", "longer", "shorter", "at the end", "rotted"])
def test_a_large_file_of_which_a_part_changed(liar: Liar, known: Layers, how: str) -> None:
    """Its chunks are found in the file that has its path, whoever cut them."""
    old = FILES["app/big"]
    middle = len(old) // 2
    new = {
        "in place": old[:middle] + b"changed" + old[middle + 7 :],
        "longer": old[:middle] + b"put in" + old[middle:],
        "shorter": old[:middle] + old[middle + 1000 :],
        "at the end": old + b"more",
        "rotted": old[:middle] + b"changed" + old[middle + 7 :],
    }[how]
    tar = ours({**FILES, "app/big": new})
    made = chunked(tar)
    name = served(liar, made, "app")
    if how == "rotted":  # after it was looked at
        [row] = known.db.read().execute("SELECT diff_id FROM diffs").fetchall()
        path = Path(known.layout.diff_dir(row[0])) / "app/big"

        def rot(event: Event) -> None:
            path.write_bytes(bytes(len(old)))

        done, _ = delta(known, name, made, seen=rot)
    else:
        done, _ = delta(known, name, made)
        assert moved(liar, made) < 700_000
    assert done
    assert packed_bytes(known, diff_ids(made)[0]) == tar


def moved(liar: Liar, made: Made) -> int:
    """Bytes of the first layer that were asked for."""
    return sum(int(end) + 1 - int(start) for start, end in ranges(liar, made))


def test_layers_that_podman_wrote_in_parts(counted: Registry, store: Layers, place: Path) -> None:
    """podman 4.3 wrote no tar-split: the headers are what lies between the files."""
    layer = written(tar_of(FILES))
    old = forged(layer, lambda toc: toc.pop("tarSplitDigest") and None)
    get(store, counted.push(before().layout(place / "1"), "three:1", "--preserve-digests"))
    made = image((tar_of(FILES), old))
    name = counted.push(made.layout(place / "2"), "three:2", "--preserve-digests")
    counted.requests.clear()
    assert delta(store, name, made)[0]
    assert packed_bytes(store, diff_ids(made)[0]) == tar_of(FILES)
    assert counted.requests.down < len(old.blob) / 2


def test_estargz(liar: Liar, store: Layers, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample is small; what comes of it is what counts."""
    try:
        os.mknod(place / "null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("the sample has a device, which only root can make")
    monkeypatch.setattr("lamina.transfer.delta.attempt._SMALLEST", 0)
    monkeypatch.setattr("lamina.transfer.delta.link.Link.gap", 0)
    blob = (SAMPLES / "estargz-chunks.blob").read_bytes()
    layer = Layer(blob, json.loads((SAMPLES / "estargz-chunks.json").read_text()))
    tar = gzip.decompress(blob)
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive if member.isreg()}  # type: ignore[union-attr]
    files.pop("etc/f1")
    get(store, served(liar, chunked(ours(files)), "app"))
    made = image((tar, layer))
    name = served(liar, made, "app")
    assert delta(store, name, made)[0]
    assert packed_bytes(store, diff_ids(made)[0]) == tar
    assert moved(liar, made) < len(blob) * 0.7


def ranges(liar: Liar, made: Made) -> list[list[str]]:
    """What was asked for of the first layer of an image."""
    asked = [headers for _, path, headers in liar.site.asked if path.endswith(made.layers[0])]
    return [headers["Range"].removeprefix("bytes=").split("-") for headers in asked if "Range" in headers]


def test_several_layers_at_once(liar: Liar, known: Layers) -> None:
    """Threads put them together, and each is there once, in its place."""
    tars = [ours({**FILES, f"of-{number}": noise(100_000, number)}) for number in range(3)]
    made = chunked(*tars)
    told: list[Event] = []
    found = get(known, served(liar, made, "app"), told)
    assert found.digest == made.digest
    assert [packed_bytes(known, each) for each in diff_ids(made)] == tars
    notices = [event.text for event in told if isinstance(event, Notice)]
    assert len([notice for notice in notices if notice.endswith("are here already")]) == 3
    assert [notice for notice in notices if notice.endswith("Pull complete")] == [
        f"{digest[7:19]}: Pull complete" for digest in made.layers
    ]
    assert not known.layout.temps()


class Over(NeverStops):
    """A stopper that says so at some point."""

    def __init__(self) -> None:
        self.over = False

    def check(self) -> None:
        if self.over:
            raise Cancelled("stopped")


def test_stopped_on_the_way(liar: Liar, known: Layers) -> None:
    tar = ours({**FILES, "last": noise(20_000_000)})
    made, stopper, before_it = chunked(tar), Over(), state(known)
    name = served(liar, made, "app")

    def tell(event: Event) -> None:
        stopper.over = stopper.over or isinstance(event, Progress)

    began = time.monotonic()
    with pytest.raises(Cancelled):
        pull(known, references.parse(name), Settings(), stopper=stopper, observer=tell)
    assert time.monotonic() - began < 10
    assert not known.layout.temps()
    assert state(known)[-4:] == before_it[-4:]  # the rows
    get(known, name)
    assert packed_bytes(known, diff_ids(made)[0]) == tar


# --- when it is not worth it


def test_no_request_is_made_for_nothing(liar: Liar, store: Layers) -> None:
    """A store without files; a layer without a table; one that is small; one that is new here."""
    made = before()
    name = served(liar, made, "app")
    assert delta(store, name, made) == (False, [])
    get(store, name)
    plain = image((ours(CHANGED), Layer(written(ours(CHANGED)).blob, {})))
    small = chunked(ours({"f": b"x"}))
    for other in (plain, small, after()):
        name = served(liar, other, "other")
        assert delta(store, name, other) == (False, [])
        assert not any(path.endswith(other.layers[0]) for path in liar.asked())


def test_a_layer_of_which_nothing_is_here_is_fetched_whole(liar: Liar, store: Layers) -> None:
    get(store, served(liar, chunked(ours({"f": b"here"})), "app"))
    made = chunked(ours({"f": noise(1_000_000)}))
    name = served(liar, made, "app")
    assert delta(store, name, made) == (False, [])
    assert len(ranges(liar, made)) == 1  # of the tables


def test_on_a_link_without_ranges_it_is_asked_once(liar: Liar, store: Layers) -> None:
    get(store, served(liar, before(), "app"))
    made = chunked(ours(CHANGED), ours({**CHANGED, "more": b"x"}))
    name = served(liar, made, "app")
    for digest in made.layers:
        blob = made.blobs[digest]
        liar.site.pages[f"/v2/app/blobs/{digest}"] = lambda handler, blob=blob: handler.reply(200, blob)  # type: ignore[misc]
    found = get(store, name)
    assert found.digest == made.digest
    assert [packed_bytes(store, each) for each in diff_ids(made)] == [
        ours(CHANGED),
        ours({**CHANGED, "more": b"x"}),
    ]


# --- doubt


@pytest.fixture
def known(liar: Liar, store: Layers) -> Layers:
    """A store that has the files."""
    get(store, served(liar, before(), "app"))
    return store


def whole(liar: Liar, store: Layers, made: Made, tar: bytes) -> list[str]:
    """Pulls an image whose layer cannot come in parts; the notices."""
    told: list[Event] = []
    found = get(store, served(liar, made, "app"), told)
    assert found.digest == made.digest
    assert packed_bytes(store, diff_ids(made)[0]) == tar
    assert not store.layout.temps()
    assert any(
        path.endswith(made.layers[0]) and "Range" not in headers for _, path, headers in liar.site.asked
    )
    return [event.text for event in told if isinstance(event, Notice)]


@pytest.mark.parametrize(
    "lie", ["not JSON", "one file less", "another digest", "beyond the blob", "a huge size"]
)
def test_a_table_that_lies_means_the_whole_blob(liar: Liar, known: Layers, lie: str) -> None:
    base = {"a": noise(3000), "b": noise(700_000, 1), "empty": b"", "c": noise(10, 2)}
    tar = tar_of({**base, **FILES})
    layer = forged(written(tar), LIES[lie])
    notices = whole(liar, known, image((tar, layer)), tar)
    assert [notice for notice in notices if notice.endswith("; fetching all of it")]


def test_a_digest_of_a_file_that_is_here_does_not_put_it_elsewhere(liar: Liar, known: Layers) -> None:
    """A table that names the content of another file gives another tar, and that is not taken."""
    secret = next(name for name, data in FILES.items() if len(data) == 100 + 5 * 997)
    tar = ours({**FILES, "z": noise(100 + 5 * 997, 77)})

    def change(toc: dict[str, list[dict[str, object]]]) -> None:
        rows = {row["name"]: row for row in toc["entries"]}
        rows["z"]["digest"] = rows[secret]["digest"]

    notices = whole(liar, known, image((tar, forged(written(tar), change))), tar)
    assert any("should be" in notice and notice.endswith("fetching all of it") for notice in notices)


def test_zeros_without_end_do_not_fill_the_disk(liar: Liar, known: Layers) -> None:
    tar = ours(CHANGED)

    def change(toc: dict[str, list[dict[str, object]]]) -> None:
        rows = {row["name"]: row for row in toc["entries"]}
        rows["new"] |= {"size": 1 << 40, "chunkType": "zeros"}

    notices = whole(liar, known, image((tar, forged(written(tar), change))), tar)
    assert any("promises more than" in notice for notice in notices)


def test_a_registry_that_breaks_off(liar: Liar, known: Layers) -> None:
    """After the tables nothing more comes in parts; the whole blob does."""
    made = after()
    name, blob = served(liar, made, "app"), made.blobs[made.layers[0]]
    start = wanted(made).descriptor.size - 40_000

    def answer(handler: Handler) -> None:
        asked = handler.headers.get("Range", "")
        if asked and int(asked.removeprefix("bytes=").split("-")[0]) < start:
            handler.reply(404)
        else:
            in_parts(blob)(handler)

    liar.site.pages[f"/v2/app/blobs/{made.layers[0]}"] = answer
    found = get(known, name)
    assert found.digest == made.digest
    assert packed_bytes(known, diff_ids(made)[0]) == ours(CHANGED)


@pytest.mark.parametrize("name", ["app/d1/f1", "app/big"])
@pytest.mark.parametrize("how", ["changed", "gone", "shorter"])
def test_a_file_that_has_rotted_here(liar: Liar, known: Layers, name: str, how: str) -> None:
    """A small one is fetched, for a large one all is."""
    [row] = known.db.read().execute("SELECT diff_id FROM diffs").fetchall()
    path = Path(known.layout.diff_dir(row[0])) / name
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(b"x" * (len(FILES[name]) if how == "changed" else 10))
    made = after()
    name_there = served(liar, made, "app")
    done, notices = delta(known, name_there, made)
    assert done == (name == "app/d1/f1")
    get(known, name_there)
    assert packed_bytes(known, diff_ids(made)[0]) == ours(CHANGED)
    if not done:
        assert notices[-1].endswith("; fetching all of it")


def test_a_layer_that_is_only_known_gives_no_files(liar: Liar, known: Layers) -> None:
    """Rows without a folder: its contents are elsewhere too."""
    [row] = known.db.read().execute("SELECT diff_id FROM diffs").fetchall()
    os.rename(known.layout.diff_dir(row[0]), known.layout.diff_dir(row[0]) + "-away")
    made = after()
    try:
        assert delta(known, served(liar, made, "app"), made) == (False, [])
    finally:
        os.rename(known.layout.diff_dir(row[0]) + "-away", known.layout.diff_dir(row[0]))


# --- other tools


def test_skopeo_reads_what_we_write(counted: Registry, place: Path) -> None:
    made = chunked(ours(FILES), tar_of(CHANGED))
    name = counted.push(made.layout(place / "1"), "skopeo:1", "--preserve-digests")
    run = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", "--dest-decompress", f"docker://{name}"]
    subprocess.run([*run, f"dir:{place}/it"], check=True, capture_output=True, timeout=60)
    assert {each[7:] for each in diff_ids(made)} <= set(os.listdir(place / "it"))  # named by their digests


@pytest.mark.peers
def test_podman_pulls_in_parts_what_we_write(counted: Registry, place: Path) -> None:
    """containers/storage 1.43 reads our tables, if the annotations have the names that they had then."""
    if not THOROUGH:
        pytest.skip("./test --peers runs it")
    need("podman")
    if os.getuid():
        pytest.skip("podman's store here is root's")
    conf = place / "storage.conf"
    pulling = '{enable_partial_images = "true", use_hard_links = "false", ostree_repos = ""}'
    options = f"[storage.options]\npull_options = {pulling}\n"
    conf.write_text(
        f'[storage]\ndriver = "overlay"\nrunroot = "{place}/run"\ngraphroot = "{place}/graph"\n{options}'
    )
    environment = {**os.environ, "CONTAINERS_STORAGE_CONF": str(conf)}

    def podman(*args: str) -> str:
        run = subprocess.run(
            ["podman", *args], check=True, capture_output=True, text=True, env=environment, timeout=60
        )
        return run.stdout.strip()

    try:
        for number, files in enumerate([FILES, CHANGED]):
            made = chunked(tar_of(files))
            document = json.loads(made.data)
            notes = document["layers"][0]["annotations"]
            document["layers"][0]["annotations"] = {key.replace(".github", ""): notes[key] for key in notes}
            old = Made(json.dumps(document).encode(), media.MANIFEST, made.blobs)
            name = counted.push(old.layout(place / f"p{number}"), f"podman:{number}", "--preserve-digests")
            counted.requests.clear()
            podman("pull", "--quiet", "--tls-verify=false", name)
            mounted = Path(podman("image", "mount", name))
            assert all((mounted / each).read_bytes() == data for each, data in files.items())
            podman("image", "unmount", name)
        assert counted.requests.down < 80_000
    finally:
        subprocess.run(["umount", "-R", f"{place}/graph/overlay"], capture_output=True)


def test_what_is_written_is_what_its_digest_says(counted: Registry) -> None:
    tar = ours(FILES)
    assert sha256(written(tar).blob) == sha256(written(tar, 5000).blob)
