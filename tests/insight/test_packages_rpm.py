"""rpm: real databases, made by rpm itself, and broken ones."""

from __future__ import annotations

import shutil
import sqlite3
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from lamina.insight.packages.owners import owners
from lamina.insight.packages.package import BadDatabase
from lamina.insight.packages.packages import files_of, layers_of, packages
from lamina.insight.packages.rpm import headers
from lamina.insight.packages.rpmheader import Header
from tests.insight.imaging import image, link

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.events import Event
    from lamina.layers.context import Layers

OS_RELEASE = "ID=fedora\nVERSION_ID=40\n"
PLACE = "usr/lib/sysimage/rpm/rpmdb.sqlite"
SPEC = """Name: {name}
Version: {version}
Release: 3.fc40
{more}
Summary: nothing at all
License: MIT AND Apache-2.0
Vendor: Some Project
URL: https://example.org/
BuildArch: noarch
%description
Nothing.
%install
mkdir -p %{{buildroot}}/usr/share/{name}
echo hi > %{{buildroot}}/usr/share/{name}/page
%files
/usr/share/{name}/page
"""


class Rpms:
    """Builds packages and installs them into a root folder with rpm."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.root.mkdir()
        self._run("--initdb")

    def install(self, name: str, version: str, more: str = "") -> bytes:
        """Builds and installs a package; the database as it is then."""
        spec = self.folder / f"{name}.spec"
        spec.write_text(SPEC.format(name=name, version=version, more=more))
        top = self.folder / "top"
        build = [
            "rpmbuild",
            "-bb",
            "--quiet",
            "--define",
            f"_topdir {top}",
            "--define",
            "_tmppath /tmp",
            str(spec),
        ]
        subprocess.run(build, check=True, capture_output=True)
        (made,) = (top / "RPMS" / "noarch").glob(f"{name}-{version}-*.rpm")
        self._run("-U", "--nodeps", "--nosignature", "--ignoreos", "--noscripts", str(made))
        return (self.root / "var/lib/rpm/rpmdb.sqlite").read_bytes()

    def _run(self, *args: str) -> None:
        place = ["--root", str(self.root), "--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite"]
        subprocess.run(["rpm", *place, *args], check=True, capture_output=True)


@pytest.fixture
def rpms(tmp_path: Path) -> Rpms:
    if shutil.which("rpm") is None or shutil.which("rpmbuild") is None:
        pytest.skip("needs rpm and rpmbuild (apt-get install rpm)")
    return Rpms(tmp_path)


def test_each_package_is_of_the_layer_that_brought_it(store: Layers, rpms: Rpms) -> None:
    first = rpms.install("hello", "1.2", "Epoch: 2")
    second = rpms.install("world", "0.1")
    made = image(store, {PLACE: first, "etc/os-release": OS_RELEASE}, {"a": "b"}, {PLACE: second})
    hello, world = packages(store, made)
    assert (hello.name, hello.version, hello.architecture, hello.created_by) == (
        "hello",
        "2:1.2-3.fc40",
        "noarch",
        "step 1",
    )
    assert (hello.licence, hello.maintainer, hello.homepage, hello.source) == (
        "MIT AND Apache-2.0",
        "Some Project",
        "https://example.org/",
        "hello-1.2-3.fc40.src.rpm",
    )
    assert hello.purl == (
        "pkg:rpm/fedora/hello@1.2-3.fc40"
        "?arch=noarch&distro=fedora-40&epoch=2&upstream=hello-1.2-3.fc40.src.rpm"
    )
    assert (world.version, world.created_by) == ("0.1-3.fc40", "step 3")
    assert files_of(store, made, hello) == [b"usr/share/hello/page"]
    diff_ids = [diff_id for diff_id, _ in layers_of(store, made)]
    assert {path: owner.label for path, owner in owners(store, diff_ids).items()} == {
        b"usr/share/hello/page": "hello@2:1.2-3.fc40",
        b"usr/share/world/page": "world@0.1-3.fc40",
    }


def test_a_folder_that_is_a_link_gives_each_package_once(store: Layers, rpms: Rpms) -> None:
    files = {PLACE: rpms.install("hello", "1.2"), "var/lib/rpm": link("../../usr/lib/sysimage/rpm")}
    assert [each.name for each in packages(store, image(store, files))] == ["hello"]


def test_a_log_beside_the_database_is_told(store: Layers, rpms: Rpms) -> None:
    told: list[Event] = []
    files = {PLACE: rpms.install("hello", "1.2"), PLACE + "-wal": "something"}
    assert len(packages(store, image(store, files), told.append)) == 1
    assert "packages may be missing" in str(told)


@pytest.mark.parametrize(("name", "form"), [("Packages", "Berkeley DB"), ("Packages.db", "ndb")])
def test_older_databases_are_told(store: Layers, name: str, form: str) -> None:
    told: list[Event] = []
    assert packages(store, image(store, {f"var/lib/rpm/{name}": b"\0" * 64}), told.append) == ()
    assert f"/var/lib/rpm/{name} is in the form {form}" in str(told)


def database(tmp_path: Path, *statements: str) -> bytes:
    path = tmp_path / "made.sqlite"
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as c:
        for statement in statements:
            c.execute(statement)
    c.close()
    return path.read_bytes()


def test_broken_databases_are_told(store: Layers, tmp_path: Path) -> None:
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n)"
    endless = f"CREATE VIEW Packages AS {numbers} SELECT x hnum, x blob FROM n"
    whole = database(tmp_path, "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)")
    broken = [
        b"",
        b"no database",
        whole[:600],
        database(tmp_path, "CREATE TABLE Other (x)"),
        database(tmp_path, endless),
        database(tmp_path, "CREATE TABLE Packages (hnum, blob)", "INSERT INTO Packages VALUES (1, 'text')"),
        database(tmp_path, "CREATE TABLE Packages (hnum, blob)", "INSERT INTO Packages VALUES (1, x'00ff')"),
    ]
    for data in broken:
        with pytest.raises(BadDatabase):
            list(headers(data))
        told: list[Event] = []
        assert packages(store, image(store, {PLACE: data}), told.append) == ()
        assert f"/{PLACE} cannot be read" in str(told)
    assert list(headers(whole)) == []


@pytest.mark.parametrize(
    "blob",
    [
        struct.pack(">II", 1 << 20, 0),
        struct.pack(">II", 1, 100) + b"\0" * 16,
        struct.pack(">IIIIII", 1, 2, 1000, 6, 5, 1) + b"a\0",  # a text that begins outside
        struct.pack(">IIIIII", 1, 2, 1000, 6, 0, 1) + b"ab",  # a text without an end
        struct.pack(">IIIIII", 1, 4, 1000, 8, 0, 9) + b"a\0b\0",  # more texts than there are
    ],
)
def test_headers_that_point_outside_are_refused(blob: bytes) -> None:
    with pytest.raises(BadDatabase):
        Header(blob).texts(1000)


def test_numbers_outside_of_a_header_are_refused() -> None:
    with pytest.raises(BadDatabase):
        Header(struct.pack(">IIIIII", 1, 4, 1003, 4, 0, 2) + b"\0\0\0\1").numbers(1003)
