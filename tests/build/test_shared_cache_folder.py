"""The shared build cache in a folder: --cache-to type=local; two who export at once; and folders that lie."""

from __future__ import annotations

import base64
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lamina.build.given import CacheFrom, CacheTo
from lamina.build.plan import REUSE, RUN
from lamina.build.request import BuildResult, Output
from lamina.db import cachedb, layerdb, recorded
from lamina.errors import InvalidInput, Unsupported
from lamina.graph.reason import parse as parse_reason
from lamina.oci.digest import Digest, sha256
from lamina.oci.manifest import Index, Manifest, parse_index, parse_manifest
from lamina.registry.settings import Settings
from lamina.transfer.cache import listing as cachelisting
from lamina.transfer.cache.folder import FolderPlace
from lamina.transfer.cache.parse import parse
from lamina.transfer.cache.records import to_bytes
from lamina.transfer.lazy import Lazy
from lamina.tree.content import content_id
from tests.build.kitchen import Kitchen, opened
from tests.build.machines import here, told
from tests.build.planned import planned
from tests.build.ruled import check_sound, rules

pytestmark = pytest.mark.timeout(120)
TEXT = """\
FROM scratch AS one
COPY seed /app/seed
FROM scratch
WORKDIR /app
COPY --from=one /app/seed made
"""
COPY = "COPY --from=one /app/seed more\n"
RUN_TEXT = """\
FROM busybox
WORKDIR /app
COPY seed .
RUN rm /etc/group && echo $(cat seed) made > made
"""


OTHER = "FROM scratch\nCOPY seed /other\n"


class Shop:
    """Kitchens that share a folder; each has the same base."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.first = self.kitchen()
        self.folder = str(self.first.folder / "cache")

    def kitchen(self) -> Kitchen:
        made = self._stack.enter_context(opened(Kitchen))
        made.ctx = made.ctx._replace(fetch=lambda: Lazy(Settings))
        made.registries = Settings()
        return made

    def to(self, **more: object) -> CacheTo:
        return CacheTo("local", self.folder, **({"mode": "max"} | more))  # type: ignore[arg-type]

    def source(self, **more: object) -> CacheFrom:
        return CacheFrom("local", self.folder, **more)  # type: ignore[arg-type]

    def build(self, kitchen: Kitchen, text: str = TEXT, seed: str = "seed", **more: object) -> BuildResult:
        kitchen.write({"seed": seed})
        return kitchen.build(text, **more)

    def manifest(self) -> Digest:
        """What the tag latest stands for."""
        return parse_index((Path(self.folder) / "index.json").read_bytes()).manifests[0].digest

    def blob(self, digest: str) -> Path:
        return Path(self.folder) / "blobs/sha256" / digest[7:]


@pytest.fixture
def shop(inside: object) -> Iterator[Shop]:
    with ExitStack() as stack:
        yield Shop(stack)


def test_a_folder_is_as_good_as_a_registry(shop: Shop) -> None:
    shop.first.add_busybox()
    first = shop.build(shop.first, RUN_TEXT, cache_to=(shop.to(),))
    other = shop.kitchen()
    other.add_busybox()
    result = shop.build(other, RUN_TEXT, cache_from=(shop.source(),), output=(Output("registry"),))
    assert result.cached and result.image_id == first.image_id
    assert here(other, result) == [True, False, False, False]
    assert other.read(result.image_id, "app/made") == "seed made\n"
    assert "etc/group" not in other.listing(result.image_id)
    other.build(f"FROM {result.image_id}\nRUN true\n")
    check_sound(other, result.image_id)


def test_a_folder_that_is_gone_makes_steps_run(shop: Shop) -> None:
    shop.build(shop.first, cache_to=(shop.to(),))
    other = shop.kitchen()
    assert shop.build(other, cache_from=(shop.source(),)).cached
    shutil.rmtree(shop.folder)
    result = shop.build(other, TEXT + COPY, cache_from=(shop.source(),))
    assert rules(result) == ["ran", "exact", "exact", "ran"]
    assert other.read(result.image_id, "app/more") == "seed"


def test_tags_keep_caches_apart(shop: Shop) -> None:
    shop.build(shop.first, cache_to=(shop.to(tag="one"),))
    other = shop.kitchen()
    assert not shop.build(other, cache_from=(shop.source(),)).cached
    assert any("not found" in text for text in told(other))
    shop.build(shop.first, seed="another", cache_to=(shop.to(),))
    index = parse_index((Path(shop.folder) / "index.json").read_bytes())
    assert len(index.manifests) == 2
    assert shop.build(shop.kitchen(), cache_from=(shop.source(tag="one"),)).cached


def test_an_older_cache_by_its_digest(shop: Shop) -> None:
    shop.build(shop.first, cache_to=(shop.to(),))
    old = shop.manifest()
    shop.build(shop.first, "FROM scratch\nCOPY seed /x\n", cache_to=(shop.to(),))
    assert shop.manifest() != old
    assert shop.build(shop.kitchen(), cache_from=(shop.source(digest=old),)).cached


def test_two_caches_are_asked_one_after_the_other(shop: Shop) -> None:
    shop.build(shop.first, "FROM scratch\nWORKDIR /app\n", cache_to=(shop.to(tag="a"),))
    shop.build(shop.first, cache_to=(shop.to(tag="b"),))
    sources = (shop.source(tag="none"), shop.source(tag="a"), shop.source(tag="b"))
    assert shop.build(shop.kitchen(), cache_from=sources).cached


def test_values_of_secret_variables_stay_here(shop: Shop) -> None:
    """A cache is for others to read: what a variable is called decides, as it does for what is shown."""
    shop.first.add_busybox()
    text = (
        "FROM busybox\nARG API_TOKEN\nARG WORD\nENV MY_PASSWORD=hunter2\nRUN echo $WORD > /made\nWORKDIR /a\n"
    )
    args = {"API_TOKEN": "abcdefgh", "WORD": "one"}
    shop.build(shop.first, text, build_args=args, cache_to=(shop.to(),))
    manifest = parse_manifest(shop.blob(shop.manifest()).read_bytes())
    records = shop.blob(manifest.config.digest).read_text()
    assert "abcdefgh" not in records and "hunter2" not in records
    assert '["ARG API_TOKEN","***"]' in records and '["ARG WORD","one"]' in records
    other = shop.kitchen()
    other.add_busybox()
    assert shop.build(other, text, build_args=args, cache_from=(shop.source(),)).cached
    third = shop.kitchen()
    third.add_busybox()
    changed = shop.build(third, text, build_args={**args, "WORD": "two"}, cache_from=(shop.source(),))
    rows = recorded.steps(third.db.read(), changed.build_id)
    reason = parse_reason(rows[1].reason)
    assert reason is not None
    assert [(each.name, each.old, each.new) for each in reason.changes] == [("WORD", "one", "two")]


def test_a_plan_asks_no_shared_cache(shop: Shop) -> None:
    shop.build(shop.first, cache_to=(shop.to(),))
    other = shop.kitchen()
    other.write({"seed": "seed"})
    found = planned(other, TEXT, cache_from=(shop.source(),))
    assert {step.status for step in found.steps} == {"from", RUN}
    assert any("a plan asks no shared cache" in text for text in found.notes)
    shop.build(other, cache_from=(shop.source(),))
    statuses = {step.status for step in planned(other, TEXT).steps}
    assert statuses == {"from", REUSE}, "what came are rows like others"


# --- several who export


def test_two_who_export_at_once_lose_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """When one has made its records, and is about to name them, another one names its own."""
    other, between = shop.kitchen(), list[bool]()
    name = FolderPlace.name

    def late(place: FolderPlace, manifest: bytes, before: Digest | None) -> Digest | None:
        if not between:
            between.append(True)
            shop.build(other, OTHER, cache_to=(shop.to(),))
        return name(place, manifest, before)

    monkeypatch.setattr(FolderPlace, "name", late)
    shop.build(shop.first, cache_to=(shop.to(),))
    assert between
    third = shop.kitchen()
    assert shop.build(third, cache_from=(shop.source(),)).cached
    assert shop.build(third, OTHER, cache_from=(shop.source(),)).cached


def test_many_who_export_at_once(shop: Shop) -> None:
    kitchens = [shop.kitchen() for _ in range(3)]
    failures: list[BaseException] = []

    def build(number: int, kitchen: Kitchen) -> None:
        try:
            text = f"FROM scratch\nWORKDIR /w{number}\nCOPY seed .\n"
            shop.build(kitchen, text, cache_to=(shop.to(),))
        except BaseException as error:
            failures.append(error)
        finally:
            kitchen.db.close()

    threads = [threading.Thread(target=build, args=each) for each in enumerate(kitchens)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    last = shop.kitchen()
    for number in range(3):
        text = f"FROM scratch\nWORKDIR /w{number}\nCOPY seed .\n"
        assert shop.build(last, text, cache_from=(shop.source(),)).cached


# --- folders that lie


def test_a_folder_that_is_no_layout_is_not_written_over(shop: Shop) -> None:
    folder = Path(shop.folder)
    folder.mkdir()
    (folder / "index.json").write_text("mine")
    with pytest.raises(InvalidInput, match=r"exporting cache to .*no image layout"):
        shop.build(shop.first, cache_to=(shop.to(),))
    assert (folder / "index.json").read_text() == "mine"


@pytest.mark.parametrize("as_index", [False, True])
def test_the_cache_of_another_builder(shop: Shop, as_index: bool) -> None:
    """BuildKit's is neither read nor added to; as a name has one cache, the next export takes its place."""
    place = FolderPlace(shop.first.ctx, shop.folder)
    config = place.put(b"{}", "application/vnd.buildkit.cacheconfig.v0")
    document = Index((config,)) if as_index else Manifest(config, ())
    place.name(document.to_bytes(), None)
    other = shop.kitchen()
    assert rules(shop.build(other, cache_from=(shop.source(),))) == ["ran"] * 3
    assert any(text.startswith("[Warning] importing cache manifest from") for text in told(other))
    shop.build(other, cache_to=(shop.to(),))
    assert any("is a cache of another builder: it is replaced" in text for text in told(other))
    assert shop.build(shop.kitchen(), cache_from=(shop.source(),)).cached


def test_the_cache_of_a_newer_lamina_is_left_alone(shop: Shop) -> None:
    shop.build(shop.first, cache_to=(shop.to(),))
    _rewritten(shop, lambda data: data.replace(b'"version":1', b'"version":2'))
    before = shop.manifest()
    with pytest.raises(Unsupported, match="version '2', and this Lamina reads 1"):
        shop.build(shop.kitchen(), cache_to=(shop.to(),))
    assert shop.manifest() == before


def _rewritten(shop: Shop, change: Callable[[bytes], bytes]) -> None:
    """Other records in the place of these, under the digests that they have then."""
    manifest = parse_manifest(shop.blob(shop.manifest()).read_bytes())
    config = change(shop.blob(manifest.config.digest).read_bytes())
    changed = manifest._replace(config=manifest.config._replace(digest=sha256(config), size=len(config)))
    index = parse_index((Path(shop.folder) / "index.json").read_bytes())
    row = index.manifests[0]._replace(digest=sha256(changed.to_bytes()), size=len(changed.to_bytes()))
    for blob in (config, changed.to_bytes()):
        shop.blob(sha256(blob)).write_bytes(blob)
    (Path(shop.folder) / "index.json").write_bytes(index._replace(manifests=(row,)).to_bytes())


@pytest.mark.parametrize(
    ("old", "new", "warning"),
    [
        ('"version":1', '"version":9', "version '9', and this Lamina reads 1"),
        ('"size":4,"tarSize"', '"size":5,"tarSize"', "is not what its records say"),
        ('"entries":', '"entries":1', "is not what its records say"),
        ('"data":"', '"data":"AAAA', "is damaged"),
        ('"data":"', '"data":"!', "is no base64"),
        ('"rule":""', '"rule":"x"', "rule of a step cannot be 'x'"),
    ],
)
def test_records_that_lie_are_told_of_and_not_believed(shop: Shop, old: str, new: str, warning: str) -> None:
    shop.build(shop.first, cache_to=(shop.to(),))
    _rewritten(shop, lambda data: data.replace(old.encode(), new.encode()))
    other = shop.kitchen()
    result = shop.build(other, cache_from=(shop.source(),))
    assert any(text.startswith("[Warning]") and warning in text for text in told(other)), told(other)
    assert other.read(result.image_id, "app/made") == "seed"
    assert "ran" in rules(result)
    check_sound(other, result.image_id)


def test_files_that_are_not_in_the_layer(shop: Shop) -> None:
    """Records and listings agree, and say what is not true: that shows when the layer comes."""

    def lie(data: bytes) -> bytes:
        records = parse(data)
        layers = dict(records.layers)
        for name, layer in layers.items():
            entries = cachelisting.unpack(base64.b64decode(layer.listing.data))
            if [entry.path for entry in entries][-1:] == [b"app/seed"]:
                entries[-1] = entries[-1]._replace(mode=0o4755)
                listing = cachelisting.embedded(cachelisting.pack(entries))
                assert listing is not None
                diff = layer.diff._replace(content_id=content_id(entries))
                layers[name] = layer._replace(diff=diff, listing=listing)
        assert layers != records.layers
        return to_bytes(records._replace(layers=layers))

    shop.build(shop.first, cache_to=(shop.to(),))
    _rewritten(shop, lie)
    other = shop.kitchen()
    result = shop.build(other, TEXT + COPY, cache_from=(shop.source(),))
    assert other.listing(result.image_id, "app")["more"].startswith("f 644 ")
    assert other.read(result.image_id, "app/more") == "seed"
    check_sound(other, result.image_id)
    again = shop.build(other, TEXT + COPY, cache_from=(shop.source(),))
    assert again.cached and again.image_id == result.image_id


def test_a_layer_that_is_another_than_was_said(shop: Shop) -> None:
    """The listing and the records agree, and the bytes are others: nothing of it stays, the step runs."""
    shop.build(shop.first, cache_to=(shop.to(),))
    other = shop.kitchen()
    shop.build(other, cache_from=(shop.source(),))
    for (digest,) in other.db.read().execute("SELECT digest FROM packed").fetchall():
        shop.blob(digest).write_bytes(b"something else")
    again = shop.build(other, TEXT + COPY)
    assert other.read(again.image_id, "app/more") == "seed"
    assert rules(again) == ["ran", "exact", "exact", "ran"]


def test_a_folder_without_a_blob(shop: Shop) -> None:
    text, files = "FROM scratch\nCOPY many /many\n", {f"many/{n}": str(n) for n in range(100)}
    shop.first.write(files)
    shop.build(shop.first, text, cache_to=(shop.to(),))
    manifest = parse_manifest(shop.blob(shop.manifest()).read_bytes())
    assert len(manifest.layers) == 2, "a long listing is a blob of its own"
    for each in manifest.layers:
        if "listing" in each.media_type:
            shop.blob(each.digest).unlink()
    other = shop.kitchen()
    other.write(files)
    result = shop.build(other, text, cache_from=(shop.source(),))
    assert rules(result) == ["ran"]
    assert any("it has no blob" in text for text in told(other))
    steps = cachedb.steps(other.db.read())
    assert not [step for step in steps if step.origin], "no row without its layer"
    assert all(layerdb.get_diff(other.db.read(), step.diff_id) for step in steps if step.diff_id)
    assert json.loads((Path(shop.folder) / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
