"""Checks of manifests (end-3, end-7): put, fetched, refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lamina.oci import media
from lamina.testing.registries.bench import artifact, descriptor, digest_of, index, manifest

if TYPE_CHECKING:
    from lamina.testing.registries.bench import Bench, Reply

_MOST = 4 << 20  # bytes that a registry should take


def check_put_by_tag(bench: Bench) -> None:
    data = bench.image("a")
    reply = bench.put("v1", data)
    assert reply.status == 201, reply
    assert reply.headers["docker-content-digest"] == digest_of(data)
    assert bench.ask("GET", reply.headers["location"], headers={"Accept": media.MANIFEST}).body == data


def check_put_by_digest(bench: Bench) -> None:
    data = bench.image("a")
    assert bench.put(digest_of(data), data).status == 201
    assert bench.get(digest_of(data)).body == data
    reply = bench.ask("GET", f"{bench.repository}/tags/list")
    assert reply.status == 404 or not json.loads(reply.body).get("tags"), "it has no tag"


def check_get_by_tag_and_digest(bench: Bench) -> None:
    data = bench.image("a", tag="v1")
    for name in ("v1", digest_of(data)):
        reply = bench.get(name)
        _is(reply, data, media.MANIFEST)
        assert reply.body == data


def check_head_by_tag_and_digest(bench: Bench) -> None:
    data = bench.image("a", tag="v1")
    for name in ("v1", digest_of(data)):
        _is(bench.get(name, "HEAD"), data, media.MANIFEST)


def check_what_is_not_there(bench: Bench) -> None:
    bench.image("a", tag="v1")
    for name in ("v2", "sha256:" + "0" * 64):
        assert bench.get(name, "HEAD").status == 404
        reply = bench.get(name)
        assert (reply.status, reply.codes()) == (404, ["MANIFEST_UNKNOWN"])
        assert bench.get(name, repository=bench.repository + "-none").status == 404


def check_every_byte_is_kept(bench: Bench) -> None:
    """Spaces, unknown fields, their order: a manifest is its bytes."""
    bench.put_blob(b"{}")
    text = artifact("x/y", zzz={"b": 1, "a": [None, 1e3]}).decode()
    data = ("\n " + text.replace(",", " ,\t") + "\n\n").encode()
    reply = bench.put("odd", data)
    assert reply.status == 201, reply
    assert bench.get("odd").body == data


def check_a_tag_that_moves(bench: Bench) -> None:
    first = bench.image("a", tag="v1")
    second = bench.image("b", tag="v1")
    assert bench.get("v1").body == second
    assert bench.get(digest_of(first)).body == first


def check_a_tag_of_every_kind(bench: Bench) -> None:
    data = bench.image("a")
    for tag in ("a", "A", "0", "_", "a.b-c_D", "x" * 128):
        assert bench.put(tag, data).status == 201, tag
        assert bench.get(tag).body == data, tag


def check_a_long_name(bench: Bench) -> None:
    name = f"{bench.repository}/{'/'.join(['a1', 'b.c', 'd_e', 'f__g', 'h-i', 'j--k'])}"
    data = bench.image("a", tag="v1", repository=name)
    assert bench.get("v1", repository=name).body == data


def check_another_digest_than_its_own(bench: Bench) -> None:
    data = bench.image("a")
    reply = bench.put(digest_of(data + b" "), data)
    assert reply.status == 400, reply
    assert bench.get(digest_of(data + b" ")).status == 404


def check_blobs_that_are_missing(bench: Bench) -> None:
    data = manifest(b"no config " + bench.repository.encode(), [b"no layer"])
    reply = bench.put("v1", data)
    assert reply.status in (400, 404), reply
    assert set(reply.codes()) <= {"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"}
    assert bench.get("v1").status == 404


def check_what_is_no_manifest(bench: Bench) -> None:
    bench.put_blob(b"{}")
    for data in (b"", b"{", b"[]", b"<html>", b"\xff"):
        reply = bench.put("v1", data)
        assert reply.status == 400, data
    assert bench.get("v1").status == 404


def check_what_is_json_and_no_manifest(bench: Bench) -> None:
    bench.need("strict")
    twice = b'{"schemaVersion": 2, "schemaVersion": 2}'
    for data in (b"{}", b'{"schemaVersion": 2}', b"null", b"1", b'"text"', twice, b"[" * 100_000):
        assert bench.put("v1", data).status == 400, data
    assert bench.get("v1").status == 404


def check_another_type_than_it_says(bench: Bench) -> None:
    data = bench.image("a")
    assert bench.put("v1", data, media.INDEX).status in (400, 415)
    assert bench.get("v1").status == 404


def check_an_index(bench: Bench) -> None:
    data = index(bench.image("a"), bench.image("b"))
    reply = bench.put("all", data, media.INDEX)
    assert reply.status == 201, reply
    for name in ("all", digest_of(data)):
        found = bench.get(name)
        _is(found, data, media.INDEX)
        assert found.body == data


def check_an_index_of_what_is_missing(bench: Bench) -> None:
    bench.need("members")
    data = index(bench.image("a"), b"never put")
    assert bench.put("all", data, media.INDEX).status in (400, 404)
    assert bench.get("all").status == 404


def check_schema_2_of_docker(bench: Bench) -> None:
    config, layer = b'{"architecture":"amd64","os":"linux"}', b"docker layer"
    bench.put_blob(config)
    bench.put_blob(layer)
    document = {
        "schemaVersion": 2,
        "mediaType": media.DOCKER_MANIFEST,
        "config": descriptor(config, media.DOCKER_CONFIG),
        "layers": [descriptor(layer, media.DOCKER_LAYER_GZIP)],
    }
    data = json.dumps(document, indent=3).encode()
    assert bench.put("v1", data, media.DOCKER_MANIFEST).status == 201
    _is(bench.get("v1"), data, media.DOCKER_MANIFEST)
    listed = {"schemaVersion": 2, "mediaType": media.DOCKER_INDEX, "manifests": []}
    row = {**descriptor(data, media.DOCKER_MANIFEST), "platform": {"os": "linux", "architecture": "amd64"}}
    both = json.dumps({**listed, "manifests": [row]}).encode()
    assert bench.put("all", both, media.DOCKER_INDEX).status == 201
    _is(bench.get("all"), both, media.DOCKER_INDEX)


def check_an_artifact(bench: Bench) -> None:
    """Guidelines for artifact usage (image-spec): an artifactType, and the empty config."""
    bench.put_blob(b"{}")
    data = artifact("application/vnd.example.thing")
    assert bench.put("thing", data).status == 201
    _is(bench.get("thing"), data, media.MANIFEST)


def check_a_large_manifest(bench: Bench) -> None:
    bench.put_blob(b"{}")
    data = _of_size(_MOST - 1000)
    assert bench.put("large", data).status == 201
    assert bench.get("large").body == data


def check_a_manifest_that_is_too_large(bench: Bench) -> None:
    bench.need("limits")
    bench.put_blob(b"{}")
    reply = bench.put("huge", _of_size(_MOST + (1 << 20)))
    assert reply.status in (400, 413), reply
    bench.__exit__()  # it may have hung up
    assert bench.get("huge").status == 404


def _of_size(size: int) -> bytes:
    empty = artifact("x/y", annotations={"filler": ""})
    return artifact("x/y", annotations={"filler": "x" * (size - len(empty))})


def _is(reply: Reply, data: bytes, media_type: str) -> None:
    assert reply.status == 200, reply
    assert reply.headers["content-type"] == media_type
    assert reply.headers["docker-content-digest"] == digest_of(data)
    assert reply.headers["content-length"] == str(len(data))
