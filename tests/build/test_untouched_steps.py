"""Rule 4 against its adversary: steps that follow each other, mounts of a step, steps that leave the trace."""

from __future__ import annotations

import io
import tarfile
import threading
from typing import TYPE_CHECKING

import pytest

from lamina.build.given import Secret, SshForward
from lamina.graph.rules import UNTOUCHED
from lamina.trace import daemon, session

from .ruled import all_traces
from .untouched.case import Case, check_here
from .untouched.fixtures import laboratory
from .untouched.lab import Parent, is_reused, later, with_other
from .untouched.nodes import Tree, built, changed, copied, file, folder, link, on_top

if TYPE_CHECKING:
    from lamina.build.request import BuildResult

    from .untouched.lab import Lab

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("inside")]

ONE = {"data/f": file("one\n")}
TWO = {"data/f": file("two\n")}
LINKED = {"data/v1/f": file("one"), "data/v2/f": file("two"), "data/l": link("v1")}


def ways(result: BuildResult) -> list[str]:
    """How each step went: the rule by which it was reused, or `run`."""
    return [step.rule or "run" for step in result.steps]


def parent(tree: Tree, other: str = "one") -> Parent:
    return Parent((with_other(tree, other),))


# --- mounts ------------------------------------------------------------------------------------

# fmt: off
MOUNTS = [
    Case("cache", "--mount=type=cache,target=/c cat /data/f > /out; date > /c/x", ONE, TWO),
    Case("cache at a link", "--mount=type=cache,target=/data/l/c stat -c %n /data/*/c > /out", LINKED, {"data/l": link("v2")}),
    Case("tmpfs takes the mode of its folder", "--mount=type=tmpfs,target=/data/d stat -c %a /data/d > /out", {"data/d": folder()}, {"data/d": folder(0o711)}),
    Case("bind at a link", "--mount=target=/data/l/c readlink -f /data/l/c > /out", LINKED, {"data/l": link("v2")}),
    Case("bind, and the parent beside it", "--mount=target=/c cat /data/f > /out", ONE, TWO),
    Case("bind from an image", "--mount=from=base0,source=etc,target=/c cat /data/f /c/group > /out", ONE, TWO),
]
# fmt: on


@pytest.mark.parametrize("case", MOUNTS, ids=lambda case: case.name)
def test_mounts(lab: Lab, case: Case) -> None:
    if "base0" in case.run:
        case = case._replace(run=case.run.replace("base0", lab.image(Parent(()))))
    check_here(lab, case)


def test_a_bind_counts_with_its_content(lab: Lab) -> None:
    lines = "RUN --mount=source=bound,target=/c cat /c > /out"
    lab.write({"bound": "one"})
    first = lab.step(parent(ONE), lines)
    assert is_reused(lab.step(parent(ONE, "two"), lines))
    lab.write({"bound": "two"})
    second = lab.step(parent(ONE, "two"), lines)
    assert not second.cached
    assert second.diff_id != first.diff_id


# --- what cannot be traced ---------------------------------------------------------------------

DOUBTFUL = {
    "insecure": "RUN --security=insecure cat /data/f > /out",
    "insecure mount": "RUN --security=insecure mkdir /m && probe bind-mount /data /m && cat /m/f > /out",
    "secret": "RUN --mount=type=secret,id=a cat /data/f /run/secrets/a > /out",
    "secret in the environment": "RUN --mount=type=secret,id=a,env=A echo $A > /out",
    "ssh": "RUN --mount=type=ssh cat /data/f > /out",
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_leaves_the_trace_is_not_reused(lab: Lab, name: str, agent: str) -> None:
    options = {
        "secrets": (Secret("a", value=b"said"),),
        "ssh": (SshForward("default", (agent,)),),
        "allow": frozenset({"security.insecure"}),
    }
    first = lab.step(parent(ONE), DOUBTFUL[name], **options)
    assert not first.cached
    trace = all_traces(lab)[-1]
    assert (trace.read_set, bool(trace.doubt)) == (None, True)
    assert not lab.step(parent(ONE, "two"), DOUBTFUL[name], **options).cached, "rule 4 knows nothing of it"
    assert lab.step(parent(ONE, "two"), DOUBTFUL[name], **options).cached, "the exact key does"


REFUSED = {
    "io_uring": "io_uring EPERM",
    "unshare 131072": "unshare EPERM",  # CLONE_NEWNS
    "unshare 268435456": "unshare EPERM",  # CLONE_NEWUSER
    "mount /data": "mount EPERM",
    "bind-mount /data /srv": "mount EPERM",
    "by-handle": "open by handle EPERM",
}


@pytest.mark.parametrize("words", REFUSED)
def test_ways_around_are_shut(lab: Lab, words: str) -> None:
    """What would reach files past their names is refused to an ordinary step."""
    lab.step(parent(ONE), f"RUN probe {words}", no_cache=True)
    assert lab.output.strip() in (REFUSED[words], REFUSED[words].replace("EPERM", "ENOSYS"))


def test_a_tar_cannot_name_files_of_other_images(lab: Lab) -> None:
    """All layers of the store lie below a recorded step: which file shows where is for the recorder to say."""
    secret = b"of another image\n"
    other = lab.layer({"private/key": file(secret)})
    place = f"/{other.removeprefix('sha256:')}/private/key"
    told = {f"{prefix}.overlay.redirect": place for prefix in ("trusted", "user")}
    told |= {f"{prefix}.overlay.metacopy": "" for prefix in ("trusted", "user")}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("evil")
        member.size = len(secret)
        member.pax_headers = {f"SCHILY.xattr.{name}": value for name, value in told.items()}
        tar.addfile(member, io.BytesIO(b"x" * len(secret)))
    lab.write({"evil.tar": archive.getvalue()})
    run(lab, {}, "ADD evil.tar /\nRUN cat /evil; probe attributes /evil")
    assert lab.output == "x" * len(secret)


@pytest.mark.parametrize(
    "name", ["security.x", "trusted.x", "trusted.overlay.x", "system.posix_acl_access", "x.y"]
)
def test_attributes_that_no_image_keeps(lab: Lab, name: str) -> None:
    """They are not on the disk either; and what cannot be copied up fails no step."""
    attributes = {name.replace(".", "__"): b"1", "kept": b"2"}
    tree = {"data/f": file("one\n", **attributes), "data/d": folder(**attributes)}
    lab.step(parent(tree), "RUN echo two >> /data/f && touch /data/d/x && probe attributes /data/f")
    assert lab.output == "user.kept\n"


# --- what does not count -----------------------------------------------------------------------

SRC = {"data/src/a.c": file("a"), "data/src/b.c": file("b"), "data/doc/x": file("x"), "data/l": link("src")}
UNSEEN = {
    "content beside": {"data/src/b.c": file("other")},
    "a name beside": {"data/src/c.c": file("c")},
    "a name less beside": {"data/src/b.c": None},
    "mode beside": {"data/src/b.c": file("b", 0o600)},
    "a folder beside": {"data/src/d/e/f": file()},
    "a folder elsewhere": {"data/doc": None},
    "a program elsewhere": {"usr/bin/tool": built("probe"), "usr/lib/libvalue.so": built("libvalue-1.so")},
    "a link beside": {"data/l": link("doc")},
    "a new root folder": {"opt/x/y": file()},
    "owner beside": {"data/doc/x": file("x", uid=7)},
    "a user": {"etc/passwd": file("root:x:0:0:root:/root:/bin/sh\nnew:x:7:7::/:/bin/sh\n")},
    "what a mount covers": {"etc/hosts": file("127.0.0.1 x\n"), "etc/resolv.conf": file("nameserver x\n")},
}


@pytest.mark.parametrize("name", UNSEEN)
def test_what_a_step_did_not_see_does_not_count(lab: Lab, name: str) -> None:
    """And it is right so: done again, the step makes the same layer."""
    lines = f"RUN cat /data/src/a.c > /out; mkdir -p /data/new/x; touch /data/new/x/a.c; : {name}"
    first = lab.step(parent(SRC), lines)
    after = parent(changed(SRC, UNSEEN[name]))
    reused = lab.step(later(after), lines)
    assert is_reused(reused)
    assert reused.diff_id == first.diff_id
    top = Parent((*parent(SRC).layers, on_top(UNSEEN[name])))
    assert lab.step(top, lines).diff_id == first.diff_id
    done = lab.step(later(after), lines, no_cache=True)
    assert lab.contents(done.diff_id) == lab.contents(first.diff_id)


def test_times_do_not_count(lab: Lab) -> None:
    """As for Docker's COPY: `find -newer` over files that are only newer is not done again."""
    lines = "RUN find /data -newer /etc/group > /out; ls -l /data/f > /out2"
    first = lab.step(parent(ONE), lines)
    again = lab.step(later(parent(ONE, "two")), lines)
    assert is_reused(again)
    assert again.diff_id == first.diff_id


# --- steps after each other --------------------------------------------------------------------


def run(lab: Lab, tree: Tree, lines: str, **options: object) -> BuildResult:
    return lab.build(f"FROM {lab.image(parent(tree))}\n{lines}\n", **options)


def test_a_step_sees_what_the_one_before_wrote(lab: Lab) -> None:
    lines = "RUN cut -c 1-3 /data/f > /made\nRUN cat /made > /out"
    run(lab, ONE, lines)
    assert ways(run(lab, {"data/f": file("one more\n")}, lines)) == ["run", UNTOUCHED]
    assert ways(run(lab, TWO, lines)) == ["run", "run"]
    result = run(lab, TWO, lines)
    assert lab.read(result.image_id, "out") == "two\n"


def test_steps_change_places(lab: Lab) -> None:
    one, two = "RUN echo 1 > /one; : places\n", "RUN echo 2 > /two; : places\n"
    run(lab, ONE, one + two)
    result = run(lab, ONE, two + one)
    assert ways(result) == [UNTOUCHED, UNTOUCHED]
    assert {"one", "two"} <= lab.listing(result.image_id).keys()


def test_steps_that_write_one_file_change_places(lab: Lab) -> None:
    one, two = "RUN echo 1 > /data/f; : one file\n", "RUN echo 2 > /data/f; : one file\n"
    run(lab, ONE, one + two)
    result = run(lab, ONE, two + one)
    assert ways(result) == ["run", "run"]
    assert lab.read(result.image_id, "data/f") == "1\n"


def test_steps_that_append_to_one_file_change_places(lab: Lab) -> None:
    one, two = "RUN echo 1 >> /log; : log\n", "RUN echo 2 >> /log; : log\n"
    run(lab, ONE, one + two)
    result = run(lab, ONE, two + one)
    assert "run" in ways(result)
    assert lab.read(result.image_id, "log") == "2\n1\n"


def test_a_step_that_deletes_changes_places(lab: Lab) -> None:
    makes, deletes = "RUN echo 1 > /data/new\n", "RUN rm -f /data/*\n"
    run(lab, ONE, deletes + makes)
    result = run(lab, ONE, makes + deletes)
    assert ways(result)[1] == "run"
    assert "data/new" not in lab.listing(result.image_id)


def test_the_layer_of_the_right_run_is_taken(lab: Lab) -> None:
    """Of several recorded runs, the one that saw what is there now."""
    lines = "RUN cat /data/f > /out; : right"
    trees = [{"data/f": file(f"{number}\n")} for number in range(4)]
    done = [lab.step(parent(tree), lines).diff_id for tree in trees]
    for number in (2, 0, 3, 1):
        step = lab.step(parent(trees[number], f"other {number}"), lines)
        assert is_reused(step)
        assert step.diff_id == done[number]


def test_a_reused_layer_does_not_vouch_for_another_parent(lab: Lab) -> None:
    """What was taken over says nothing of what it would have read where it was taken to."""
    lines = "RUN cat /data/f > /out; : vouch"
    first = lab.step(parent(ONE), lines)
    middle = changed(ONE, {"data/g": file("1"), "srv/x": file("1")})
    assert is_reused(lab.step(parent(middle), lines))
    assert not lab.step(parent(changed(middle, TWO)), lines).cached
    assert lab.step(parent(changed(middle, {"data/g": None})), lines).diff_id == first.diff_id


def test_all_copied_first(lab: Lab) -> None:
    lines = "WORKDIR /app\nCOPY . .\nRUN sort requirements.txt > /installed\nRUN cat *.py > /all.py"
    files = {"requirements.txt": "b\na\n", "app.py": "1", "util.py": "2"}
    lab.write(files)
    assert ways(run(lab, {}, lines)) == ["run"] * 4
    lab.write({"app.py": "11"})
    assert ways(run(lab, {}, lines))[1:] == ["run", UNTOUCHED, "run"]
    lab.write({"README": "new"})
    assert ways(run(lab, {}, lines))[1:] == ["run", UNTOUCHED, "run"], "*.py lists the folder"
    lab.write({"requirements.txt": "a\n"})
    assert ways(run(lab, {}, lines))[1:] == ["run", "run", UNTOUCHED]
    for path in lab.context.iterdir():
        path.unlink()


def test_the_cache_of_ld_so(lab: Lab) -> None:
    program = copied("/sbin/ldconfig")
    if not program.data.startswith(b"\x7fELF"):
        pytest.skip("ldconfig is no program here")
    library = "usr/lib/value/{}/libvalue.so"
    conf = {"etc/ld.so.conf": file("/usr/lib/value/a\n/usr/lib/value/b\n"), "bin/ldconfig": program}
    lines = "RUN ldconfig\nRUN dynamic > /out"
    before = {**conf, library.format("b"): built("libvalue-1.so"), "usr/lib/value/a": folder()}
    run(lab, before, lines)
    assert lab.output == ""
    other = run(lab, {**before, "data/x": file()}, lines)
    assert ways(other) == [UNTOUCHED, UNTOUCHED]
    after = run(lab, {**before, library.format("a"): built("libvalue-2.so")}, lines)
    assert ways(after) == ["run", "run"]
    assert lab.read(after.image_id, "out") == "value 2\n"


def test_on_nothing_at_all(lab: Lab) -> None:
    """A step whose only files are in a mount."""
    mount = f"--mount=from={lab.image(Parent(()))},source=bin,target=/bin"
    lines = f"FROM scratch\n{{}}RUN {mount} echo 1 > /out; ls /data > /out2 2>&1; true\n"
    first = lab.build(lines.format(""))
    lab.write({"f": "1"})
    beside = lab.build(lines.format("COPY f /srv/f\n"))
    assert ways(beside) == ["run", UNTOUCHED]
    assert beside.steps[-1].diff_id == first.steps[-1].diff_id
    assert ways(lab.build(lines.format("COPY f /data/f\n"))) == ["run", "run"]


def test_empty_and_equal_layers_between(lab: Lab) -> None:
    tree, again = {**ONE, "srv/a": file()}, {"data/g": file("3")}
    first = lab.step(Parent((tree,)), "RUN cat /data/f > /out; : layers")
    twice = Parent((again, tree, again, {}, tree))
    assert lab.step(twice, "RUN cat /data/f > /out; : layers").diff_id == first.diff_id
    assert not lab.step(Parent((tree, again, TWO)), "RUN cat /data/f > /out; : layers").cached
    result = run(lab, tree, "RUN true\nRUN true 2\nRUN cat /data/f > /out; : layers")
    assert ways(result) == ["run", "run", UNTOUCHED]


# --- doubt and switches ------------------------------------------------------------------------


def test_the_rule_can_be_switched_off(lab: Lab) -> None:
    lines = "RUN cat /data/f > /out; : off"
    lab.step(parent(ONE), lines)
    assert not lab.step(parent(ONE, "two"), lines, rules_off=frozenset({UNTOUCHED})).cached
    assert is_reused(lab.step(parent(ONE, "three"), lines))
    assert not lab.step(parent(ONE, "three"), lines, rules_off=frozenset({UNTOUCHED})).cached, (
        "what it did, too"
    )


def test_another_snapshotter_does_not_trace(lab: Lab) -> None:
    lines = "RUN cat /data/f > /out; : native"
    lab.snapshotter = "native"
    try:
        lab.step(parent(ONE), lines)
        assert not lab.step(parent(ONE, "two"), lines).cached
    finally:
        lab.snapshotter = None


def test_a_failed_step_leaves_no_trace(lab: Lab) -> None:
    lines = "RUN cat /data/f > /out; test -e /data/g"
    with pytest.raises(Exception, match="exit code"):
        lab.step(parent(ONE), lines)
    with pytest.raises(Exception, match="exit code"):
        lab.step(parent(ONE, "two"), lines)
    assert not lab.step(parent({**ONE, "data/g": file()}), lines).cached


@pytest.mark.parametrize("words", ["storm /data/x 3000", "killed /data/x 60"])
def test_interrupted_look_ups_are_not_lost(lab: Lab, words: str) -> None:
    lines = f"RUN probe {words} > /out"
    lab.step(parent({"data": folder()}), lines)
    assert is_reused(lab.step(parent({"data": folder()}, "two"), lines))
    if words.startswith("storm"):
        for number in (0, 1500, 2999):
            tree = {f"data/x{number}": file()}
            step = lab.step(parent(tree), lines)
            assert not step.cached
            assert b"1 found" in lab.top_file(step, "out")


def test_two_stages_record_side_by_side(lab: Lab) -> None:
    def text(other: str, tree: Tree) -> str:
        image = lab.image(parent(tree, other))
        stages = [f"FROM {image} AS s{n}\nRUN cat /data/{n} > /out{n}; : side" for n in range(4)]
        copies = "".join(f"COPY --from=s{n} /out{n} /\n" for n in range(4))
        return "\n".join(stages) + f"\nFROM scratch\n{copies}"

    tree = {f"data/{n}": file(f"{n}\n") for n in range(4)}
    lab.build(text("one", tree))
    assert ways(lab.build(text("two", tree)))[:4] == [UNTOUCHED] * 4
    result = lab.build(text("one", changed(tree, {"data/2": file("x\n")})))
    assert ways(result)[:4] == [UNTOUCHED, UNTOUCHED, "run", UNTOUCHED]
    assert [lab.read(result.image_id, f"out{n}") for n in range(4)] == ["0\n", "1\n", "x\n", "3\n"]


def test_two_builds_record_at_once(lab: Lab) -> None:
    lines = ["RUN cat /data/f > /out; sleep 0.2; : at once", "RUN cat /data/g > /out; sleep 0.2; : at once"]
    trees = [{"data/f": file("1"), "data/g": file("2")}, {"data/f": file("3"), "data/g": file("4")}]
    lab.tools()

    def build(number: int) -> None:
        try:
            lab.step(parent(trees[number]), lines[number])
        finally:
            lab.db.close()  # this thread's connection

    threads = [threading.Thread(target=build, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(2):
        assert is_reused(lab.step(parent(trees[number], "two"), lines[number]))
        assert not lab.step(parent(trees[1 - number], "two"), lines[number]).cached


def test_too_much_is_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (daemon, session):
        monkeypatch.setattr(module, "MOST", 1000)
    lines = "RUN probe storm /data/none {} > /out"
    with laboratory() as lab:  # its recorder is forked from here
        for count in (900, 1100):
            lab.step(parent(ONE), lines.format(count))
            assert lab.step(parent(ONE, "two"), lines.format(count)).cached == (count == 900)
