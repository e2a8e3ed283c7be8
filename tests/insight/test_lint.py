"""What the rows of earlier builds say of a Dockerfile: bytes, seconds, and which steps ran for nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.db import cachedb, layerdb
from lamina.db.cachedb import Ingredient, Step
from lamina.dockerfile import parse
from lamina.dockerfile.lint.linter import Linter
from lamina.dockerfile.lint.options import Options
from lamina.graph import stages
from lamina.graph.lint.facts import Amount, Change
from lamina.graph.lint.scan import scan
from lamina.graph.lint.waste import check_waste
from lamina.insight.lint.facts import known
from lamina.insight.lint.walk import walk
from lamina.oci.digest import DiffID, sha256
from lamina.oci.platform import Platform
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.graph.lint.facts import Known
    from lamina.graph.stages import Plan
    from tests.insight.conftest import Shelf

HOST = Platform("linux", "amd64")
PAGE = Path(__file__).resolve().parents[2] / "docs/rules.md"
SH = "RUN /bin/sh -c "


def file(path: str, size: int, content: str = "", **more: int) -> Entry:
    """A file row; equal `content` means an equal digest."""
    return Entry(path.encode(), Kind.FILE, size=size, digest=sha256((content or path).encode())[7:], **more)


def gone(path: str) -> Entry:
    return Entry(path.encode(), Kind.WHITEOUT)


class Past:
    """Plays earlier builds into the rows of a store: each `did` is one step, later than the one before."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._count = 0

    def base(self, name: str = "base") -> str:
        """An image of one layer; its content ID."""
        self.shelf.put(["ground"], [{"created_by": "base"}], f"docker.io/library/{name}:latest")
        return "ground"

    def did(
        self,
        text: str,
        parent: str,
        entries: Sequence[Entry],
        *,
        seconds: float = 0.1,
        files: dict[str, str] | None = None,
        label: str = "parent",
    ) -> str:
        """A step on `parent`; the content ID of what came of it."""
        self._count += 1
        content = sha256(repr([entry._replace(mtime=0) for entry in entries]).encode())[7:]
        diff_id = DiffID(sha256(f"diff {content}".encode()))
        diff = layerdb.Diff(diff_id, content, sum(one.size for one in entries), 1024, len(entries), None, "")
        listed = [Ingredient(f"file {name}", value) for name, value in (files or {}).items()]
        key = sha256(f"{text} {parent} {sorted((files or {}).items())} {label}".encode())
        step = Step(
            key,
            diff_id,
            (Ingredient(label, parent), *listed),
            text,
            f"2026-11-23T07:{self._count:02}:00Z",
            seconds,
        )
        with self.shelf.db.write() as tx:
            if layerdb.put_diff(tx, diff):
                cachedb.put_files(tx, diff_id, entries)
            cachedb.put_step(tx, step)
        return layerdb.chain_content_id(parent or None, content)

    def known(self, text: str) -> Known:
        return known(self.shelf.rows, plan(text))


@pytest.fixture
def past(shelf: Shelf) -> Past:
    return Past(shelf)


def plan(text: str) -> Plan:
    return stages.plan(parse(text.encode()), {}, HOST)


def test_nothing_is_known_of_what_was_never_built(past: Past) -> None:
    assert past.known("FROM base\nRUN a\n") == ({}, {})
    past.base()
    assert past.known("FROM base\nRUN a\n") == ({}, {})
    past.did(SH + "a", "elsewhere", [file("x", 1)])
    assert past.known("FROM base\nRUN a\n") == ({}, {})


def test_bytes_that_a_chown_stores_again(past: Past) -> None:
    copied = past.did("COPY app /app", past.base(), [file("app/a", 40_000), file("app/b", 2_000)])
    rows = [file("app/a", 40_000, uid=7), file("app/b", 2_000, uid=7), file("app/new", 9)]
    past.did(SH + "chown -R 7 /app", copied, rows, seconds=2.5)
    steps = past.known("FROM base\nCOPY app /app\nRUN chown -R 7 /app\n").steps
    assert steps[0, 1].copied == Amount(42_000, "/app/a", 2)
    assert steps[0, 1].seconds == 2.5
    assert steps[0, 1].deleted == Amount()


def test_files_with_other_content_are_no_copies(past: Past) -> None:
    copied = past.did("COPY app /app", past.base(), [file("app/a", 40_000)])
    past.did(SH + "change", copied, [file("app/a", 40_000, "other")])
    assert past.known("FROM base\nCOPY app /app\nRUN change\n").steps[0, 1].copied == Amount()


def test_bytes_that_are_deleted_too_late(past: Past) -> None:
    copied = past.did(
        "COPY . /src", past.base(), [file("src/a/1", 5_000), file("src/a/2", 6_000), file("b", 1)]
    )
    past.did(SH + "rm -rf /src/a /b /etc", copied, [gone("src/a"), gone("b"), gone("etc"), file("c", 3)])
    steps = past.known("FROM base\nCOPY . /src\nRUN rm -rf /src/a /b /etc\n").steps
    assert steps[0, 1].deleted == Amount(11_001, "/src/a/2", 3)


def test_deletions_of_what_the_base_brought_are_not_ours(past: Past) -> None:
    past.did(SH + "rm /ground", past.base(), [gone("ground")])
    assert past.known("FROM base\nRUN rm /ground\n").steps[0, 0].deleted == Amount()


def test_caches_of_package_managers(past: Past) -> None:
    rows = [
        file("var/lib/apt/lists/deb", 30_000),
        file("var/lib/apt/listsish", 5),
        file("home/me/.cache/pip/x", 12_000),
        file("usr/bin/curl", 99_000),
    ]
    past.did(SH + "./install", past.base(), rows)
    left = past.known("FROM base\nRUN ./install\n").steps[0, 0].left
    assert left == {
        "apt": Amount(30_000, "/var/lib/apt/lists/deb", 1),
        "pip": Amount(12_000, "/home/me/.cache/pip/x", 1),
    }


def test_stages_are_followed_through_from(past: Past) -> None:
    text = "FROM base AS one\nCOPY a /a\n\nFROM one\nENV X=1\nRUN rm /a\n"
    copied = past.did("COPY a /a", past.base(), [file("a", 70_000)])
    past.did(SH + "rm /a", copied, [gone("a")])
    assert past.known(text).steps[1, 1].deleted == Amount(70_000, "/a", 1)


def test_a_stage_on_scratch_begins_with_nothing(past: Past) -> None:
    copied = past.did("COPY a /a", "", [file("a", 1)])
    past.did(SH + "x", copied, [file("b", 1)])
    assert set(past.known("FROM scratch\nCOPY a /a\nRUN x\n").steps) == {(0, 1)}


def test_the_newest_row_is_what_the_last_build_did(past: Past) -> None:
    base = past.base()
    old = past.did("COPY a /a", base, [file("a", 1, "old")], files={"a": "old"})
    past.did(SH + "x", old, [file("o", 1)])
    new = past.did("COPY a /a", base, [file("a", 1, "new")], files={"a": "new"})
    past.did("COPY a /a", base, [file("a", 1, "quick")], label="source layers")
    past.did(SH + "x", new, [file("n", 1)])
    (trail,) = walk(past.shelf.rows, plan("FROM base\nCOPY a /a\nRUN x\n")).values()
    assert [one.parent for one in trail.done] == [base, new]
    assert len(trail.done[0].versions) == 2
    assert trail.complete


def test_triggers_of_a_base_are_not_guessed(past: Past) -> None:
    config = {"OnBuild": ["RUN x"]}
    past.shelf.put(["ground"], [{"created_by": "base"}], "docker.io/library/base:latest", config=config)
    past.did(SH + "a", "ground", [file("x", 1)])
    assert past.known("FROM base\nRUN a\n") == ({}, {})


def changing(
    past: Past, versions: int, run: str, seconds: float, *, same: bool, name: str = "app.py"
) -> None:
    """A file that changed, and a RUN after each version of it."""
    base = past.base()
    for number in range(versions):
        entries = [file("srv/x", 10, f"v{number}")]
        files = {f".: {name}": f"v{number}", ".: other": "as ever"}
        top = past.did("COPY . /srv", base, entries, files=files)
        made = file("made", 10, "always" if same else f"made {number}")
        past.did(SH + run, top, [made], seconds=seconds)


def test_a_file_that_changes_before_a_slow_step_that_does_not_need_it(past: Past) -> None:
    changing(past, 4, "make docs", 3.0, same=True)
    changes = past.known("FROM base\nCOPY . /srv\nENV A=b\nRUN make docs\n").changes
    assert changes == {(0, 0): Change(4, ("app.py",), 2, 4, 3.0)}


@pytest.mark.parametrize(
    ("versions", "run", "seconds", "same", "name", "hit"),
    [
        (2, "make", 3.0, True, "app.py", False),  # it does not change often
        (4, "make", 0.2, True, "app.py", False),  # it costs little
        (4, "make", 3.0, False, "app.py", False),  # it needs what changed
        (4, "npm ci", 3.0, False, "app.py", True),
        (4, "npm ci", 3.0, False, "package.json", False),
        (4, "npm ci && npm run build", 3.0, False, "web/package-lock.json", False),
    ],
)
def test_when_the_order_is_right(
    past: Past, versions: int, run: str, seconds: float, same: bool, name: str, hit: bool
) -> None:
    changing(past, versions, run, seconds, same=same, name=name)
    assert bool(past.known(f"FROM base\nCOPY . /srv\nRUN {run}\n").changes) is hit


def test_the_documented_example_of_the_order(past: Past) -> None:
    section = PAGE.read_text().split("\n## ChangingFileBeforeSlowStep\n")[1].split("\n## ")[0]
    bad, good = re.findall(r"```dockerfile\n(.*?)```", section, re.DOTALL)
    past.shelf.put(["ground"], [{"created_by": "base"}], "docker.io/library/busybox:latest")
    folder = [Entry(b"app", Kind.DIR)]
    for number in range(3):
        page = [file("app/page.html", 1, f"v{number}")]
        files = {"page.html": f"v{number}"}
        top = past.did("WORKDIR /app", "ground", folder)
        copied = past.did("COPY page.html .", top, page, files=files)
        past.did(SH + "make-index", copied, [file("app/index", 1)], seconds=9.0)
        made = past.did(SH + "make-index", top, [file("app/index", 1)], seconds=9.0)
        past.did("COPY page.html .", made, page, files=files)
    assert said(past, bad) == [
        (
            "ChangingFileBeforeSlowStep",
            3,
            (
                "page.html changed 2 times, and each time line 4 ran again (9.0s) "
                "though it does not need that: copy it after that line"
            ),
        )
    ]
    assert said(past, good) == []


def said(past: Past, text: str) -> list[tuple[str, int, str]]:
    """What our rules say with what the store knows."""
    dockerfile = parse(text.encode())
    linter = Linter(dockerfile, Options())
    check_waste(linter, scan(dockerfile, {}, {}, lambda _: None), None, past.known(text))
    return [(one.rule.name, one.line, one.message) for one in linter.warnings]
