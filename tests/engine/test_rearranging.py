"""squash, flatten, fold, split and normalise of images: ranges, bases, history, indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.db.names import resolve_image
from lamina.engine.operating import Target
from lamina.errors import InvalidInput, LaminaError, NotFound
from lamina.events import Event, Notice
from lamina.transfer.index import make_index, part_of, register_index
from tests.engine.test_operating import HOST, LATER, OTHER, checked, config_of, engine, image, lines
from tests.layers.conftest import folder, make_store, store
from tests.layers.stores import state
from tests.surgery.stacks import files_of

if TYPE_CHECKING:
    from lamina.engine.engine import Engine
    from lamina.engine.operating import Operated
    from lamina.layers.context import Layers

__all__ = ["engine", "folder", "make_store", "store"]

BASE, ONE, TWO, THREE = {"base": b"b"}, {"a": b"1", "x": b"x"}, {"a": b"22", "y": b"y"}, {"z": b"z"}
DPKG = b"Package: curl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n"
NEW = Target(("new",), created=LATER)


def files(ctx: Layers, done: Operated) -> list[list[str]]:
    """The files in each layer of what was made."""
    (config,) = checked(ctx, done)
    return [files_of(ctx, diff_id) for diff_id in config.diff_ids]


def test_squash(store: Layers, engine: Engine) -> None:
    image(store, BASE, tag="base")
    old = image(store, BASE, ONE, TWO, THREE, tag="app")
    done = engine.surgery.squash("app", target=NEW)
    assert files(store, done) == [["base"], ["a", "x", "y", "z"]]
    (config,) = checked(store, done)
    assert lines(config) == ["step 1", "step 2", "step 3", "step 4", "lamina squash 2..4"]
    assert config.history[-1].comment == f"layers 2..4 of {old}"
    assert [line.empty_layer for line in config.history] == [False, True, True, True, False]
    assert engine.surgery.squash("app", target=NEW).image_id == done.image_id, "the same once more"
    some = engine.surgery.squash("app", "2..-2", NEW)
    assert files(store, some) == [["base"], ["a", "x", "y"], ["z"]]
    assert lines(checked(store, some)[0]) == ["step 1", "step 2", "step 3", "lamina squash 2..3", "step 4"]
    assert files(store, engine.surgery.flatten("app", NEW)) == [["a", "base", "x", "y", "z"]]
    assert resolve_image(store.db.read(), "app").image_id == old, "the old image stays"


def test_what_has_no_name_is_no_base(store: Layers, engine: Engine) -> None:
    image(store, BASE, ONE)
    image(store, BASE, ONE, TWO, tag="app")
    assert files(store, engine.surgery.squash("app", target=NEW)) == [["a", "base", "x", "y"]]


def test_what_is_done_already(store: Layers, engine: Engine) -> None:
    image(store, BASE, {"base": b"other"}, tag="base")
    old = image(store, BASE, {"base": b"other"}, THREE, tag="app")
    told: list[Event] = []
    for again in (engine.surgery.squash, engine.surgery.fold):
        assert again("app", target=NEW, observer=told.append).image_id == old
    assert [each.text for each in told if isinstance(each, Notice)] == [
        "the lower 2 layers of app:latest are those of base:latest: a range of layers takes them, too",
        "the lower 2 layers of app:latest are those of base:latest: --base takes them, too",
    ]
    assert files(store, engine.surgery.fold("app", target=NEW, base=True)) == [["base"], ["z"]]


def test_fold(store: Layers, engine: Engine) -> None:
    old = image(store, BASE, ONE, TWO, THREE, {"x": b"x"}, tag="app")
    done = engine.surgery.fold("app", target=NEW)
    assert files(store, done) == [["base"], ["x"], ["a", "y"], ["z"]]
    (config,) = checked(store, done)
    assert lines(config) == [*[f"step {n}" for n in range(1, 6)], "lamina fold"]
    assert [line.empty_layer for line in config.history] == [False, False, False, False, True, True]
    assert config.history[-1].comment == f"layers 2, 5 of {old}"
    assert config.diff_ids[2:] == config_of(store, old).diff_ids[2:4], "the others stay"


def test_split(store: Layers, engine: Engine) -> None:
    image(store, BASE, ONE, {"p": b"p", "q": b"q"}, tag="app:1")
    image(store, BASE, ONE, {"p": b"p", "q": b"new"}, tag="app:2")
    sized = engine.surgery.split("app:1", "2", "size", NEW, most=1)
    assert files(store, sized) == [["base"], ["a"], ["x"], ["p", "q"]]
    assert lines(checked(store, sized)[0])[1:4] == ["step 2", *["lamina split 2 --by size=1"] * 2]
    rated = engine.surgery.split("app:2", "3", "change-rate", NEW)
    assert files(store, rated) == [["base"], ["a", "x"], ["p"], ["q"]]
    before = config_of(store, image(store, BASE, ONE, {"p": b"p", "q": b"q"}))
    rated_old = engine.surgery.split("app:1", "3", "change-rate", NEW)
    assert config_of(store, rated_old.image_id).diff_ids[:3] == config_of(store, rated.image_id).diff_ids[:3]
    assert before.diff_ids[2] not in config_of(store, rated.image_id).diff_ids


def test_split_by_package(store: Layers, engine: Engine) -> None:
    lists = {"var/lib/dpkg/info/curl.list": b"/usr\n/usr/bin/curl\n", "var/lib/dpkg/status": DPKG}
    image(store, lists | {"usr/bin/curl": b"c", "usr/bin/own": b"o"}, tag="app")
    done = engine.surgery.split("app", "1", "package", NEW)
    assert files(store, done) == [["usr/bin/curl"], ["usr/bin/own", *sorted(lists)]]
    (config,) = checked(store, done)
    comments = [line.comment.partition(",")[0] for line in config.history[1:]]
    assert comments == ["package curl", "files of no package"]


def test_normalise(store: Layers, engine: Engine) -> None:
    image(store, BASE, tag="base")
    image(store, BASE, ONE, tag="app")
    done = engine.surgery.normalise("app", Target(("new",)))
    (config,) = checked(store, done)
    assert config.created == "1970-01-01T00:00:00Z"
    assert [line.created for line in config.history] == ["2026-01-02T03:04:05Z", *[config.created] * 2]
    assert lines(config) == ["step 1", "step 2", "lamina normalise"]
    assert engine.surgery.normalise("app", NEW, owner=(5, 6)).image_id != done.image_id


def test_each_image_of_an_index(store: Layers, engine: Engine) -> None:
    parts = [
        part_of(store, image(store, BASE, ONE, TWO, at=HOST), {}),
        part_of(store, image(store, BASE, TWO, ONE, at=OTHER), {}),
    ]
    register_index(store, make_index(parts, annotations={}), parts, ["docker.io/library/app:latest"], HOST)
    for made in (
        engine.surgery.squash("app", target=NEW),
        engine.surgery.fold("app", target=NEW),
        engine.surgery.split("app", "2", "size", NEW, most=1),
        engine.surgery.normalise("app", NEW),
    ):
        assert len(checked(store, made)) == 2
        assert all(old != new for old, new in made.images)


@pytest.mark.parametrize(
    ("error", "text", "word", "args"),
    [
        (NotFound, "no layer 7: the image has 2 layers", "squash", ("app", "1..7")),
        (InvalidInput, "invalid range of layers: 2..1", "fold", ("app", "2..1")),
        (InvalidInput, "cannot split by 'colour'", "split", ("app", "1", "colour")),
        (NotFound, "no other version of layer 1 is in the store", "split", ("app", "1", "change-rate")),
        (InvalidInput, "layers 1..2 cannot be split by change-rate", "split", ("app", "1..2", "change-rate")),
        (NotFound, "No such image: 0123456789ab", "flatten", ("0123456789ab",)),
    ],
)
def test_refusals(
    store: Layers, engine: Engine, error: type[LaminaError], text: str, word: str, args: tuple[str, ...]
) -> None:
    image(store, ONE, {f"only-{text}": b"2"}, tag="app")
    before = state(store)
    with pytest.raises(error) as caught:
        getattr(engine.surgery, word)(*args)
    assert caught.value.message.startswith(text)
    assert state(store) == before
