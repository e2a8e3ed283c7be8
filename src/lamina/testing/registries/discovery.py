"""Checks of content discovery: tags (end-8a, 8b) and referrers (end-12a, 12b)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from lamina.oci import media
from lamina.testing.registries.bench import artifact, descriptor, digest_of, index

if TYPE_CHECKING:
    from lamina.testing.registries.bench import Bench, Reply

_TAGS = ("a", "b", "c10", "c2", "latest", "v1.0", "v1.1")


def check_the_tags(bench: Bench) -> None:
    _tagged(bench)
    reply = bench.ask("GET", f"{bench.repository}/tags/list")
    assert reply.status == 200
    found = json.loads(reply.body)
    assert found["name"] == bench.repository
    assert sorted(found["tags"]) == sorted(_TAGS)


def check_tags_in_order(bench: Bench) -> None:
    bench.need("pages")
    _tagged(bench)
    assert _tags(bench.ask("GET", f"{bench.repository}/tags/list")) == sorted(_TAGS)


def check_tags_of_nothing(bench: Bench) -> None:
    reply = bench.ask("GET", f"{bench.repository}/tags/list")
    assert (reply.status, reply.codes()) == (404, ["NAME_UNKNOWN"])


def check_pages_of_tags(bench: Bench) -> None:
    bench.need("pages")
    _tagged(bench)
    path, found = f"{bench.repository}/tags/list?n=3", []
    for _ in range(10):
        reply = bench.ask("GET", path)
        page = _tags(reply)
        assert len(page) <= 3
        found += page
        if "link" not in reply.headers:
            break
        link = re.fullmatch(r'<([^>]+)>; *rel="?next"?', reply.headers["link"])
        assert link, reply.headers["link"]
        path = link[1]
    assert found == sorted(_TAGS)


def check_tags_after_one(bench: Bench) -> None:
    bench.need("pages")
    _tagged(bench)
    path = f"{bench.repository}/tags/list"
    assert _tags(bench.ask("GET", f"{path}?n=2&last=b")) == ["c10", "c2"]
    assert _tags(bench.ask("GET", f"{path}?last=latest&n=10")) == ["v1.0", "v1.1"]
    assert _tags(bench.ask("GET", f"{path}?n=10&last=zzz")) == []


def check_no_tags_at_a_time(bench: Bench) -> None:
    bench.need("pages")
    _tagged(bench)
    reply = bench.ask("GET", f"{bench.repository}/tags/list?n=0")
    assert reply.status in (200, 400), reply
    assert reply.status == 400 or not _tags(reply)


def _tagged(bench: Bench) -> None:
    data = bench.image("a")
    for tag in reversed(_TAGS):
        assert bench.put(tag, data).status == 201


def _tags(reply: Reply) -> list[str]:
    assert reply.status == 200, reply
    found = json.loads(reply.body)["tags"] or []
    assert all(isinstance(tag, str) for tag in found)
    return list(found)


# --- referrers


def check_no_referrers(bench: Bench) -> None:
    """Of a manifest that is there, and of one that is not: an empty index, and never 404."""
    bench.need("referrers")
    data = bench.image("a", tag="v1")
    for digest in (digest_of(data), "sha256:" + "0" * 64):
        assert _referrers(bench, digest) == []


def check_referrers(bench: Bench) -> None:
    bench.need("referrers")
    data = bench.image("a", tag="v1")
    bench.image("b", tag="v2")
    first = bench.referrer(data, "application/vnd.example.sbom", notes={"one": "1"})
    second = bench.referrer(data, "application/vnd.example.signature")
    found = {row["digest"]: row for row in _referrers(bench, digest_of(data))}
    assert set(found) == {digest_of(first), digest_of(second)}
    row = found[digest_of(first)]
    assert row["mediaType"] == media.MANIFEST
    assert row["size"] == len(first)
    assert row["artifactType"] == "application/vnd.example.sbom"
    assert row["annotations"] == {"one": "1"}


def check_referrers_of_a_kind(bench: Bench) -> None:
    bench.need("referrers")
    data = bench.image("a", tag="v1")
    bench.referrer(data, "application/vnd.example.sbom+json")
    second = bench.referrer(data, "application/vnd.example.signature")
    kind = quote("application/vnd.example.signature", safe="")
    reply = bench.ask("GET", f"{bench.repository}/referrers/{digest_of(data)}?artifactType={kind}")
    rows = json.loads(reply.body)["manifests"]
    if reply.headers.get("oci-filters-applied"):
        assert reply.headers["oci-filters-applied"] == "artifactType"
        assert [row["digest"] for row in rows] == [digest_of(second)]
    else:
        assert len(rows) == 2, "without a filter all are listed"


def check_the_subject_is_confirmed(bench: Bench) -> None:
    """OCI-Subject says that the registry keeps it, so that nobody need maintain the fallback tag."""
    bench.need("referrers")
    data = bench.image("a", tag="v1")
    bench.put_blob(b"{}")
    made = artifact("x/y", subject=descriptor(data, media.MANIFEST))
    reply = bench.put(digest_of(made), made)
    assert (reply.status, reply.headers.get("oci-subject")) == (201, digest_of(data))


def check_a_subject_that_is_not_there_yet(bench: Bench) -> None:
    bench.need("referrers")
    later = artifact("x/later")
    made = bench.referrer(later, "x/first")
    assert [row["digest"] for row in _referrers(bench, digest_of(later))] == [digest_of(made)]
    assert bench.put(digest_of(later), later).status == 201
    assert [row["digest"] for row in _referrers(bench, digest_of(later))] == [digest_of(made)]


def check_an_index_and_an_image_as_referrers(bench: Bench) -> None:
    """An index is listed with its own artifactType, an image without one with the type of its config."""
    bench.need("referrers")
    data = bench.image("a", tag="v1")
    subject = descriptor(data, media.MANIFEST)
    document = json.loads(index(data)) | {"subject": subject, "artifactType": "x/index"}
    listed = json.dumps(document).encode()
    assert bench.put(digest_of(listed), listed, media.INDEX).status == 201
    image = bench.image("b", subject=subject)
    found = {row["digest"]: row for row in _referrers(bench, digest_of(data))}
    assert set(found) == {digest_of(listed), digest_of(image)}
    assert found[digest_of(listed)]["mediaType"] == media.INDEX
    assert found[digest_of(listed)]["artifactType"] == "x/index"
    assert found[digest_of(image)]["artifactType"] == media.CONFIG


def check_referrers_are_of_their_repository(bench: Bench) -> None:
    bench.need("referrers")
    data = bench.image("a", tag="v1")
    bench.referrer(data, "x/y")
    bench.image("a", tag="v1", repository=bench.repository + "-other")
    assert _referrers(bench, digest_of(data), bench.repository + "-other") == []


def check_referrers_of_what_is_no_digest(bench: Bench) -> None:
    bench.need("referrers")
    bench.image("a", tag="v1")
    for name in ("v1", "sha256:abc"):
        assert bench.ask("GET", f"{bench.repository}/referrers/{name}").status in (400, 404), name


def _referrers(bench: Bench, digest: str, repository: str = "") -> list[dict[str, object]]:
    reply = bench.ask("GET", f"{repository or bench.repository}/referrers/{digest}")
    assert reply.status == 200, reply
    assert reply.headers["content-type"] == media.INDEX
    found = json.loads(reply.body)
    assert (found["schemaVersion"], found["mediaType"]) == (2, media.INDEX)
    return list(found["manifests"])
