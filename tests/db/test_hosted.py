"""hosted: manifests, tags and blobs of repositories, and what a sweep is told of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.db import hosted, imagedb, indexdb
from lamina.db.connect import Database
from lamina.db.hosted import Hosted
from lamina.db.indexdb import IndexRow, Member
from lamina.oci.digest import Digest
from tests.db.making import an_image

A, B, C = (Digest("sha256:" + letter * 64) for letter in "abc")


def row(digest: Digest, repository: str = "r", subject: str = "") -> Hosted:
    return Hosted(repository, digest, "text/x", 5, "x/y", subject, {"b": "2", "a": "1"}, 1.5)


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return Database.open(str(tmp_path / "lamina.db"))


def test_manifests_and_their_tags(db: Database) -> None:
    with db.write() as c:
        hosted.put_manifest(c, row(A))
        hosted.put_manifest(c, row(A)._replace(added=2.5))  # again: the same, later
        hosted.put_tag(c, "r", "t", A)
        assert hosted.get_manifest(c, "r", A) == row(A)._replace(added=2.5)
        assert hosted.get_manifest(c, "other", A) is None
        assert (hosted.get_tag(c, "r", "t"), hosted.tags(c, "r"), hosted.tags(c, "s")) == (A, ["t"], [])
        assert hosted.repositories(c) == ["r"]
        assert hosted.delete_manifest(c, "r", A) and not hosted.delete_manifest(c, "r", A)
        assert hosted.get_tag(c, "r", "t") is None
        assert not hosted.is_known(c, "r")


def test_referrers(db: Database) -> None:
    with db.write() as c:
        for digest, repository in ((B, "r"), (A, "r"), (A, "other")):
            hosted.put_manifest(c, row(digest, repository, C))
        assert [each.digest for each in hosted.referrers(c, "r", C)] == [A, B]
        assert hosted.referrers(c, "r", A) == []
        assert hosted.referrers(c, "r", C)[0].descriptor.to_json() == {
            "mediaType": "text/x",
            "digest": A,
            "size": 5,
            "annotations": {"a": "1", "b": "2"},
            "artifactType": "x/y",
        }


def test_blobs_and_their_age(db: Database) -> None:
    with db.write() as c:
        hosted.put_blobs(c, "r", [A, B])
        assert hosted.has_blob(c, "r", A) and not hosted.has_blob(c, "s", A)
        assert hosted.old_blobs(c, 1.0) == {}
        hosted.age_blobs(c, "r", [A, C])
        assert hosted.old_blobs(c, 1.0) == {"r": {A}}
        hosted.put_blobs(c, "r", [A])  # somebody counts on it again
        assert hosted.old_blobs(c, 1.0) == {}
        assert hosted.delete_blob(c, "r", A) and not hosted.delete_blob(c, "r", A)
        assert hosted.is_known(c, "r")


def test_what_is_kept(db: Database) -> None:
    with db.write() as c:
        one, two = an_image("1"), an_image("2")
        for image in (one, two):
            imagedb.put_image(c, image, [])
        indexdb.put_index(c, IndexRow(C, two.image_id, "now"), [Member(two.image_id, B)])
        assert hosted.images(c) == set()
        hosted.put_manifest(c, row(C))
        assert hosted.images(c) == {two.image_id}
        hosted.put_manifest(c, row(one.manifest))
        assert hosted.images(c) == {one.image_id, two.image_id}
        hosted.put_blobs(c, "r", [A])
        assert hosted.blobs(c) == {A, C, one.manifest}
        assert set(hosted.of_image(c, two.image_id)) == {two.manifest, B}
        hosted.forget(c, [C, one.manifest])
        assert hosted.documents(c) == set()
        assert hosted.old_blobs(c, 1.0) == {"r": {A}}
