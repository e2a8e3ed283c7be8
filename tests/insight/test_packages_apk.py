"""apk: the installed database of Alpine, where it lies, and what each layer added to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.insight.packages.packages import files_of, packages
from tests.insight.imaging import image, link

if TYPE_CHECKING:
    from lamina.events import Event
    from lamina.layers.context import Layers

OS_RELEASE = "ID=alpine\nVERSION_ID=3.20.1\n"
MUSL = """C:Q1abc=
P:musl
V:1.2.5-r0
A:x86_64
L:MIT
T:the musl c library
U:https://musl.libc.org/
o:musl
m:Timo <timo@x.y>
F:lib
R:libc.musl-x86_64.so.1
a:0:0:777
F:usr/lib
R:b

"""
SSL = "P:libcrypto3\nV:3.3.1-r3\nA:x86_64\nL:Apache-2.0\no:openssl\n\n"


def test_each_package_is_of_the_layer_that_brought_it(store: Layers) -> None:
    base = {"lib/apk/db/installed": MUSL, "etc/os-release": OS_RELEASE}
    found = packages(store, image(store, base, {"lib/apk/db/installed": MUSL + SSL}))
    assert [(each.name, each.version, each.created_by) for each in found] == [
        ("libcrypto3", "3.3.1-r3", "step 2"),
        ("musl", "1.2.5-r0", "step 1"),
    ]
    purl = "pkg:apk/alpine/libcrypto3@3.3.1-r3?arch=x86_64&distro=alpine-3.20.1&upstream=openssl"
    assert found[0].purl == purl
    assert (found[1].licence, found[1].maintainer, found[1].description, found[1].homepage) == (
        "MIT",
        "Timo <timo@x.y>",
        "the musl c library",
        "https://musl.libc.org/",
    )


def test_a_lib_that_is_a_link_gives_each_package_once(store: Layers) -> None:
    made = image(store, {"usr/lib/apk/db/installed": MUSL, "lib": link("usr/lib")})
    (found,) = packages(store, made)
    assert found.path == "/usr/lib/apk/db/installed"


def test_the_files_of_a_package(store: Layers) -> None:
    made = image(store, {"lib/apk/db/installed": SSL + MUSL})
    found = {each.name: each for each in packages(store, made)}
    assert files_of(store, made, found["musl"]) == [b"lib/libc.musl-x86_64.so.1", b"usr/lib/b"]
    assert files_of(store, made, found["libcrypto3"]) == []


def test_a_broken_database_is_told(store: Layers) -> None:
    told: list[Event] = []
    assert packages(store, image(store, {"lib/apk/db/installed": b"\xff\x00rubbish"}), told.append) == ()
    assert "/lib/apk/db/installed cannot be read" in str(told)
