"""dpkg: which packages, from which layer, under which licence."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from lamina.insight.packages import dpkg
from lamina.insight.packages.copyright import parse
from lamina.insight.packages.packages import files_of, packages
from tests.insight.imaging import GONE, image, link

if TYPE_CHECKING:
    from lamina.events import Event
    from lamina.layers.context import Layers

OS_RELEASE = 'PRETTY_NAME="Debian"\nID=debian\nVERSION_ID="12"\n'
STATUS = "var/lib/dpkg/status"


def paragraph(name: str, version: str, status: str = "install ok installed", **more: str) -> str:
    fields = {"Package": name, "Status": status, "Architecture": "amd64", "Version": version, **more}
    return "".join(f"{key}: {value}\n" for key, value in fields.items()) + "\n"


def test_each_package_is_of_the_layer_that_brought_it(store: Layers) -> None:
    libc, curl, old = paragraph("libc6", "2.36-9"), paragraph("curl", "7.88.1-10"), paragraph("tool", "1.0")
    made = image(
        store,
        {STATUS: libc + old, "etc/os-release": OS_RELEASE},
        {"srv/page": "nothing of dpkg"},
        {STATUS: curl + libc + old},
        {STATUS: curl + libc + paragraph("tool", "1.1")},
    )
    found = packages(store, made)
    assert [(each.name, each.version, each.created_by) for each in found] == [
        ("curl", "7.88.1-10", "step 3"),
        ("libc6", "2.36-9", "step 1"),
        ("tool", "1.1", "step 4"),
    ]
    assert found[0].purl == "pkg:deb/debian/curl@7.88.1-10?arch=amd64&distro=debian-12"
    assert found[0].path == "/var/lib/dpkg/status"
    assert found[0].layer.startswith("sha256:")


def test_a_package_that_came_back_is_of_the_layer_that_brought_it_again(store: Layers) -> None:
    libc, curl = paragraph("libc6", "2"), paragraph("curl", "7")
    found = packages(store, image(store, {STATUS: libc + curl}, {STATUS: libc}, {STATUS: curl + libc}))
    assert [(each.name, each.created_by) for each in found] == [("curl", "step 3"), ("libc6", "step 1")]


def test_lines_of_the_dockerfile_are_noted_where_they_are_known(store: Layers) -> None:
    made = image(store, {STATUS: paragraph("curl", "7")})
    layer = packages(store, made)[0].layer
    assert [each.line for each in packages(store, made, lines={layer: 12})] == [12]
    assert [each.line for each in packages(store, made)] == [0]


def test_source_maintainer_and_epoch(store: Layers) -> None:
    text = paragraph(
        "libssl3", "1:3.0.11+b1", Source="openssl (3.0.11)", Maintainer="A B <a@b.c>", Homepage="https://x.y"
    )
    (found,) = packages(store, image(store, {STATUS: text}))
    assert (found.source, found.maintainer, found.homepage) == (
        "openssl 3.0.11",
        "A B <a@b.c>",
        "https://x.y",
    )
    assert found.purl == "pkg:deb/debian/libssl3@1:3.0.11%2Bb1?arch=amd64&upstream=openssl%403.0.11"


def test_packages_that_are_not_there_are_left_out(store: Layers) -> None:
    text = (
        paragraph("gone", "1", "deinstall ok config-files")
        + "Package: never\nStatus: purge ok not-installed\n\n"
        + paragraph("half", "1", "install ok half-configured")
    )
    assert [each.name for each in packages(store, image(store, {STATUS: text}))] == ["half"]


def test_no_packages_where_a_later_layer_removed_the_database(store: Layers) -> None:
    for removal in ({STATUS: GONE}, {"var/lib/dpkg": GONE}, {"var": GONE}):
        assert packages(store, image(store, {STATUS: paragraph("curl", "7")}, removal)) == ()


def test_status_d_of_distroless(store: Layers) -> None:
    one, two = (
        paragraph("base-files", "12").replace("Status: install ok installed\n", ""),
        paragraph("tz", "1"),
    )
    folder = "var/lib/dpkg/status.d"
    made = image(
        store,
        {f"{folder}/base": one, f"{folder}/base.md5sums": "d41d8cd98f00b204e9800998ecf8427e  x\n"},
        {f"{folder}/tz": two, "srv/base": "Package: not-one\nVersion: 1\n"},
        {f"{folder}/base": one},  # the same content again, as a chown writes it
    )
    found = packages(store, made)
    assert [(each.name, each.created_by) for each in found] == [("base-files", "step 1"), ("tz", "step 2")]
    assert found[0].path == "/var/lib/dpkg/status.d/base"


def test_licences_of_copyright_files(store: Layers) -> None:
    dep5 = (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
        "Files: *\nLicense: GPL-2+ or Expat\n\nFiles: debian/*\nLicense: Expat\n"
    )
    files = {
        STATUS: paragraph("a", "1") + paragraph("b", "1") + paragraph("c", "1") + paragraph("d", "1"),
        "usr/share/doc/a/copyright": dep5,
        "usr/share/doc/b": link("a"),
        "usr/share/doc/c/copyright": "See /usr/share/common-licenses/LGPL-2.1.\n",
        "usr/share/doc/d": link("d"),
    }
    found = packages(store, image(store, files))
    assert [each.licence for each in found] == ["Expat AND GPL-2+", "Expat AND GPL-2+", "LGPL-2.1", ""]


def test_a_licence_of_a_free_text_is_not_invented() -> None:
    assert parse("You may do whatever you want.\nLicense: none of that form\n") == ""


def test_the_files_of_a_package(store: Layers) -> None:
    listing = "/.\n/usr\n/usr/bin\n/usr/bin/curl\n"
    for name in ("curl", "curl:amd64"):
        files = {STATUS: paragraph("curl", "7"), f"var/lib/dpkg/info/{name}.list": listing}
        made = image(store, files)
        (package,) = packages(store, made)
        assert files_of(store, made, package) == [b"usr", b"usr/bin", b"usr/bin/curl"]


def test_a_broken_database_is_told_and_hides_no_other(store: Layers) -> None:
    told: list[Event] = []
    package = {"name": "left", "version": "1.0.0"}
    made = image(
        store,
        {
            STATUS: "Package: curl\nVersion\x00 no colon\n\nrubbish\n",
            "srv/node_modules/left/package.json": str(package).replace("'", '"'),
        },
    )
    assert [each.name for each in packages(store, made, told.append)] == ["left"]
    (notice,) = told
    assert "/var/lib/dpkg/status cannot be read" in str(notice)


def test_a_database_over_the_limit_is_told(store: Layers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dpkg, "MAX_SIZE", 20)
    told: list[Event] = []
    assert packages(store, image(store, {STATUS: paragraph("curl", "7")}), told.append) == ()
    assert "the limit is 20" in str(told)


def test_this_machines_own_packages_are_read_quickly(store: Layers) -> None:
    if not os.path.exists("/var/lib/dpkg/status"):
        pytest.skip("no dpkg on this machine")
    with open("/var/lib/dpkg/status", encoding="utf-8", errors="replace") as file:
        status = file.read()
    installed = status.count("\nStatus: install ok installed\n")
    made = image(
        store, {STATUS: status[: len(status) // 2]}, *[{f"srv/{n}": "x"} for n in range(10)], {STATUS: status}
    )
    start = time.monotonic()
    found = packages(store, made)
    assert time.monotonic() - start < 1.0
    assert len(found) == installed
    assert {each.created_by for each in found} == {"step 1", "step 12"}
    assert all(each.purl.startswith("pkg:deb/") for each in found)
