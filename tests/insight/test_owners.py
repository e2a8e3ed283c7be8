"""Which package owns which path: databases of five package managers, and what lies beside their lists."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lamina.insight.packages.owners import owners
from lamina.insight.packages.packages import layers_of
from tests.insight.imaging import image, link

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.events import Event
    from lamina.layers.context import Layers

INFO = "var/lib/dpkg/info"
STATUS = "\n\n".join(
    f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"
    for name, version in [("dash", "0.5-1"), ("tool", "2:1.0"), ("mover", "3")]
)


def labels(store: Layers, *layers: Mapping[str, object]) -> dict[str, str]:
    made = image(store, *layers)
    diff_ids = [diff_id for diff_id, _ in layers_of(store, made)]
    told: list[Event] = []
    found = owners(store, diff_ids, told.append)
    assert not told, told
    return {path.decode(): f"{owner.kind} {owner.label}" for path, owner in found.items()}


def test_dpkg_with_merged_usr_and_diversions(store: Layers) -> None:
    found = labels(
        store,
        {
            "bin": link("usr/bin"),
            "usr/bin/dash": "dash",
            "var/lib/dpkg/status": STATUS,
            f"{INFO}/dash.list": "/.\n/bin\n/bin/dash\n/bin/sh\n",
            f"{INFO}/tool:amd64.list": "/.\n/usr\n/usr/bin\n/usr/bin/tool\n",
            f"{INFO}/mover.list": "/.\n/bin/sh\n/usr/bin/mover\n",
            "var/lib/dpkg/diversions": "/bin/sh\n/bin/sh.distrib\nmover\n",
        },
    )
    assert found["usr/bin/dash"] == "deb dash@0.5-1"
    assert found["usr/bin/tool"] == "deb tool@2:1.0"
    assert found["usr/bin/sh"] == "deb mover@3"
    assert found["usr/bin/sh.distrib"] == "deb dash@0.5-1"
    assert "bin/dash" not in found and f"{INFO}/dash.list" not in found


def test_distroless(store: Layers) -> None:
    one = "Package: base\nVersion: 1\nArchitecture: amd64\n"
    files = {
        "var/lib/dpkg/status.d/base": one,
        "var/lib/dpkg/status.d/base.md5sums": "d41d8cd98f00b204e9800998ecf8427e  usr/a b\nd41d  etc/x\n",
    }
    assert labels(store, files) == {"usr/a b": "deb base@1", "etc/x": "deb base@1"}


def test_apk(store: Layers) -> None:
    database = "P:musl\nV:1.2\nF:lib\nR:libc.so\nF:usr/bin\nR:ldd\n\nP:none\nV:1\n\nP:top\nV:2\nF:\nR:x\n\n"
    found = labels(store, {"lib": link("usr/lib"), "usr/lib/apk/db/installed": database})
    assert found == {"usr/lib/libc.so": "apk musl@1.2", "usr/bin/ldd": "apk musl@1.2", "x": "apk top@2"}


def test_python_and_node(store: Layers) -> None:
    site = "usr/lib/python3.11/site-packages"
    found = labels(
        store,
        {
            f"{site}/x-1.dist-info/METADATA": "Name: x\nVersion: 1\n",
            f"{site}/x-1.dist-info/RECORD": "x/a.py,,\n../../../bin/x,,\n",
            "app/node_modules/a/package.json": json.dumps({"name": "a", "version": "2"}),
            "app/node_modules/a/lib/in.js": "",
            "app/node_modules/a/node_modules/b/package.json": json.dumps({"name": "b", "version": "3"}),
        },
        {f"{site}/x/a.py": "later"},
    )
    assert found == {
        f"{site}/x/a.py": "pypi x@1",
        "usr/bin/x": "pypi x@1",
        "app/node_modules/a/package.json": "npm a@2",
        "app/node_modules/a/lib/in.js": "npm a@2",
        "app/node_modules/a/node_modules/b/package.json": "npm b@3",
    }


def test_what_the_distribution_brings_is_its_own(store: Layers) -> None:
    site = "usr/lib/python3/dist-packages"
    files = {
        "var/lib/dpkg/status": STATUS,
        f"{INFO}/tool.list": f"/.\n/{site}/x/a.py\n",
        f"{site}/x-1.dist-info/METADATA": "Name: x\nVersion: 1\n",
        f"{site}/x-1.dist-info/RECORD": "x/a.py,,\nx/b.py,,\n",
    }
    assert labels(store, files) == {f"{site}/x/a.py": "deb tool@2:1.0", f"{site}/x/b.py": "pypi x@1"}


def test_databases_that_cannot_be_read_are_told(store: Layers) -> None:
    made = image(
        store, {"var/lib/dpkg/status": "Nonsense: 1\n", "lib/apk/db/installed": "P:a\nV:1\nF:b\nR:c\n"}
    )
    told: list[Event] = []
    diff_ids = [diff_id for diff_id, _ in layers_of(store, made)]
    assert set(owners(store, diff_ids, told.append)) == {b"b/c"}
    assert "what dpkg says of packages cannot be read" in str(told)
