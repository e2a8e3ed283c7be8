"""copy and rm where the registry is another store: with the API for referrers, and tags that go alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.fetch.stopping import NeverStops
from lamina.layers.context import Layers
from lamina.oci import reference as references
from lamina.registry.settings import Settings
from lamina.transfer import remote
from tests.registry.conftest import place, quick
from tests.serving.site import Site, running
from tests.transfer.copying import ONE, SBOM, TWO, files, put, seen, signed

__all__ = ["place", "quick"]


@pytest.fixture
def site(store: Layers) -> Iterator[Site]:
    """A store that is served, open to all."""
    with running(store) as made:
        yield made


def ref(text: str) -> references.Reference:
    return references.parse(text)


def test_there_and_back_with_referrers(site: Site, place: Path) -> None:
    signed(place / "layout")
    name = f"{site.host}/team/app"
    assert put(f"oci:{place}/layout:it", f"docker://{name}:1", whole=True, referrers=True).referrers == 4
    assert seen(f"docker://{name}:1") == TWO.digest
    assert put(f"docker://{name}:1", f"oci:{place}/out:it", whole=True, referrers=True).referrers == 4
    assert files(place / "out") == files(place / "layout")
    found = remote.referrers(ref(f"{name}:1"), Settings(), None, SBOM, NeverStops())
    assert [each.via for each in found] == ["subject"]
    assert put(f"docker://{name}:1", f"docker://{site.host}/other:1", whole=True).digest == TWO.digest


def test_a_tag_goes_alone(site: Site, place: Path) -> None:
    ONE.layout(place / "layout")
    name = f"{site.host}/app"
    for tag in ("1", "2"):
        put(f"oci:{place}/layout:it", f"docker://{name}:{tag}")
    assert remote.remove(ref(f"{name}:1"), Settings()) == [remote.Untagged(f"{name}:1")]
    assert remote.tags(ref(name), Settings()) == ["2"]
    assert remote.remove(ref(f"{name}:2@{ONE.digest}"), Settings()) == [remote.Deleted(ONE.digest)]
    assert remote.tags(ref(name), Settings()) == []
