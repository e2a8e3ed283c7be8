"""Layers that are elsewhere: fetched when files are needed, once; and all that can be wrong with them."""

from __future__ import annotations

import io
import json
import os
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lamina.db import cachedb, imagedb, layerdb, packed, traces
from lamina.db.cachedb import Ingredient, Step
from lamina.db.traces import Trace
from lamina.errors import Cancelled, InvalidInput
from lamina.fetch.stopping import NeverStops, Stop
from lamina.fs import walk
from lamina.gc.rebuild import rebuild
from lamina.gc.recover import recover
from lamina.layers import commit
from lamina.layers.absent import Elsewhere, Misdescribed, absent, bring, put_absent
from lamina.layers.commit import commit_empty, stack
from lamina.layers.context import Layers
from lamina.layers.lookup import Lookup
from lamina.layers.pack import pack
from lamina.layers.write import write_layer
from lamina.oci import reference as references
from lamina.oci.config import parse as parse_config
from lamina.oci.digest import DiffID, sha256
from lamina.registry.settings import Mirror, Rule, Settings
from lamina.store import layerfile
from lamina.store.lock import NameLock
from lamina.transfer.image_view import read_config
from lamina.transfer.lazy import Lazy
from lamina.transfer.pull import pull
from lamina.transfer.save import save
from tests.fetch.server import Handler
from tests.layers.stores import content, on_disk, open_store, rows
from tests.registry.conftest import liar, place, quick, registry
from tests.registry.distribution import Registry
from tests.registry.images import image
from tests.registry.liar import Liar
from tests.transfer.faraway import fetching, known, offer, tell
from tests.transfer.images import FIRST, SECOND_LAYER, entry, make_image

__all__ = ["liar", "place", "quick", "registry"]
Make = Callable[[], Layers]


@pytest.fixture
def there(make_store: Make) -> Layers:
    return make_store()


@pytest.fixture
def here(make_store: Make) -> Layers:
    return fetching(make_store())


def one(there: Layers, here: Layers, liar: Liar) -> DiffID:
    """A layer of `there` that `here` knows, and that lies in the repository `cache`."""
    diff = write_layer(there, FIRST)
    assert tell(there, here, offer(there, liar, diff.diff_id), f"{liar.host}/cache")
    return diff.diff_id


def test_a_layer_comes_when_a_file_is_read(there: Layers, here: Layers, liar: Liar) -> None:
    diff_id = one(there, here, liar)
    lookup = Lookup(here, [diff_id])
    assert lookup.get(b"etc/passwd") is not None and lookup.children(b"old")
    assert not liar.site.asked and absent(here, [diff_id]) == [diff_id]
    with lookup.open(b"etc/passwd") as file:
        assert file.read() == b"root:x:0:0"
    assert absent(here, [diff_id]) == []
    assert rows(here, diff_id) == rows(there, diff_id)
    assert on_disk(here, diff_id) == on_disk(there, diff_id)
    assert str(layerdb.need_diff(here.db.read(), diff_id).blob) in liar.asked()[-1]  # as it came
    asked = len(liar.site.asked)
    bring(here, [diff_id])
    assert len(liar.site.asked) == asked


def test_all_layers_come_at_once_from_who_has_most(there: Layers, here: Layers, liar: Liar) -> None:
    diffs = [write_layer(there, [entry(b"file", data=b"%d" % number)]).diff_id for number in range(4)]
    for number, diff_id in enumerate(diffs):
        form = offer(there, liar, diff_id, "few" if number == 3 else "most")
        tell(there, here, form, f"{liar.host}/few" if number > 1 else f"{liar.host}/most")
        if number == 2:
            tell(there, here, form, f"{liar.host}/most")
    bring(here, diffs)
    assert absent(here, diffs) == []
    blobs = [path.partition("/blobs/")[0] for path in liar.asked() if "/blobs/" in path]
    assert blobs == ["/v2/most"] * 3 + ["/v2/few"]


def test_who_has_it_no_more(there: Layers, here: Layers, liar: Liar) -> None:
    diff_id = one(there, here, liar)
    form = packed.forms(here.db.read(), diff_id)[0]
    with here.db.write() as tx:
        packed.put_place(tx, form.descriptor.digest, f"{liar.host}/other")
        cachedb.put_step(tx, Step("key", diff_id, (Ingredient("a", "b"),), "RUN it", "", 1.0))
    liar.site.pages.clear()
    with pytest.raises(Elsewhere) as caught:
        bring(here, [diff_id])
    error = caught.value
    assert error.gone and error.diff_ids == (diff_id,)
    assert all(word in error.message for word in (diff_id, f"{liar.host}/cache", f"{liar.host}/other"))
    assert error.hint is not None and "build it again" in error.hint
    c = here.db.read()
    assert cachedb.get_step(c, "key") is None and packed.places(c, form.descriptor.digest) == []
    assert layerdb.get_diff(c, diff_id) is not None and not here.layout.temps()
    with pytest.raises(Elsewhere, match="nobody is known to have it"):
        bring(here, [diff_id])


def test_who_cannot_be_asked_may_have_it_yet(there: Layers, here: Layers, liar: Liar) -> None:
    diff_id = one(there, here, liar)
    with here.db.write() as tx:
        cachedb.put_step(tx, Step("key", diff_id, (), "RUN it", "", 1.0))
    with pytest.raises(Elsewhere, match="Lamina is offline here") as caught:
        bring(fetching(here, Settings(offline=True)), [diff_id])
    assert not caught.value.gone and "LAMINA_OFFLINE" in (caught.value.hint or "") and not liar.site.asked
    liar.site.pages = dict.fromkeys(liar.site.pages, lambda handler: handler.reply(403))
    with pytest.raises(Elsewhere) as caught:
        bring(here, [diff_id])
    assert not caught.value.gone and cachedb.get_step(here.db.read(), "key") is not None
    with pytest.raises(Elsewhere, match="nothing is fetched here"):
        bring(here._replace(fetch=None), [diff_id])


def test_wrong_bytes_here_and_the_right_ones_there(there: Layers, here: Layers, liar: Liar) -> None:
    diff = write_layer(there, FIRST)
    form = offer(there, liar, diff.diff_id, "right")
    path = f"/v2/right/blobs/{form.descriptor.digest}"
    data = liar.site.pages[path]
    assert isinstance(data, bytes)
    liar.site.pages[path.replace("right", "wrong")] = data[:-1] + b"x"
    tell(there, here, form, f"{liar.host}/right")
    tell(there, here, form, f"{liar.host}/wrong")  # seen last: asked first
    bring(here, [diff.diff_id])
    assert absent(here, [diff.diff_id]) == [] and "/wrong/" in " ".join(liar.asked())


def test_a_blob_that_is_another_layer(there: Layers, here: Layers, liar: Liar) -> None:
    diff, other = write_layer(there, FIRST), write_layer(there, SECOND_LAYER)
    form = offer(there, liar, other.diff_id)._replace(diff_id=diff.diff_id)
    tell(there, here, form, f"{liar.host}/cache")
    with pytest.raises(Elsewhere, match=f"should be {diff.diff_id}"):
        bring(here, [diff.diff_id])
    assert packed.forms(here.db.read(), diff.diff_id) == []  # it is not believed twice
    assert not os.listdir(here.layout.diff) and not here.layout.temps()


def test_a_blob_that_a_broken_try_left_is_not_fetched_again(there: Layers, here: Layers, liar: Liar) -> None:
    diff_id = one(there, here, liar)
    form = packed.forms(here.db.read(), diff_id)[0]
    data = liar.site.pages[f"/v2/cache/blobs/{form.descriptor.digest}"]
    assert isinstance(data, bytes)
    here.blobs.put(data)
    bring(fetching(here, Settings(offline=True)), [diff_id])
    assert absent(here, [diff_id]) == [] and not liar.site.asked


# --- what was said of it


def test_rows_that_were_wrong_are_set_right(there: Layers, here: Layers, liar: Liar) -> None:
    diff = write_layer(there, FIRST)
    lie = [row._replace(mode=0o777) for row in rows(there, diff.diff_id)[:-1]]
    form = offer(there, liar, diff.diff_id)
    tell(there, here, form, f"{liar.host}/cache", entries=lie, content_id="f" * 64, size=7)
    with here.db.write() as tx:
        false = layerdb.need_diff(tx, diff.diff_id)
        below = stack(tx, here, None, false, "RUN it", "")
        above = stack(tx, here, below.chain_id, false, "RUN it again", "")
        steps = {"made it": (diff.diff_id, None), "on it": (None, above.chain_id), "apart": (None, "")}
        for key, (made, parent) in steps.items():
            cachedb.put_step(tx, Step(key, made, (), "RUN it", "", 1.0, parent=parent))
        traces.put(tx, Trace("recipe", diff.diff_id, "", "made it", 0, None))
    with pytest.raises(Misdescribed, match=diff.diff_id):
        bring(here, [diff.diff_id])
    c = here.db.read()
    assert rows(here, diff.diff_id) == rows(there, diff.diff_id)
    true = layerdb.need_diff(c, diff.diff_id)
    assert true[:5] == diff[:5]
    contents = [diff.content_id, layerdb.chain_content_id(diff.content_id, diff.content_id)]
    chain = layerdb.chain(c, above.chain_id)
    assert [layer.content_id for layer in chain] == contents
    files = [layerfile.read(here.layout, layer.chain_id) for layer in chain]
    assert [file.chain_content_id for file in files] == contents
    assert {(file.content_id, file.size, file.blob) for file in files} == {(*true[1:3], true.blob)}
    assert [step.key for step in cachedb.steps(c)] == ["apart"] and traces.candidates(c, "recipe") == []
    bring(here, [diff.diff_id])
    assert content(Lookup(here, [diff.diff_id]), b"old/one") == b"1"


def test_times_that_were_wrong_harm_nobody(there: Layers, here: Layers, liar: Liar) -> None:
    diff = write_layer(there, FIRST)
    late = [row._replace(mtime=1) for row in rows(there, diff.diff_id)]
    tell(there, here, offer(there, liar, diff.diff_id), f"{liar.host}/cache", entries=late)
    bring(here, [diff.diff_id])
    assert rows(here, diff.diff_id) == rows(there, diff.diff_id)


def test_what_the_store_knows_is_not_told_anew(there: Layers, here: Layers, liar: Liar) -> None:
    diff_id = one(there, here, liar)
    form = packed.forms(here.db.read(), diff_id)[0]
    assert tell(there, here, form) and not tell(there, here, form, content_id="f" * 64)
    bring(here, [diff_id])
    assert tell(there, here, form, entries=[]) and not tell(there, here, form, size=1)
    assert rows(here, diff_id) == rows(there, diff_id)


def test_a_folder_that_the_dead_left_is_not_taken_for_what_is_told(
    there: Layers, here: Layers, liar: Liar
) -> None:
    diff = write_layer(there, FIRST)
    os.mkdir(here.layout.diff_dir(diff.diff_id))
    tell(there, here, offer(there, liar, diff.diff_id), f"{liar.host}/cache")
    assert absent(here, [diff.diff_id]) and not here.layout.temps()
    bring(here, [diff.diff_id])
    assert on_disk(here, diff.diff_id) == on_disk(there, diff.diff_id)


def test_the_empty_layer_is_never_elsewhere(there: Layers, here: Layers) -> None:
    empty = commit_empty(there)
    with here.db.write() as tx:
        assert not put_absent(here, tx, empty._replace(content_id="f" * 64), [])
        assert put_absent(here, tx, empty, [])
    assert absent(here, [empty.diff_id]) == []


def test_a_layer_that_is_made_here_need_not_come(there: Layers, here: Layers, liar: Liar) -> None:
    diff_id = one(there, here, liar)
    assert write_layer(here, FIRST).diff_id == diff_id
    assert absent(here, [diff_id]) == [] and rows(here, diff_id) == rows(there, diff_id)
    assert not liar.site.asked


# --- several at once, and deaths


def test_two_who_want_the_same_fetch_it_once(there: Layers, make_store: Make, liar: Liar) -> None:
    here = fetching(make_store())
    diff_id = one(there, here, liar)
    other = fetching(open_store(here.layout.root))  # as another process has it
    path = next(iter(liar.site.pages))
    data = liar.site.pages[path]

    def slow(handler: Handler) -> None:
        threading.Event().wait(0.2)
        assert isinstance(data, bytes)
        handler.file(data)

    liar.site.pages[path] = slow
    failures: list[BaseException] = []

    def run(ctx: Layers) -> None:
        try:
            bring(ctx, [diff_id])
        except BaseException as error:
            failures.append(error)
        finally:
            ctx.db.close()

    threads = [threading.Thread(target=run, args=[ctx]) for ctx in (here, other, here)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.lease.release()
    assert not failures and absent(here, [diff_id]) == []
    assert len([each for each in liar.asked() if "/blobs/" in each]) == 1
    assert not [name for name in os.listdir(here.layout.leases) if name.startswith("lock-")]


def test_who_waits_can_be_stopped(there: Layers, here: Layers, liar: Liar) -> None:
    diff_id = one(there, here, liar)
    stop = Stop(NeverStops())
    threading.Timer(0.1, stop.set).start()
    with NameLock(here.layout, "diff-" + diff_id[7:]), pytest.raises(Cancelled):
        bring(fetching(here, stopper=stop), [diff_id])


@pytest.mark.parametrize("point", ["sync_tree", "settle", "place_diff", "_held", "held after"])
def test_a_death_at_any_point(there: Layers, here: Layers, liar: Liar, point: str) -> None:
    diff_id = one(there, here, liar)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
        child = os.fork()
    if child == 0:
        own = fetching(open_store(here.layout.root))
        name = point.replace("held after", "_held")
        real, before = getattr(commit, name), point == "_held"

        def die(*args: object, **options: object) -> object:
            found = None if before else real(*args, **options)
            os._exit(7)
            return found

        setattr(commit, name, die)
        bring(own, [diff_id])
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    recover(here.layout, here.db)
    assert not here.layout.temps()
    is_there = absent(here, [diff_id]) == []
    assert is_there == (point in ("place_diff", "_held", "held after"))
    assert rows(here, diff_id) == rows(there, diff_id)
    bring(here, [diff_id])
    out = io.BytesIO()
    pack(here, diff_id, out.write)
    assert DiffID(sha256(out.getvalue())) == diff_id


# --- images


def test_an_image_is_pulled_without_the_layers_that_are_known(
    there: Layers, here: Layers, registry: Registry, place: Path
) -> None:
    made = image({"a": b"1"}, {"b": b"2"}, env=["A=b"])
    name = references.parse(registry.push(made.layout(place / "layout"), "some/app:1"))
    pull(there, name, Settings())
    layers = [DiffID(each) for each in json.loads(made.blobs[made.image_id])["rootfs"]["diff_ids"]]
    asked: list[tuple[DiffID, ...]] = []

    def know(diff_ids: Sequence[DiffID]) -> None:
        asked.append(tuple(diff_ids))
        tell(there, here, packed.forms(there.db.read(), layers[1])[0])  # nothing of the other one

    found = pull(here, name, Settings(), lazy=know)
    assert asked == [tuple(layers)] and absent(here, layers) == [layers[1]]
    row = imagedb.need_image(here.db.read(), found.image_id)
    assert row.manifest == made.digest == found.digest, "the manifest stays, though a blob of it is elsewhere"
    out = io.BytesIO()
    save(here, [str(name)], out.write, "oci-archive")
    assert absent(here, layers) == [layers[1]], "the blob was enough"
    again = pull(here, name, Settings())
    assert absent(here, layers) == [] and not again.is_new
    assert on_disk(here, layers[1]) == [b"b"]


def test_what_a_manifest_says_of_a_blob_is_not_believed(there: Layers, here: Layers, liar: Liar) -> None:
    """The layer is known; that this blob is a form of it is not."""
    made = image({"a": b"1"})
    name = references.parse(liar.put(made, "app"))
    pull(there, name, Settings())
    (layer,) = [DiffID(each) for each in json.loads(made.blobs[made.image_id])["rootfs"]["diff_ids"]]
    other = write_layer(there, FIRST)
    form = offer(there, liar, other.diff_id)._replace(diff_id=layer)
    pull(here, name, Settings(), lazy=lambda _: tell(there, here, form))
    assert absent(here, [layer]) == []


def test_a_mirror_that_lacks_the_blob(there: Layers, here: Layers, liar: Liar) -> None:
    diff = write_layer(there, FIRST)
    tell(there, here, offer(there, liar, diff.diff_id, "own"), f"{liar.host}/own")
    liar.site.pages["/v2/mirror/tags/list"] = b'{"name": "mirror", "tags": []}'
    rule = Rule(f"{liar.host}/own", mirrors=(Mirror(f"{liar.host}/mirror"),))
    bring(fetching(here, Settings((rule,))), [diff.diff_id])
    assert absent(here, [diff.diff_id]) == []
    assert any("/v2/mirror/blobs/" in path for path in liar.asked())


def test_a_lost_database_loses_what_was_elsewhere_alone(
    many_ids: None, there: Layers, make_store: Make, liar: Liar
) -> None:
    image_id = make_image(there, "app")
    here = fetching(make_store())
    first, empty, second, _ = parse_config(read_config(there, image_id)).diff_ids
    known(there, here, liar, image_id, "app")
    bring(here, [first])  # its file says by now which blob it came as
    before = layerdb.need_diff(here.db.read(), first)
    here.db.close()
    here.lease.release()
    for name in os.listdir(here.layout.root):
        if name.startswith("lamina.db"):
            os.unlink(f"{here.layout.root}/{name}")
    again = open_store(here.layout.root)
    try:
        done = rebuild(again, lambda path: walk.scan(path, read=walk.sha256))
        c = again.db.read()
        assert [layer.diff_id for layer in layerdb.layers(c)] == [first, empty] and len(done.lost) == 2
        assert layerdb.get_diff(c, first) == before and layerdb.get_diff(c, second) is None
        out = io.BytesIO()
        pack(again, first, out.write)
        assert DiffID(sha256(out.getvalue())) == first
    finally:
        again.db.close()
        again.lease.release()


def test_a_mistake_in_our_own_settings_is_nobodys_loss(there: Layers, here: Layers, liar: Liar) -> None:
    diff_id = one(there, here, liar)
    with here.db.write() as tx:
        cachedb.put_step(tx, Step("key", diff_id, (), "RUN it", "", 1.0))

    def mistaken() -> Settings:
        raise InvalidInput("registries.toml: line 1")

    with pytest.raises(InvalidInput, match="line 1"):
        bring(here._replace(fetch=lambda: Lazy(mistaken)), [diff_id])
    assert cachedb.get_step(here.db.read(), "key") is not None
