"""What to write in the Dockerfile: by the history of images as several builders write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from lamina.insight.rows import Rows
from lamina.insight.waste import waste
from lamina.insight.wasted.caches import CACHES, Caches
from lamina.insight.wasted.changes import verb
from lamina.transfer.load import load
from tests.insight.archiving import archive, asked, file, gone, hard

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.insight.waste import Finding
    from lamina.layers.context import Layers
    from tests.insight.archiving import Member


class Case(NamedTuple):
    """Layers with their line of history, and the change for the first finding."""

    made: list[tuple[str, list[Member]]]
    layer: int
    snippet: str
    words: str


X, X_CHOWNED = file("srv/x", "1234"), file("srv/x", "1234", uid=7, gid=8)
X_EXECUTABLE, OTHER = file("srv/x", "1234", 0o755), file("srv/x", "other")
GONE = gone("srv/x")
APT = file("var/lib/apt/lists/x", "1234")
RUN, RUN_2, COPY, COPY_2 = "RUN a # buildkit", "RUN b # buildkit", "COPY x /srv/x", "COPY y /srv/"

CASES = {
    "RUN, RUN rm": Case(
        [(RUN, [X]), (RUN_2, [GONE])],
        1,
        "&& rm -rf /srv/x",
        "end the RUN of layer 1 with `&& rm -rf /srv/x`: the RUN of layer 2 only hides them",
    ),
    "RUN, RUN, RUN rm": Case(
        [(RUN, [X]), (RUN, []), (RUN_2, [GONE])],
        1,
        "&& rm -rf /srv/x",
        "end the RUN of layer 1 with `&& rm -rf /srv/x`, after joining to it what needs them in between",
    ),
    "a folder is deleted as one": Case(
        [("/bin/sh -c a", [X, file("srv/y/z", "1")]), ("/bin/sh -c b", [gone("srv")])],
        1,
        "&& rm -rf /srv",
        "end the RUN of layer 1",
    ),
    "names that a shell reads": Case(
        [(RUN, [file("srv/a b;c", "1")]), (RUN_2, [gone("srv/a b;c")])],
        1,
        "&& rm -rf '/srv/a b;c'",
        "",
    ),
    "too many to list": Case(
        [(RUN, [file(f"srv/{n}", f"{n}") for n in range(9)]), (RUN_2, [gone(f"srv/{n}") for n in range(9)])],
        1,
        "",
        "delete them at the end of the RUN of layer 1: the RUN of layer 2 only hides them",
    ),
    "COPY, RUN rm": Case(
        [("COPY a/x /srv/x # buildkit", [X]), (RUN, [GONE])],
        2,
        "--mount=type=bind,source=a/x,target=/srv/x",
        "in place of the COPY of layer 1",
    ),
    "COPY --from, RUN rm": Case(
        [("COPY --from=make /out/x /srv/", [X]), (RUN, [GONE])],
        2,
        "--mount=type=bind,from=make,source=/out/x,target=/srv/x",
        "",
    ),
    "COPY of somebody, RUN rm": Case(
        [("/bin/sh -c #(nop) COPY file:1234 in /srv/x", [X]), (RUN, [GONE])],
        2,
        "--mount=type=bind,source=SOURCE,target=/srv/x",
        "",
    ),
    "ADD of a URL, RUN rm": Case(
        [("ADD https://example.org/x /srv/x", [X]), (RUN, [GONE])], 2, "", "download it in the RUN of layer 2"
    ),
    "COPY, nobody deletes": Case(
        [(COPY, [X]), ("", [GONE])], 1, "", "do not copy them in the COPY of layer 1"
    ),
    "nothing is known": Case([("", [X]), ("", [GONE])], 1, "", "delete them where they are made: layer 2"),
    "RUN mv": Case(
        [(RUN, [X]), (RUN_2, [GONE, file("opt/x", "1234")])],
        1,
        "",
        "make them where the RUN of layer 2 moves them: /opt/x in place of /srv/x",
    ),
    "COPY, RUN mv": Case(
        [(COPY, [X]), (RUN_2, [GONE, file("opt/x", "1234")])],
        1,
        "",
        "copy them to where the RUN of layer 2 moves them: /opt/x in place of /srv/x",
    ),
    "RUN, RUN over it": Case(
        [(RUN, [X]), (RUN_2, [OTHER])], 2, "&&", "join the RUN of layer 2 to the RUN of"
    ),
    "COPY, COPY over it": Case(
        [(COPY, [X]), (COPY_2, [OTHER])], 1, "", "leave them out of the COPY of layer 1"
    ),
    "COPY, RUN over it": Case([(COPY, [X]), (RUN, [OTHER])], 1, "", "change them before they are copied"),
    "RUN, COPY over it": Case([(RUN, [X]), (COPY, [OTHER])], 1, "", "do not make them in the RUN of layer 1"),
    "nothing known, over it": Case([("", [X]), ("", [OTHER])], 1, "", "write them once: layer 2 overwrites"),
    "COPY, RUN chown": Case(
        [(COPY, [X]), (RUN, [X_CHOWNED])],
        1,
        "--chown=7:8",
        "write `COPY --chown=7:8` in the COPY of layer 1, not in the RUN of layer 2",
    ),
    "ADD, RUN chmod": Case(
        [("ADD x /srv/x", [X]), (RUN, [X_EXECUTABLE])], 1, "--chmod=0755", "`ADD --chmod=0755`"
    ),
    "COPY, RUN chown and chmod": Case(
        [(COPY, [X]), (RUN, [file("srv/x", "1234", 0o700, uid=7, gid=8)])], 1, "--chown=7:8 --chmod=0700", ""
    ),
    "COPY, RUN chown to several": Case(
        [(COPY, [X, file("srv/y", "2")]), (RUN, [X_CHOWNED, file("srv/y", "2", uid=9)])],
        1,
        "--chown=USER:GROUP",
        "",
    ),
    "RUN, RUN chown": Case(
        [(RUN, [X]), (RUN_2, [X_CHOWNED])], 1, "&& chown -R 7:8 /srv/x", "end the RUN of layer 1"
    ),
    "RUN, RUN chmod": Case(
        [(RUN, [X]), (RUN_2, [X_EXECUTABLE])], 1, "&& chmod 0755 /srv/x", "end the RUN of layer 1"
    ),
    "RUN, RUN touch": Case(
        [(RUN, [X]), (RUN_2, [file("srv/x", "1234", mtime=9)])], 2, "", "gives them a new time"
    ),
    "RUN, RUN again": Case([(RUN, [X]), (RUN_2, [X])], 2, "", "writes them again as they were"),
    "COPY, COPY again": Case([(COPY, [X]), (COPY_2, [X])], 2, "--exclude=x", "has copied the same before"),
    "RUN mv of a folder": Case(
        [
            (RUN, [file("a/b/x", "12"), file("a/b/y", "1")]),
            (RUN_2, [gone("a"), file("c/b/x", "12"), file("c/b/y", "1")]),
        ],
        1,
        "",
        "/c in place of /a",
    ),
    "RUN, COPY again": Case([(RUN, [X]), (COPY, [X])], 2, "", "leave them out of the COPY of layer 2"),
    "nothing known, chown": Case([("", [X]), ("", [X_CHOWNED])], 1, "", "give them their owner in layer 1"),
    "RUN cp": Case(
        [(RUN, [file("a", "1234"), file("b", "1234")])],
        1,
        "&& ln -f /a /b",
        "make a link in the RUN of layer 1",
    ),
    "RUN cp of a lower layer": Case(
        [(RUN, [file("a", "1234")]), (RUN, [file("b", "1234")])], 2, "&& ln -sf /a /b", ""
    ),
    "COPY twice": Case(
        [(COPY, [file("a", "1234")]), (COPY, [file("b", "1234")])],
        2,
        "",
        "leave it out and `RUN ln -sf /a /b`",
    ),
    "apt-get update alone": Case(
        [("RUN /bin/sh -c apt-get -q update # buildkit", [APT])],
        1,
        "&& rm -rf /var/lib/apt/lists/*",
        "join the RUN that installs to it, and end the RUN of layer 1 with",
    ),
    "apt-get update and install": Case(
        [("|1 A=b /bin/sh -c apt-get update && apt-get install -y x", [APT])],
        1,
        "&& rm -rf /var/lib/apt/lists/*",
        "end the RUN of layer 1 with",
    ),
    "caches of somebody": Case(
        [("", [APT])],
        1,
        "&& rm -rf /var/lib/apt/lists/*",
        "run `rm -rf /var/lib/apt/lists/*` where layer 1 is made",
    ),
    "a cache that is copied": Case(
        [("COPY --from=0 / /", [APT])],
        1,
        "",
        "leave /var/lib/apt/lists out of what the COPY of layer 1 copies",
    ),
    "a cache for a moment": Case(
        [(RUN, [APT]), (RUN_2, [gone("var/lib/apt")])],
        1,
        "&& rm -rf /var/lib/apt/lists/*",
        "end the RUN of layer 1",
    ),
}


def first(store: Layers, path: Path, made: list[tuple[str, list[Member]]]) -> Finding:
    history = [{"created_by": text} for text, _ in made]
    found = asked(store, path, [members for _, members in made], history=history)
    return waste(Rows(store.db.read(), store.blobs, store.layout), found.image_id).findings[0]


@pytest.mark.parametrize("name", CASES)
def test_changes(store: Layers, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    change = first(store, tmp_path / "image.tar", case.made).change
    assert case.words in change.text
    assert (change.layer, change.snippet) == (case.layer, case.snippet)
    assert "\n" not in change.text and len(change.text) < 300


OVER_THE_BASE = {
    "RUN rm": (("RUN b", [GONE]), "the RUN of layer 2 only hides what base:1 has"),
    "RUN over it": (("RUN b", [OTHER]), "the RUN of layer 2 writes anew what base:1 has"),
    "COPY over it": (("COPY x /srv/x", [OTHER]), "leave out what the COPY of layer 2 need not replace"),
    "RUN chown": (("RUN b", [X_CHOWNED]), "they are in base:1, and a new owner costs a second copy"),
}


@pytest.mark.parametrize("name", OVER_THE_BASE)
def test_what_a_base_image_has_stays(store: Layers, tmp_path: Path, name: str) -> None:
    (text, members), words = OVER_THE_BASE[name]
    load(store, str(archive(tmp_path / "base.tar", [[X]], name="docker.io/library/base:1")))
    found = first(store, tmp_path / "image.tar", [("", [X]), (text, members)])
    assert (found.base, found.change.layer, found.change.snippet) == ("", 0, "")
    assert words in found.change.text and "`lamina fold --base asked:latest`" in found.change.text


def test_a_base_images_own_waste(store: Layers, tmp_path: Path) -> None:
    layers = [[X, APT], [gone("srv")], [file("own", "1")]]
    load(store, str(archive(tmp_path / "base.tar", layers[:2], name="docker.io/library/base:1")))
    one = asked(store, tmp_path / "image.tar", layers)
    found = waste(Rows(store.db.read(), store.blobs, store.layout), one.image_id)
    assert [(each.kind, each.base, each.change.layer) for each in found.findings] == [
        ("deleted", "base:1", 0),
        ("cache", "base:1", 0),
    ]
    assert (found.wasted, found.own_wasted, found.hidden, found.own_hidden) == (8, 0, 4, 0)
    assert (found.size, found.own_size, found.user_wasted_percent, found.foldable) == (9, 1, 0, 0)


def test_package_databases_are_written_by_every_install(store: Layers, tmp_path: Path) -> None:
    status = "var/lib/dpkg/status"
    load(store, str(archive(tmp_path / "base.tar", [[file(status, "1")]], name="docker.io/library/base:1")))
    made = [("", [file(status, "1")]), ("RUN apt-get install x", [file(status, "12")])]
    found = first(store, tmp_path / "image.tar", made)
    assert (found.what, found.change.layer) == ("package database", 0)
    assert found.change.text.startswith("whatever installs a package writes them anew")


def test_a_file_with_names_in_a_cache_and_outside(store: Layers, tmp_path: Path) -> None:
    members = [file("root/.npm/x", "1234"), hard("root/.npm/y", "root/.npm/x")]
    assert first(store, tmp_path / "image.tar", [("RUN a", members)]).what == "npm"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN /bin/sh -c apt-get update # buildkit", "RUN"),
        ("RUN |1 A=b /bin/sh -c x # buildkit", "RUN"),
        ("|1 A=b /bin/sh -c x", "RUN"),
        ("/bin/sh -c apt-get update", "RUN"),
        ("/bin/bash -o pipefail -c x", "RUN"),
        ("/bin/sh -c #(nop) COPY file:12 in /x ", "COPY"),
        ("/bin/sh -c #(nop)  ADD file:12 in / ", "ADD"),
        ("ADD rootfs.tar.xz / # buildkit", "ADD"),
        ("copy a b", ""),
        ("run.sh", ""),
        ("/bin/sh", ""),
        ("", ""),
        ("WORKDIR /app", "WORKDIR"),
        ("lamina squash 2..4", ""),
    ],
)
def test_verbs(text: str, expected: str) -> None:
    assert verb(text) == expected


@pytest.mark.parametrize(
    ("path", "name", "folder"),
    [
        ("var/lib/apt/lists/lock", "apt lists", "/var/lib/apt/lists"),
        ("var/cache/apt/archives/x.deb", "apt archives", "/var/cache/apt"),
        ("var/cache/apk/APKINDEX.tar.gz", "apk", "/var/cache/apk"),
        ("var/cache/libdnf5/x", "dnf", "/var/cache/libdnf5"),
        ("var/cache/yum/x86_64/7/x", "yum", "/var/cache/yum"),
        ("root/.cache/pip/wheels/x", "pip", "/root/.cache/pip"),
        (".cache/pip/x", "pip", "/.cache/pip"),
        ("home/a/.cache/uv/x", "uv", "/home/a/.cache/uv"),
        ("usr/local/share/.cache/yarn/v6/x", "Yarn", "/usr/local/share/.cache/yarn"),
        ("usr/local/bundle/cache/x.gem", "RubyGems", "/usr/local/bundle/cache"),
        ("var/lib/gems/3.1.0/cache/x.gem", "RubyGems", "/var/lib/gems/3.1.0/cache"),
        ("usr/local/lib/ruby/gems/3.3.0/cache/x.gem", "RubyGems", "/usr/local/lib/ruby/gems/3.3.0/cache"),
        ("usr/local/cargo/registry/cache/x", "Cargo", "/usr/local/cargo/registry"),
        ("go/pkg/mod/cache/x", "Go modules", "/go/pkg/mod"),
        ("opt/conda/pkgs/x", "conda", "/opt/conda/pkgs"),
        ("root/miniconda3/pkgs/x", "conda", "/root/miniconda3/pkgs"),
        ("tmp/a/b", "temporary files", "/tmp"),
        ("var/log/apt/term.log", "logs of installers", "/var/log/apt"),
        ("var/log/dpkg.log", "logs of installers", "/var/log"),
        ("var/cache/debconf/templates.dat-old", "debconf and dpkg backups", "/var/cache/debconf"),
        ("var/log/mine.log", "", ""),
        ("var/log/sub/dpkg.log", "", ""),
        ("var/lib/apt/lists", "", ""),
        ("var/lib/apt/listsx/y", "", ""),
        ("srv/tmp/x", "", ""),
        ("root/x.cache/pip/y", "", ""),
        ("usr/lib/python3/__pycache__/x.pyc", "", ""),
        ("etc/passwd", "", ""),
        ("x", "", ""),
    ],
)
def test_caches(path: str, name: str, folder: str) -> None:
    found = Caches().of(path.encode())
    assert (found.cache.name, found.folder) == (name, folder) if name else found is None


def test_every_cache_says_how_to_leave_it_out() -> None:
    for cache in CACHES:
        assert cache.clean.startswith("&& ") and "{" not in cache.clean.format("/folder")
