"""Archives of cache mounts whose documents mean harm: one line says why, and names draw nothing."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from tests.e2e.lamina_command import Lamina
from tests.e2e.refusals import refused

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
MOUNT = {"folder": "0", "sharing": "shared", "mode": 493, "uid": 0, "gid": 0, "seed": "", "created_by": ""}


def archive(head: bytes, sums: bytes) -> bytes:
    """An archive with these two documents, and one empty folder between them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in (("lamina-cache.json", head), ("0", None), ("lamina-cache.sums", sums)):
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            member.size = len(data or b"")
            tar.addfile(member, io.BytesIO(data or b""))
    return out.getvalue()


def head(name: str) -> bytes:
    """The first document, for a cache mount with this id."""
    return json.dumps({"format": 1, "mounts": [{**MOUNT, "id": name}]}).encode()


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [
        (b"[" * 200_000, b"{}", "makes no sense"),
        (head("x"), b"[" * 200_000, "not those that were exported"),
        (b'{"format": ' + b"9" * 5000 + b"}", b"{}", "makes no sense"),
        (b'{"format": NaN}', b"{}", "has format nan"),
        (b"[]", b"{}", "makes no sense"),
        (head("\ud800"), b"{}", "makes no sense"),
        (b'{"x": "' + b"a" * (17 << 20) + b'"}', b"{}", "makes no sense"),
    ],
)
def test_documents(steady: Lamina, first: bytes, last: bytes, says: str) -> None:
    refused(steady, "cache", "import", says=says, hint=False, stdin=archive(first, last))


def plain() -> bytes:
    """A tar of a folder with nothing in it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo(".")
        member.type = tarfile.DIRTYPE
        tar.addfile(member)
    return out.getvalue()


def test_a_folder_of_the_store_that_does_not_say_what_it_is(lamina: Lamina) -> None:
    lamina("cache", "import", "--id", "x", stdin=plain())
    (info,) = lamina.root.glob("cachemounts/*/info.json")
    info.write_text("[" * 200_000)
    (lamina.root / "lamina.db").unlink()
    for name in ("lamina.db-wal", "lamina.db-shm"):
        (lamina.root / name).unlink(missing_ok=True)
    assert "No such" not in lamina("cache", "ls")


@pytest.mark.parametrize("name", ["\x1b[31m\n", "a\x00b"])
def test_odd_names_are_kept_and_draw_nothing(lamina: Lamina, tmp_path: Path, name: str) -> None:
    lamina("cache", "import", "--id", "x", stdin=plain())
    lamina("cache", "export", "--all", "-o", tmp_path / "x.tar")
    with tarfile.open(tmp_path / "x.tar") as tar:
        sums = tar.extractfile("lamina-cache.sums")
        assert sums is not None
        data = archive(head(name), sums.read())
    lamina("cache", "rm", "--all")
    told = lamina("cache", "import", stdin=data)
    for text in (told, lamina("cache", "ls"), lamina("cache", "rm", "--all")):
        assert not CONTROL.search(text), repr(text)[:300]
        assert len(text.splitlines()) <= 2


@pytest.mark.parametrize("name", ["\udcff", "\ud800"])
def test_a_name_that_is_no_text_is_refused(steady: Lamina, tmp_path: Path, name: str) -> None:
    steady("cache", "import", "--id", "x", stdin=plain())
    steady("cache", "export", "--all", "-o", tmp_path / "x.tar")
    steady("cache", "rm", "--all")
    with tarfile.open(tmp_path / "x.tar") as tar:
        sums = tar.extractfile("lamina-cache.sums")
        assert sums is not None
        data = archive(head(name), sums.read())
    refused(steady, "cache", "import", says="makes no sense", hint=False, stdin=data)
