"""What can be pulled: images that were built, loaded or pulled here, by tag and digest, whole and in part."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import os
import tarfile
from functools import partial

import pytest

from lamina.db import imagedb
from lamina.db.names import resolve_image
from lamina.db.packed import put_place
from lamina.layers.context import Layers
from lamina.oci import media
from lamina.oci.config import parse as parse_config
from lamina.oci.digest import Digest, ImageID, sha256
from lamina.transfer.image_view import read_config
from lamina.transfer.import_image import import_
from lamina.transfer.index import make_index, part_of, register_index
from lamina.transfer.load import load
from lamina.transfer.save import save
from lamina.tree.entry import Entry, Kind
from lamina.tree.tar.write import write_tar
from tests.registry.conftest import liar
from tests.registry.images import image, index, manifest, noise
from tests.registry.liar import Liar
from tests.serving.site import Site, eventually, running
from tests.serving.test_push import MADE, NONE, is_there
from tests.transfer.faraway import fetching, send_away

__all__ = ["liar"]
FILES = {"a": b"text", "big": noise(300_000)}


def packed() -> bytes:
    """The files as the tar that Lamina packs."""
    out = io.BytesIO()
    entries = [Entry(name.encode(), Kind.FILE, 0o644, size=len(data)) for name, data in FILES.items()]
    write_tar([(each, partial(io.BytesIO, FILES[each.path.decode()])) for each in entries], out.write)
    return out.getvalue()


def built(store: Layers, tag: str = "built:1") -> ImageID:
    """An image whose layer is only files here, as `build` makes them."""
    image_id = import_(store, io.BytesIO(packed()), tag=tag).image_id
    assert not store.blobs.has(sha256(packed()))
    return image_id


def blobs_of(site: Site, name: str, reference: str = "1") -> dict[str, bytes]:
    """All that a manifest names, fetched and checked."""
    document = site.ask("GET", f"/v2/{name}/manifests/{reference}").json
    found = {}
    for each in (document["config"], *document["layers"]):
        answer = site.ask("GET", f"/v2/{name}/blobs/{each['digest']}")
        assert (answer.status, sha256(answer.body), len(answer.body)) == (200, each["digest"], each["size"])
        found[each["digest"]] = answer.body
    return found


def test_an_image_that_was_built_here(site: Site) -> None:
    image_id = built(site.store)
    config, tar = blobs_of(site, "built").values()
    assert sha256(config) == image_id
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        assert {name: archive.extractfile(name).read() for name in archive.getnames()} == FILES  # type: ignore[union-attr]


def test_an_image_that_was_loaded(site: Site, make_store: object) -> None:
    site.push(MADE, "pushed")
    out = io.BytesIO()
    save(site.store, ["pushed:1"], out.write)
    out.seek(0)
    load(site.store, out)
    assert set(blobs_of(site, "pushed")) == set(MADE.blobs)


def test_an_image_has_all_its_names(site: Site) -> None:
    image_id = built(site.store)
    with site.store.db.write() as tx:
        for name in ("docker.io/team/app:2", "ghcr.io/x/y:3", "localhost:5000/z:4"):
            imagedb.put_tag(tx, name, image_id)
    for name, tag in (("built", "1"), ("library/built", "1"), ("team/app", "2"), ("ghcr.io/x/y", "3")):
        assert blobs_of(site, name, tag)
    assert site.ask("GET", "/v2/_catalog").json == {"repositories": ["built", "ghcr.io/x/y", "team/app"]}


def test_an_image_without_a_name_is_nobodys(site: Site) -> None:
    image_id = built(site.store)
    row = imagedb.need_image(site.store.db.read(), image_id)
    for path in (f"manifests/{row.manifest}", f"blobs/{image_id}"):
        assert site.ask("GET", f"/v2/built/{path}").status == 200
        assert site.ask("GET", f"/v2/other/{path}").status == 404


def test_a_build_moves_a_tag_while_a_client_pulls(site: Site) -> None:
    first = built(site.store)
    document = site.ask("GET", "/v2/built/manifests/1").json
    site.push(MADE, "another")
    with site.store.db.write() as tx:
        imagedb.put_tag(tx, "docker.io/library/built:1", ImageID(Digest(MADE.image_id)))
    assert is_there(site, first, "built")
    assert is_there(site, document["layers"][0]["digest"], "built")
    assert site.ask("GET", "/v2/built/manifests/1").body == MADE.data


def test_blobs_that_are_gone_are_made_of_the_files(site: Site) -> None:
    """A delta pull, say, keeps the files of a layer and not its blob."""
    config = json.dumps(
        {"os": "linux", "rootfs": {"type": "layers", "diff_ids": [sha256(packed())]}}
    ).encode()
    made = manifest(config, [gzip.compress(packed())])
    assert site.push(made).status == 201
    with site.store.db.write() as tx:
        for table in ("hosted_manifests", "hosted_blobs", "packed"):
            tx.execute(f"DELETE FROM {table}")
        tx.execute("UPDATE diffs SET blob = NULL")
    site.store.blobs.delete(Digest(made.layers[0]))
    found = site.ask("GET", "/v2/app/manifests/1")
    assert found.headers["Docker-Content-Digest"] == sha256(found.body) != made.digest
    assert [each["mediaType"] for each in found.json["layers"]] == [media.LAYER]
    assert set(blobs_of(site, "app")) == {made.image_id, sha256(packed())}
    assert site.ask("GET", f"/v2/app/manifests/{sha256(found.body)}").body == found.body


def test_an_index_that_was_built_here(site: Site) -> None:
    part = part_of(site.store, built(site.store))
    data = make_index([part])
    assert part.descriptor.platform is not None
    register_index(site.store, data, [part], ["built:all"], part.descriptor.platform)
    assert site.ask("GET", "/v2/built/manifests/all").body == data
    assert blobs_of(site, "built", part.descriptor.digest)


def test_a_part_of_an_index(site: Site) -> None:
    """Pulled for one platform: the index is served as it is, and what there is of it."""
    made = index({"linux/amd64": MADE, "linux/arm64": image({"o": b"x"}, platform="linux/arm64")})
    site.push(made)
    other = next(digest for digest in made.manifests if digest != MADE.digest)
    with site.store.db.write() as tx:
        tx.execute("DELETE FROM hosted_manifests")
        tx.execute("DELETE FROM hosted_blobs")
    site.store.blobs.delete(Digest(other))
    assert site.ask("GET", "/v2/app/manifests/1").body == made.data
    assert site.ask("GET", f"/v2/app/manifests/{MADE.digest}").status == 200
    assert site.ask("GET", f"/v2/app/manifests/{other}").code == "MANIFEST_UNKNOWN"


# --- layers that are elsewhere


def sent_away(store: Layers, liar: Liar, name: str = "built:1") -> Layers:
    """Leaves the layers of an image in another registry alone."""
    found = resolve_image(store.db.read(), name)
    send_away(store, liar, *parse_config(read_config(store, found.image_id)).diff_ids)
    return fetching(store)


def test_a_layer_that_is_elsewhere_is_brought(store: Layers, liar: Liar) -> None:
    built(store)
    with running(sent_away(store, liar)) as site:
        digest = site.ask("GET", "/v2/built/manifests/1").json["layers"][0]["digest"]
        head = site.ask("HEAD", f"/v2/built/blobs/{digest}")
        assert (head.status, head.headers["Content-Length"]) == (200, str(len(packed())))
        assert not liar.asked()
        assert set(blobs_of(site, "built")) >= {sha256(packed())}


def test_a_blob_that_is_elsewhere_is_brought(store: Layers, liar: Liar) -> None:
    """Of an image that came from a registry and was told of only: it goes on with the same digests."""
    with running(store) as site:
        site.push(MADE)
    with store.db.write() as tx:
        tx.execute("DELETE FROM hosted_manifests")
        tx.execute("DELETE FROM hosted_blobs")
    for digest in MADE.layers:
        liar.site.pages[f"/v2/cache/blobs/{digest}"] = MADE.blobs[digest]
        with store.db.write() as tx:
            put_place(tx, Digest(digest), f"{liar.host}/cache")
    with running(sent_away(store, liar, "app:1")) as site:
        assert site.ask("GET", "/v2/app/manifests/1").body == MADE.data
        assert set(blobs_of(site, "app")) == set(MADE.blobs)


def test_a_layer_that_cannot_be_had(store: Layers, liar: Liar) -> None:
    built(store)
    away = sent_away(store, liar)
    liar.site.pages.clear()
    with running(away, verbose=True) as site:
        digest = site.ask("GET", "/v2/built/manifests/1").json["layers"][0]["digest"]
        answer = site.ask("GET", f"/v2/built/blobs/{digest}")
        assert answer.status in (404, 502)
        assert liar.host.encode() not in answer.body
        eventually(lambda: any(liar.host in each for each in site.told))


# --- heads, ranges


def test_a_head_is_a_get_without_the_body(site: Site) -> None:
    site.push(MADE)
    for path in ("manifests/1", f"manifests/{MADE.digest}", f"blobs/{MADE.layers[0]}"):
        got, head = site.ask("GET", f"/v2/app/{path}"), site.ask("HEAD", f"/v2/app/{path}")
        assert (head.status, head.body) == (200, b"")
        for name in ("Content-Length", "Content-Type", "Docker-Content-Digest"):
            assert head.headers[name] == got.headers[name]
        assert int(head.headers["Content-Length"]) == len(got.body)


@pytest.mark.parametrize("plain", [False, True])
def test_a_range_of_a_blob(site: Site, plain: bool) -> None:
    if plain:
        built(site.store, "app:1")
    else:
        site.push(image({"x": noise(5000)}))
    digest = site.ask("GET", "/v2/app/manifests/1").json["layers"][0]["digest"]
    whole = site.ask("GET", f"/v2/app/blobs/{digest}").body
    size = len(whole)
    for asked, first, last in (
        ("0-0", 0, 0),
        ("5-9", 5, 9),
        ("100-", 100, size - 1),
        ("-7", size - 7, size - 1),
        ("0-", 0, size - 1),
        ("50-99999999", 50, size - 1),
    ):
        answer = site.ask("GET", f"/v2/app/blobs/{digest}", Range=f"bytes={asked}")
        assert (answer.status, answer.body) == (206, whole[first : last + 1]), asked
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{size}"


def test_a_range_beyond_the_end(site: Site) -> None:
    site.push(MADE)
    digest = MADE.layers[0]
    answer = site.ask("GET", f"/v2/app/blobs/{digest}", Range="bytes=99999-")
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(MADE.blobs[digest])}")


def test_ranges_that_are_not_for_us_give_all(site: Site) -> None:
    site.push(MADE)
    for asked in ("bytes=1-2,5-6", "lines=1-2", "bytes=5-2", "bytes=-", "bytes=a-b"):
        answer = site.ask("GET", f"/v2/app/blobs/{MADE.layers[0]}", Range=asked)
        assert (answer.status, answer.body) == (200, MADE.blobs[MADE.layers[0]]), asked


def test_a_damaged_layer_breaks_off(site: Site) -> None:
    """The client must not take it for whole."""
    built(site.store)
    digest = site.ask("GET", "/v2/built/manifests/1").json["layers"][0]["digest"]
    path = os.path.join(site.store.layout.diff_dir(digest), "big")
    with open(path, "r+b") as file:
        file.write(b"other")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        site.ask("GET", f"/v2/built/blobs/{digest}")
    eventually(lambda: any("is damaged" in each for each in site.told))


# --- what is not there


def test_what_is_not_there(site: Site) -> None:
    site.push(MADE)
    for path, status, code in (
        ("app/manifests/nope", 404, "MANIFEST_UNKNOWN"),
        ("app/manifests/.nope", 404, "MANIFEST_UNKNOWN"),
        (f"app/manifests/{NONE}", 404, "MANIFEST_UNKNOWN"),
        ("app/manifests/sha256:abc", 404, "MANIFEST_UNKNOWN"),
        ("nope/manifests/1", 404, "MANIFEST_UNKNOWN"),
        (f"app/blobs/{NONE}", 404, "BLOB_UNKNOWN"),
        ("app/blobs/sha256:abc", 400, "DIGEST_INVALID"),
        ("APP/manifests/1", 400, "NAME_INVALID"),
        ("a..b/manifests/1", 400, "NAME_INVALID"),
        ("host:5000/app/manifests/1", 400, "NAME_INVALID"),
        ("%2e%2e/%2e%2e/etc/manifests/1", 400, "NAME_INVALID"),
        ("app/nothing/1", 404, "UNKNOWN"),
        ("nope/tags/list", 404, "NAME_UNKNOWN"),
    ):
        answer = site.ask("GET", f"/v2/{path}")
        assert (answer.status, answer.code) == (status, code), path
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


def test_the_version(site: Site) -> None:
    for path in ("/v2/", "/v2"):
        answer = site.ask("GET", path)
        assert (answer.status, answer.json) == (200, {})
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert site.ask("GET", "/").status == 200
    assert site.ask("GET", "/v1/").status == 404
    assert site.ask("POST", "/v2/").code == "UNSUPPORTED"


def test_several_requests_on_one_connection(site: Site) -> None:
    site.push(MADE)
    connection = http.client.HTTPConnection(site.host, timeout=10)
    for path in (
        "/v2/",
        "/v2/app/manifests/1",
        f"/v2/app/blobs/{MADE.layers[0]}",
        "/v2/nope/tags/list",
        "/v2/",
    ):
        connection.request("GET", path)
        sock = connection.sock
        connection.getresponse().read()
        assert connection.sock is sock is not None
    connection.close()


def test_an_image_is_what_a_name_says_now(site: Site) -> None:
    built(site.store)
    assert resolve_image(site.store.db.read(), "built:1").image_id
    with site.store.db.write() as tx:
        imagedb.delete_tag(tx, "docker.io/library/built:1")
    assert site.ask("GET", "/v2/built/manifests/1").status == 404
    assert json.loads(site.ask("GET", "/v2/_catalog").body) == {"repositories": []}
