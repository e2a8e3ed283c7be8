"""Provenance of builds that take from elsewhere: URLs by their digest, repositories by their commit."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from lamina.build.provenance import predicate
from tests.fetch.server import Repository, Site, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .kitchen import Kitchen


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as made:
        yield made


@pytest.fixture
def repository(tmp_path: Path, site: Site) -> Repository:
    """Served by `site` as /sources.git."""
    site.repositories = str(tmp_path)
    return Repository(tmp_path, "sources")


def of(kitchen: Kitchen, dockerfile: str, **options: Any) -> dict[str, Any]:
    result = kitchen.build(dockerfile, provenance="max", **options)
    assert result.facts is not None
    made = predicate(kitchen.ctx, result.facts, "id", "linux/amd64", "1")
    return json.loads(json.dumps(made.document))  # type: ignore[no-any-return]


def test_a_url_is_a_dependency_by_its_digest_cached_or_not(kitchen: Kitchen, site: Site) -> None:
    site.pages["/file"] = b"content"
    for _ in range(2):
        made = of(kitchen, f"FROM scratch\nADD {site.url}/file /\n")
        assert made["buildDefinition"]["resolvedDependencies"] == [
            {"uri": f"{site.url}/file", "digest": {"sha256": hashlib.sha256(b"content").hexdigest()}}
        ]
        steps = made["buildDefinition"]["internalParameters"]["buildConfig"]["llbDefinition"]
        assert steps[0]["op"]["Op"]["source"]["identifier"] == f"{site.url}/file"
        assert steps[1]["inputs"] == ["step0:0"]


def test_a_password_in_a_url_is_not_told(kitchen: Kitchen, site: Site) -> None:
    site.pages["/file"] = b"content"
    url = site.url.replace("://", "://user:very-private@")
    made = of(kitchen, f"FROM scratch\nARG PLACE\nADD {url}/file /\n")
    told = made["runDetails"]["metadata"]["buildkit_metadata"]
    del told["source"]["infos"]  # the Dockerfile itself, as it was written
    assert "very-private" not in json.dumps(made)
    assert "user:xxxxx@" in json.dumps(made)


def test_a_repository_is_a_dependency_by_its_commit(
    kitchen: Kitchen, site: Site, repository: Repository
) -> None:
    commit = repository.commit({"a": "b"})
    made = of(kitchen, f"FROM scratch\nADD {site.url}/sources.git#main /\n")
    assert made["buildDefinition"]["resolvedDependencies"] == [
        {"uri": f"{site.url}/sources.git#main", "digest": {"sha1": commit}}
    ]


def test_a_context_from_a_repository_is_the_source_of_the_config(
    kitchen: Kitchen, site: Site, repository: Repository
) -> None:
    commit = repository.commit({"Dockerfile": "FROM scratch\nCOPY a /\n", "a": "b"})
    url = f"{site.url}/sources.git#main"
    made = of(kitchen, "", context=url, dockerfile_inside="Dockerfile")
    asked = made["buildDefinition"]["externalParameters"]
    assert asked["configSource"] == {"uri": url, "digest": {"sha1": commit}, "path": "Dockerfile"}
    assert "locals" not in asked["request"]
    completeness = made["runDetails"]["metadata"]["buildkit_completeness"]
    assert completeness == {"request": True, "resolvedDependencies": True}
    assert made["runDetails"]["metadata"]["buildkit_hermetic"] is True
    (info,) = made["runDetails"]["metadata"]["buildkit_metadata"]["source"]["infos"]
    assert info["filename"] == "Dockerfile"
    assert len(info["data"]) > 20
