"""copy from and to registries, and questions to them: what moves, and what skopeo finds afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lamina.db import imagedb, indexdb
from lamina.errors import Conflict, Corrupt, Denied, InvalidInput, LaminaError, NotFound, Unsupported
from lamina.fetch.failures import FetchFailed
from lamina.fetch.stopping import NeverStops
from lamina.gc.context import Context
from lamina.gc.sweep import sweep
from lamina.layers.context import Layers
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.digest import sha256
from lamina.registry.settings import Settings
from lamina.transfer import remote
from lamina.transfer.pull import pull
from lamina.transfer.push import push
from tests.fetch.server import Handler
from tests.registry.conftest import liar, place, quick
from tests.registry.counting import counting
from tests.registry.distribution import Registry, own_registry, running
from tests.registry.images import image, noise
from tests.registry.liar import Liar
from tests.transfer.copying import HOST, ONE, OTHER, SBOM, TWO, files, layout, put, seen, signed, skopeo
from tests.transfer.images import make_image
from tests.transfer.test_index import let_go
from tests.transfer.test_index import put as put_index

__all__ = ["liar", "place", "quick"]
SETTINGS = Settings()
BIG = image({"big": noise(300_000)}, {"small": b"x"})


@pytest.fixture(scope="module")
def here() -> Iterator[Registry]:
    """A registry that the tests of this module share; each has repositories of its own."""
    with own_registry() as made:
        yield made


@pytest.fixture
def counted(here: Registry) -> Iterator[Registry]:
    """The first one, which counts what is asked; it takes its time."""
    with counting(here.port) as (port, requests):
        yield replace(here, port=port, requests=requests)


@pytest.fixture(scope="module")
def there() -> Iterator[Registry]:
    """Another one, which does not delete."""
    with own_registry(deletes=False) as made:
        yield made


@pytest.fixture
def repository(here: Registry, request: pytest.FixtureRequest) -> str:
    """The path of a repository that nobody else has."""
    return here.name(request.node.name.partition("[")[0].replace("_", "-"))


def ref(name: str) -> references.Reference:
    return references.parse(name)


# --- what moves


def test_within_a_registry_nothing_moves(counted: Registry, place: Path) -> None:
    one, two = (f"docker://{counted.name('within')}/{name}" for name in ("one", "two"))
    put(layout(place / "layout", BIG), f"{one}:1")
    asked = counted.requests
    asked.clear()
    assert put(f"{one}:1", f"{two}:1").digest == BIG.digest == seen(f"{two}:1")
    assert not asked.of("GET", "/blobs/")
    assert {row.status for row in asked.of("POST", "/blobs/")} == {201}  # mounted
    assert asked.up == 2 * len(BIG.data) and asked.down < 4 * len(BIG.data)
    asked.clear()
    put(f"{one}:1", f"{two}:1")
    assert not asked.of("PUT") and not asked.of("POST")
    asked.clear()
    put(f"{one}:1", f"{one}:2")  # only a tag
    assert [row.path.rpartition("/")[2] for row in asked.of("PUT")] == ["2"]
    assert not asked.of("HEAD", "/blobs/")


def test_between_registries_each_byte_moves_once(counted: Registry, there: Registry, place: Path) -> None:
    source, target = f"docker://{counted.name('between')}", f"docker://{there.name('between/it')}:1"
    put(layout(place / "layout", BIG), f"{source}:1")
    asked = counted.requests
    asked.clear()
    assert put(f"{source}:1", target).digest == BIG.digest == seen(target)
    blobs = sum(map(len, BIG.blobs.values()))
    assert blobs <= asked.down < blobs + 3 * len(BIG.data)
    asked.clear()
    put(target, f"{source}:2")
    assert asked.up == len(BIG.data)  # the blobs are there: the tag alone


def test_a_whole_index_and_one_image(here: Registry, there: Registry, repository: str, place: Path) -> None:
    source = f"docker://{repository}:all"
    assert put(layout(place / "layout"), source, whole=True).digest == TWO.digest == seen(source)
    for target in (f"docker://{there.name('whole')}:1", f"oci:{place}/out:1", f"oci-archive:{place}/a.tar:1"):
        assert put(source, target, whole=True).digest == TWO.digest == seen(target)
        assert put(source, target).digest == ONE.digest == seen(target)
    assert put(source, f"docker://{repository}@{ONE.digest}").digest == ONE.digest
    assert put(f"docker://{repository}@{TWO.digest}", f"docker://{repository}:by-digest").digest == ONE.digest
    with pytest.raises(InvalidInput, match=f"the image that is copied is {TWO.digest}"):
        put(source, f"docker://{repository}/other@{ONE.digest}", whole=True)
    with pytest.raises(NotFound):  # nothing moved
        remote.tags(ref(f"{repository}/other"), SETTINGS)


def test_with_users_and_tls(here: Registry, repository: str, place: Path) -> None:
    put(layout(place / "layout"), f"docker://{repository}:1", whole=True)
    with running(place / "closed", users=True) as closed:
        with pytest.raises(Denied, match=closed.host):
            put(f"docker://{repository}:1", f"docker://{closed.name('a')}:1")
        with pytest.raises(Denied, match=closed.host):
            remote.tags(ref(closed.name("a")), SETTINGS)


def test_referrers_travel_and_are_found(
    here: Registry, there: Registry, repository: str, place: Path
) -> None:
    artifacts = signed(place / "layout")
    source = f"docker://{repository}/one:1"
    target = f"docker://{there.name('signed')}:1"
    assert put(f"oci:{place}/layout:it", source, whole=True, referrers=True).referrers == 4
    assert put(source, f"docker://{repository}/two:1", whole=True, referrers=True).referrers == 4
    assert put(source, target, whole=True, referrers=True).referrers == 4
    assert put(target, f"oci:{place}/out:it", whole=True, referrers=True).referrers == 4
    assert files(place / "out") == files(place / "layout")
    for name in (f"{repository}/two:1", there.name("signed:1")):
        found = remote.referrers(ref(name), SETTINGS, None, "", NeverStops())
        assert {(each.via, each.descriptor.artifact_type) for each in found} == {
            ("subject", SBOM),
            ("tag", "application/x.signature"),
        }
        of_image = remote.referrers(ref(name), SETTINGS, HOST, SBOM, NeverStops())
        assert [each.descriptor.digest in artifacts for each in of_image] == [True]
        assert remote.referrers(ref(name), SETTINGS, OTHER, "", NeverStops()) == []
    assert put(source, f"docker://{repository}/image:1", referrers=True).referrers == 1


def test_another_form_of_manifest(here: Registry, repository: str, place: Path) -> None:
    put(layout(place / "layout"), f"docker://{repository}:oci", whole=True)
    made = put(f"docker://{repository}:oci", f"docker://{repository}:docker", whole=True, form="v2s2")
    assert seen(f"docker://{repository}:docker") == made.digest != TWO.digest
    assert made.media_type == media.DOCKER_INDEX
    flags = ("--tls-verify=false", "--config", "--raw")
    config = skopeo("inspect", *flags, f"docker://{repository}:docker")
    assert sha256(config) == ONE.image_id


# --- what goes wrong


@pytest.mark.parametrize("target", ["docker://{}/bad:1", "oci:{}/out:1", "oci-archive:{}/a.tar:1"])
def test_a_damaged_blob_gets_no_name(
    here: Registry, there: Registry, repository: str, place: Path, target: str
) -> None:
    made = image({"victim": target.encode()}, {"b": b"2"})
    put(layout(place / "layout", made), f"docker://{repository}/good:1")
    victim = here.blob(made.layers[0])
    data = victim.read_bytes()
    victim.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    try:
        with pytest.raises((Corrupt, FetchFailed), match=made.layers[0][7:19]):
            put(f"docker://{repository}/good:1", target.format(place if "oci" in target else there.host))
    finally:
        victim.write_bytes(data)
    assert not (place / "out/index.json").exists() and not (place / "a.tar").exists()
    with pytest.raises(NotFound):
        remote.manifest(ref(f"{there.host}/bad:1"), SETTINGS, None)


def test_a_connection_that_breaks_is_made_anew(liar: Liar, there: Registry, place: Path) -> None:
    name = liar.put(BIG, "broken")
    path = f"/v2/broken/blobs/{BIG.layers[0]}"
    data, asked = BIG.blobs[BIG.layers[0]], []

    def answer(handler: Handler) -> None:
        asked.append(handler.headers.get("Range", ""))
        if len(asked) % 2:
            handler.broken(data, 100_000, ETag='"it"')
        else:
            handler.file(data)

    liar.site.pages[path] = answer
    for target in (f"docker://{there.name('broken')}:1", f"oci-archive:{place}/a.tar:1"):
        assert put(f"docker://{name}", target).digest == BIG.digest == seen(target)
        assert len(asked) == 2
        asked.clear()


def test_what_is_not_there(here: Registry, repository: str, place: Path) -> None:
    gone = f"docker://{repository}/none:1"
    for target in (f"docker://{repository}:1", f"oci:{place}/out", f"docker-archive:{place}/a.tar:x"):
        with pytest.raises(NotFound, match="none:1"):
            put(gone, target)
    assert not list(place.iterdir())
    with pytest.raises(FetchFailed, match="offline"):
        remote.tags(ref("busybox"), SETTINGS._replace(offline=True))


# --- the store


def test_into_the_store(
    here: Registry, repository: str, place: Path, make_store: Callable[[], Layers]
) -> None:
    store, other = make_store(), make_store()
    put(layout(place / "layout"), f"docker://{repository}:1", whole=True)
    assert put(f"docker://{repository}:1", "app:1", store).digest == ONE.digest
    assert put(f"docker://{repository}:1", "app:all", store, whole=True).digest == TWO.digest
    c = store.db.read()
    assert indexdb.index_of(c, "docker.io/library/app:all") == TWO.digest
    assert len(indexdb.members(c, TWO.digest)) == 2  # type: ignore[arg-type]
    assert imagedb.get_tag(c, f"{repository}:1") is None
    pulled = pull(other, ref(f"{repository}:1"), SETTINGS)
    assert imagedb.get_tag(c, "docker.io/library/app:1") == pulled.image_id
    assert put("app:all", f"docker://{repository}/back:1", store, whole=True).digest == TWO.digest
    assert put("app:all", f"docker://{repository}/back:2", store).digest == ONE.digest


def test_attestations_go_with_their_index(
    here: Registry, repository: str, place: Path, make_store: Callable[[], Layers]
) -> None:
    first, second, third = make_store(), make_store(), make_store()
    put_index(first, "multi", attested=True)
    made = put("multi", f"docker://{repository}:1", first, whole=True)
    assert len(json.loads(remote.manifest(ref(f"{repository}:1"), SETTINGS, None).data)["manifests"]) == 4
    assert len(remote.referrers(ref(f"{repository}:1"), SETTINGS, HOST, "", NeverStops())) == 1
    assert put(f"docker://{repository}:1", "app:1", second, whole=True).digest == made.digest
    let_go(second)
    sweep(Context(*second), cache=True, all_images=False, dangling=True)
    assert put("app:1", f"oci:{place}/out:x", second, whole=True).digest == made.digest
    assert put(f"oci:{place}/out:x", "app:1", third, whole=True).digest == made.digest
    assert put("app:1", f"oci-archive:{place}/a.tar:x", third, whole=True).digest == made.digest


def test_of_the_store_goes_the_image_that_its_name_shows(
    here: Registry, repository: str, place: Path, store: Layers
) -> None:
    put(layout(place / "layout"), f"docker://{repository}:1", whole=True)
    (theirs,) = set(TWO.manifests) - {ONE.digest}
    pull(store, ref(f"{repository}:1"), SETTINGS, OTHER)  # the index, and of it one image
    for target in (f"oci:{place}/out:y", f"docker-archive:{place}/out.tar:y", f"docker://{repository}/out:1"):
        assert put(f"{repository}:1", target, store).digest == theirs
    with pytest.raises(NotFound, match="does not have all of this index") as caught:
        put(f"{repository}:1", f"oci:{place}/out:z", store, whole=True)
    assert caught.value.hint and "--platform" in caught.value.hint


def test_out_of_the_store_is_a_push(here: Registry, repository: str, store: Layers) -> None:
    make_image(store, "app:1")
    made = put("app:1", f"docker://{repository}/one:1", store)
    found = remote.manifest(ref(f"{repository}/one:1"), SETTINGS, None)
    kinds = {each["mediaType"] for each in json.loads(found.data)["layers"]}
    assert (made.digest, kinds) == (found.descriptor.digest, {media.LAYER_GZIP})
    from lamina.db.names import resolve_image

    pushed = push(store, resolve_image(store.db.read(), "app:1"), ref(f"{repository}/two:1"), SETTINGS)
    assert pushed.descriptor.digest == made.digest
    with pytest.raises(InvalidInput, match="has its digest only then"):
        put("app:1", f"docker://{repository}@{made.digest}", store)


# --- questions


def test_the_same_answers_as_skopeo(here: Registry, repository: str, place: Path) -> None:
    put(layout(place / "layout"), f"docker://{repository}:1", whole=True)
    put(layout(place / "one", ONE), f"docker://{repository}:0")
    for tag in ("0", "1"):
        name, place_ = ref(f"{repository}:{tag}"), f"docker://{repository}:{tag}"
        theirs = json.loads(skopeo("inspect", "--tls-verify=false", place_))
        ours = remote.inspect(name, SETTINGS, HOST, None)
        assert ours.config is not None and ours.tags is not None
        assert theirs["Digest"] == ours.root.digest and theirs["Name"] == ours.reference.name
        assert sorted(theirs["RepoTags"]) == sorted(ours.tags) == sorted(remote.tags(name, SETTINGS))
        assert theirs["Layers"] == [layer.digest for layer in ours.manifest.layers]
        assert (theirs["Os"], theirs["Architecture"]) == (ours.config.os, ours.config.architecture)
        raw = skopeo("inspect", "--tls-verify=false", "--raw", place_)
        assert remote.manifest(name, SETTINGS, None).data == raw
        config = skopeo("inspect", "--tls-verify=false", "--raw", "--config", place_)
        assert ours.config_bytes == config
    assert remote.resolve(ref(f"{repository}:1"), SETTINGS) == TWO.digest
    own = remote.manifest(ref(f"{repository}:1"), SETTINGS, HOST)
    assert (own.descriptor.digest, own.data) == (ONE.digest, ONE.data)
    other = remote.inspect(ref(f"{repository}:1"), SETTINGS, HOST, OTHER, tags=False)
    assert other.config is not None and other.config.architecture == OTHER.architecture
    assert other.tags is None and other.whole is not None
    with pytest.raises(NotFound, match="no matching manifest"):
        remote.inspect(ref(f"{repository}:1"), SETTINGS, HOST, OTHER._replace(architecture="s390x"))


def test_an_artifact_is_inspected_too(here: Registry, repository: str, place: Path) -> None:
    signed(place / "layout")
    put(f"oci:{place}/layout:it", f"docker://{repository}:1", whole=True, referrers=True)
    (sbom, _) = remote.referrers(ref(f"{repository}:1"), SETTINGS, None, "", NeverStops())
    found = remote.inspect(ref(f"{repository}@{sbom.descriptor.digest}"), SETTINGS, HOST, None)
    assert (found.config, found.config_bytes, found.manifest.artifact_type) == (None, b"{}", SBOM)


# --- removal


def test_rm(here: Registry, repository: str, place: Path) -> None:
    source = layout(place / "layout", ONE)
    for tag in ("1", "2", "3"):
        put(source, f"docker://{repository}:{tag}")
    with pytest.raises(Conflict, match="cannot remove one tag alone"):
        remote.remove(ref(f"{repository}:1"), SETTINGS)
    assert len(remote.tags(ref(repository), SETTINGS)) == 3
    with pytest.raises(NotFound, match=f"is not {TWO.digest}"):
        remote.remove(ref(f"{repository}:1@{TWO.digest}"), SETTINGS)
    gone = remote.remove(ref(f"{repository}:1"), SETTINGS, force=True)
    assert gone[0] == remote.Untagged(f"{repository}:1") and gone[-1] == remote.Deleted(ONE.digest)
    assert len(gone) == 4
    with pytest.raises(NotFound):
        remote.manifest(ref(f"{repository}:2"), SETTINGS, None)
    put(source, f"docker://{repository}:1")
    assert remote.remove(ref(f"{repository}:1"), SETTINGS) == [
        remote.Untagged(f"{repository}:1"),
        remote.Deleted(ONE.digest),
    ]
    put(source, f"docker://{repository}:1")
    by_digest = ref(f"{repository}@{ONE.digest}")
    assert remote.remove(by_digest, SETTINGS) == [remote.Deleted(ONE.digest)]
    for wrong in (f"{repository}:1", f"{repository}@{ONE.digest}"):
        with pytest.raises(NotFound):
            remote.remove(ref(wrong), SETTINGS)


def test_rm_where_nothing_can_be_removed(there: Registry, place: Path) -> None:
    name = there.name("kept:1")
    put(layout(place / "layout", ONE), f"docker://{name}")
    for wrong in (name, f"{there.name('kept')}@{ONE.digest}"):
        with pytest.raises((Unsupported, LaminaError)) as caught:
            remote.remove(ref(wrong), SETTINGS)
        assert isinstance(caught.value, Unsupported) and there.host in caught.value.message
    assert remote.resolve(ref(name), SETTINGS) == ONE.digest
