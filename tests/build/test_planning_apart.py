"""`build --plan`: what lies elsewhere is not fetched, and the store, whosever it is, is not changed."""

from __future__ import annotations

import io
import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from lamina.build.planning import plan
from lamina.db.connect import SCHEMA_VERSION, Connection
from lamina.db.migrate import migrate
from lamina.dockerfile import DockerfileError
from lamina.errors import LaminaError, Unsupported
from lamina.layers.planned import PlannedLayers
from lamina.registry.settings import Settings
from lamina.store.layout import Layout

from .kitchen import HOST
from .planned import everything, planned, request_of, shown

if TYPE_CHECKING:
    from pathlib import Path

    from .kitchen import Kitchen


def test_an_image_that_would_be_pulled(kitchen: Kitchen) -> None:
    kitchen.registries = Settings()
    text = "FROM busybox AS a\nCOPY --from=alpine:3 /x /x\nCOPY a /a\nFROM debian:12\nCOPY --link a /a\n"
    text += "RUN true\nFROM a\nCOPY --from=1 /a /a\n"
    kitchen.write({"a": "1"})
    found = planned(kitchen, text)
    assert found.pulls == ("debian:12", "alpine:3")
    assert shown(found)[:2] == ["2 unknown", "3 unknown, waits for 2"]
    assert found.steps[3].status == "pull"
    assert found.steps[3].reason is not None
    assert found.steps[3].reason.doubt == "debian:12 is not in the store: it would be pulled"
    assert shown(found)[2:] == [
        "5 unknown, waits for 4",
        "6 unknown, waits for 4",
        "8 unknown, waits for 2 4",
    ]
    kitchen.registries = Settings(offline=True)
    with pytest.raises(DockerfileError, match="image not found in the store: debian:12"):
        planned(kitchen, text)


def test_asking_for_newer_images(kitchen: Kitchen) -> None:
    kitchen.registries = Settings()
    found = planned(kitchen, "FROM busybox\nCOPY --from=busybox /etc/group /g\n", pull=True)
    assert found.notes == ("--pull: a plan asks no registry whether there is a newer busybox",)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"context": "https://me:secret@example.test/a.git"}, "example.test/a.git"),
        ({"context": None, "archive": io.BytesIO(b"")}, "the build context on STDIN"),
        ({"dockerfile_inside": "https://example.test/Dockerfile"}, "the Dockerfile https://example.test"),
    ],
)
def test_a_context_that_lies_elsewhere(kitchen: Kitchen, options: dict[str, object], what: str) -> None:
    with pytest.raises(Unsupported, match="a plan fetches and unpacks nothing") as error:
        planned(kitchen, "FROM scratch\n", **options)
    assert what in error.value.message
    assert "secret" not in error.value.message


def test_a_context_that_is_nowhere(kitchen: Kitchen) -> None:
    with pytest.raises(LaminaError, match="unable to prepare context"):
        planned(kitchen, "FROM scratch\n", context="/nowhere")


def test_sources_that_lie_elsewhere(kitchen: Kitchen, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more/m").write_text("m")
    (tmp_path / "one.tar").write_bytes(b"\0" * 1024)
    kitchen.write({"a": "1"})
    contexts = {
        "here": str(tmp_path / "more"),
        "archive": str(tmp_path / "one.tar"),
        "far": "https://example.test/x.git",
        "image": "docker-image://busybox",
    }
    text = "FROM scratch\nCOPY --from=here m /m\nADD https://me:pw@example.test/f /f\nCOPY --link a /a\n"
    text += "ADD https://example.test/r.git /r\nCOPY --from=image /etc/group /g\nFROM far\nCOPY a /b\n"
    text += "FROM archive\nCOPY --from=0 /m /m\n"
    found = planned(kitchen, text, contexts=contexts, target="0")
    assert shown(found) == [
        "2 run",
        "3 unknown",
        "4 run",
        "5 unknown, waits for 3",
        "6 unknown, waits for 3 5",
    ]
    doubts = [step.reason.doubt for step in found.steps if step.status == "unknown" and step.reason]
    assert doubts == [
        "a plan does not ask whether https://me:xxxxx@example.test/f has changed",
        "a plan does not ask what is in https://example.test/r.git",
        "",
    ]
    found = planned(kitchen, text, contexts=contexts, target="1")
    assert shown(found) == ["1 unknown", "2 unknown, waits for 1"]
    found = planned(kitchen, text, contexts=contexts)
    assert shown(found)[-2:] == ["7 unknown", "8 unknown, waits for 3 5 7"]


# --- nothing is changed


def test_no_store_is_made(kitchen: Kitchen, tmp_path: Path) -> None:
    kitchen.write({"a": "1"})
    ctx = PlannedLayers.of(Layout(str(tmp_path / "none")))
    found = plan(ctx, request_of(kitchen, "FROM scratch\nCOPY a /a\nCOPY --link a /b\n"), HOST)
    ctx.db.close()
    assert shown(found) == ["2 run", "3 run"]
    assert not (tmp_path / "none").exists()


def test_a_plan_cannot_write(kitchen: Kitchen) -> None:
    ctx = PlannedLayers.of(kitchen.layout)
    with pytest.raises(AssertionError):
        ctx.db.write()
    with pytest.raises(LaminaError, match="view"):
        ctx.db.read().execute("DELETE FROM files")
    ctx.db.close()


def test_an_older_database_stays_as_it_is(kitchen: Kitchen, tmp_path: Path) -> None:
    layout = Layout(str(tmp_path / "old"))
    layout.prepare()
    connection = sqlite3.connect(layout.database, isolation_level=None, factory=Connection)
    migrate(connection, layout.database, SCHEMA_VERSION - 1)
    connection.close()
    before = everything(tmp_path)
    ctx = PlannedLayers.of(layout)
    kitchen.write({"a": "1"})
    assert shown(plan(ctx, request_of(kitchen, "FROM scratch\nCOPY a /a\n"), HOST)) == ["2 run"]
    ctx.db.close()
    assert everything(tmp_path) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is made by giving up being root")
def test_a_store_of_another_user(kitchen: Kitchen) -> None:
    """Who may read it can plan from it; the store's folder is nothing that he could write."""
    kitchen.write({"a": "1", "b": "1"})
    text = "FROM busybox\nCOPY a /a\nCOPY b /b\nUSER worker\nWORKDIR /w\n"
    result = kitchen.build(text)
    kitchen.write({"a": "2"})
    kitchen.db.close()
    for root, _, files in os.walk(kitchen.folder):
        os.chmod(root, 0o755)
        for name in files:
            path = os.path.join(root, name)
            if not os.path.islink(path):
                os.chmod(path, 0o644)
    before = everything(kitchen.folder)
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            ctx = PlannedLayers.of(kitchen.layout)
            found = plan(ctx, request_of(kitchen, text), HOST)
            good = shown(found) == ["2 run", "3 reuse (independent)", "4 reuse (independent)"]
            os._exit(0 if good else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert everything(kitchen.folder) == before
    assert result.steps
