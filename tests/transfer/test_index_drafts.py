"""Indexes in the making: what is in them, where it comes from, and what is in the registry afterwards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.db import drafts as rows
from lamina.db import imagedb, indexdb
from lamina.db.drafts import DraftRow
from lamina.errors import Conflict, Corrupt, InvalidInput, LaminaError, NotFound
from lamina.events import Event, Notice, ignore
from lamina.layers.context import Layers
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.digest import sha256
from lamina.oci.manifest import parse_index
from lamina.registry.settings import Settings
from lamina.transfer import draftedit, drafts, remote
from lamina.transfer.copying.copy import Copied
from lamina.transfer.draftpush import push_draft
from lamina.transfer.drafts import Draft, IndexChanges
from tests.registry.conftest import place, quick
from tests.registry.distribution import Registry, own_registry
from tests.registry.images import image
from tests.transfer.copying import HOST, ONE, OTHER, TWO, artifact, layout, put, seen, setting
from tests.transfer.images import make_image

__all__ = ["place", "quick"]
THEIRS = image({"o": b"other"}, platform=str(OTHER))
NAME = "docker.io/library/multi:1"


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """A registry that the tests of this module share."""
    with own_registry() as made:
        yield made


@pytest.fixture
def repository(registry: Registry, request: pytest.FixtureRequest, place: Path) -> str:
    """A repository with an image for this machine, :ours, and one for another, :theirs."""
    name = registry.name(request.node.name.partition("[")[0].replace("_", "-"))
    put(layout(place / "ours", ONE), f"docker://{name}:ours")
    put(layout(place / "theirs", THEIRS), f"docker://{name}:theirs")
    return name


def draft_of(store: Layers, name: str = NAME) -> Draft:
    return drafts.read(rows.need_draft(store.db.read(), name).document)


def make(store: Layers, name: str, *images: str, **options: object) -> Draft:
    return draftedit.create(store, name, images, setting(store), **options)  # type: ignore[arg-type]


def add(store: Layers, name: str, *images: str, whole: bool = False, **changes: object) -> Draft:
    told = IndexChanges(**changes)  # type: ignore[arg-type]
    return draftedit.add(store, name, images, told, setting(store), whole=whole)


def push(store: Layers, name: str, target: str, spool: Path | None = None, **options: object) -> Copied:
    where = setting(store, str(spool or "/nowhere"))
    return push_draft(store, name, target, where, ignore, **options)  # type: ignore[arg-type]


# --- making


def test_made_of_images_of_a_registry(registry: Registry, repository: str, store: Layers) -> None:
    make(store, f"{repository}:multi", f"{repository}:theirs")
    draft = add(store, f"{repository}:multi", f"docker://{repository}:ours")
    assert [each.descriptor.digest for each in draft.entries] == [THEIRS.digest, ONE.digest]
    assert [each.descriptor.platform for each in draft.entries] == [OTHER, HOST]
    made = push(store, f"{repository}:multi", "")
    index = parse_index(remote.manifest(references.parse(f"{repository}:multi"), Settings(), None).data)
    assert (made.media_type, [each.digest for each in index.manifests]) == (
        media.INDEX,
        [THEIRS.digest, ONE.digest],
    )
    assert seen(f"docker://{repository}:multi") == made.digest
    assert seen(f"docker://{repository}@{ONE.digest}") == ONE.digest
    elsewhere = push(store, f"{repository}:multi", f"docker://{registry.name('else/where')}:1", purge=True)
    assert elsewhere.digest == made.digest == seen(f"docker://{registry.name('else/where')}:1")
    assert rows.drafts(store.db.read()) == []
    assert not imagedb.images(store.db.read())  # nothing of it came into the store


def test_what_is_said_of_images(repository: str, store: Layers) -> None:
    make(store, NAME, annotations={"whole": "1"})
    add(store, NAME, f"{repository}:ours", annotations={"a": "b"}, variant="v3")
    draftedit.annotate(
        store, NAME, f"{repository}:ours", IndexChanges(os_version="10", annotations={"c": "d"})
    )
    draftedit.annotate(store, NAME, "", IndexChanges(annotations={"more": "2"}))
    features = IndexChanges(os_features=["win32k"], features=["sse4"])
    draftedit.annotate(store, NAME, ONE.digest, features)
    (row,) = draft_of(store).document().manifests
    assert row.platform is not None
    assert row.to_json()["platform"] == {
        "architecture": HOST.architecture,
        "os": "linux",
        "os.version": "10",
        "os.features": ["win32k"],
        "variant": "v3",
        "features": ["sse4"],
    }
    assert row.annotations == {"a": "b", "c": "d"}
    assert draft_of(store).document().annotations == {"whole": "1", "more": "2"}
    with pytest.raises(InvalidInput, match="an index has no platform"):
        draftedit.annotate(store, NAME, "", IndexChanges(os="linux"))
    with pytest.raises(InvalidInput, match="an operating system and an architecture"):
        draftedit.annotate(store, NAME, ONE.digest, IndexChanges(architecture=""))


def test_images_are_found_again(repository: str, store: Layers) -> None:
    make(store, NAME, f"{repository}:ours", f"{repository}:theirs")
    draft = draft_of(store)
    ours, theirs = draft.entries
    for text in (
        ONE.digest,
        ONE.digest[7:19],
        f"x@{ONE.digest}",
        f"{repository}:ours",
        str(HOST),
        ours.place,
    ):
        assert draft.find(text) == ours
    for text in (ONE.digest[7:10], "linux", f"{repository}:else", ""):
        with pytest.raises(NotFound):
            draft.find(text)
    draftedit.annotate(
        store, NAME, str(OTHER), IndexChanges(os=HOST.os, architecture=HOST.architecture, variant="")
    )
    with pytest.raises(Conflict, match="is several in this index"):
        draft_of(store).find(str(HOST))
    assert draftedit.remove(store, NAME, theirs.descriptor.digest).entries == (ours,)


def test_all_of_an_index_or_the_image_of_this_machine(repository: str, store: Layers, place: Path) -> None:
    put(layout(place / "two"), f"docker://{repository}:two", whole=True)
    make(store, NAME, f"{repository}:two")
    assert [each.descriptor.digest for each in draft_of(store).entries] == [ONE.digest]
    add(store, NAME, f"oci:{place}/two:it", whole=True)
    assert {each.descriptor.digest for each in draft_of(store).entries} == set(TWO.manifests)
    made = push(store, NAME, f"docker://{repository}/copy:1")
    assert seen(f"docker://{repository}/copy:1") == made.digest


def test_one_more_for_a_platform_is_told(repository: str, store: Layers, place: Path) -> None:
    told: list[Event] = []
    newer = image({"newer": b"1"})
    put(layout(place / "newer", newer), f"docker://{repository}:newer")
    both = [f"{repository}:ours", f"{repository}:newer"]
    draftedit.create(store, NAME, both, setting(store), told.append)
    (notice,) = told
    assert isinstance(notice, Notice) and f"2 images for {HOST}" in notice.text
    put(f"oci:{place}/newer:it", f"docker://{repository}:ours")  # the tag moved
    add(store, NAME, f"{repository}:ours")
    assert [each.descriptor.digest for each in draft_of(store).entries] == [newer.digest]


def test_create_amend_and_rm(store: Layers) -> None:
    make(store, "multi:1")
    with pytest.raises(Conflict, match="refusing to amend"):
        make(store, "multi:1")
    make(store, "multi:1", amend=True, annotations={"a": "b"})
    assert draft_of(store).annotations == {"a": "b"}
    with pytest.raises(InvalidInput, match="has no images"):
        push(store, "multi:1", "")
    assert draftedit.delete(store, "docker://multi:1") == NAME
    for work in (
        lambda: draftedit.delete(store, NAME),
        lambda: add(store, NAME, "x"),
        lambda: push(store, NAME, ""),
        lambda: draftedit.annotate(store, NAME, "", IndexChanges()),
    ):
        with pytest.raises(NotFound, match="No such index"):
            work()
    with pytest.raises(InvalidInput):
        make(store, "x@" + ONE.digest)


def test_what_cannot_be_added_changes_nothing(repository: str, store: Layers, place: Path) -> None:
    make(store, NAME, f"{repository}:ours")
    before = rows.need_draft(store.db.read(), NAME)
    for text in (f"docker://{repository}:none", f"oci:{place}/none", "docker://UPPER"):
        with pytest.raises(LaminaError):
            add(store, NAME, f"{repository}:theirs", text)
    assert rows.need_draft(store.db.read(), NAME) == before


def test_an_artifact_may_be_in_an_index(repository: str, store: Layers, place: Path) -> None:
    artifact(place / "ours", ONE.digest, "application/wasm", b"wasm", tag="wasm")
    make(store, NAME, f"oci:{place}/ours:wasm", f"{repository}:ours")
    (first, second) = draft_of(store).document().manifests
    assert (first.artifact_type, first.platform) == ("application/wasm", None)
    assert second.platform == HOST
    made = push(store, NAME, f"docker://{repository}/wasm:1")
    assert seen(f"docker://{repository}/wasm:1") == made.digest


# --- of the store, and to other places


def test_images_of_the_store_are_pushed(repository: str, store: Layers) -> None:
    make_image(store, "built:1")
    make(store, NAME, "built:1", f"{repository}:theirs")
    made = push(store, NAME, f"docker://{repository}/built:1")
    index = parse_index(remote.manifest(references.parse(f"{repository}/built:1"), Settings(), None).data)
    ours, theirs = index.manifests
    assert theirs.digest == THEIRS.digest and sha256(index.to_bytes()) == made.digest
    document = json.loads(
        remote.manifest(references.parse(f"{repository}/built@{ours.digest}"), Settings(), None).data
    )
    assert {layer["mediaType"] for layer in document["layers"]} == {media.LAYER_GZIP}
    assert ours.platform is not None and ours.platform.architecture == "amd64"
    assert push(store, NAME, f"docker://{repository}/built:2").digest == made.digest


@pytest.mark.parametrize(
    "target", ["oci:{}/out:x", "oci-archive:{}/out.tar:x", "docker-archive:{}/out.tar:x"]
)
def test_to_files(repository: str, store: Layers, place: Path, target: str) -> None:
    make_image(store, "built:1")
    make(store, NAME, "built:1", f"{repository}:theirs")
    made = push(store, NAME, target.format(place))
    if not target.startswith("docker"):
        assert seen(target.format(place)) == made.digest
    assert put(target.format(place), f"oci:{place}/again:x", whole=True).digest == made.digest


def test_to_the_store(repository: str, place: Path, make_store: Callable[[], Layers]) -> None:
    store = make_store()
    make_image(store, "built:1")
    make(store, NAME, "built:1", f"{repository}:theirs")
    made = push(store, NAME, "store:multi:2", spool=place / "spool")
    assert indexdb.index_of(store.db.read(), "docker.io/library/multi:2") == made.digest
    assert len(indexdb.members(store.db.read(), made.digest)) == 2
    assert not list((place / "spool").iterdir())


def test_dockers_images_make_dockers_list(repository: str, store: Layers) -> None:
    for tag in ("ours", "theirs"):
        put(f"docker://{repository}:{tag}", f"docker://{repository}:docker-{tag}", form="v2s2")
    make(store, NAME, f"{repository}:docker-ours", f"{repository}:docker-theirs")
    assert push(store, NAME, f"docker://{repository}:list").media_type == media.DOCKER_INDEX
    make(store, "oci", f"{repository}:ours", f"{repository}:docker-theirs")
    assert push(store, "oci", f"docker://{repository}:mixed").media_type == media.INDEX
    made = push(store, "oci", f"docker://{repository}:again", form="v2s2")
    assert seen(f"docker://{repository}:again") == made.digest
    assert made.media_type == media.DOCKER_INDEX


def test_what_went_away_meanwhile_is_told(repository: str, store: Layers, place: Path) -> None:
    make(store, NAME, f"oci:{place}/ours:it", f"{repository}:theirs")
    shutil.rmtree(place / "ours")
    with pytest.raises(NotFound, match="no such file"):
        push(store, NAME, f"docker://{repository}/gone:1")
    with pytest.raises(NotFound):
        remote.tags(references.parse(f"{repository}/gone"), Settings())


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"entries": [{}], "annotations": {}}', '{"entries": 1}'])
def test_a_draft_that_cannot_be_read(store: Layers, text: str) -> None:
    with store.db.write() as tx:
        rows.put_draft(tx, DraftRow(NAME, text, "2026-01-01T00:00:00Z"))
    with pytest.raises(Corrupt, match="cannot be read"):
        push(store, NAME, "")
    draftedit.delete(store, NAME)
