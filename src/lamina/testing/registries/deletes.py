"""Checks of content management (end-9, end-10): tags, manifests and blobs deleted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lamina.testing.registries.bench import digest_of

if TYPE_CHECKING:
    from lamina.testing.registries.bench import Bench

_GONE = (200, 202, 204)


def check_a_tag_deleted(bench: Bench) -> None:
    bench.need("delete-tags")
    data = bench.image("a", tag="v1")
    assert bench.put("v2", data).status == 201
    assert bench.get("v1", "DELETE").status in _GONE
    assert bench.get("v1").status == 404
    assert bench.get("v2").body == data
    assert bench.get(digest_of(data)).body == data
    assert json.loads(bench.ask("GET", f"{bench.repository}/tags/list").body)["tags"] == ["v2"]


def check_a_tag_deleted_twice(bench: Bench) -> None:
    bench.need("delete-tags")
    bench.image("a", tag="v1")
    assert bench.get("v1", "DELETE").status in _GONE
    reply = bench.get("v1", "DELETE")
    assert (reply.status, reply.codes()) == (404, ["MANIFEST_UNKNOWN"])


def check_a_manifest_deleted(bench: Bench) -> None:
    """With it go all its tags."""
    bench.need("delete")
    data, other = bench.image("a", tag="v1"), bench.image("b", tag="other")
    assert bench.put("v2", data).status == 201
    assert bench.get(digest_of(data), "DELETE").status in _GONE
    for name in ("v1", "v2", digest_of(data)):
        assert bench.get(name).status == 404, name
    assert bench.get("other").body == other
    assert json.loads(bench.ask("GET", f"{bench.repository}/tags/list").body)["tags"] == ["other"]


def check_a_manifest_deleted_twice(bench: Bench) -> None:
    bench.need("delete")
    data = bench.image("a", tag="v1")
    bench.image("b", tag="v2")
    assert bench.get(digest_of(data), "DELETE").status in _GONE
    reply = bench.get(digest_of(data), "DELETE")
    assert (reply.status, reply.codes()) == (404, ["MANIFEST_UNKNOWN"])


def check_a_manifest_put_again(bench: Bench) -> None:
    bench.need("delete")
    data = bench.image("a", tag="v1")
    assert bench.get(digest_of(data), "DELETE").status in _GONE
    assert bench.image("a", tag="v1") == data
    assert bench.get("v1").body == data


def check_a_blob_deleted(bench: Bench) -> None:
    bench.need("delete")
    path = f"{bench.repository}/blobs/{bench.put_blob(b'gone ' + bench.repository.encode())}"
    assert bench.ask("DELETE", path).status in _GONE
    assert bench.ask("GET", path).status == 404
    assert bench.ask("HEAD", path).status == 404
    reply = bench.ask("DELETE", path)
    assert (reply.status, reply.codes()) == (404, ["BLOB_UNKNOWN"])


def check_a_blob_deleted_is_there_for_others(bench: Bench) -> None:
    bench.need("delete")
    data = b"shared " + bench.repository.encode()
    digest = bench.put_blob(data)
    bench.put_blob(data, bench.repository + "-other")
    assert bench.ask("DELETE", f"{bench.repository}/blobs/{digest}").status in _GONE
    assert bench.blob(digest, bench.repository + "-other") == data


def check_deletes_of_what_never_was(bench: Bench) -> None:
    bench.need("delete")
    bench.image("a", tag="v1")
    missing = "sha256:" + "0" * 64
    assert bench.get(missing, "DELETE").status == 404
    assert bench.ask("DELETE", f"{bench.repository}/blobs/{missing}").status == 404
    assert bench.get("v1").status == 200


def check_a_referrer_deleted(bench: Bench) -> None:
    bench.need("delete")
    bench.need("referrers")
    data = bench.image("a", tag="v1")
    made, kept = bench.referrer(data, "x/y"), bench.referrer(data, "x/z")
    assert bench.get(digest_of(made), "DELETE").status in _GONE
    reply = bench.ask("GET", f"{bench.repository}/referrers/{digest_of(data)}")
    assert [row["digest"] for row in json.loads(reply.body)["manifests"]] == [digest_of(kept)]


def check_a_subject_deleted(bench: Bench) -> None:
    """Its referrers stay, for they have digests of their own."""
    bench.need("delete")
    bench.need("referrers")
    data = bench.image("a", tag="v1")
    made = bench.referrer(data, "x/y")
    assert bench.get(digest_of(data), "DELETE").status in _GONE
    assert bench.get(digest_of(made)).body == made
    reply = bench.ask("GET", f"{bench.repository}/referrers/{digest_of(data)}")
    assert [row["digest"] for row in json.loads(reply.body)["manifests"]] == [digest_of(made)]
