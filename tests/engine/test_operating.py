"""Operations on images: indexes, names, annotations, what stays of the old image, what is found by itself."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING

import pytest

from lamina.db import imagedb, leases
from lamina.db.names import resolve_image
from lamina.engine.engine import Engine
from lamina.engine.operating import Operated, Subject, Target, operate
from lamina.engine.rebasing import Refused
from lamina.engine.reordering import Unfit
from lamina.errors import Conflict, InvalidInput, LaminaError, NotFound
from lamina.events import Event, Notice
from lamina.layers.write import LayerItem, write_layer
from lamina.oci import config as configs
from lamina.oci import manifest as manifests
from lamina.oci import platform as platforms
from lamina.oci.config import ContainerConfig, History, ImageConfig, RootFS
from lamina.oci.digest import Digest
from lamina.oci.validate import validate, validate_index
from lamina.surgery.parts import Parts
from lamina.surgery.squash import flatten
from lamina.transfer.attest import attestation_manifest, statement
from lamina.transfer.image_view import image_view
from lamina.transfer.index import index_view, make_index, part_of, register_index
from lamina.transfer.register import register_image
from lamina.tree.entry import Entry, Kind
from tests.layers.conftest import folder, make_store, store
from tests.surgery.elves import elf

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lamina.layers.context import Layers
    from lamina.oci.config import ImageConfig as Config
    from lamina.oci.digest import ImageID
    from lamina.oci.platform import Platform

__all__ = ["folder", "make_store", "store"]

HOST = platforms.host(os.uname().machine)
OTHER = platforms.parse("linux/arm64" if HOST.architecture != "arm64" else "linux/amd64")
WHEN, LATER = "2026-01-02T03:04:05Z", "2026-02-03T04:05:06Z"
BASE_NAME, BASE_DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"
Files = dict[str, bytes]


@pytest.fixture
def engine(store: Layers) -> Iterator[Engine]:
    """On the same store."""
    with Engine.open(store.layout.root, environ={"LAMINA_OFFLINE": "1"}) as engine:
        yield engine


def image(
    ctx: Layers, *layers: Mapping[str, bytes], tag: str = "", at: Platform = HOST, env: str = ""
) -> ImageID:
    """An image of these layers."""
    diff_ids = [write_layer(ctx, [_file(*each) for each in layer.items()]).diff_id for layer in layers]
    history = tuple(History(WHEN, f"step {number}") for number in range(1, len(layers) + 1))
    config = ImageConfig(
        at.architecture, at.os, RootFS(tuple(diff_ids)), ContainerConfig(env=(env,) if env else ()),
        history, WHEN, variant=at.variant,
    )  # fmt: skip
    return register_image(ctx, config, diff_ids, [tag] if tag else []).image_id


def _file(path: str, data: bytes) -> LayerItem:
    return LayerItem(Entry(path.encode(), Kind.FILE, 0o755, size=len(data)), data)


def config_of(ctx: Layers, image_id: str) -> Config:
    return configs.parse(ctx.blobs.read(Digest(image_id)))


def checked(ctx: Layers, done: Operated) -> list[Config]:
    """The configs of what was made, which is valid in all its parts."""
    found = resolve_image(ctx.db.read(), done.names[0])
    if found.index_digest is not None:
        view = index_view(ctx, found.index_digest)
        if manifests.parse(view.data).__class__ is manifests.Index:
            validate_index(view.data, view.images)
    for _, new in done.images:
        validate(image_view(ctx, new))
    return [config_of(ctx, new) for _, new in done.images]


def lines(config: Config) -> list[str]:
    return [line.created_by for line in config.history]


OLD, NEW, APP = {"etc/base": b"1"}, {"etc/base": b"2"}, {"app/a": b"a"}


def test_a_rebase(store: Layers, engine: Engine) -> None:
    old = image(store, OLD, tag="base:1", env="V=1")
    new = image(store, NEW, {"more": b"x"}, tag="base:2", env="V=2")
    app = image(store, OLD, APP, {"app/b": b"b"}, tag="app", env="V=1")
    done = engine.surgery.rebase("app", "base:2", Target(("app:new",), created=LATER))
    (told,) = done.images
    assert (told.old_base.image_id, told.found_by, told.new_base.name, told.layers) == (
        old,
        "layers",
        "base:2",
        2,
    )
    assert [(each.field, each.name, each.result) for each in told.config] == [("ENV", "V", "2")]
    assert told.findings.listed == ()
    assert done.made is not None and done.made.names == ("app:new",)
    (config,) = checked(store, done.made)
    before = config_of(store, app)
    assert config.diff_ids == (*config_of(store, new).diff_ids, *before.diff_ids[1:])
    assert lines(config) == ["step 1", "step 2", "step 2", "step 3", "lamina rebase --onto base:2"]
    last = config.history[-1]
    assert last.empty_layer and last.created == config.created == LATER
    assert last.comment == (f"from {app}: 1 layer of base:1 ({old}) replaced by 2 layers of base:2 ({new})")
    assert config_of(store, app) == before, "the old image stays"
    again = engine.surgery.rebase("app", "base:2", Target(("x",), created=LATER))
    assert again.made is not None and again.made.image_id == done.made.image_id
    engine.rmi("app")
    back = engine.surgery.rebase("app:new", "base:1", Target(("app:back",), created=LATER))
    assert back.images[0].old_base.name == "base:2" and back.made is not None
    assert checked(store, back.made)[0].diff_ids == before.diff_ids


def test_an_image_that_is_removed_meanwhile(store: Layers, engine: Engine) -> None:
    image(store, OLD, APP, tag="app")
    with store.db.write() as tx:
        leases.drop(tx, [store.lease.id])

    def change(ctx: Layers, subject: Subject) -> Parts:
        with Engine.open(store.layout.root) as other:
            other.rmi("app", force=True)
            other.prune(all_images=True)
        return flatten(ctx, subject.parts, subject.image_id, subject.created)

    with Engine.open(store.layout.root) as working:
        done = operate(working._opened, "app", Target(("flat",)), change, lambda event: None)
    assert len(checked(store, done)[0].diff_ids) == 1


def test_which_base_it_stands_on(store: Layers, engine: Engine) -> None:
    def base_of(name: str, onto: str, base: str = "") -> tuple[str, str, int]:
        (told,) = engine.surgery.rebase(name, onto, old_base=base, dry_run=True).images
        return told.old_base.name, told.found_by, told.old_base.layers

    image(store, OLD, tag="debian:1")
    image(store, OLD, {"py": b"1"}, tag="python:1")
    image(store, OLD, {"py": b"1"}, {"t": b"2"})  # the highest has no name
    image(store, OLD, {"py": b"1"}, {"t": b"2"}, APP, tag="app")
    image(store, NEW, tag="debian:2")
    image(store, NEW, {"py": b"2"}, tag="python:2")
    image(store, NEW, {"o": b"o"}, tag="other")
    before = store.db.read().execute("SELECT count(*) FROM images").fetchone()
    assert base_of("app", "debian:2") == ("debian:1", "layers", 1)
    assert base_of("app", "python:2") == ("python:1", "layers", 2)
    assert base_of("app", "other") == ("python:1", "layers", 2)
    assert base_of("app", "other", "debian:1") == ("debian:1", "given", 1)
    assert base_of("app", "other", "app#3") == ("app#3", "given", 3)
    assert base_of("app", "other", "scratch") == ("scratch", "given", 0)
    assert base_of("app", "scratch") == ("python:1", "layers", 2)
    assert store.db.read().execute("SELECT count(*) FROM images").fetchone() == before, "only looked at"
    with pytest.raises(InvalidInput, match="does not stand on its old base: layer 1 is another one"):
        base_of("app", "debian:2", "other")
    with pytest.raises(InvalidInput, match="more than it"):
        base_of("debian:1", "other", "python:1")
    with pytest.raises(NotFound, match="the base of debian:1 is not known") as caught:
        base_of("debian:1", "other")
    assert "--from OLDBASE" in str(caught.value.hint)
    with pytest.raises(LaminaError):
        base_of("app", "nosuch")


def test_what_a_manifest_says_of_its_base(store: Layers, engine: Engine) -> None:
    old = image(store, OLD, tag="base:1")
    image(store, OLD, {"in": b"between"}, tag="middle")
    new = image(store, NEW, tag="base:2")
    app = image(store, OLD, {"in": b"between"}, APP)
    c = store.db.read()
    said = {
        BASE_NAME: "docker.io/library/base:1",
        BASE_DIGEST: imagedb.need_image(c, old).manifest,
        "org.example.kept": "yes",
    }
    part = part_of(store, app, said)
    register_index(store, store.blobs.read(part.descriptor.digest), [part], ["app"], HOST)
    done = engine.surgery.rebase("app", "base:2", Target(("made",)))
    assert (done.images[0].old_base.name, done.images[0].found_by) == ("base:1", "annotations")
    assert done.made is not None
    checked(store, done.made)
    now = manifests.parse_manifest(store.blobs.read(done.made.digest)).annotations
    assert now == {
        BASE_NAME: "docker.io/library/base:2",
        BASE_DIGEST: imagedb.need_image(c, new).manifest,
        "org.example.kept": "yes",
    }
    dropped = engine.surgery.drop("app", ["2"], Target(("less",))).made
    assert manifests.parse_manifest(store.blobs.read(dropped.digest)).annotations == {
        "org.example.kept": "yes"
    }


def test_a_rebase_that_breaks(store: Layers, engine: Engine) -> None:
    image(store, {"lib/libx.so.1": elf(soname="libx.so.1")}, tag="base:1")
    image(store, {"lib/libx.so.2": elf(soname="libx.so.2")}, tag="base:2")
    image(store, {"lib/libx.so.1": elf(soname="libx.so.1")}, {"app/run": elf("libx.so.1")}, tag="app")
    with pytest.raises(Refused, match="1 thing breaks on base:2: nothing was made") as caught:
        engine.surgery.rebase("app", "base:2", Target(("made",)))
    assert pickle.loads(pickle.dumps(caught.value)).images == caught.value.images, "from a worker process"
    (finding,) = caught.value.images[0].findings.listed
    assert finding.path == "/app/run" and "needs libx.so.1" in finding.text
    with pytest.raises(NotFound):
        resolve_image(store.db.read(), "made")
    (told,) = engine.surgery.rebase("app", "base:2", dry_run=True).images
    assert told.findings == caught.value.images[0].findings
    done = engine.surgery.rebase("app", "base:2", Target(("made",)), force=True)
    assert done.made is not None and checked(store, done.made)
    with pytest.raises(Unfit, match="it breaks with these layers on base:2"):
        engine.surgery.cherry_pick(["app#2"], "base:2")
    picked = engine.surgery.cherry_pick(["app#2"], "base:2", Target(("p",)), force=True)
    assert picked.findings[0][1].breaks and checked(store, picked.made)
    assert not engine.surgery.cherry_pick(["app#2"], "base:1", Target(("q",))).findings[0][1].listed
    with pytest.raises(Unfit, match="it breaks without layer 1") as unfit:
        engine.surgery.drop("app", ["1"])
    assert "needs libx.so.1" in unfit.value.findings[0][1].listed[0].text
    assert engine.surgery.drop("app", ["1"], force=True).findings == unfit.value.findings


HISTORIES = {
    "none": [],
    "too short": [History(WHEN, "a")],
    "too long": [History(WHEN, name) for name in "abcdef"],
    "all of it empty": [History(WHEN, "a", empty_layer=True)] * 3,
    "the base is called otherwise": [
        History(WHEN, "x"),
        History(WHEN, "e", empty_layer=True),
        History(WHEN, "y"),
    ],
}


@pytest.mark.parametrize("case", HISTORIES)
def test_histories_that_lie(store: Layers, engine: Engine, case: str) -> None:
    old = image(store, OLD, tag="base:1")
    new = image(store, NEW, {"more": b"x"}, tag="base:2")
    diff_ids = (*config_of(store, old).diff_ids, write_layer(store, [_file("a", b"a")]).diff_id)
    config = ImageConfig(
        HOST.architecture, HOST.os, RootFS(diff_ids), history=tuple(HISTORIES[case]), variant=HOST.variant
    )
    register_image(store, config, diff_ids, ["app"])
    done = engine.surgery.rebase("app", "base:2", Target(("made",)))
    assert done.made is not None
    (made,) = checked(store, done.made)
    assert made.diff_ids == (*config_of(store, new).diff_ids, diff_ids[1])
    assert [line.created_by for line in made.history][:2] == ["step 1", "step 2"]
    less = engine.surgery.drop("app", ["1"], Target(("less",)), force=True).made
    assert checked(store, less)[0].diff_ids == diff_ids[1:]


# --- indexes


def index(ctx: Layers, tag: str, *layers: Files, attested: bool = False, **said: str) -> Digest:
    """An index of an image of these layers for each of two platforms."""
    parts = []
    for at in (OTHER, HOST):
        marked = [{"arch": str(at).encode(), **layers[0]}, *layers[1:]]
        parts.append(part_of(ctx, image(ctx, *marked, at=at), said))
    notes = [
        attestation_manifest(
            ctx, part.descriptor, [statement("https://x.org/p", {}, [tag], "", part.descriptor.digest)]
        )
        for part in parts
        if attested
    ]
    return register_index(ctx, make_index(parts, notes, {"i": "1", **said}), parts, [tag], HOST).digest


def test_each_image_of_an_index(store: Layers, engine: Engine) -> None:
    index(store, "base:1", OLD)
    index(store, "base:2", NEW)
    before = index(store, "app", OLD, APP, attested=True, **{"org.example.kept": "yes"})
    told: list[Event] = []
    done = engine.surgery.rebase("app", "base:2", Target(("new", "new:2"), created=LATER), told.append)
    assert any(isinstance(event, Notice) and "attested" in event.text for event in told)
    assert [each.platform for each in done.images] == [str(OTHER), str(HOST)]
    assert done.made is not None and len(done.made.images) == 2
    configs = checked(store, done.made)
    assert [config.architecture for config in configs] == [OTHER.architecture, HOST.architecture]
    for config, at in zip(configs, (OTHER, HOST), strict=True):
        bottom = config_of(store, image(store, {"arch": str(at).encode(), **NEW}, at=at)).diff_ids
        assert config.diff_ids[0] == bottom[0] and len(config.diff_ids) == 2
    document = manifests.parse_index(store.blobs.read(done.made.digest))
    assert document.annotations == {"i": "1", "org.example.kept": "yes"}
    assert len(document.manifests) == 2, "nothing is said of the new images that was said of the old ones"
    for each in document.manifests:
        assert manifests.parse_manifest(store.blobs.read(each.digest)).annotations == {
            "org.example.kept": "yes"
        }
    for name in ("new", "new:2"):
        assert resolve_image(store.db.read(), name).index_digest == done.made.digest
    assert resolve_image(store.db.read(), "app").index_digest == before
    engine.rmi("app")
    checked(store, done.made)


def test_one_platform_of_an_index(store: Layers, engine: Engine) -> None:
    index(store, "app", OLD, APP, {"z": b"z"})
    done = engine.surgery.drop("app", ["-1"], Target(("made",), platform=str(OTHER))).made
    (config,) = checked(store, done)
    assert config.architecture == OTHER.architecture and len(config.diff_ids) == 2
    assert resolve_image(store.db.read(), "made").index_digest is None
    with pytest.raises(NotFound, match="does not match the specified platform"):
        engine.surgery.drop("app", ["-1"], Target(platform="linux/s390x"))


def test_an_index_of_which_one_image_is_refused(store: Layers, engine: Engine) -> None:
    """Nothing is made then, of the others neither."""
    index(store, "app", OLD, APP, {"app/a": b"again"})
    before = store.db.read().execute("SELECT count(*) FROM images").fetchone()
    with pytest.raises(Conflict, match="layer 3 rests on layer 2: both touch /app/a"):
        engine.surgery.drop("app", ["2"], Target(("made",)))
    assert store.db.read().execute("SELECT count(*) FROM images").fetchone() == before


def test_where_nothing_changes_the_image_stays(store: Layers, engine: Engine) -> None:
    app = image(store, OLD, APP, tag="app")
    image(store, OLD, tag="base")
    same = engine.surgery.reorder("app", ["1", "2"], Target(("same",)))
    assert same.image_id == app and same.images == ((app, app),)
    rebased = engine.surgery.rebase("app", "base", Target(("same2",)))
    assert rebased.made is not None and rebased.made.image_id == app


def test_without_a_name(store: Layers, engine: Engine) -> None:
    image(store, OLD, APP, tag="app")
    done = engine.surgery.drop("app", ["2"]).made
    assert done.names == () and imagedb.tags(store.db.read(), done.image_id) == []
    with pytest.raises(InvalidInput, match="a name is needed to push"):
        engine.surgery.drop("app", ["2"], Target(push=True))
    with pytest.raises(InvalidInput):
        engine.surgery.drop("app", ["2"], Target(("Bad Name",)))


def test_cherry_picking(store: Layers, engine: Engine) -> None:
    source = image(store, OLD, APP, {"app/b": b"b"}, {"app/c": b"c"}, tag="app")
    onto = image(store, NEW, tag="onto", env="V=1")
    done = engine.surgery.cherry_pick(["app#2..3", "app#4"], "onto", Target(("made",), created=LATER))
    (config,) = checked(store, done.made)
    ids = config_of(store, source).diff_ids
    assert config.diff_ids == (*config_of(store, onto).diff_ids, *ids[1:])
    assert lines(config) == [
        "step 1", "step 2", "step 3", "lamina cherry-pick app#2..3", "step 4", "lamina cherry-pick app#4",
    ]  # fmt: skip
    assert config.history[3].comment == f"layers 2 ({ids[1]}), 3 ({ids[2]}) of {source} on {onto}"
    assert config.config.env == ("V=1",)
    with pytest.raises(InvalidInput, match="which layer of app"):
        engine.surgery.cherry_pick(["app"], "onto")
    with pytest.raises(NotFound, match="no layer 9"):
        engine.surgery.cherry_pick(["app#9"], "onto")
