"""The rule `independent` for what ADD takes from elsewhere, and for quick keys."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.build.elsewhere import repository
from tests.build.ruled import rules
from tests.fetch.server import Site, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)

HEAD = "FROM busybox\nRUN echo {} > /x\n"


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as made:
        yield made


def test_a_url(kitchen: Kitchen, site: Site) -> None:
    """The server is asked whether it has something new, and that is all."""
    site.pages["/f"] = b"hello"
    text = f"{HEAD}ADD {site.url}/f /app/f\n"
    kitchen.build(text.format(1))
    assert rules(kitchen.build(text.format(2))) == ["ran", "independent"]
    site.pages["/f"] = b"other"
    result = kitchen.build(text.format(3))
    assert rules(result) == ["ran", "ran"]
    assert kitchen.read(result.image_id, "app/f") == "other"


def test_a_url_with_its_checksum(kitchen: Kitchen, site: Site) -> None:
    """Nobody is asked."""
    site.pages["/f"] = b"hello"
    text = f"{HEAD}ADD --checksum=sha256:{hashlib.sha256(b'hello').hexdigest()} {site.url}/f /app/f\n"
    kitchen.build(text.format(1))
    asked = len(site.paths)
    assert rules(kitchen.build(text.format(2))) == ["ran", "independent"]
    assert rules(kitchen.build(text.format(2))) == ["exact", "exact"]
    assert len(site.paths) == asked
    assert rules(kitchen.build(text.format(2), rules_off=frozenset(["independent"]))) == ["exact", "ran"]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_repository(kitchen: Kitchen, site: Site) -> None:
    """Only the commit is asked for."""
    made = repository(kitchen, site)
    made.commit({"a": "1"})
    text = f"{HEAD}ADD {site.url}/a.git /app\n"
    kitchen.build(text.format(1))
    assert rules(kitchen.build(text.format(2))) == ["ran", "independent"]
    made.commit({"a": "2"})
    result = kitchen.build(text.format(3))
    assert rules(result) == ["ran", "ran"]
    assert kitchen.read(result.image_id, "app/a") == "2"


def test_a_quick_key_is_noted(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    """COPY --from that a rule brought is found by its layers the next time, without a look at files."""
    text = "FROM busybox AS made\nRUN mkdir /d && echo 1 > /d/f\n" + HEAD + "COPY --from=made /d /app\n"
    kitchen.build(text.format(1))
    assert rules(kitchen.build(text.format(2))) == ["exact", "ran", "independent"]
    monkeypatch.setattr("lamina.build.sources.select", None)
    assert rules(kitchen.build(text.format(2))) == ["exact"] * 3
    assert rules(kitchen.build(text.format(1))) == ["exact"] * 3


def test_a_mount_of_a_stage(kitchen: Kitchen) -> None:
    """RUN has quick keys as well; what they find obeys --cache-ttl."""
    text = "FROM busybox AS made\nRUN --network=none echo 1 > /f\nFROM busybox\n"
    text += "RUN --mount=from=made,target=/m cat /m/f > /g\n"
    kitchen.build(text)
    assert rules(kitchen.build(text)) == ["exact", "exact"]
    assert rules(kitchen.build(text, cache_ttl=0.0)) == ["exact", "ran"]
    assert rules(kitchen.build(text, cache_ttl=3600.0)) == ["exact", "exact"]
