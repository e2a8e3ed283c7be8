"""who: where files and packages are, over all images of a store, checked against the oracle's walk."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from lamina import BuildRequest, Engine
from lamina.db import cachedb, imagedb, layerdb, sieves
from lamina.errors import InvalidInput
from lamina.insight.rows import Rows
from lamina.insight.who.query import Query, parse, spellings
from lamina.insight.who.who import who
from lamina.oci import config as configs
from lamina.oci.digest import ChainID, Digest, sha256
from tests.insight.archiving import TRICKY, asked, file, folder, gone, opaque, random_layers
from tests.insight.imaging import GONE, image
from tests.insight.test_packages_dpkg import STATUS, paragraph

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.insight.who.answer import Who
    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID
    from tests.insight.archiving import Asked

Found = set[tuple[str, int, str, str, int]]  # image ID, layer, path, state, by which layer


@pytest.fixture
def engine(store: Layers) -> Engine:
    return Engine.open(store.layout.root)


def rows_of(store: Layers) -> Rows:
    return Rows(store.db.read(), store.blobs, store.layout)


def found_in(answer: Who) -> Found:
    return {
        (image.image_id, each.number, each.path, each.state, each.by)
        for image in answer.images
        for each in image.seen
    }


def expected(images: list[Asked], fits: object) -> Found:
    """By the oracle: each layer that has a fitting entry, and what the next event on its path was."""
    found: Found = set()
    for each in images:
        for number, layer in enumerate(each.image.layers):
            for path, entry in layer.entries.items():
                if path and fits(entry):  # type: ignore[operator]
                    later = [event for event in each.image.events(path) if event[0] > number]
                    state = ("visible", 0)
                    if later:
                        state = ("deleted" if later[0][1] == "deleted" else "replaced", later[0][0] + 1)
                    found.add((each.image_id, number + 1, "/" + os.fsdecode(path), *state))
    return found


def test_every_path_name_and_digest_as_the_oracle_has_it(store: Layers, tmp_path: Path) -> None:
    stacks = [TRICKY, TRICKY[:3], *(random_layers(seed, 5) for seed in range(8))]
    images = [
        asked(store, tmp_path / f"{number}.tar", stack, name=f"docker.io/library/i{number}:latest")
        for number, stack in enumerate(stacks)
    ]
    rows = rows_of(store)
    entries = [entry for each in images for layer in each.image.layers for entry in layer.entries.values()]
    for digest in {entry.sha256 for entry in entries} - {""}:
        want = expected(images, lambda entry: entry.sha256 == digest)  # noqa: B023 - used at once
        assert found_in(who(rows, parse("sha256:" + digest))) == want
        assert found_in(who(rows, Query(digest, "hash", digest[:13]))) == want
    for path in sorted({entry.path for entry in entries if entry.path}):
        want = expected(images, lambda entry: entry.path == path)  # noqa: B023 - used at once
        assert found_in(who(rows, parse("/" + os.fsdecode(path)))) == want, path
    for name in {entry.path.rpartition(b"/")[2] for entry in entries} - {b""}:
        want = expected(images, lambda entry: entry.path.rpartition(b"/")[2] == name)  # noqa: B023
        assert found_in(who(rows, Query("", "name", path=name))) == want, name


def test_layers_that_images_share_are_told_of_in_each(store: Layers) -> None:
    base = {"opt/tool": "bad", "opt/other": "good"}
    image(store, base, tag="base")
    image(store, base, {"opt/tool": GONE}, tag="without")
    image(store, base, {"opt/tool": "newer"}, tag="with-another")
    image(store, base, {"srv/copy": "bad"}, tag="twice")
    image(store, {"opt/other": "good"}, tag="clean")
    answer = who(rows_of(store), parse(sha256(b"bad")))
    seen = {
        each.names: [(one.number, one.path, one.state, one.by) for one in each.seen] for each in answer.images
    }
    assert seen == {
        ("base:latest",): [(1, "/opt/tool", "visible", 0)],
        ("twice:latest",): [(1, "/opt/tool", "visible", 0), (2, "/srv/copy", "visible", 0)],
        ("with-another:latest",): [(1, "/opt/tool", "replaced", 2)],
        ("without:latest",): [(1, "/opt/tool", "deleted", 2)],
    }
    assert [(image.names[0], image.visible) for image in answer.images] == [
        ("base:latest", True),
        ("twice:latest", True),
        ("with-another:latest", False),
        ("without:latest", False),
    ]
    places = [(place.path, place.what, place.size, place.images, place.created_by) for place in answer.places]
    assert places == [("/opt/tool", "file", 3, 4, "step 1"), ("/srv/copy", "file", 3, 1, "step 2")]


def test_parts_of_an_index_have_its_name(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("multi")
    platforms = ("linux/amd64", "linux/arm64")
    dockerfile = b"FROM scratch\nCOPY a /a\n"
    engine.build(BuildRequest(str(tmp_path), dockerfile, tags=("multi",), platforms=platforms))
    answer = engine.who(sha256(b"multi"))
    assert [(held.names, held.platform) for held in answer.images] == [
        (("multi:latest",), "linux/amd64"),
        (("multi:latest",), "linux/arm64"),
    ]


def test_a_folder_that_hides_all_below_it(store: Layers, tmp_path: Path) -> None:
    deep = [folder("a"), folder("a/b"), file("a/b/c", "x")]
    for number, hiding in enumerate(
        ([gone("a")], [folder("a"), opaque("a")], [file("a", "")], [opaque(".")])
    ):
        asked(store, tmp_path / f"{number}.tar", [deep, [file("z", str(number))], hiding], name=f"i{number}")
    answer = who(rows_of(store), parse("/a/b/c"))
    assert [[(each.state, each.by) for each in held.seen] for held in answer.images] == [[("deleted", 3)]] * 4


def test_layers_without_sieves_are_looked_through(store: Layers) -> None:
    image(store, {"opt/tool": "bad"})
    wanted = found_in(who(rows_of(store), parse(sha256(b"bad"))))
    assert wanted
    with store.db.write() as tx:
        tx.execute("DELETE FROM digest_sieves")
        tx.execute("DELETE FROM name_sieves")
    assert found_in(who(rows_of(store), parse(sha256(b"bad")))) == wanted
    assert found_in(who(rows_of(store), parse("tool", "name"))) == wanted


def test_layers_without_sieves_get_them(store: Layers, engine: Engine) -> None:
    image(store, {"opt/tool": "bad"})
    with store.db.write() as tx:
        tx.execute("DELETE FROM digest_sieves")
    assert engine.who(sha256(b"bad")).images
    assert not sieves.lacking(store.db.read())


def test_patterns(store: Layers) -> None:
    made = image(
        store, {"srv/log4j-core-2.14.1.jar": "x", "srv/log4j.txt": "", "opt/log4j-core-2.17.jar": "y"}
    )
    answer = who(rows_of(store), parse("log4j-core-2.1[0-6]*.jar"))
    assert (answer.kind, found_in(answer)) == (
        "name",
        {(made, 1, "/srv/log4j-core-2.14.1.jar", "visible", 0)},
    )
    answer = who(rows_of(store), parse("/srv/*.txt"))
    assert found_in(answer) == {(made, 1, "/srv/log4j.txt", "visible", 0)}


def test_merged_systems_have_it_in_usr(store: Layers) -> None:
    image(store, {"usr/bin/sh": "x"}, tag="merged")
    image(store, {"bin/sh": "y"}, tag="split")
    answer = who(rows_of(store), parse("/bin/sh"))
    assert [image.seen[0].path for image in answer.images] == ["/usr/bin/sh", "/bin/sh"]
    assert spellings(b"usr/lib64/x") == [b"usr/lib64/x", b"lib64/x"]
    assert spellings(b"usr/libexec/x") == [b"usr/libexec/x"]


# --- packages ----------------------------------------------------------------------------------


def listed(answer: Who) -> dict[str, list[tuple[int, str, str, str, int]]]:
    return {
        image.names[0].partition(":")[0]: [
            (each.number, each.package, each.version, each.state, each.by) for each in image.seen
        ]
        for image in answer.images
    }


def test_a_package_is_of_the_layer_that_brought_it(store: Layers, engine: Engine) -> None:
    old, new, other = paragraph("curl", "7.88-1"), paragraph("curl", "7.88-2"), paragraph("sed", "4.9")
    base = {STATUS: old}
    image(store, base, {STATUS: old + other}, {"etc/motd": "hi"}, tag="kept")
    image(store, base, {STATUS: new + other}, tag="upgraded")
    image(store, base, {STATUS: other}, tag="removed")
    image(store, base, {"var/lib": GONE}, tag="wiped")
    image(store, {STATUS: other}, tag="never")
    assert listed(engine.who("curl")) == {
        "kept": [(1, "curl", "7.88-1", "visible", 0)],
        "removed": [(1, "curl", "7.88-1", "replaced", 2)],
        "upgraded": [(1, "curl", "7.88-1", "replaced", 2), (2, "curl", "7.88-2", "visible", 0)],
        "wiped": [(1, "curl", "7.88-1", "deleted", 2)],
    }
    assert listed(engine.who("curl@7.88-2")) == {"upgraded": [(2, "curl", "7.88-2", "visible", 0)]}
    assert set(listed(engine.who("curl@7.88-*"))) == {"kept", "removed", "upgraded", "wiped"}
    assert not engine.who("curl@7.88").found
    assert not engine.who("pkg:apk/curl").found
    assert listed(engine.who("pkg:deb/debian/curl@7.88-2?arch=amd64")) == listed(engine.who("curl@7.88-2"))
    place = engine.who("curl@7.88-2").places[0]
    assert (place.what, place.path, place.manager) == ("package", "/" + STATUS, "deb")


def test_packages_of_each_manager_and_their_sources(store: Layers, engine: Engine) -> None:
    node = '{"name": "@types/node", "version": "20.1.0"}'
    image(
        store,
        {
            STATUS: paragraph("libssl3", "3.0.11-1", Source="openssl"),
            "lib/apk/db/installed": "P:libcrypto3\nV:3.1.4-r0\nA:x86_64\no:openssl\n\n",
            "srv/typing_extensions-4.8.0.dist-info/METADATA": "Name: typing_extensions\nVersion: 4.8.0\n",
            "srv/old.egg-info": "Name: Zope.Interface\nVersion: 6\n",
            "app/node_modules/@types/node/package.json": node,
            "app/package.json": '{"name": "app", "version": "1"}',  # no installed package
            "var/lib/dpkg/status.d/base": paragraph("base-files", "12"),
            "var/lib/dpkg/status.d/base.md5sums": "x",
        },
    )
    found = {
        text: [
            (place.manager, place.package, place.version, place.source) for place in engine.who(text).places
        ]
        for text in (
            "openssl",
            "Typing.Extensions",
            "zope-interface",
            "@types/node@20.1.0",
            "base-files",
            "app",
        )
    }
    assert found == {
        "openssl": [("apk", "libcrypto3", "3.1.4-r0", "openssl"), ("deb", "libssl3", "3.0.11-1", "openssl")],
        "Typing.Extensions": [("pypi", "typing_extensions", "4.8.0", "")],
        "zope-interface": [("pypi", "Zope.Interface", "6", "")],
        "@types/node@20.1.0": [("npm", "@types/node", "20.1.0", "")],
        "base-files": [("deb", "base-files", "12", "")],
        "app": [("", "", "", "")],  # the folder of that name
    }


def test_what_was_read_once_is_not_read_again(store: Layers, engine: Engine) -> None:
    first = image(store, {STATUS: paragraph("curl", "7")}, tag="one")
    assert engine.who("curl").images
    diff_id = configs.parse(store.blobs.read(Digest(first))).diff_ids[0]
    shutil.rmtree(store.layout.diff_dir(diff_id))
    image(store, {STATUS: paragraph("curl", "7"), "other": ""}, tag="two")
    answer = engine.who("curl")
    assert (len(answer.images), answer.unread) == (2, ())


def test_a_layer_that_is_not_here_is_told(store: Layers, engine: Engine) -> None:
    first = image(store, {STATUS: paragraph("curl", "7")}, tag="one")
    image(store, {"nothing": "of packages"}, tag="two")
    diff_id = configs.parse(store.blobs.read(Digest(first))).diff_ids[0]
    shutil.rmtree(store.layout.diff_dir(diff_id))
    answer = engine.who("curl")
    assert (answer.images, answer.unread) == ((), (diff_id,))


def test_packages_go_with_their_layers(store: Layers, engine: Engine) -> None:
    made = image(store, {STATUS: paragraph("curl", "7")}, tag="one")
    engine.who("curl")
    (diff_id,) = configs.parse(store.blobs.read(Digest(made))).diff_ids
    with store.db.write() as tx:
        imagedb.delete_image(tx, made)
        layerdb.delete_layer(tx, ChainID(diff_id))
        layerdb.delete_diff(tx, diff_id)
    assert not engine.who("curl").found
    c = store.db.read()
    assert c.execute("SELECT count(*) FROM package_places").fetchone() == (0,)
    assert c.execute("SELECT count(*) FROM digest_sieves").fetchone() == (0,)
    image(store, {STATUS: paragraph("sed", "4")})
    engine.who("sed")
    assert c.execute("SELECT name FROM packages").fetchall() == [("sed",)]


def test_a_store_that_cannot_be_written(store: Layers, engine: Engine) -> None:
    from lamina.engine.opened import Opened
    from lamina.engine.who import _reading_only

    image(store, {STATUS: paragraph("curl", "7")}, {STATUS: paragraph("curl", "8")}, tag="one")
    answer = _reading_only(Opened(store.layout.root, None), parse("curl"), print)
    assert store.db.read().execute("SELECT count(*) FROM packages").fetchone() == (0,)
    assert answer == engine.who("curl")
    assert listed(answer)["one"][-1] == (2, "curl", "8", "visible", 0)


def test_rows_that_are_replaced_are_read_anew(store: Layers, engine: Engine) -> None:
    made = image(store, {STATUS: paragraph("curl", "7")}, tag="one")
    engine.who("curl")
    diff_id = configs.parse(store.blobs.read(Digest(made))).diff_ids[0]
    with store.db.write() as tx:
        entries = [entry for entry in cachedb.files(tx, diff_id) if not entry.path.endswith(b"status")]
        cachedb.replace_files(tx, diff_id, entries)
    assert not engine.who("curl").found
    assert not engine.who("/" + STATUS).found


# --- what is asked -----------------------------------------------------------------------------


def test_digests_of_layers_and_images(store: Layers) -> None:
    made: ImageID = image(store, {"a": "a"}, {"b": "b"}, tag="one")
    rows = rows_of(store)
    config = configs.parse(store.blobs.read(Digest(made)))
    answer = who(rows, parse(config.diff_ids[1][7:27], "hash"))
    assert [(place.what, place.diff_id, place.images) for place in answer.places] == [
        ("layer", config.diff_ids[1], 1)
    ]
    assert [(image.names, image.seen[0].number) for image in answer.images] == [(("one:latest",), 2)]
    answer = who(rows, parse(made))
    assert [image.names for image in answer.images] == [("one:latest",)]
    assert answer.found


@pytest.mark.parametrize(
    ("text", "kind", "rest"),
    [
        ("sha256:00ff00FF", "hash", "00ff00ff"),
        ("a" * 64, "hash", "a" * 64),
        ("/usr//bin/../bin/x/", "path", b"usr/bin/x"),
        ("etc/passwd", "path", b"etc/passwd"),
        ("libssl.so.3", "word", "libssl.so.3"),
        ("deadbeef", "word", "deadbeef"),
        ("openssl@3.0", "package", ("openssl", "3.0", "")),
        ("@angular/core", "word", "@angular/core"),
        ("@angular/core@1.2", "package", ("@angular/core", "1.2", "")),
        ("pkg:npm/%40angular/core@1.2?x=y", "package", ("@angular/core", "1.2", "npm")),
        ("pkg:deb/debian/curl", "package", ("curl", "", "deb")),
    ],
)
def test_what_a_text_means(text: str, kind: str, rest: object) -> None:
    query = parse(text)
    assert query.kind == kind
    parts = {"hash": query.digits, "path": query.path, "word": query.name}
    assert parts.get(kind, (query.name, query.version, query.manager)) == rest


@pytest.mark.parametrize(
    "text", ["", "a\0b", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "pkg:deb"]
)
def test_what_is_no_question(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse(text)
