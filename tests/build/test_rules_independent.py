"""The rule `independent`: COPY, ADD and WORKDIR do not depend on what they do not look at below."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from lamina.db import cachedb
from lamina.events import StepCached
from lamina.mount import userns
from lamina.oci.config import ContainerConfig
from tests.build.ruled import check_sound, how, outline, row, rules

if TYPE_CHECKING:
    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)

FILES = {"a": "1", "b": "2", "d/x": "3", "d/sub/y": "4", "run.sh": "#!/bin/sh\n"}


@pytest.fixture
def shop(kitchen: Kitchen) -> Kitchen:
    kitchen.write(FILES)
    for path in ("a", "b", "run.sh", "d/x", "d/sub/y"):
        (kitchen.context / path).chmod(0o644)
    return kitchen


# A step, what lies below it first, what lies below it then, and whether it can be reused.
TABLE = {
    "nothing that it looks at": ("COPY a /app/a", "RUN echo 1 > /x", "RUN echo 2 > /x", True),
    "another file in the folder it goes to": (
        "COPY a /app/a", "RUN mkdir /app && echo > /app/1", "RUN mkdir /app && echo > /app/2", True,
    ),
    "another file beside the files of a folder": (
        "COPY d /app", "RUN mkdir /app && echo > /app/1", "RUN mkdir /app && echo > /app/2", True,
    ),
    "the folder is there now": ("COPY a /app/a", "RUN echo > /x", "RUN mkdir /app", False),
    "the folder is gone": ("COPY a /app/a", "RUN mkdir /app", "RUN echo > /x", False),
    "the folder has another mode": ("COPY a /app/a", "RUN mkdir /app", "RUN mkdir -m 700 /app", False),
    "the folder is another's": ("COPY a /app/a", "RUN mkdir /app", "RUN mkdir /app && chown 5:6 /app", False),
    "the folder is setgid now": (
        "COPY a /app/n/a", "RUN mkdir /app", "RUN mkdir /app && chmod 2755 /app", False,
    ),
    "a link leads to another folder": (
        "COPY a /app/a", "RUN mkdir /1 /2 && ln -s 1 /app", "RUN mkdir /1 /2 && ln -s 2 /app", False,
    ),
    "a link on the way": ("COPY a /v/app/a", "RUN mkdir /v", "RUN mkdir /w && ln -s w /v", False),
    "the target of the link is there now": (
        "COPY a /app/a", "RUN ln -s n /app", "RUN mkdir /n && ln -s n /app", False,
    ),
    "the name is a folder now": ("COPY a /app", "RUN echo > /x", "RUN mkdir /app", False),
    "a folder of the source is there already": (
        "COPY d /app", "RUN mkdir /app", "RUN mkdir -p /app/sub", False,
    ),
    "a file of the source is there already": (
        "COPY d /app", "RUN mkdir /app", "RUN mkdir /app && echo > /app/x", False,
    ),
    "several files need a folder": ("COPY a b /app/", "RUN echo 1 > /x", "RUN echo 2 > /x", True),
    "a wildcard": ("COPY ? /app/", "RUN echo 1 > /x", "RUN echo 2 > /x", True),
    "ADD": ("ADD a /app/a", "RUN echo 1 > /x", "RUN echo 2 > /x", True),
    "with --chmod": ("COPY --chmod=755 a /app/a", "RUN echo 1 > /x", "RUN echo 2 > /x", True),
    "with --chown by number": ("COPY --chown=7:8 a /app/a", "RUN echo 1 > /x", "RUN echo 2 > /x", True),
    "with --chown by name": ("COPY --chown=worker a /app/a", "RUN echo 1 > /x", "RUN echo 2 > /x", True),
    "with --chown by a name that is another now": (
        "COPY --chown=worker a /app/a",
        "RUN echo > /x", "RUN echo worker:x:77:78:w:/:/bin/sh > /etc/passwd", False,
    ),
    "with --chown by a name among others": (
        "COPY --chown=worker a /app/a",
        "RUN echo > /x", "RUN echo other:x:77:78:w:/:/bin/sh >> /etc/passwd", True,
    ),
    "with --parents": ("COPY --parents d/sub/y /app/", "RUN echo 1 > /x", "RUN echo 2 > /x", True),
    "with --parents, whose folder is there now": (
        "COPY --parents d/sub/y /app/", "RUN mkdir /app", "RUN mkdir -p -m 700 /app/d/sub", False,
    ),
    "a here-document": ("COPY <<EOF /app/e\nhello\nEOF", "RUN echo 1 > /x", "RUN echo 2 > /x", True),
    "a here-document where a folder is now": (
        "COPY <<EOF /app/e\nhello\nEOF", "RUN echo > /x", "RUN mkdir -p /app/e", False,
    ),
    "a working directory": ("WORKDIR /app/w", "RUN echo 1 > /x", "RUN echo 2 > /x", True),
    "a working directory that is there now": (
        "WORKDIR /app/w", "RUN echo 1 > /x", "RUN mkdir -p /app/w", False,
    ),
    "a working directory behind a link": (
        "WORKDIR /app/w", "RUN mkdir /app", "RUN mkdir /v && ln -s v /app", False,
    ),
    "a working directory for a user": (
        "USER worker\nWORKDIR /app/w\nUSER root", "RUN echo 1 > /x", "RUN echo 2 > /x", True,
    ),
    "a working directory for a user who is another now": (
        "USER worker\nWORKDIR /app/w\nUSER root",
        "RUN echo > /x", "RUN echo worker:x:77:78:w:/:/bin/sh > /etc/passwd", False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_what_lies_below(shop: Kitchen, name: str) -> None:
    if name == "the folder is another's" and userns.current_ids().single:
        pytest.skip("there is one user ID here")
    step, before, after, reusable = TABLE[name]
    text = "FROM busybox\n{}\n" + step + "\n"
    first = shop.build(text.format(before))
    assert rules(first) == ["ran", "ran"]
    second = shop.build(text.format(after))
    assert rules(second) == ["ran", "independent" if reusable else "ran"]
    honest = shop.build(text.format(after), no_cache=True)
    assert rules(honest) == ["ran", "ran"]
    assert outline(shop, second.image_id) == outline(shop, honest.image_id)
    if reusable:
        assert second.steps[1].diff_id == first.steps[1].diff_id, "the very same layer"
    else:
        assert shop.build(text.format(after)).cached


def test_what_is_recorded_stays_true(shop: Kitchen) -> None:
    """Everything is a step of its own here, and a step that was reused is found exactly from then on."""
    before = "FROM busybox\nCOPY a /p/a\nCOPY b /p/b\nWORKDIR /w\nCOPY d ./d\n"
    after = "FROM busybox\nWORKDIR /w\nCOPY d ./d\nCOPY b /q/b\nCOPY a /p/a\n"
    shop.build(before)
    result = shop.build(after)
    assert how(result) == ["WORKDIR independent", "COPY independent", "COPY ran", "COPY independent"]
    changes = shop.db.read().total_changes
    again = shop.build(after)
    assert rules(again) == ["exact"] * 4
    assert again.image_id == result.image_id
    assert shop.db.read().total_changes - changes == 1 + len(shop.started), "its record only"
    assert rules(shop.build(before)) == ["exact"] * 4
    honest = shop.build(after, no_cache=True)
    assert outline(shop, honest.image_id) == outline(shop, result.image_id)


def test_another_base(shop: Kitchen) -> None:
    shop.add_image("plain", ContainerConfig(), {"etc/passwd": b"root:x:0:0::/:/bin/sh\n"})
    text = "FROM {}\nCOPY a /app/a\nWORKDIR /app/w\nADD d d\n"
    first = shop.build(text.format("busybox"))
    second = shop.build(text.format("plain"))
    assert rules(second) == ["independent"] * 3
    assert shop.config(second.image_id).diff_ids[1:] == shop.config(first.image_id).diff_ids[1:]
    assert rules(shop.build("FROM scratch\nCOPY a /app/a\nWORKDIR /app/w\nADD d d\n")) == ["independent"] * 3


def test_the_row_says_how_it_came_about(shop: Kitchen) -> None:
    shop.build("FROM busybox\nCOPY a /app/a\n")
    done = row(shop, "COPY a /app/a")
    assert (done.rule, done.ran > 0, bool(done.recipe)) == ("", True, True)
    shop.build("FROM busybox\nRUN true\nRUN echo > /x\nCOPY a /app/a\n")
    rows = [step for step in cachedb.steps(shop.db.read()) if step.created_by == done.created_by]
    (taken,) = [step for step in rows if step.key != done.key]
    assert taken.rule == "independent"
    assert taken._replace(key="", parent="", rule="", ingredients=()) == done._replace(
        key="", parent="", ingredients=()
    )
    assert taken.parent not in (done.parent, None, "")
    events = [event.rule for event in shop.events if isinstance(event, StepCached)]
    assert events == ["", "independent"]


def test_another_time_of_a_source_does_not_count(shop: Kitchen) -> None:
    shop.build("FROM busybox\nCOPY d /app\n")
    for path in shop.context.rglob("*"):
        os.utime(path, (5, 5))
    assert rules(shop.build("FROM busybox\nRUN echo > /x\nCOPY d /app\n")) == ["ran", "independent"]


def test_from_a_stage_whose_files_are_equal(shop: Kitchen) -> None:
    text = "FROM busybox AS make\nRUN mkdir /out && echo 1 > /out/f{0}\nFROM busybox\nRUN echo {1} > /x\n"
    text += "COPY --from=make /out /app\n"
    shop.build(text.format("", 1))
    assert rules(shop.build(text.format("", 2))) == ["exact", "ran", "independent"]
    assert rules(shop.build(text.format("; echo > /other", 1))) == ["ran", "exact", "exact"]
    assert rules(shop.build(text.format("; echo > /another", 3))) == ["ran", "ran", "independent"]
    assert shop.build(text.format("; echo > /another", 3)).cached
    assert rules(shop.build("FROM busybox\nCOPY --from=busybox /etc/group /app/g\n")) == ["ran"]
    assert (
        rules(shop.build("FROM busybox\nRUN echo > /y\nCOPY --from=busybox /etc/group /app/g\n"))[-1]
        == "independent"
    )


def test_link_stands_on_nothing(shop: Kitchen) -> None:
    shop.build("FROM busybox\nCOPY --link a /app/a\n")
    assert rules(shop.build("FROM busybox\nRUN mkdir /app\nCOPY --link a /app/a\n")) == ["ran", "exact"]
    again = shop.build(
        "FROM busybox\nRUN mkdir /app\nCOPY --link a /app/a\n",
        rules_off=frozenset(["independent", "same-content"]),
    )
    assert rules(again) == ["exact", "exact"]


def test_an_archive_over_other_files(shop: Kitchen) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in ("data", "data/f"):
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if name == "data" else tarfile.REGTYPE
            member.mode = 0o755
            archive.addfile(member)
        link = tarfile.TarInfo("etc")
        link.type, link.linkname = tarfile.SYMTYPE, "data"
        archive.addfile(link)
    shop.write({"t.tar": out.getvalue()})
    text = "FROM busybox\nRUN {}\nADD t.tar /app/\n"
    shop.build(text.format("mkdir -p /app/etc && echo > /app/etc/1"))
    same = shop.build(text.format("mkdir -p /app/etc && echo > /app/etc/1 && echo > /x"))
    assert rules(same) == ["ran", "independent"]
    assert rules(shop.build(text.format("mkdir -p /app/etc && echo > /app/x"))) == ["ran", "independent"]
    assert rules(shop.build(text.format("mkdir -p /app && echo > /app/etc"))) == ["ran", "ran"]
    assert rules(shop.build(text.format("mkdir -p /app/data && echo > /app/data/g"))) == ["ran", "ran"]


def test_a_folder_that_gives_way_is_listed(shop: Kitchen) -> None:
    """Where an archive's link takes the place of a folder, all that was in it is hidden by name."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind in (("old", tarfile.SYMTYPE), ("old", tarfile.DIRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = (
                kind,
                "nowhere" if kind == tarfile.SYMTYPE else "",
                0o755,
            )
            archive.addfile(member)
    shop.write({"t.tar": out.getvalue()})
    text = "FROM busybox\nRUN mkdir -p /app/old && echo > /app/old/{}\nADD t.tar /app/\n"
    shop.build(text.format("1"))
    second = shop.build(text.format("2"))
    assert rules(second) == ["ran", "ran"]
    assert "app/old/2" not in shop.listing(second.image_id)
    text = text.replace("{}\n", "1 && echo > /{}\n")
    assert rules(shop.build(text.format("x"))) == ["ran", "independent"]


def test_triggers_of_a_base(shop: Kitchen) -> None:
    shop.add_image("one", ContainerConfig(on_build=("COPY a /app/a",)), {"x": b"1"})
    shop.add_image("two", ContainerConfig(on_build=("COPY a /app/a",)), {"x": b"2"})
    shop.build("FROM one\n")
    assert rules(shop.build("FROM two\n")) == ["independent"]


def test_another_platform(shop: Kitchen) -> None:
    """What is copied is the same for whatever machine."""
    text = "FROM scratch\nCOPY a /app/a\nWORKDIR /app/w\n"
    result = shop.build(text, platforms=("linux/amd64", "linux/arm64"))
    assert rules(result) == ["ran", "ran", "exact", "exact"]


def test_the_image_is_sound(shop: Kitchen) -> None:
    shop.build("FROM busybox\nCOPY a /app/a\nWORKDIR /w\n")
    result = shop.build("FROM busybox\nWORKDIR /w\nLABEL a=b\nCOPY a /app/a\n")
    assert rules(result) == ["independent", "independent"]
    check_sound(shop, result.image_id)
