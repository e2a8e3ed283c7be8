"""Why steps are done: what is told of the layers below, of the base, of what was read; all other reasons."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from lamina.build import stacks
from lamina.build.errors import BuildFailed
from lamina.build.reasons import explain
from lamina.build.records import Recorder
from lamina.cli.commands.why import as_json, page
from lamina.cli.reasons import reason_lines, summary
from lamina.db import cachedb, recorded
from lamina.errors import NotFound
from lamina.graph import reason as reasons
from lamina.graph.reason import Change, Reason, parse, to_text
from lamina.insight.rows import Rows
from lamina.insight.why import Why, why

from .ruled import as_if_read, row

if TYPE_CHECKING:
    from lamina.mount.userns import IdMap

    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)

DOUBT = "(not traced: steps are not traced here)"


def asked(kitchen: Kitchen, ref: str = "") -> Why:
    return why(Rows(kitchen.db.read(), kitchen.ctx.blobs, kitchen.layout), ref)


def reason(kitchen: Kitchen, step: int) -> Reason:
    """Why a step of the last build was done."""
    found = asked(kitchen).steps[step - 1].reason
    assert found is not None
    return found


def lines(kitchen: Kitchen, step: int) -> list[str]:
    return reason_lines(reason(kitchen, step))


def test_a_reason_survives_its_text() -> None:
    change = Change("file", "a\udc80", "content", "1", None, 2, 3)
    found = Reason("changed", (change,), "x", 1.5, 3, (4,), "b1")
    assert parse(to_text(found)) == found
    assert parse(to_text(Reason("first"))) == Reason("first")
    for other in ("", "{", "[]", "3", '{"code": "x"}', '{"code":"x","changes":[{"bogus":1}]}'):
        assert parse(other) is None


# --- what lies below


BELOW = {
    "content": ("echo 1 > /f", "echo 22 > /f", ["/f: content, 2 -> 3 bytes, by #2 (Dockerfile:2)"]),
    "mode": ("echo 1 > /f", "echo 1 > /f; chmod 600 /f", ["/f: mode 0644 -> 0600, by #2 (Dockerfile:2)"]),
    "owner": ("echo 1 > /f", "echo 1 > /f; chown 1:2 /f", ["/f: owner 0:0 -> 1:2, by #2 (Dockerfile:2)"]),
    "target": ("ln -s a /f", "ln -s b /f", ["/f: target a -> b, by #2 (Dockerfile:2)"]),
    "type": ("echo 1 > /f", "mkdir /f", ["/f: type file -> folder, by #2 (Dockerfile:2)"]),
    "added": ("true", "echo 1 > /f", ["/f: added, by #2 (Dockerfile:2)"]),
    "removed": ("echo 1 > /f", "true", ["/f: removed, by #2 (Dockerfile:2)"]),
    "deleted": ("true", "rm -r /home", ["/home: removed (folder), by #2 (Dockerfile:2)"]),
    "folder": (
        "true", "mkdir -p /f/g; touch /f/a /f/g/b",
        ["/f: added (folder with 3 entries), by #2 (Dockerfile:2)"],
    ),
    "noise last": (
        "true", "mkdir -p /var/log /z; touch /var/log/a /z/b",
        ["/z: added (folder with 1 entries), by #2 (Dockerfile:2)",
         "/var/log: added (folder with 1 entries), by #2 (Dockerfile:2)"],
    ),
    "names": ("true", "touch '/a\tb'", ["/a\\tb: added, by #2 (Dockerfile:2)"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BELOW)
def test_what_is_not_the_same_below(kitchen: Kitchen, inside: IdMap, name: str) -> None:
    if name == "owner" and inside.single:
        pytest.skip("needs more than one ID: newuidmap and rows in /etc/subuid")
    old, new, told = BELOW[name]
    text = "FROM busybox\nRUN {}\nRUN cat /etc/passwd\n"
    kitchen.build(text.format(old))
    kitchen.build(text.format(new))
    found = lines(kitchen, 3)
    assert found[0].startswith("above it #2 (Dockerfile:2) is another: RUN ")
    assert found[1:] == [*told, DOUBT]


def test_a_base_that_was_patched(kitchen: Kitchen) -> None:
    old = kitchen.tag("docker.io/library/busybox:latest")
    kitchen.build("FROM busybox\nRUN cat /etc/passwd\n")
    again = kitchen.build("FROM busybox\nRUN echo 1 > /etc/motd; chmod 600 /etc/group\n", tags=("busybox",))
    assert old is not None
    kitchen.build("FROM busybox\nRUN cat /etc/passwd\n")
    assert lines(kitchen, 2) == [
        f"base busybox {old[:19]} -> {again.image_id[:19]}, by #1 (Dockerfile:1)",
        "/etc/motd: added, by #1 (Dockerfile:1)",
        "/etc/group: mode 0755 -> 0600, by #1 (Dockerfile:1)",
        DOUBT,
    ]
    assert asked(kitchen).causes == (2,)


def test_another_base(kitchen: Kitchen) -> None:
    old = kitchen.tag("docker.io/library/busybox:latest")
    new = kitchen.build("FROM busybox\nRUN echo 1 > /x\n", tags=("other:2",)).image_id
    kitchen.build("FROM busybox\nRUN cat /etc/passwd\n")
    kitchen.build("FROM other:2\nRUN cat /etc/passwd\n")
    assert old is not None
    assert lines(kitchen, 2) == [
        f"base busybox {old[:19]} -> other:2 {new[:19]}, by #1 (Dockerfile:1)",
        "/x: added, by #1 (Dockerfile:1)",
        DOUBT,
    ]


def test_steps_that_came_went_and_moved(kitchen: Kitchen) -> None:
    one, two, last = "RUN echo 1 > /1\n", "RUN echo 2 > /2\n", "RUN cat /etc/passwd\n"
    kitchen.build(f"FROM busybox\n{one}{last}")
    kitchen.build(f"FROM busybox\n{one}{two}{last}")
    assert lines(kitchen, 4) == [
        "above it is a new step: #3 RUN echo 2 > /2 (Dockerfile:3)", "/2: added, by #3 (Dockerfile:3)", DOUBT
    ]  # fmt: skip
    kitchen.build(f"FROM busybox\n{two}{one}{last}")
    assert lines(kitchen, 4)[0] == "above it the order is another, from #2 RUN echo 2 > /2 (Dockerfile:2) on"
    kitchen.build(f"FROM busybox\n{two}{last}")
    assert lines(kitchen, 3)[:2] == [
        "above it a step is not there any more: RUN echo 1 > /1", "/1: removed"
    ]  # fmt: skip


def test_many_differences_are_counted(kitchen: Kitchen) -> None:
    text = "FROM busybox\nCOPY . /app/\nRUN cat /etc/passwd\n"
    kitchen.write({f"{number:03}": "a" for number in range(300)})
    kitchen.build(text)
    kitchen.write({f"{number:03}": "b" for number in range(300)})
    kitchen.build(text)
    for step in (2, 3):
        found = lines(kitchen, step)
        assert found[10] == "and 290 more"
        assert found[11:] == [DOUBT] * (step == 3)
    assert len(reason_lines(reason(kitchen, 2), whole=True)) == 201
    assert summary(reason(kitchen, 2)) == "000: content, and 299 more"


def test_more_files_than_can_be_compared(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "_MOST_ENTRIES", 3)
    text = "FROM busybox\nCOPY . /app/\nRUN cat /etc/passwd\n"
    for content in "12":
        kitchen.write({"a": content, "b": content})
        kitchen.build(text)
    assert lines(kitchen, 3) == [
        "above it #2 COPY . /app/ (Dockerfile:2) made another layer",
        f"{DOUBT[:-1]}; the layers below have too many files to compare each: 6)",
    ]


def test_what_comes_of_another_stage(kitchen: Kitchen) -> None:
    text = "FROM busybox AS made\nRUN echo 1 > /o\nFROM busybox\nCOPY --from=made /o /p\nRUN cat /p\n"
    kitchen.build(text)
    kitchen.build(text.replace("echo 1", "echo 12"))
    assert lines(kitchen, 2) == ["command: echo 1 > /o -> echo 12 > /o"]
    assert lines(kitchen, 4) == ["/o: content, 2 -> 3 bytes, by #2 (Dockerfile:2)"]
    assert lines(kitchen, 5) == ["/p: content, 2 -> 3 bytes, by #4 (Dockerfile:4)", DOUBT]
    assert asked(kitchen).causes == (2,)


def test_one_step_of_two_stages_is_one_cause(kitchen: Kitchen) -> None:
    text = "FROM busybox AS a\nRUN echo 1 > /x\nFROM busybox AS b\nRUN echo 1 > /x\nRUN cat /x\n"
    text += "FROM busybox\nCOPY --from=a /x /\nCOPY --from=b /x /y\n"
    kitchen.build(text)
    kitchen.build(text.replace("echo 1", "echo 2"))
    found = asked(kitchen)
    (done,) = [each.step.number for each in found.steps[1:4:2] if each.step.status == "run"]
    assert found.causes == (done,)
    shown = page(found, found.steps, whole=False)
    assert f"   the same as #{done}, which was done once for both\n" in shown


# --- what was read


def test_what_it_read_comes_first_and_the_rest_is_not_told(kitchen: Kitchen) -> None:
    text = "FROM busybox\nCOPY . /app/\nRUN cat /app/a\n"
    kitchen.write({"a": "1", "b": "1", "gone": "1"})
    first = kitchen.build(text)
    below = kitchen.build("FROM busybox\nCOPY . /app/\n")
    as_if_read(kitchen, below.image_id, "cat /app/a", "app/a", "app/new", "app/gone", "etc/passwd", "app/")
    kitchen.write({"a": "23", "b": "2", "new": ""})
    (kitchen.context / "gone").unlink()
    assert kitchen.build(text).image_id != first.image_id
    assert lines(kitchen, 3) == [
        "it listed /app, where new is new and gone is gone, by #2 (Dockerfile:2)",
        "it looked at /app/a: content, 1 -> 2 bytes, by #2 (Dockerfile:2)",
        "it looked at /app/gone, which is not there any more, by #2 (Dockerfile:2)",
        "it looked for /app/new, which is there now, by #2 (Dockerfile:2)",
    ]
    assert asked(kitchen).causes == (2,)


def test_what_it_read_came_of_a_step_that_is_gone(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nRUN echo 1 > /one\nRUN cat /one /etc/passwd || true\n")
    below = kitchen.build("FROM busybox\nRUN echo 1 > /one\n", dockerfile_name="Below")
    as_if_read(kitchen, below.image_id, "cat /one /etc/passwd || true", "one")
    kitchen.build("FROM busybox\nRUN cat /one /etc/passwd || true\n")
    assert lines(kitchen, 2) == [
        "it looked at /one, which is not there any more",
        "above it a step is not there any more: RUN echo 1 > /one",
    ]


def test_a_base_in_which_something_that_it_read_was_patched(kitchen: Kitchen) -> None:
    old = kitchen.tag("docker.io/library/busybox:latest")
    assert old is not None
    kitchen.build("FROM busybox\nRUN cat /etc/passwd\n")
    as_if_read(kitchen, old, "cat /etc/passwd", "etc/passwd", "etc/motd")
    patch = "FROM busybox\nRUN echo 1 > /other; echo x >> /etc/passwd\n"
    new = kitchen.build(patch, tags=("busybox",), dockerfile_name="Base").image_id
    kitchen.build("FROM busybox\nRUN cat /etc/passwd\n")
    assert lines(kitchen, 2) == [
        "it looked at /etc/passwd: content, 72 -> 74 bytes, by #1 (Dockerfile:1)",
        f"base busybox {old[:19]} -> {new[:19]}, by #1 (Dockerfile:1)",
    ]


def test_what_another_run_would_not_have_read_is_not_told(kitchen: Kitchen) -> None:
    text = "FROM busybox\nCOPY . /app/\nRUN cat /app/a\n"
    kitchen.write({"a": "1", "b": "1"})
    kitchen.build(text)
    below = kitchen.build("FROM busybox\nCOPY . /app/\n", dockerfile_name="Below")
    as_if_read(kitchen, below.image_id, "cat /app/a", "app/a")
    kitchen.write({"a": "1", "b": "2"})
    kitchen.build(text.replace("cat /app/a", "cat -v /app/a"))
    assert lines(kitchen, 3) == ["command: cat /app/a -> cat -v /app/a"]
    assert asked(kitchen).causes == (2, 3)
    below = kitchen.build("FROM busybox\nCOPY . /app/\n", dockerfile_name="Below")
    as_if_read(kitchen, below.image_id, "cat -v /app/a", "app/a")
    kitchen.write({"a": "2", "b": "3"})
    kitchen.build(text.replace("cat /app/a", "cat -e /app/a"))
    assert lines(kitchen, 3) == [
        "command: cat -v /app/a -> cat -e /app/a", "it looked at /app/a: content, by #2 (Dockerfile:2)"
    ]  # fmt: skip


def test_what_decided_comes_before_all(kitchen: Kitchen) -> None:
    text = "FROM busybox\nCOPY . /app/\nRUN cat /app/z\n"
    kitchen.write({"a": "1", "z": "1"})
    kitchen.build(text)
    below = kitchen.build("FROM busybox\nCOPY . /app/\n")
    as_if_read(kitchen, below.image_id, "cat /app/z", "app/z")
    kitchen.write({"a": "2", "z": "2"})
    kitchen.build(text)
    assert lines(kitchen, 3) == ["it looked at /app/z: content, by #2 (Dockerfile:2)"]


# --- other reasons


def test_the_first_time(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nRUN echo 1\n")
    assert lines(kitchen, 2) == ["nothing like it was done before"]
    assert reason(kitchen, 2) == Reason(reasons.FIRST)
    kitchen.build("FROM busybox\nRUN true\nRUN echo 1\n")
    assert reason(kitchen, 2) == Reason(reasons.FIRST), "a step that was put in is not an edit of the next"


def test_a_stage_that_has_another_name_now(kitchen: Kitchen) -> None:
    text = "FROM busybox AS one\nRUN echo 1 > /1\nFROM one\nRUN echo 2 > /2\n"
    kitchen.build(text)
    kitchen.build(text.replace("one", "other").replace("echo 1", "echo 3"))
    assert lines(kitchen, 2) == ["command: echo 1 > /1 -> echo 3 > /1"]


def test_the_same_words_elsewhere(kitchen: Kitchen) -> None:
    kitchen.write({"a": "1"})
    kitchen.build("FROM busybox\nCOPY a /a\n")
    kitchen.write({"a": "2"})
    kitchen.build("FROM busybox\nCOPY a /a\n", dockerfile_name="Other")
    assert lines(kitchen, 2) == [
        "a: content",
        "(this Dockerfile was not built here before: compared with the same words elsewhere)",
    ]
    kitchen.build("FROM busybox\nRUN echo 1\n", dockerfile_name="Third")
    kitchen.write({"a": "3"})
    kitchen.build("FROM busybox\nCOPY a /a\nRUN echo 1\n", dockerfile_name="Third")
    assert lines(kitchen, 2) == [
        "a: content",
        "(the last build of this Dockerfile had no such step: compared with the same words elsewhere)",
    ]


def test_no_cache(kitchen: Kitchen) -> None:
    text = "FROM busybox AS one\nRUN echo 1\n"
    kitchen.build(text)
    kitchen.build(text, no_cache=True)
    assert lines(kitchen, 2) == ["--no-cache"]
    assert reason(kitchen, 2).seconds
    kitchen.build(text, no_cache_filter=("ONE",))
    assert lines(kitchen, 2) == ["--no-cache-filter names its stage one"]


def test_age(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN echo 1\n"
    kitchen.build(text)
    with kitchen.db.write() as tx:
        tx.execute("UPDATE steps SET ran = ?", (time.time() - 90000,))
    kitchen.build(text, cache_ttl=3600.0)
    assert lines(kitchen, 2) == ["it was done 1d 1h ago, and --cache-ttl is 1h"]


def test_a_rule_that_is_switched_off(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN echo 1\n"
    kitchen.build(text)
    kitchen.build(text, rules_off=frozenset(("exact",)))
    assert lines(kitchen, 2) == ["the rule exact would reuse it, and is switched off (--cache-rule -exact)"]
    kitchen.write({"a": "1"})
    kitchen.build("FROM busybox\nCOPY a /a\n")
    kitchen.build("FROM busybox\nRUN echo 1 > /x\nCOPY a /a\n", rules_off=frozenset(("independent",)))
    assert lines(kitchen, 3) == [
        "the rule independent would reuse it, and is switched off (--cache-rule -independent)"
    ]


def test_verify(kitchen: Kitchen) -> None:
    kitchen.write({"a": "1"})
    kitchen.build("FROM busybox\nCOPY a /a\n")
    kitchen.build("FROM busybox\nRUN echo 1 > /x\nCOPY a /a\n", verify=True)
    assert reason_lines(reason(kitchen, 3)) == [
        "--cache-rule verify: done again, to be compared with what the rule independent would reuse"
    ]


def test_what_failed_the_last_time(kitchen: Kitchen) -> None:
    for _ in range(2):
        with pytest.raises(BuildFailed) as caught:
            kitchen.build("FROM busybox\nRUN exit 3\n")
    assert asked(kitchen, caught.value.recorded_as).steps[1].step.status == "failed"  # type: ignore[attr-defined]
    first = recorded.builds(kitchen.db.read())[1].id
    assert lines(kitchen, 2) == [
        f"it did not end well the last time (build {first}): there is nothing to reuse"
    ]


def test_what_was_cut_off_the_last_time(kitchen: Kitchen) -> None:
    with pytest.raises(BuildFailed):
        kitchen.build("FROM busybox\nRUN exit 3\n")
    first = recorded.builds(kitchen.db.read())[0].id
    with kitchen.db.write() as tx:  # as a build that was stopped, or killed, leaves it
        tx.execute("UPDATE build_steps SET status = 'canceled', key = '' WHERE step = 2")
    with pytest.raises(BuildFailed):
        kitchen.build("FROM busybox\nRUN exit 3\n")
    assert lines(kitchen, 2) == [
        f"it did not end well the last time (build {first}): there is nothing to reuse"
    ]
    kitchen.build("FROM busybox\nRUN exit 0\n")
    assert lines(kitchen, 2) == [
        "instruction: RUN exit 3 -> RUN exit 0",
        "(it did not end well then: nothing else is known of what it depended on)",
    ]


def test_a_build_that_was_killed(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nRUN echo 1\nRUN echo 2\n")
    with kitchen.db.write() as tx:
        tx.execute("UPDATE builds SET status = 'interrupted'")
        tx.execute("UPDATE build_steps SET status = 'running' WHERE step = 3")
    found = asked(kitchen)
    shown = page(found, found.steps, whole=False)
    assert "2 of 2 steps ran" in shown
    assert "Cause: #2-#3: nothing like it was done before\n" in shown
    assert "   interrupted\n   - nothing like it was done before\n" in shown
    with kitchen.db.write() as tx:
        tx.execute("UPDATE build_steps SET reason = '' WHERE step = 3")
    found = asked(kitchen)
    assert page(found, found.steps, whole=False).endswith(
        "   interrupted\n   why is not recorded: the build ended before\n"
    )


def test_why_can_be_asked_while_a_step_is_done(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def because(self: Recorder, number: int, reason: str) -> None:
        note(self, number, reason)
        told.extend(step.reason for step in recorded.steps(kitchen.db.read(), self.id) if step.step == number)

    note = Recorder.because
    monkeypatch.setattr(Recorder, "because", because)
    kitchen.build("FROM busybox\nRUN echo 1\n")
    assert [parse(text) for text in told] == [Reason(reasons.FIRST)]


def test_what_was_pruned(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN echo 1 > /x\nRUN echo 2 > /y\n"
    kitchen.build(text)
    with kitchen.db.write() as tx:
        for step in cachedb.steps(tx):
            cachedb.delete_step(tx, step.key)
    kitchen.build(text)
    assert lines(kitchen, 2) == [
        "it was done before, but nothing of that is left to reuse", "(its layer is not in the store any more)"
    ]  # fmt: skip
    with kitchen.db.write() as tx:
        for step in cachedb.steps(tx):
            cachedb.delete_step(tx, step.key)
    kitchen.build(text.replace("echo 1", "echo 3"))
    assert lines(kitchen, 2) == [
        "instruction: RUN echo 1 > /x -> RUN echo 3 > /x",
        "(what it depended on then is not in the store any more)",
    ]
    assert lines(kitchen, 3)[0] == (
        "above it #2 (Dockerfile:2) is another: RUN echo 1 > /x -> RUN echo 3 > /x"
    )


def test_a_copy_that_was_pruned_does_not_run_because_of_its_base(kitchen: Kitchen) -> None:
    text = "FROM busybox\nCOPY a /a\n"
    kitchen.write({"a": "1"})
    kitchen.build(text)
    kitchen.build("FROM busybox\nRUN echo 1 > /x\n", tags=("busybox",), dockerfile_name="Base")
    with kitchen.db.write() as tx:
        for step in cachedb.steps(tx):
            cachedb.delete_step(tx, step.key)
    kitchen.build(text)
    assert lines(kitchen, 2) == [
        "it was done before, but nothing of that is left to reuse",
        "(what it depended on then is not in the store any more)",
    ]


def test_layers_below_that_are_gone(kitchen: Kitchen) -> None:
    text = "FROM busybox\nCOPY a /a\nRUN cat /etc/passwd\n"
    kitchen.write({"a": "1"})
    kitchen.build(text)
    done = row(kitchen, "cat /etc/passwd")
    with kitchen.db.write() as tx:
        tx.execute("UPDATE steps SET parent = 'sha256:gone' WHERE key = ?", (done.key,))
        tx.execute("UPDATE traces SET parent = 'sha256:gone' WHERE step = ?", (done.key,))
    kitchen.write({"a": "2"})
    kitchen.build(text)
    assert lines(kitchen, 3)[0] == "above it #2 COPY a /a (Dockerfile:2) made another layer"


def test_a_record_of_an_older_version(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nRUN echo 1\n")
    with kitchen.db.write() as tx:
        tx.execute("UPDATE build_steps SET reason = ''")
    shown = page(asked(kitchen), asked(kitchen).steps, whole=False)
    assert "why is not recorded: an older version of Lamina did this build" in shown


def test_no_build_fails_because_of_its_reasons(kitchen: Kitchen) -> None:
    found = explain(None, None, None)  # type: ignore[arg-type]
    assert found.code == reasons.UNKNOWN
    assert "could not be found out" in found.doubt


# --- the page


def test_the_page(kitchen: Kitchen) -> None:
    text = "FROM busybox AS base\nRUN echo 1\nFROM base\nCOPY . /app/\nRUN cat /app/a\n"
    kitchen.write({"a": "1"})
    kitchen.build(text)
    kitchen.write({"a": "22"})
    kitchen.build(text, tags=("app",))
    found = asked(kitchen, "app")
    digest = kitchen.tag("docker.io/library/busybox:latest")
    assert digest is not None
    shown = re.sub(r"(, which|; that) saved \d\.\ds", "", page(found, found.steps, whole=False))
    shown = re.sub(r"\d\.\ds", "T", shown)
    assert shown == (
        f"Build {found.build.id} of context: 2 of 3 steps ran, T; 1 was reused\n"
        "Cause: #4 [stage-1] COPY . /app/ (Dockerfile:4): a: content, 1 -> 2 bytes\n"
        "\n"
        "#1 [base] FROM busybox AS base (Dockerfile:1)\n"
        f"   busybox {digest[:19]}\n"
        "#2 [base] RUN echo 1 (Dockerfile:2)\n"
        "   reused (exact): the same step was done before\n"
        "#3 [stage-1] FROM base (Dockerfile:3)\n"
        "#4 [stage-1] COPY . /app/ (Dockerfile:4)\n"
        "   ran, T (the last time T)\n"
        "   - a: content, 1 -> 2 bytes\n"
        "#5 [stage-1] RUN cat /app/a (Dockerfile:5)\n"
        "   ran, T (the last time T)\n"
        "   - /app/a: content, 1 -> 2 bytes, by #4 (Dockerfile:4)\n"
        f"   - {DOUBT}\n"
    )
    told = json.loads(json.dumps(as_json(found, found.steps)))
    assert told["Causes"] == [4]
    assert told["Steps"][4]["Reason"]["Changes"][1] == {
        "Kind": "below", "Name": "/app/a", "What": "size", "Old": "1", "New": "2", "Step": 4, "Line": 4
    }  # fmt: skip


def test_images_and_builds_that_are_not_there(kitchen: Kitchen) -> None:
    with pytest.raises(NotFound, match="no build of image busybox is recorded"):
        asked(kitchen, "busybox")
    for name in ("nothing", "a1b2c3d4e5f6", "^3"):
        with pytest.raises(NotFound, match="No such build"):
            asked(kitchen, name)
