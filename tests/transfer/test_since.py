"""save --since and load: only what the other side lacks travels, and what arrives is the same."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from typing import TYPE_CHECKING, cast

import pytest

from lamina.db import imagedb
from lamina.db.names import resolve_image
from lamina.errors import InvalidInput, LaminaError, NotFound
from lamina.events import Event, Notice
from lamina.layers.write import write_layer
from lamina.oci import media
from lamina.oci import platform as platforms
from lamina.oci.config import History, ImageConfig, RootFS
from lamina.oci.validate import validate
from lamina.transfer.image_view import image_view
from lamina.transfer.index import make_index, part_of, register_index
from lamina.transfer.layout import load_from_layout
from lamina.transfer.load import load
from lamina.transfer.register import register_image
from lamina.transfer.save import save
from tests.layers.stores import file as tar_file
from tests.layers.stores import state, tar_of
from tests.registry.conftest import liar
from tests.registry.liar import Liar
from tests.transfer.faraway import fetching, send_away
from tests.transfer.images import config_of, digest, entry, oci_files, tar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID

__all__ = ["liar"]
HOST = platforms.host(os.uname().machine)
OTHER = platforms.parse("linux/arm64" if HOST.architecture != "arm64" else "linux/amd64")
FORMS = pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
WHEN = "2026-01-02T03:04:05Z"
BIG = os.urandom(200_000)


def made(ctx: Layers, tag: str, word: str, platform: platforms.Platform = HOST) -> ImageID:
    """An image of a large layer that all have, and a small one of its own."""
    diffs = [
        write_layer(ctx, [entry(b"big", data=BIG + platform.architecture.encode())]),
        write_layer(ctx, [entry(b"word", data=word.encode())]),
    ]
    ids = tuple(diff.diff_id for diff in diffs)
    config = ImageConfig(
        platform.architecture, platform.os, RootFS(ids), history=(History(WHEN, "x"),) * 2, created=WHEN
    )
    return register_image(ctx, config, ids, [tag] if tag else []).image_id


def saved(ctx: Layers, *names: str, form: str, since: tuple[str, ...] = ()) -> bytes:
    out = io.BytesIO()
    save(ctx, names, out.write, form, since=since)
    return out.getvalue()


def files_of(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as found:
        return {m.name: cast("io.BufferedReader", found.extractfile(m)).read() for m in found if m.isfile()}


def manifest_of(ctx: Layers, image_id: ImageID) -> str:
    return imagedb.need_image(ctx.db.read(), image_id).manifest


@FORMS
def test_only_what_is_new_travels(make_store: Callable[[], Layers], form: str) -> None:
    first, second = make_store(), make_store()
    made(first, "app:1", "one")
    image_id = made(first, "app:2", "two")
    load(second, io.BytesIO(saved(first, "app:1", form=form)))
    whole, part = saved(first, "app:2", form=form), saved(first, "app:2", form=form, since=("app:1",))
    assert len(part) < 20_000 < len(BIG) < len(whole)
    left = set(files_of(whole).items()) - set(files_of(part).items())
    assert sorted(len(data) for name, data in left if name.startswith("blobs/"))[0] > len(BIG)
    assert load(second, io.BytesIO(part)) == [(image_id, ("app:2",))]
    assert manifest_of(second, image_id) == manifest_of(first, image_id)
    assert saved(second, "app:2", form=form) == whole
    validate(image_view(second, image_id), decompress=lambda blob, _: cast("io.BufferedReader", blob))
    again = state(second)
    assert load(second, io.BytesIO(part)) == [(image_id, ("app:2",))]
    assert state(second) == again


@FORMS
def test_what_is_missing_is_named_and_nothing_is_loaded(make_store: Callable[[], Layers], form: str) -> None:
    first, second = make_store(), make_store()
    base = made(first, "app:1", "one")
    made(first, "app:2", "two")
    alone = made(first, "alone", "three")
    part = saved(first, "app:2", "alone", form=form, since=("app:1",))
    layer = image_view(first, base).layers[0].diff_id
    with pytest.raises(NotFound) as caught:
        load(second, io.BytesIO(part))
    assert layer[:19] in caught.value.message and f"app:1 ({base[7:19]})" in caught.value.message
    assert caught.value.hint and "pull or load app:1" in caught.value.hint
    assert not imagedb.images(second.db.read()) and not second.layout.temps()
    made(second, "", "one")  # the same layer, under whatever name
    assert {each.image_id for each in load(second, io.BytesIO(part))} >= {alone}


@FORMS
def test_several_images_since_several(make_store: Callable[[], Layers], form: str) -> None:
    first, second = make_store(), make_store()
    for word in ("one", "two", "three"):
        made(first, f"app:{word}", word)
    for name in ("app:one", "app:two"):
        load(second, io.BytesIO(saved(first, name, form=form)))
    part = saved(first, "app", form=form, since=("app:one", "app:two"))
    notes = json.loads(json.loads(files_of(part)["index.json"])["annotations"]["vnd.lamina.since"])
    assert [(each["image"], len(each["layers"])) for each in notes] == [("app:one", 2), ("app:two", 1)]
    assert len(load(second, io.BytesIO(part))) == 3
    assert saved(second, "app", form=form) == saved(first, "app", form=form)


@FORMS
def test_an_index_stays_whole(make_store: Callable[[], Layers], form: str) -> None:
    first, second = make_store(), make_store()

    def put(word: str, tag: str) -> str:
        parts = [part_of(first, made(first, "", word, each)) for each in (OTHER, HOST)]
        return register_index(first, make_index(parts), parts, [tag], HOST).digest

    put("one", "multi:1")
    wanted = put("two", "multi:2")
    load(second, io.BytesIO(saved(first, "multi:1", form=form)))
    part = saved(first, "multi:2", form=form, since=("multi:1",))
    assert len(part) < 40_000
    (loaded,) = load(second, io.BytesIO(part))
    assert resolve_image(second.db.read(), "multi:2").index_digest == wanted
    assert loaded.tags == ("multi:2",)
    assert saved(second, "multi:2", form=form) == saved(first, "multi:2", form=form)


def test_a_layer_that_is_left_out_need_not_be_here(make_store: Callable[[], Layers], liar: Liar) -> None:
    first, second = fetching(make_store()), make_store()
    base = made(first, "app:1", "one")
    made(first, "app:2", "two")
    load(second, io.BytesIO(saved(first, "app:1", form="oci-archive")))
    whole = saved(first, "app:2", form="oci-archive")
    send_away(first, liar, image_view(first, base).layers[0].diff_id)
    part = saved(first, "app:2", form="oci-archive", since=("app:1",))
    assert not liar.site.asked
    assert load(second, io.BytesIO(part))[0].tags == ("app:2",)
    assert saved(second, "app:2", form="oci-archive") == whole


def test_since_something_else_leaves_out_nothing_and_says_so(store: Layers) -> None:
    image_id = made(store, "app:1", "one")
    config = ImageConfig("amd64", "linux", created=WHEN)
    register_image(store, config, [], ["empty"])
    told: list[Event] = []
    out = io.BytesIO()
    save(store, ["app:1"], out.write, since=["empty"], observer=told.append)
    assert out.getvalue() == saved(store, image_id, "app:1", form="docker-archive")
    assert [type(each) for each in told] == [Notice]
    with pytest.raises(NotFound, match="No such image: nothing:latest"):
        save(store, ["app:1"], out.write, since=["nothing"])


def packed(word: str) -> tuple[dict[str, bytes | str | None], str]:
    """An OCI layout of two gzip layers, as others make it, and the image ID."""
    layers = [tar_of(tar_file("big", BIG)), tar_of(tar_file("word", word.encode()))]
    config = config_of(*layers)
    blobs = {gzip.compress(layer, mtime=0): media.LAYER_GZIP for layer in layers}
    name = {"io.containerd.image.name": f"docker.io/library/app:{word}"}
    return oci_files(config, blobs, name), "sha256:" + digest(config)


def test_blobs_of_others_keep_their_bytes(make_store: Callable[[], Layers]) -> None:
    first, second = make_store(), make_store()
    for word in ("one", "two"):
        load(first, io.BytesIO(tar(packed(word)[0])))
    load(second, io.BytesIO(tar(packed("one")[0])))
    (loaded,) = load(second, io.BytesIO(saved(first, "app:two", form="oci-archive", since=("app:one",))))
    assert loaded.image_id == packed("two")[1]
    assert manifest_of(second, loaded.image_id) == manifest_of(first, loaded.image_id)
    assert saved(second, "app:two", form="oci-archive") == saved(first, "app:two", form="oci-archive")


def test_a_layer_that_is_here_packed_otherwise_is_enough_for_the_image(
    make_store: Callable[[], Layers],
) -> None:
    first, second = make_store(), make_store()
    for word in ("one", "two"):
        load(first, io.BytesIO(tar(packed(word)[0])))
    load(second, io.BytesIO(saved(first, "app:one", form="docker-archive")))
    told: list[Event] = []
    part = saved(first, "app:two", form="oci-archive", since=("app:one",))
    (loaded,) = load(second, io.BytesIO(part), observer=told.append)
    assert loaded.image_id == packed("two")[1]
    (notice,) = [each.text for each in told if isinstance(each, Notice)]
    assert notice.startswith("loaded is the image, with another manifest")
    assert manifest_of(second, loaded.image_id) != manifest_of(first, loaded.image_id)
    validate_saved = saved(second, "app:two", form="oci-archive")  # what it says it has, it has
    assert len(validate_saved) > len(BIG)


def test_a_layout_of_a_build_says_so_too(store: Layers, folder: str) -> None:
    made(store, "app:1", "one")
    image_id = made(store, "app:2", "two")
    data = saved(store, "app:2", form="oci-archive", since=("app:1",))
    with tarfile.open(fileobj=io.BytesIO(data)) as found:
        found.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian's 3.11.2 has none
        found.extractall(f"{folder}/layout")
    assert load_from_layout(store, f"{folder}/layout", HOST, tag="2") == image_id


NOTES: Mapping[str, object] = {
    "no list": {"image": "x"},
    "no JSON": None,
    "no digest": [{"image": "x", "id": "sha256:" + "0" * 64, "layers": ["sha256:12"]}],
    "no texts": [{"image": "x", "id": "sha256:" + "0" * 64, "layers": [1]}],
    "no name": [{"id": "sha256:" + "0" * 64, "layers": []}],
    "no ID": [{"image": "x", "id": "../../etc", "layers": []}],
    "deep": [[[[]]]],
}


@pytest.mark.parametrize("kind", NOTES)
def test_a_note_that_makes_no_sense_is_refused(store: Layers, kind: str) -> None:
    files, _ = packed("one")
    index = json.loads(cast("bytes", files["index.json"]))
    text = json.dumps(NOTES[kind]) if NOTES[kind] is not None else "{["
    index["annotations"] = {"vnd.lamina.since": text}
    files["index.json"] = json.dumps(index).encode()
    with pytest.raises(LaminaError) as caught:
        load(store, io.BytesIO(tar(files)))
    assert isinstance(caught.value, InvalidInput)
    assert not imagedb.images(store.db.read())


def test_a_missing_layer_that_nobody_left_out_is_a_broken_archive(store: Layers) -> None:
    files, _ = packed("one")
    gone = max(files, key=lambda name: len(files[name] or ""))
    del files[gone]
    with pytest.raises(InvalidInput, match=f"{gone} is missing"):
        load(store, io.BytesIO(tar(files)))
