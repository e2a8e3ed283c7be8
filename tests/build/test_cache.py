"""The cache: what runs again when something changes, and what does not."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from lamina.db import cachedb
from lamina.events import StepCached
from lamina.graph.differences import changes

if TYPE_CHECKING:
    from collections.abc import Callable

    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)

APP = """\
FROM busybox
ARG VERSION=1
WORKDIR /app
COPY package.json .
RUN echo install
COPY src src
RUN echo build $VERSION
CMD ["run"]
"""


@pytest.fixture
def app(kitchen: Kitchen) -> Kitchen:
    kitchen.write({"package.json": "{}", "src/main.py": "1", "src/lib/util.py": "2"})
    kitchen.build(APP)
    return kitchen


def test_nothing_changed(app: Kitchen) -> None:
    first = app.build(APP)
    changes = app.db.read().total_changes
    again = app.build(APP)
    assert again.cached
    assert again.image_id == first.image_id
    written = app.db.read().total_changes - changes
    assert written == 1 + len(app.started), "a build from the cache writes its record, and nothing else"
    assert sum(isinstance(event, StepCached) for event in app.events) == 6


@pytest.mark.parametrize(
    ("change", "ran"),
    [
        (lambda k: k.write({"src/main.py": "changed"}), ["COPY src", "RUN echo"]),
        (lambda k: k.write({"src/new.py": ""}), ["COPY src", "RUN echo"]),
        (lambda k: k.write({"other.txt": "not copied"}), []),
        (lambda k: (k.context / "src/main.py").chmod(0o755), ["COPY src", "RUN echo"]),
        (lambda k: os.utime(k.context / "src/main.py", (1, 1)), []),
        (lambda k: (k.context / "src/main.py").unlink(), ["COPY src", "RUN echo"]),
        (lambda k: (k.context / "src").rename(k.context / "x") and os.symlink("x", k.context / "src"), []),
        (lambda k: k.write({"package.json": "{1}"}), ["COPY package.json", "RUN echo", "RUN echo"]),
        (
            lambda k: (k.context / "src/main.py").rename(k.context / "src/renamed.py"),
            ["COPY src", "RUN echo"],
        ),
        (lambda k: os.setxattr(k.context / "src/main.py", "user.x", b"1"), ["COPY src", "RUN echo"]),
    ],
)
def test_files(app: Kitchen, change: Callable[[Kitchen], object], ran: list[str]) -> None:
    try:
        change(app)
    except OSError as error:
        pytest.skip(f"not on this file system: {error}")
    result = app.build(APP)
    assert app.ran(result) == ran
    assert app.build(APP).cached


@pytest.mark.parametrize(
    ("old", "new", "ran"),
    [
        ("RUN echo build $VERSION", "RUN echo build it", ["RUN echo"]),
        ("RUN echo install", "RUN echo other", ["RUN echo"]),  # early cut-off: the same empty layer as before
        ('CMD ["run"]', 'CMD ["other"]', []),
        ("WORKDIR /app", "LABEL a=b\nWORKDIR /app", []),
        ("ARG VERSION=1", "ARG VERSION=2", ["RUN echo", "RUN echo"]),
        ("WORKDIR /app", "ENV A=1\nWORKDIR /app", ["RUN echo", "RUN echo"]),
        ("WORKDIR /app\n", "WORKDIR /app\n# a comment\n", []),
        ("COPY src src", "COPY src ./src/", []),
        ("COPY src src", "COPY src source", ["COPY src", "RUN echo"]),
        ("COPY src src", "COPY --chown=1 src src", ["COPY --chown=1", "RUN echo"]),
        ("COPY src src", "ADD src src", ["ADD src"]),  # another step, but the same layer
        ("RUN echo build $VERSION", "USER 5\nRUN echo build $VERSION", ["RUN echo"]),
    ],
)
def test_instructions(app: Kitchen, old: str, new: str, ran: list[str]) -> None:
    assert old in APP
    result = app.build(APP.replace(old, new))
    expected = ran
    if new == "COPY src ./src/":
        expected = ["COPY src"]  # a slash at the end is another destination, with the same layer
    assert app.ran(result) == expected


def test_build_args(app: Kitchen) -> None:
    assert app.ran(app.build(APP, build_args={"VERSION": "2"})) == ["RUN echo", "RUN echo"]
    assert app.build(APP, build_args={"VERSION": "1"}).cached
    assert app.build(APP, build_args={"VERSION": "2"}).cached


def test_early_cut_off(app: Kitchen) -> None:
    """A step that runs again and makes the same layer lets those after it be reused."""
    result = app.build(APP.replace("RUN echo install", "RUN echo install again"))
    assert app.ran(result) == ["RUN echo"]


def test_a_parent_counts_by_its_content(kitchen: Kitchen) -> None:
    """Two ways to the same files lead to the same step after them."""
    kitchen.write({"a": "x"})
    kitchen.build("FROM busybox\nCOPY --chmod=644 a /a\nRUN cat /a > /b\n")
    result = kitchen.build("FROM busybox\nCOPY --chmod=0644 a /a\nRUN cat /a > /b\n")
    assert kitchen.ran(result) == ["COPY --chmod=0644"]


def test_no_cache(app: Kitchen) -> None:
    before = app.build(APP)
    result = app.build(APP, no_cache=True)
    assert all(not step.cached for step in result.steps)
    assert result.image_id != before.image_id, "new layers have new times"
    after = app.build(APP)
    assert after.cached
    assert after.image_id == result.image_id, "the newest result is what the cache has"


def test_a_failed_build_keeps_what_it_finished(kitchen: Kitchen) -> None:
    with pytest.raises(Exception, match="exit code"):
        kitchen.build("FROM busybox\nRUN echo one > /one\nRUN false\n")
    result = kitchen.build("FROM busybox\nRUN echo one > /one\nRUN true\n")
    assert kitchen.ran(result) == ["RUN true"]


def test_metadata_does_not_matter_to_layers(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nRUN echo x > /x\n")
    result = kitchen.build("FROM busybox\nLABEL v=2\nEXPOSE 80\nRUN echo x > /x\nUSER 5\n")
    assert result.cached


def test_the_key_says_what_changed(app: Kitchen) -> None:
    def source_step() -> tuple[cachedb.Ingredient, ...]:
        return [s for s in cachedb.steps(app.db.read()) if s.created_by == "COPY src src"][-1].ingredients

    before = source_step()
    app.write({"src/main.py": "changed"})
    app.build(APP)
    (changed, *_) = changes(before, source_step())
    assert (changed.kind, changed.name, changed.what) == ("file", "src/main.py", "content")


def test_unchanged_files_are_not_opened(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    kitchen.write({f"d/{n}": str(n) for n in range(20)})
    for path in (kitchen.context / "d").iterdir():
        os.utime(path, (1_600_000_000, 1_600_000_000))
    time.sleep(2.6)  # ctime must be old enough to be trusted
    text = "FROM busybox\nCOPY d /d\n"
    kitchen.build(text)
    opened: list[object] = []
    real = os.open

    def spy(path: object, *args: object, **options: object) -> int:
        if isinstance(path, bytes) and path.isdigit():
            opened.append(path)
        return real(path, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", spy)
    assert kitchen.build(text).cached
    assert opened == []
    kitchen.write({"d/3": "changed"})
    assert not kitchen.build(text).cached
    hashed = [path for path in opened if path == b"3"]
    assert hashed, "the changed file was read"
    assert b"4" not in opened[: opened.index(b"3") + 1], "and no other one to find the key"


def test_two_results_for_one_step_first_wins(kitchen: Kitchen) -> None:
    """What another build committed meanwhile is adopted."""
    text = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /id\n"
    first = kitchen.build(text)
    second = kitchen.build(text)
    assert kitchen.read(first.image_id, "id") == kitchen.read(second.image_id, "id")
    assert first.image_id == second.image_id


def test_equal_layers_from_another_stack_need_no_run(kitchen: Kitchen) -> None:
    """A step is found again although its parent was made otherwise; its layer is put on the new stack."""
    kitchen.write({"a": "x"})
    kitchen.build("FROM scratch\nCOPY a /a\nWORKDIR /w\n")
    again = kitchen.build("FROM scratch\nCOPY --chmod=0644 a /a\nWORKDIR /w\n")
    assert [step.cached for step in again.steps] == [False, True]
    assert sorted(kitchen.listing(again.image_id)) == ["a", "w"]


def test_copy_from_a_stage_needs_no_look_at_its_files(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "FROM busybox AS a\nRUN mkdir /d && echo 1 > /d/f\nFROM scratch\nCOPY --from=a /d /d\n"
    first = kitchen.build(text)
    monkeypatch.setattr("lamina.build.sources.select", None)
    assert kitchen.build(text).image_id == first.image_id


def test_copy_from_other_layers_with_the_same_files(kitchen: Kitchen) -> None:
    text = "FROM busybox AS a\nRUN mkdir /d && echo 1 > /d/f{0}\nFROM scratch\nCOPY --from=a /d /d\n"
    kitchen.build(text.format(""))
    result = kitchen.build(text.format("; echo 2 > /other"))
    assert [step.cached for step in result.steps] == [False, True]
    changes = kitchen.db.read().total_changes
    assert kitchen.build(text.format("; echo 2 > /other")).cached
    assert kitchen.db.read().total_changes - changes == 1 + len(kitchen.started), "its record only"
    again = kitchen.build(text.format("; echo 2 > /other"), no_cache=True)
    assert not any(step.cached for step in again.steps)
