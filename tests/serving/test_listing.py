"""What there is: tags and repositories in pages, referrers."""

from __future__ import annotations

import json

import pytest

from lamina.oci import media
from tests.registry.images import Made, descriptor
from tests.serving.site import Site
from tests.serving.test_push import MADE, NONE, artifact

TAGS = ["0", "1.0", "a", "b", "latest", "v1"]


@pytest.fixture
def tagged(site: Site) -> Site:
    """A repository with tags: of images, and of something else."""
    site.push(MADE, tag=TAGS[0])
    for tag in reversed(TAGS[1:5]):
        assert site.put(MADE, tag, "app").status == 201
    site.push(artifact(), tag=TAGS[5])
    return site


def test_all_tags_sorted(tagged: Site) -> None:
    answer = tagged.ask("GET", "/v2/app/tags/list")
    assert answer.json == {"name": "app", "tags": TAGS}
    assert answer.headers["Content-Type"] == "application/json"
    assert "Link" not in answer.headers


def test_pages_of_tags(tagged: Site) -> None:
    for count in (1, 2, 4, 5, 6, 7):
        assert paged(tagged, count) == TAGS


def paged(tagged: Site, count: int) -> list[str]:
    """All tags, `count` at a time."""
    found: list[str] = []
    path = f"/v2/app/tags/list?n={count}"
    for _ in range(20):
        answer = tagged.ask("GET", path)
        found += answer.json["tags"]
        assert len(answer.json["tags"]) <= count
        if "Link" not in answer.headers:
            break
        path, _, kind = answer.headers["Link"].partition(">; ")
        path = path.removeprefix("<")
        assert kind == 'rel="next"'
    return found


def test_tags_after_one(tagged: Site) -> None:
    for query, tags in (
        ("last=a", TAGS[3:]),
        ("last=aa&n=1", ["b"]),
        ("last=v1", []),
        ("n=0", []),
        ("n=1&last=zz", []),
    ):
        assert tagged.ask("GET", f"/v2/app/tags/list?{query}").json["tags"] == tags, query


def test_a_number_that_is_none(tagged: Site) -> None:
    for number in ("x", "-1", "1e9", "", "9" * 30):
        answer = tagged.ask("GET", f"/v2/app/tags/list?n={number}")
        assert (answer.status, answer.code) == (400, "PAGINATION_NUMBER_INVALID"), number


def test_pages_of_repositories(site: Site) -> None:
    for name in ("b", "a/c", "x.io/y"):
        site.push(MADE, name)
    assert site.ask("GET", "/v2/_catalog").json == {"repositories": ["a/c", "b", "x.io/y"]}
    answer = site.ask("GET", "/v2/_catalog?n=2")
    assert answer.json == {"repositories": ["a/c", "b"]}
    assert answer.headers["Link"] == '</v2/_catalog?last=b&n=2>; rel="next"'
    answer = site.ask("GET", "/v2/_catalog?last=b&n=2")
    assert (answer.json, "Link" in answer.headers) == ({"repositories": ["x.io/y"]}, False)


# --- referrers


def referring(kind: str, subject: Made = MADE, **more: object) -> Made:
    return artifact(
        kind.encode(), artifactType=kind, subject=descriptor(subject.data, subject.media_type), **more
    )


def test_referrers(site: Site) -> None:
    site.push(MADE)
    first = referring("application/x.sbom", annotations={"made": "by us"})
    second = referring("application/x.signature")
    for made in (first, second):
        answer = site.push(made, tag=made.digest)
        assert answer.headers["OCI-Subject"] == MADE.digest
    answer = site.ask("GET", f"/v2/app/referrers/{MADE.digest}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, media.INDEX)
    assert "OCI-Filters-Applied" not in answer.headers
    assert (answer.json["schemaVersion"], answer.json["mediaType"]) == (2, media.INDEX)
    rows = {row["digest"]: row for row in answer.json["manifests"]}
    assert rows[first.digest] == {
        "mediaType": media.MANIFEST,
        "digest": first.digest,
        "size": len(first.data),
        "artifactType": "application/x.sbom",
        "annotations": {"made": "by us"},
    }
    assert rows[second.digest]["artifactType"] == "application/x.signature"
    assert site.ask("GET", "/v2/app/tags/list").json["tags"] == ["1"]


def test_referrers_of_one_kind(site: Site) -> None:
    for kind in ("application/x.sbom", "application/x.signature"):
        site.push(referring(kind), tag=kind[-4:])
    answer = site.ask("GET", f"/v2/app/referrers/{MADE.digest}?artifactType=application/x.sbom")
    assert answer.headers["OCI-Filters-Applied"] == "artifactType"
    assert [row["artifactType"] for row in answer.json["manifests"]] == ["application/x.sbom"]


def test_a_referrer_without_an_artifact_type_has_that_of_its_config(site: Site) -> None:
    made = json.loads(MADE.data) | {"subject": descriptor(b"whatever", media.MANIFEST)}
    subject = made["subject"]["digest"]
    site.push(Made(json.dumps(made).encode(), media.MANIFEST, MADE.blobs))
    (row,) = site.ask("GET", f"/v2/app/referrers/{subject}").json["manifests"]
    assert row["artifactType"] == media.CONFIG


def test_an_index_refers(site: Site) -> None:
    site.push(MADE)
    document = {
        "schemaVersion": 2,
        "mediaType": media.INDEX,
        "artifactType": "application/x.list",
        "manifests": [],
        "subject": descriptor(MADE.data, media.MANIFEST),
    }
    made = Made(json.dumps(document).encode(), media.INDEX)
    assert site.put(made, "list", "app").headers["OCI-Subject"] == MADE.digest
    (row,) = site.ask("GET", f"/v2/app/referrers/{MADE.digest}").json["manifests"]
    assert (row["digest"], row["mediaType"]) == (made.digest, media.INDEX)


def test_no_referrers(site: Site) -> None:
    """Neither to what is there, nor to what is not, nor in another repository."""
    site.push(referring("application/x.sbom"), "other")
    for digest in (MADE.digest, NONE):
        answer = site.ask("GET", f"/v2/app/referrers/{digest}")
        assert (answer.status, answer.json["manifests"]) == (200, [])
    assert site.ask("GET", "/v2/app/referrers/nothing").code == "DIGEST_INVALID"
