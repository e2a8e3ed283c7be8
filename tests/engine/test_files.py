"""engine.files through a forked worker, in a store that may only be read, and without the layers' files."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING, NoReturn

import pytest

import lamina
from lamina.engine import opened
from lamina.engine.files import ImagePath
from lamina.errors import Denied, InvalidInput, LaminaError
from lamina.insight.files.grep import GrepFile, GrepLine, GrepQuery
from lamina.insight.files.owners import Owners

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lamina.mount.userns import IdMap

DOCKERFILE = b"""FROM scratch
COPY <<EOF /etc/passwd
root:x:0:0::/:
app:x:10:20::/:
EOF
COPY <<EOF /srv/a
one
two
EOF
COPY <<EOF /srv/a
three
EOF
"""


@pytest.fixture
def engine(inside: IdMap, tmp_path: Path) -> Iterator[lamina.Engine]:
    """An Engine with the image `app`."""
    with lamina.Engine.open(str(tmp_path / "root")) as made:
        made.build(lamina.BuildRequest(None, DOCKERFILE, tags=("app",)))
        yield made


def ask(engine: lamina.Engine) -> None:
    """All that reads files."""
    told: list[GrepLine | GrepFile] = []
    summary = engine.files.grep(GrepQuery(("t",)), ImagePath("app", "/srv"), told.append)
    assert (summary.files, summary.lines) == (1, 1)
    assert told == [GrepLine("/srv/a", 3, 1, "three", ((0, 1),)), GrepFile("/srv/a", 3, 1, False)]
    out = io.BytesIO()
    assert engine.files.cat(ImagePath("app", "/srv/a", layer="2"), out) == 8
    assert out.getvalue() == b"one\ntwo\n"
    assert engine.files.owners(ImagePath("app")) == Owners({"root": 0, "app": 10}, {})
    with pytest.raises(InvalidInput, match="is a directory"):
        engine.files.cat(ImagePath("app"), out)


def test_in_place(engine: lamina.Engine) -> None:
    ask(engine)


def test_by_a_worker(engine: lamina.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_in_place", lambda: False)
    ask(engine)


def test_in_a_store_that_may_only_be_read(engine: lamina.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(layout: object) -> NoReturn:
        raise Denied("read-only file system")

    engine.close()
    monkeypatch.setattr(opened.Lease, "acquire", denied)
    ask(engine)


def test_without_the_files_of_its_layers(engine: lamina.Engine) -> None:
    """What the rows say is said; what needs a file says that nobody has it."""
    shutil.rmtree(f"{engine.root}/diff")
    (listing,) = engine.files.ls(ImagePath("app", "/srv"))
    assert [(file.path, file.size, file.layer) for file in listing.files] == [("/srv/a", 6, 3)]
    assert [hit.file.path for hit in engine.files.find(ImagePath("app"), ["-type", "f"])] == [
        "/etc/passwd",
        "/srv/a",
    ]
    assert engine.files.owners(ImagePath("app")) == Owners({}, {})
    for ask_for in ("cat", "user"):
        with pytest.raises(LaminaError, match="not in the store, only known"):
            if ask_for == "cat":
                engine.files.cat(ImagePath("app", "/srv/a"), io.BytesIO())
            else:
                list(engine.files.find(ImagePath("app"), ["-user", "app"]))


def test_image_paths() -> None:
    assert ImagePath.parse("debian:12:/etc/x") == ImagePath("debian:12", "/etc/x")
    assert ImagePath.parse("localhost:5000/a") == ImagePath("localhost:5000/a", "/")
    assert ImagePath.parse("a:/b:/c", "2", "linux/arm64") == ImagePath("a", "/b:/c", "2", "linux/arm64")
    with pytest.raises(InvalidInput):
        ImagePath.parse(":/etc")
    with pytest.raises(InvalidInput, match="absolute"):
        _ = ImagePath("a", "etc").raw
