"""The shared build cache in a registry: one machine builds, the others run nothing, and know why they do."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator

import pytest

from lamina.build.given import CacheFrom
from lamina.build.request import Output
from lamina.db import imagedb, recorded
from lamina.errors import InvalidInput
from lamina.fetch.failures import FetchFailed
from lamina.mount.userns import IdMap
from lamina.oci import media
from lamina.oci.digest import Digest
from lamina.oci.manifest import parse_manifest
from lamina.transfer.cache.places import RegistryPlace
from tests.build.machines import STAGES, Fleet, fleet_of, here, told
from tests.build.ruled import check_sound, rules
from tests.registry.distribution import Registry

pytestmark = pytest.mark.timeout(120)
_NAMES = itertools.count()
SEED = "FROM scratch AS one\nCOPY seed /seed\n"
PUSHED = Output("registry")  # what is pushed alone needs no files here
COPY = "FROM scratch\nCOPY --from=one /seed /copy\n"


@pytest.fixture
def fleet(inside: IdMap, counted: Registry) -> Iterator[Fleet]:
    with fleet_of(counted, f"t{next(_NAMES)}") as made:
        yield made


# --- what a machine need not do


def test_an_empty_store_runs_no_step(fleet: Fleet) -> None:
    """Done when 4: two empty stores and one registry, where the base is, too."""
    machine = fleet.machine()
    result = fleet.build(machine, cache_from=(fleet.source(),), output=(PUSHED,))
    assert result.cached
    assert rules(result) == ["exact"] * 6
    assert result.image_id == fleet.image_id
    assert here(machine, result) == [False] * 4, "not one layer was fetched"
    assert not fleet.registry.requests.of("GET", "/blobs/uploads")
    _, down = fleet.moved()
    assert down < 40_000, "the base alone has a megabyte"


def test_what_is_pushed_moves_manifests_alone(fleet: Fleet) -> None:
    machine = fleet.machine()
    result = fleet.build(machine, cache_from=(fleet.source(),), output=(PUSHED,))
    with machine.db.write() as tx:
        imagedb.put_tag(tx, fleet.name("app:1"), result.image_id)
    fleet.moved()
    fleet.push(machine, fleet.name("app:1"), fleet.name("app:1"))
    up, down = fleet.moved()
    assert up < 10_000 and down < 10_000
    assert here(machine, result) == [False] * 4
    other = fleet.machine()
    assert other.build(f"FROM {fleet.name('app:1')}\n").image_id == result.image_id
    assert other.read(result.image_id, "home/worker/all") == "seed tool\n"


def test_the_files_come_when_they_are_wanted(fleet: Fleet) -> None:
    machine = fleet.machine()
    result = fleet.build(machine, cache_from=(fleet.source(),), output=(PUSHED,))
    again = fleet.build(machine, STAGES + "RUN cat /app/made > /last\n")
    assert rules(again) == ["exact"] * 6 + ["ran"]
    assert machine.read(again.image_id, "last") == "seed\ntool\n"
    assert here(machine, result) == [True] * 4
    check_sound(machine, again.image_id)


def test_an_image_that_is_kept_has_all_its_files(fleet: Fleet) -> None:
    """Whoever builds it may run it without a network."""
    machine = fleet.machine()
    result = fleet.build(machine, cache_from=(fleet.source(),))
    assert rules(result) == ["exact"] * 6
    assert here(machine, result) == [True] * 4
    check_sound(machine, result.image_id)


def test_a_build_that_the_store_knows_asks_nobody(fleet: Fleet) -> None:
    machine = fleet.machine()
    fleet.build(machine, cache_from=(fleet.source(),))
    fleet.build(machine, cache_from=(fleet.source(),))
    assert fleet.registry.requests.rows == []


def test_a_cache_that_has_not_changed_is_not_read_again(fleet: Fleet) -> None:
    machine = fleet.machine()
    fleet.build(machine, cache_from=(fleet.source(),))
    fleet.build(machine, seed="other\n", cache_from=(fleet.source(),))
    requests = fleet.registry.requests
    assert len(requests.of("HEAD", "/cache/manifests/main")) == 1
    assert not requests.of("GET", "/cache/manifests/")
    digest = machine.db.read().execute("SELECT digest FROM cache_imports").fetchone()[0]
    assert not requests.of("GET", parse_manifest(machine.ctx.blobs.read(digest)).config.digest)


def test_the_record_says_where_steps_came_from(fleet: Fleet) -> None:
    machine = fleet.machine()
    result = fleet.build(machine, cache_from=(fleet.source(),))
    origins = [step.origin for step in recorded.steps(machine.db.read(), result.build_id)]
    shown = fleet.cache
    assert origins == ["", shown, shown, shown, "", shown, shown, shown]


# --- what is exported


def test_min_keeps_the_layers_of_the_image_alone(fleet: Fleet) -> None:
    """The other stages are known, so that nothing runs; when files of theirs are needed, they run again."""
    text = SEED + "WORKDIR /two\n" + COPY
    first = fleet.build(fleet.machine(), text, cache_to=(fleet.to(mode="min"),))
    assert len(fleet.registry.requests.of("PUT", "/cache/blobs/")) == 1 + 1, "its layer, and the records"
    machine = fleet.machine()
    result = fleet.build(machine, text, cache_from=(fleet.source("cache:main"),))
    assert result.cached and result.image_id == first.image_id
    again = fleet.build(machine, text + "COPY --from=one /seed /again\n")
    assert [rule == "ran" for rule in rules(again)] == [True, False, False, True]
    assert machine.read(again.image_id, "again") == "seed\n"


def test_an_export_adds_to_what_is_there(fleet: Fleet) -> None:
    one, two = "FROM scratch\nWORKDIR /one\n", "FROM scratch\nWORKDIR /two\n"
    for text in (one, two):
        fleet.build(fleet.machine(), text, cache_to=(fleet.to(),))
    machine = fleet.machine()
    for text in (one, two):
        assert fleet.build(machine, text, cache_from=(fleet.source("cache:main"),)).cached


def test_one_who_was_written_over_notices(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry has no lock: another one, who had not seen the first export, writes just after it."""
    one, two = "FROM scratch\nWORKDIR /one\n", "FROM scratch\nWORKDIR /two\n"
    name, late = RegistryPlace.name, list[bytes]()

    def racing(place: RegistryPlace, manifest: bytes, before: Digest | None) -> Digest | None:
        if not late:  # the other one has sent all, and is kept from naming it
            late.append(manifest)
            raise FetchFailed("cut off")
        digest = name(place, manifest, before)
        if len(late) == 1:
            late.append(manifest)
            place.writer.put_manifest(late[0], media.MANIFEST, "main")
        return digest

    monkeypatch.setattr(RegistryPlace, "name", racing)
    with pytest.raises(FetchFailed, match=r"exporting cache to .*cut off"):
        fleet.build(fleet.machine(), one, cache_to=(fleet.to(),))
    fleet.build(fleet.machine(), two, cache_to=(fleet.to(),))
    assert len(late) == 2
    machine = fleet.machine()
    for text in (one, two):
        assert fleet.build(machine, text, cache_from=(fleet.source("cache:main"),)).cached


def test_an_export_of_nothing_new_writes_nothing(fleet: Fleet) -> None:
    machine = fleet.machine()
    to = fleet.to()._replace(place=fleet.cache)
    fleet.build(machine, cache_from=(fleet.source(),), cache_to=(to,))
    assert not fleet.registry.requests.of("PUT") and not fleet.registry.requests.of("POST")


def test_a_cached_build_can_be_exported_to_another_place(fleet: Fleet) -> None:
    """Its layers are mounted there: they do not come here."""
    machine = fleet.machine()
    result = fleet.build(
        machine, cache_from=(fleet.source(),), cache_to=(fleet.to("other:1"),), output=(PUSHED,)
    )
    assert here(machine, result) == [False] * 4
    up, _ = fleet.moved()
    assert up < 40_000
    assert fleet.build(fleet.machine(), cache_from=(fleet.source("other:1"),)).cached


def test_layers_go_up_while_the_build_goes_on(fleet: Fleet) -> None:
    """The last step sees that the registry has a repository with the layer of the first."""
    place, _, name = fleet.name("early").partition("/")
    asked = f"busybox wget -q -O - http://{place}/v2/_catalog | busybox grep -q {name}"
    wait = f"for n in $(seq 50); do {asked} && exit 0; sleep 0.1; done; exit 1"
    text = f"FROM {{base}}\nRUN echo one > /one\nRUN {wait}\n"
    assert rules(fleet.build(fleet.machine(), text, cache_to=(fleet.to("early:1"),))) == ["ran", "ran"]


def test_zstd_is_what_was_asked_for(fleet: Fleet) -> None:
    fleet.build(fleet.machine(), SEED, cache_to=(fleet.to(compression="zstd", level=3),))
    machine = fleet.machine()
    result = fleet.build(machine, SEED + COPY, cache_from=(fleet.source("cache:main"),))
    assert rules(result) == ["exact", "ran"]
    c = machine.db.read()
    made = [row[0] for row in c.execute("SELECT media_type FROM packed")]
    assert made == [media.LAYER_ZSTD]
    assert machine.read(result.image_id, "copy") == "seed\n"


# --- what goes wrong


def test_a_cache_that_is_not_there_is_a_warning(fleet: Fleet) -> None:
    machine = fleet.machine()
    result = fleet.build(machine, "FROM scratch\nWORKDIR /w\n", cache_from=(fleet.source("none:1"),))
    assert rules(result) == ["ran"]
    shown = fleet.name("none:1")
    assert f"[Warning] importing cache manifest from {shown}: {shown}: not found" in told(machine)


def test_a_registry_that_is_not_there_is_a_warning(fleet: Fleet) -> None:
    machine = fleet.machine()
    source = CacheFrom("registry", "localhost:1/none")
    result = fleet.build(machine, "FROM scratch\nWORKDIR /w\n", cache_from=(source, fleet.source()))
    assert rules(result) == ["ran"]
    assert any(
        text.startswith("[Warning] importing cache manifest from localhost:1/none:") for text in told(machine)
    )


def test_an_image_is_not_written_over(fleet: Fleet) -> None:
    machine = fleet.machine()
    to = fleet.to()._replace(place=fleet.base)
    with pytest.raises(InvalidInput, match="is an image: the build cache would take its place"):
        fleet.build(machine, "FROM scratch\nWORKDIR /w\n", cache_to=(to,))
    result = fleet.build(machine, "FROM scratch\nWORKDIR /w\n", cache_to=(to._replace(ignore_error=True),))
    assert result.cached
    assert any(text.startswith("[Warning] exporting cache to ") for text in told(machine))


def test_a_build_that_fails_exports_nothing(fleet: Fleet) -> None:
    machine = fleet.machine()
    with pytest.raises(Exception, match="exit code: 3"):
        fleet.build(machine, "FROM {base}\nRUN echo a > /a\nRUN exit 3\n", cache_to=(fleet.to(),))
    assert not fleet.registry.requests.of("PUT", "/manifests/")


def test_a_layer_that_is_gone_is_made_again(fleet: Fleet) -> None:
    """The records are there, the bytes are not: the step runs, the build goes on, and brings them again."""
    fleet.build(fleet.machine(), SEED, cache_to=(fleet.to(),))
    machine = fleet.machine()
    assert fleet.build(machine, SEED, cache_from=(fleet.source("cache:main"),), output=(PUSHED,)).cached
    (digest,) = [row[0] for row in machine.db.read().execute("SELECT digest FROM packed")]
    repositories = fleet.registry.folder / "data/docker/registry/v2/repositories"
    name = fleet.name("cache").partition("/")[2]
    shutil.rmtree(repositories / name / "_layers/sha256" / digest[7:])
    result = fleet.build(machine, SEED + COPY, cache_from=(fleet.source("cache:main"),))
    assert machine.read(result.image_id, "copy") == "seed\n"
    assert rules(result) == ["ran", "ran"]
    fleet.build(machine, SEED + COPY, cache_to=(fleet.to(),))
    other = fleet.machine()
    again = fleet.build(other, SEED + COPY, cache_from=(fleet.source("cache:main"),))
    assert again.cached
    assert other.read(again.image_id, "copy") == "seed\n"
    check_sound(other, again.image_id)


def test_no_cache_asks_no_cache(fleet: Fleet) -> None:
    result = fleet.build(fleet.machine(), no_cache=True, cache_from=(fleet.source(),))
    assert rules(result) == ["ran"] * 6
