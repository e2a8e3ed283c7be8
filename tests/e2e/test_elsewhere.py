"""An ordinary user builds from what lies elsewhere, with sub-IDs and with one ID."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.build.elsewhere import tar
from tests.e2e.conftest import remove
from tests.e2e.ordinary import OrdinaryLamina, ordinary_lamina
from tests.fetch.server import Repository, Site, serve
from tests.machine import quick_place

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed"),
]


@pytest.fixture(params=["one", "many"])
def user(request: pytest.FixtureRequest) -> Iterator[OrdinaryLamina]:
    folder = tempfile.mkdtemp(prefix="lamina-user-", dir=quick_place())
    try:
        yield ordinary_lamina(Path(folder), request.param)
    finally:
        remove(folder)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serve() as made:
        made.repositories = str(tmp_path)
        Repository(tmp_path, "a").commit(
            {"x": "from git", "Dockerfile": "FROM busybox\nCOPY x /\nRUN cat /x\n"}
        )
        made.pages["/f"] = b"by http"
        yield made


def test_add_and_contexts(user: OrdinaryLamina, site: Site) -> None:
    text = user.build(f"{site.url}/a.git")
    assert "from git" in text
    dockerfile = (
        f"FROM busybox\nRUN true\nADD --chown=worker {site.url}/a.git /g\nADD {site.url}/f /f\n"
        "COPY --from=more x /y\nRUN cat /g/x /f /y; stat -c 'mode %a' /f\n"
    )
    flags = (f"--build-context=more={site.url}/a.git", "--progress=plain")
    text = user.both("build", *flags, "-", stdin=dockerfile.encode())[1]
    assert "from gitby httpfrom git" in text
    assert "mode 600" in text
    again = user.both("build", *flags, "-", stdin=dockerfile.encode())[1]
    assert "0 run" in again
    assert list(user.root.rglob(".tmp-*")) == []


def test_an_archive_on_stdin(user: OrdinaryLamina) -> None:
    files = {"Dockerfile": "FROM busybox\nCOPY x /\nRUN cat /x\nCMD x\n", "x": "from stdin"}
    text = user.both("build", "-t", "t", "--progress=plain", "-", stdin=tar(files, "w:gz", owner=33))[1]
    assert "from stdin" in text
    target = user.folder / "out.tar"
    user("save", "-o", target, "t")
    assert target.stat().st_size
    assert list(user.root.rglob(".tmp-*")) == []
