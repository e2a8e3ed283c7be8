"""What is pushed: blobs in every way that the specification knows, manifests, and what is wrong with them."""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import tarfile
import threading
import time

import pytest

from lamina.db import hosted, imagedb
from lamina.db.names import resolve_image
from lamina.layers.context import Layers
from lamina.layers.lookup import Lookup
from lamina.oci import media
from lamina.oci.config import parse as parse_config
from lamina.oci.digest import Digest, sha256
from lamina.oci.validate import validate
from lamina.transfer.image_view import image_view, plain_view, read_config
from tests.layers.stores import open_store, state
from tests.registry.images import Made, descriptor, image, index, manifest, noise
from tests.serving.site import Answer, Site, eventually

DATA = noise(100_000)
DIGEST = sha256(DATA)
NONE = "sha256:" + "0" * 64
MADE = image({"a": b"1", "b": b"1"}, {".wh.a": b"", "c": b"2"}, env=["A=b"])


def begun(site: Site, repository: str = "app") -> str:
    answer = site.ask("POST", f"/v2/{repository}/blobs/uploads/")
    assert answer.status == 202
    return answer.place


def is_there(site: Site, digest: str = DIGEST, repository: str = "app") -> bool:
    answer = site.ask("GET", f"/v2/{repository}/blobs/{digest}")
    assert answer.status in (200, 404)
    assert answer.status == 404 or sha256(answer.body) == digest
    return answer.status == 200


def files(store: Layers, name: str) -> list[str]:
    image_id = resolve_image(store.db.read(), name).image_id
    chain = parse_config(read_config(store, image_id)).diff_ids[::-1]
    return [entry.path.decode() for entry in Lookup(store, chain).tree()]


# --- blobs


def test_in_one_request(site: Site) -> None:
    answer = site.upload(DATA, "app")
    assert (answer.status, answer.place) == (201, f"/v2/app/blobs/{DIGEST}")
    assert answer.headers["Docker-Content-Digest"] == DIGEST
    assert is_there(site)
    assert not is_there(site, repository="other")


def test_in_two_requests(site: Site) -> None:
    answer = site.ask("PUT", f"{begun(site)}?digest={DIGEST}", DATA)
    assert (answer.status, answer.place) == (201, f"/v2/app/blobs/{DIGEST}")
    assert is_there(site)


def test_an_empty_blob(site: Site) -> None:
    assert site.upload(b"", "app").status == 201
    assert is_there(site, sha256(b""))


def test_in_chunks_with_their_ranges(site: Site) -> None:
    place = begun(site)
    for start in range(0, len(DATA), 40_000):
        piece = DATA[start : start + 40_000]
        answer = site.ask("PATCH", place, piece, Content_Range=f"{start}-{start + len(piece) - 1}")
        assert (answer.status, answer.headers["Range"]) == (202, f"0-{start + len(piece) - 1}")
        place = answer.place
    assert site.ask("PUT", f"{place}?digest={DIGEST}").status == 201
    assert is_there(site)


def test_as_a_stream_of_unknown_length(site: Site) -> None:
    """Transfer-Encoding: chunked, as Docker does it."""
    pieces = (DATA[start : start + 7_000] for start in range(0, len(DATA), 7_000))
    place = begun(site)
    assert site.ask("PATCH", place, pieces).status == 202
    assert site.ask("PUT", f"{place}?digest={DIGEST}").status == 201
    assert is_there(site)


def test_the_last_chunk_comes_with_the_digest(site: Site) -> None:
    place = begun(site)
    site.ask("PATCH", place, DATA[:60_000])
    answer = site.ask("PUT", f"{place}?digest={DIGEST}", DATA[60_000:], Content_Range="60000-99999")
    assert answer.status == 201
    assert is_there(site)


def test_a_chunk_that_does_not_follow(site: Site) -> None:
    place = begun(site)
    site.ask("PATCH", place, DATA[:60_000])
    for first, last in ((5, 10), (60_001, 60_010), (0, 59_999)):
        answer = site.ask("PATCH", place, DATA[first : last + 1], Content_Range=f"{first}-{last}")
        assert (answer.status, answer.headers["Range"]) == (416, "0-59999")
    assert site.ask("PUT", f"{answer.place}?digest={DIGEST}", DATA[60_000:]).status == 201  # it can go on


def test_a_range_that_is_none(site: Site) -> None:
    for wrong in ("a-b", "5", "0-x", "-5"):
        assert site.ask("PATCH", begun(site), b"x", Content_Range=wrong).status == 400, wrong


def test_a_chunk_of_another_length_than_it_says(site: Site) -> None:
    place = begun(site)
    answer = site.ask("PATCH", place, b"12345", Content_Range="0-9")
    assert (answer.status, answer.code) == (400, "SIZE_INVALID")
    assert site.ask("GET", place).status == 404


def test_how_much_has_come(site: Site) -> None:
    place = begun(site)
    site.ask("PATCH", place, DATA[:60_000])
    answer = site.ask("GET", place)
    assert (answer.status, answer.headers["Range"], answer.place) == (204, "0-59999", place)


def test_a_broken_connection_leaves_what_has_come(site: Site) -> None:
    place = begun(site)
    host, _, port = site.host.rpartition(":")
    with socket.create_connection((host, int(port))) as raw:
        head = f"PATCH {place} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(DATA)}\r\n\r\n"
        raw.sendall(head.encode() + DATA[:60_000])
        _wait_for(site, 60_000)  # and it is still open: a client whose machine has lost the network
        assert site.ask("GET", place).headers["Range"] == "0-59999"
    assert site.ask("PUT", f"{place}?digest={DIGEST}", DATA[60_000:]).status == 201
    assert is_there(site)


def _wait_for(site: Site, size: int) -> None:
    for _ in range(200):
        temps = [path for path, _ in site.store.layout.temps()]
        if any(os.path.getsize(path) == size for path in temps):
            return
        time.sleep(0.01)
    raise AssertionError("the bytes did not arrive")


def test_a_cancelled_upload_leaves_nothing(site: Site) -> None:
    before = state(site.store)
    place = begun(site)
    site.ask("PATCH", place, DATA)
    assert site.ask("DELETE", place).status == 204
    assert site.ask("GET", place).code == "BLOB_UPLOAD_UNKNOWN"
    assert site.ask("PATCH", place, b"x").status == 404
    assert state(site.store) == before


@pytest.mark.parametrize("way", ["monolithic", "finish"])
def test_other_bytes_than_the_digest_says(site: Site, way: str) -> None:
    before = state(site.store)
    path = f"/v2/app/blobs/uploads/?digest={NONE}" if way == "monolithic" else f"{begun(site)}?digest={NONE}"
    answer = site.ask("POST" if way == "monolithic" else "PUT", path, DATA)
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert state(site.store) == before
    assert not is_there(site)


def test_a_digest_that_is_none(site: Site) -> None:
    for digest in ("", "sha256:abc", "md5:" + "0" * 32, "../../x", "sha256:" + "A" * 64):
        answer = site.ask("PUT", f"{begun(site)}?digest={digest}", DATA)
        assert (answer.status, answer.code) == (400, "DIGEST_INVALID"), digest


def test_an_upload_belongs_to_its_repository(site: Site) -> None:
    place = begun(site).replace("/app/", "/other/")
    assert site.ask("PUT", f"{place}?digest={DIGEST}", DATA).code == "BLOB_UPLOAD_UNKNOWN"
    assert site.ask("GET", "/v2/app/blobs/uploads/nobody").status == 404


def test_the_same_blob_by_several_at_once(site: Site) -> None:
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda: answers.append(site.upload(DATA, "app"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [201] * 6
    assert is_there(site)


# --- mounts


def test_a_mount(site: Site) -> None:
    site.upload(DATA, "app")
    answer = site.ask("POST", f"/v2/other/blobs/uploads/?mount={DIGEST}&from=app")
    assert (answer.status, answer.place) == (201, f"/v2/other/blobs/{DIGEST}")
    assert is_there(site, repository="other")


def test_a_mount_from_wherever_it_is(site: Site) -> None:
    site.upload(DATA, "app")
    assert site.ask("POST", f"/v2/other/blobs/uploads/?mount={DIGEST}").status == 201
    assert is_there(site, repository="other")


def test_a_mount_of_what_is_not_there_is_an_upload(site: Site) -> None:
    site.upload(DATA, "app")
    for what in (f"mount={DIGEST}&from=nowhere", f"mount={NONE}", f"mount={NONE}&from=app"):
        answer = site.ask("POST", f"/v2/other/blobs/uploads/?{what}")
        assert answer.status == 202, what
        assert site.ask("PUT", f"{answer.place}?digest={DIGEST}", DATA).status == 201


# --- images


@pytest.mark.parametrize("docker", [False, True])
def test_an_image_is_one_of_the_store(site: Site, docker: bool) -> None:
    made = image({"a": b"1"}, {".wh.a": b"", "c": b"2"}, docker=docker)
    answer = site.push(made)
    assert (answer.status, answer.place) == (201, f"/v2/app/manifests/{made.digest}")
    found = resolve_image(site.store.db.read(), "app:1")
    assert found.image_id == made.image_id
    assert files(site.store, "app:1") == ["c"]
    assert not validate(image_view(site.store, found.image_id))
    for reference in ("1", made.digest):
        got = site.ask("GET", f"/v2/app/manifests/{reference}")
        assert (got.body, got.headers["Content-Type"]) == (made.data, made.media_type)
        assert got.headers["Docker-Content-Digest"] == made.digest


def test_names_are_as_everywhere(site: Site) -> None:
    for name in ("app", "team/app", "ghcr.io/x/y", "localhost/z"):
        assert site.push(MADE, name).status == 201
    tags = [name for name, _ in imagedb.all_tags(site.store.db.read())]
    assert tags == ["docker.io/library/app:1", "docker.io/team/app:1", "ghcr.io/x/y:1", "localhost/z:1"]
    assert site.ask("GET", "/v2/library/app/manifests/1").status == 200
    assert site.ask("GET", "/v2/docker.io/library/app/manifests/1").status == 200


def test_by_its_digest_it_has_no_name(site: Site) -> None:
    assert site.push(MADE, tag=MADE.digest).status == 201
    assert site.ask("GET", f"/v2/app/manifests/{MADE.digest}").body == MADE.data
    assert site.ask("GET", "/v2/app/tags/list").json == {"name": "app", "tags": []}
    assert imagedb.get_image(site.store.db.read(), MADE.image_id) is not None  # type: ignore[arg-type]


def test_a_tag_moves(site: Site) -> None:
    site.push(MADE)
    newer = image({"n": b"new"})
    site.push(newer)
    assert site.ask("GET", "/v2/app/manifests/1").body == newer.data
    assert site.ask("GET", f"/v2/app/manifests/{MADE.digest}").body == MADE.data
    assert files(site.store, "app:1") == ["n"]


def test_the_same_image_with_another_manifest(site: Site) -> None:
    """Compressed otherwise, say: the store has one image, and both manifests are served with their blobs."""
    other = json.loads(MADE.data) | {"annotations": {"x": "y"}}
    layers = [gzip.compress(gzip.decompress(MADE.blobs[each]), 1, mtime=5) for each in MADE.layers]
    other["layers"] = [descriptor(data, media.LAYER_GZIP) for data in layers]
    config = MADE.blobs[MADE.image_id]
    second = Made(json.dumps(other).encode(), media.MANIFEST, {sha256(d): d for d in (config, *layers)})
    site.push(MADE, tag="1")
    site.push(second, tag="2")
    for made, tag in ((MADE, "1"), (second, "2")):
        assert site.ask("GET", f"/v2/app/manifests/{tag}").body == made.data
        assert all(is_there(site, digest) for digest in made.blobs)
    assert len(imagedb.images(site.store.db.read())) == 1


def test_plain_layers_are_not_kept_twice(site: Site) -> None:
    """What is just what we pack ourselves is there as files; its blob is made of these."""
    site.push(MADE)
    other = open_store(site.store.layout.root)
    try:
        view = plain_view(other, resolve_image(other.db.read(), "app:1").image_id)
        blobs = {sha256(view.config_bytes): view.config_bytes}
        for layer in view.layers:
            with layer.open() as stream:
                blobs[layer.digest] = stream.read()
    finally:
        other.db.close()
        other.lease.release()
    assert site.push(Made(view.manifest_bytes, media.MANIFEST, blobs), "plain").status == 201
    for layer in view.layers:
        assert is_there(site, layer.digest, "plain")


def test_a_manifest_before_its_blobs(site: Site) -> None:
    before = state(site.store)
    answer = site.put(MADE, "1", "app")
    assert (answer.status, answer.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert {each["detail"] for each in answer.json["errors"]} == set(MADE.blobs)
    assert state(site.store) == before


def test_blobs_of_another_repository_do_not_count(site: Site) -> None:
    site.push(MADE, "app")
    assert site.put(MADE, "1", "other").code == "MANIFEST_BLOB_UNKNOWN"
    for digest in MADE.blobs:
        assert site.ask("POST", f"/v2/other/blobs/uploads/?mount={digest}&from=app").status == 201
    assert site.put(MADE, "1", "other").status == 201


def test_an_index(site: Site) -> None:
    made = index({"linux/amd64": MADE, "linux/arm64/v8": image({"o": b"x"}, platform="linux/arm64/v8")})
    answer = site.push(made)
    assert answer.status == 201
    c = site.store.db.read()
    assert resolve_image(c, "app:1").index_digest == made.digest
    assert len(imagedb.images(c)) == 2
    got = site.ask("GET", "/v2/app/manifests/1")
    assert (got.body, got.headers["Content-Type"]) == (made.data, media.INDEX)


def test_an_index_before_its_images(site: Site) -> None:
    made = index({"linux/amd64": MADE})
    answer = site.put(made, "1", "app")
    assert (answer.code, answer.json["errors"][0]["detail"]) == ("MANIFEST_BLOB_UNKNOWN", MADE.digest)


# --- what is wrong


def _with(**changes: object) -> bytes:
    return json.dumps(json.loads(MADE.data) | changes).encode()


WRONG = {
    "no JSON": b"<html>",
    "nothing": b"",
    "schema 1": json.dumps({"schemaVersion": 1, "fsLayers": []}).encode(),
    "both": _with(manifests=[]),
    "another type": _with(mediaType=media.INDEX),
    "a digest that is none": _with(config={"mediaType": media.CONFIG, "digest": "sha256:x", "size": 1}),
    "a key twice": MADE.data[:-1] + b', "schemaVersion": 2}',
}


def test_a_manifest_that_is_none(site: Site) -> None:
    site.push(MADE, tag="good")
    before = state(site.store)
    for what, data in WRONG.items():
        answer = site.ask("PUT", "/v2/app/manifests/1", data, Content_Type=media.MANIFEST)
        assert (answer.status, answer.code) == (400, "MANIFEST_INVALID"), what
    assert state(site.store) == before
    assert site.ask("GET", "/v2/app/tags/list").json["tags"] == ["good"]


def test_another_digest_than_it_is_pushed_as(site: Site) -> None:
    site.push(MADE)
    answer = site.put(MADE, NONE, "app")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


def test_a_blob_of_another_size_than_the_manifest_says(site: Site) -> None:
    site.push(MADE)
    config = json.loads(MADE.data)["config"]
    answer = site.put(Made(_with(config=config | {"size": config["size"] + 1}), media.MANIFEST), "2", "app")
    assert (answer.status, answer.code) == (400, "SIZE_INVALID")


def test_a_manifest_that_is_too_long(site: Site) -> None:
    data = _with(annotations={"x": "y" * (4 << 20)})
    answer = site.ask("PUT", "/v2/app/manifests/1", data, Content_Type=media.MANIFEST)
    assert (answer.status, answer.code) == (413, "MANIFEST_INVALID")


@pytest.mark.parametrize("kind", ["text/html", "application/vnd.docker.distribution.manifest.v1+prettyjws"])
def test_a_type_that_is_no_manifest(site: Site, kind: str) -> None:
    site.push(MADE)
    assert site.ask("PUT", "/v2/app/manifests/1", MADE.data, Content_Type=kind).code == "MANIFEST_INVALID"


def test_layers_that_are_not_what_the_config_says(site: Site) -> None:
    """Each blob is what its digest says, and yet this is not the image that it says."""
    other = image({"other": b"x"}).blobs
    lying = gzip.compress(b"".join(gzip.decompress(b) for d, b in other.items() if b[:2] == b"\x1f\x8b"))
    wrong = manifest(MADE.blobs[MADE.image_id], [lying, MADE.blobs[MADE.layers[1]]])
    before = imagedb.images(site.store.db.read())
    answer = site.push(wrong)
    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")
    assert imagedb.images(site.store.db.read()) == before
    assert site.ask("GET", "/v2/app/manifests/1").status == 404


def test_the_same_when_the_layer_it_says_is_here(site: Site) -> None:
    site.push(MADE, "good")
    wrong = manifest(MADE.blobs[MADE.image_id], [gzip.compress(b"\0" * 1024), MADE.blobs[MADE.layers[1]]])
    assert site.push(wrong, "bad").code == "MANIFEST_INVALID"
    assert site.ask("GET", "/v2/bad/manifests/1").status == 404


def test_a_layer_that_leads_out(site: Site) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../../etc/evil"))
    config = {"os": "linux", "architecture": "amd64", "config": {}}
    config["rootfs"] = {"type": "layers", "diff_ids": [sha256(out.getvalue())]}  # type: ignore[assignment]
    bad = manifest(json.dumps(config).encode(), [gzip.compress(out.getvalue())])
    assert site.push(bad).code == "MANIFEST_INVALID"
    assert not imagedb.images(site.store.db.read())


# --- artifacts


def artifact(content: bytes = b"anything", **more: object) -> Made:
    """Something that is no image."""
    document = {
        "schemaVersion": 2,
        "mediaType": media.MANIFEST,
        "artifactType": "application/x.thing",
        "config": descriptor(b"{}", media.EMPTY),
        "layers": [descriptor(content, "text/plain")],
        **more,
    }
    return Made(
        json.dumps(document).encode(), media.MANIFEST, {sha256(b"{}"): b"{}", sha256(content): content}
    )


def test_an_artifact_is_kept_and_is_no_image(site: Site) -> None:
    made = artifact()
    answer = site.push(made)
    assert answer.status == 201 and "not an image of the store" in answer.headers["Warning"]
    assert site.ask("GET", "/v2/app/manifests/1").body == made.data
    assert not imagedb.images(site.store.db.read())
    eventually(lambda: any("is not a layer that can be unpacked" in line for line in site.told))


def test_a_tag_goes_from_an_image_to_an_artifact_and_back(site: Site) -> None:
    for made in (MADE, artifact(), MADE):
        site.push(made)
        assert site.ask("GET", "/v2/app/manifests/1").body == made.data
        assert site.ask("GET", "/v2/app/tags/list").json["tags"] == ["1"]
    assert resolve_image(site.store.db.read(), "app:1").image_id == MADE.image_id


def test_an_index_of_artifacts(site: Site) -> None:
    inner = artifact()
    document = {
        "schemaVersion": 2,
        "mediaType": media.INDEX,
        "manifests": [descriptor(inner.data, media.MANIFEST)],
    }
    made = Made(json.dumps(document).encode(), media.INDEX, inner.blobs, inner.everything())
    assert site.push(made).status == 201
    assert site.ask("GET", "/v2/app/manifests/1").body == made.data


def test_what_an_image_comes_with_is_kept(site: Site) -> None:
    """An index with an attestation, as BuildKit makes them."""
    proof = artifact(b"proof")
    whole = index({"linux/amd64": MADE})
    document = json.loads(whole.data)
    notes = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": MADE.digest}
    row = descriptor(proof.data, media.MANIFEST) | {
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": notes,
    }
    document["manifests"].append(row)
    made = Made(
        json.dumps(document).encode(),
        media.INDEX,
        {**MADE.blobs, **proof.blobs},
        {**MADE.everything(), **proof.everything()},
    )
    assert site.push(made).status == 201
    assert resolve_image(site.store.db.read(), "app:1").index_digest == made.digest
    assert is_there(site, sha256(b"proof"))
    assert site.ask("GET", f"/v2/app/manifests/{proof.digest}").body == proof.data
    assert Digest(proof.digest) in hosted.documents(site.store.db.read())
