"""Steps while they are traced: they do what they do untraced, and a recorder that dies does not fail them."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.build.errors import BuildFailed
from lamina.db import traces
from lamina.trace import daemon

from .test_run import leftovers
from .untouched.fixtures import laboratory
from .untouched.lab import Parent
from .untouched.nodes import Tree, file, folder, link

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.build.request import StepResult

    from .untouched.lab import Lab

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("inside")]

FILES: Tree = {
    "data/a": file("a" * 5000),
    "data/b": file("b", 0o4755),
    "data/deep/er/file": file("x"),
    "data/link": link("a"),
    "old/one": file("1"),
    "old/two": file("2"),
    "gone": folder(),
}
# All that overlay writes in a way of its own: copies, deletions, folders in the place of others, links.
DOES_MUCH = """RUN echo more >> /data/a; chmod 600 /data/b; chown 7:9 /data/deep; \\
    rm -r /data/deep/er; mkdir /data/deep/er; mv /data/link /data/link2; ln /data/b /data/b2; \\
    ln -s b /data/b3; rm -r /old; mkdir /old; echo 3 > /old/three; rmdir /gone; touch /gone; mkfifo /fifo; \\
    mv /tmp/none /x; cp /bin/busybox /copy; touch /etc/passwd; ls -R / > /dev/null; \\
    stat -c "%n %a %u %g %s %h" /bin/* /data/* /etc/* > /seen; echo $HOME > /home/of; id > /who; \\
    find / -xdev > /all; sort /all > /sorted; rm /all"""


@pytest.fixture
def own() -> Iterator[Lab]:
    """A lab for one test."""
    with laboratory() as made:
        yield made


def untraced(lab: Lab) -> None:
    """From now on steps are not traced."""
    tools = lab.tools()
    lab.tools = lambda: tools._replace(recorder=None, untraced="not here")  # type: ignore[method-assign]


def last_trace(lab: Lab, step: StepResult) -> traces.Trace:
    """The newest trace of a step with this layer."""
    newest = "SELECT recipe FROM traces WHERE diff_id = ? ORDER BY num DESC"
    (recipe,) = lab.db.read().execute(newest, (step.diff_id,)).fetchone()
    return traces.candidates(lab.db.read(), recipe)[0]


def test_a_traced_step_does_the_same(own: Lab) -> None:
    parent = Parent((FILES,))
    traced = own.step(parent, "USER worker\nUSER 0\n" + DOES_MUCH)
    assert last_trace(own, traced).read_set is not None
    untraced(own)
    plain = own.step(parent, DOES_MUCH, no_cache=True)
    assert last_trace(own, plain).doubt == "not here"
    assert own.contents(traced.diff_id) == own.contents(plain.diff_id)


def killed_when_it_says_so(lab: Lab) -> threading.Thread:
    """Kills all daemons of the recorder when the step writes `now`."""

    def kill() -> None:
        while "now" not in lab.output:
            time.sleep(0.01)
        server = lab.recorder._pid  # type: ignore[union-attr]
        for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split():
            os.kill(int(pid), signal.SIGKILL)

    lab.tools()
    lab.events = []
    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_a_recorder_that_dies_fails_no_step(own: Lab) -> None:
    thread = killed_when_it_says_so(own)
    step = own.step(Parent((FILES,)), "RUN echo now; sleep 0.5; cat /data/a > /out")
    thread.join()
    assert own.top_file(step, "out") == b"a" * 5000
    assert own.output.count("now") == 2
    assert "running it again without" in own.output
    assert last_trace(own, step).doubt == "the recorder failed"
    step = own.step(Parent((FILES,)), "RUN cat /data/a > /next")
    assert last_trace(own, step).read_set is not None


def test_a_recorder_that_dies_in_a_step_that_takes_it_for_an_answer(own: Lab) -> None:
    """Errors that nobody but the recorder gave are not to be in a layer, though the step ended well."""
    thread = killed_when_it_says_so(own)
    step = own.step(Parent((FILES,)), "RUN echo now; sleep 0.5; test -e /data/a && echo 1 > /out; true")
    thread.join()
    assert own.output.count("now") == 2
    assert own.top_file(step, "out") == b"1\n"
    assert leftovers(own) == []
    assert last_trace(own, step).doubt == "the recorder died"


def test_files_so_deep_that_overlay_cannot_find_them(own: Lab) -> None:
    """Their data is named by one path, of at most 4095 bytes."""
    down = "cd /deep; i=0; while [ $i -lt 100 ]; do {} cd -P " + 40 * "n" + "; i=$((i+1)); done"
    makes = f"RUN mkdir /deep; {down.format('mkdir ' + 40 * 'n' + ';')}; echo content > f"
    step = own.step(Parent((FILES,)), f"{makes}\nRUN {down.format('')}; cat f > /out; true")
    assert own.top_file(step, "out") == b"content\n"
    assert "so deep" in last_trace(own, step).doubt


def test_a_step_that_fails_is_not_done_twice(own: Lab) -> None:
    with pytest.raises(BuildFailed):
        own.step(Parent((FILES,)), "RUN echo once; exit 3")
    assert own.output.count("once") == 1


@pytest.mark.parametrize(
    ("tree", "doubt"),
    [
        ({"lib/ld-linux.so.2": file("x")}, "there are 32-bit programs"),
        ({"usr/lib/ld-linux.so.2": link("../libx32")}, "there are 32-bit programs"),
    ],
)
def test_old_programs_are_not_traced(lab: Lab, tree: Tree, doubt: str) -> None:
    step = lab.step(Parent((tree,)), "RUN echo x > /y")
    assert last_trace(lab, step).doubt == doubt


@pytest.mark.parametrize("user", ["worker", "1234", "worker:others", "99:worker", "4294:77", "0"])
def test_it_runs_as_whom_it_would(lab: Lab, user: str) -> None:
    tree: Tree = {
        "etc/passwd": link("../usr/passwd"),
        "usr/passwd": file("root:x:0:0:root:/root:/bin/sh\nworker:x:1234:4321:w:/home/worker:/bin/sh\n"),
        "etc/group": file("root:x:0:\nworkers:x:4321:\nothers:x:77:\nmore:x:78:a,worker\nworker:x:5:\n"),
    }
    lines = f"USER {user}\nRUN (id; echo $HOME; cat /proc/self/status | grep Groups) > /tmp/who"
    traced = lab.step(Parent((tree,)), lines)
    assert last_trace(lab, traced).read_set is not None
    plain = lab.step(Parent((tree,)), lines, no_cache=True, rules_off=frozenset({"untouched"}))
    assert last_trace(lab, plain).read_set is None
    assert lab.top_file(traced, "tmp/who") == lab.top_file(plain, "tmp/who") != b""


def test_a_user_that_is_not_there_is_refused_as_ever(lab: Lab) -> None:
    with pytest.raises(Exception, match="unable to find user nobody-here"):
        lab.step(Parent((FILES,)), "USER nobody-here\nRUN true")


def test_a_step_that_looks_at_too_much_and_fails_is_not_done_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it saw was right; there was only too much of it to be kept."""
    monkeypatch.setattr(daemon, "MOST", 100)
    with laboratory() as lab:  # its recorder is forked from here
        with pytest.raises(BuildFailed):
            lab.step(Parent((FILES,)), "RUN echo once; probe storm /data/none 300; exit 3")
        assert lab.output.count("once") == 1
