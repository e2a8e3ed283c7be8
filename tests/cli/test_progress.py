"""Progress from events: plain lines, the picture in a terminal, and the report of a failure."""

from __future__ import annotations

import io
import signal

import pytest

from lamina.cli.progress.drawer import Drawer, choose
from lamina.cli.progress.failure import marked, report
from lamina.cli.progress.picture import clean, final, picture
from lamina.cli.progress.plain import Plain
from lamina.cli.progress.steps import Steps
from lamina.cli.progress.terminal import Terminal
from lamina.errors import InvalidInput
from lamina.events import (
    Event,
    Notice,
    Progress,
    StepCached,
    StepFailed,
    StepFinished,
    StepOutput,
    StepStarted,
)

DOCKERFILE = b"FROM base\n# why\nRUN make && \\\n    make install\nCMD x\n"


def _start(step: int, text: str, stage: str = "", line: int = 1) -> StepStarted:
    return StepStarted(step, 3, stage, text, line, step, 3)


def _plain(*events: Event) -> str:
    out = io.StringIO()
    drawer = Plain(out)
    for event in events:
        drawer(event)
    return out.getvalue()


def test_plain_cached_and_done() -> None:
    text = _plain(
        _start(1, "COPY a b", "base"),
        StepCached(1, "sha256:x"),
        _start(2, "RUN make"),
        StepFinished(2, 1.26, "sha256:y", 10),
    )
    assert text == "#1 [base 1/3] COPY a b\n#1 CACHED\n\n#2 [2/3] RUN make\n#2 DONE 1.3s\n\n"


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ("", "CACHED"),
        ("exact", "CACHED"),
        ("same-content", "CACHED (same-content)"),
        ("untouched", "CACHED (untouched)"),
    ],
)
def test_the_rule_of_a_step_that_was_reused(rule: str, shown: str) -> None:
    """Only where it is not the plain one; in a terminal as well."""
    events = _start(1, "COPY a b"), StepCached(1, "sha256:x", rule)
    assert _plain(*events) == f"#1 [1/3] COPY a b\n#1 {shown}\n\n"
    steps = Steps(0.0)
    for event in events:
        steps.apply(event, 0.0)
    (line,) = [line.text for line in picture(steps, 1.0, 80, 24) if "COPY" in line.text]
    assert line.startswith(f" => {shown} [1/3] COPY a b  ")


def test_plain_output_comes_in_whole_lines() -> None:
    text = _plain(
        _start(1, "RUN x"),
        StepOutput(1, b"one\ntw", False),
        StepOutput(1, b"o\n10%\r50%\r\nrest", True),
        StepFinished(1, 0.1, "", 0),
    )
    lines = [line.split(" ", 2)[2] for line in text.splitlines()[1:5]]
    assert lines == ["one", "two", "50%", "rest"]


def test_a_line_without_an_end_is_cut() -> None:
    """Quickly, too: output that never has a newline must not be looked at again with every piece."""
    steps = Steps(0.0)
    steps.apply(_start(1, "RUN x"), 0.0)
    lines = [line for _ in range(2000) for line in steps.apply(StepOutput(1, b"x" * (1 << 16), False), 0.0)]
    assert sum(len(line) for _, line in lines) > 100_000_000
    assert max(len(line) for _, line in lines) <= 1 << 17


def test_plain_steps_side_by_side_take_turns() -> None:
    long = "RUN " + "x" * 90
    text = _plain(
        _start(1, long),
        _start(2, "RUN b"),
        StepOutput(1, b"a\n", False),
        StepFinished(1, 0.1, "", 0),
        StepFinished(2, 0.1, "", 0),
    )
    lines = text.splitlines()
    assert lines[0].endswith("x" * 90)
    assert lines[1:4] == ["#1 ...", "", "#2 [2/3] RUN b"]
    assert lines[4:6] == ["#2 ...", ""]
    assert lines[6].endswith("x...")
    assert text.endswith("#2 [2/3] RUN b\n#2 DONE 0.1s\n\n")


def test_plain_ends_with_what_was_made() -> None:
    out = io.StringIO()
    drawer = Plain(out)
    drawer(_start(1, "COPY a b"))
    drawer(StepCached(1, ""))
    drawer.succeeded(["writing image sha256:1", "naming to app"])
    tail = out.getvalue().split("\n\n", 1)[1]
    assert tail == (
        "#4 exporting to image\n#4 writing image sha256:1 done\n#4 naming to app done\n#4 DONE\n"
        "\n1 step reused, 0 run\n"
    )


def test_plain_failure_and_notice() -> None:
    text = _plain(
        Progress("context", 1, 2),
        _start(1, "RUN false"),
        Notice("careful"),
        StepFailed(1, 0.1, "exit code: 1"),
    )
    assert "#1 ...\n\ncareful\n\n#1 [1/3] RUN false\n#1 ERROR: exit code: 1\n" in text


def test_quiet_draws_nothing_but_knows_the_culprit() -> None:
    out = io.StringIO()
    drawer = choose("quiet", out)
    assert type(drawer) is Drawer
    drawer(_start(1, "RUN false"))
    drawer(StepFailed(1, 0.1, "x"))
    step = drawer.failed()
    assert step is not None and step.title == "[1/3] RUN false"
    assert out.getvalue() == ""


def test_auto_is_plain_without_a_terminal() -> None:
    assert isinstance(choose("auto", io.StringIO()), Plain)
    with pytest.raises(InvalidInput, match="invalid progress mode 'x'"):
        choose("x", io.StringIO())


def _steps() -> Steps:
    steps = Steps(100.0)
    steps.apply(_start(1, "COPY a b"), 100.0)
    steps.apply(StepCached(1, ""), 100.0)
    steps.apply(_start(2, "RUN make", "base"), 100.5)
    steps.apply(StepOutput(2, b"one\n\x1b[31mtwo\x1b[0m\tx\n", False), 101.0)
    return steps


def test_picture() -> None:
    lines = [line.text for line in picture(_steps(), 102.0, 40, 20)]
    assert lines[0] == "[+] Building 2.0s (1/3)"
    assert lines[1] == " => CACHED [1/3] COPY a b".ljust(34) + " 0.0s"
    assert lines[2] == " => [base 2/3] RUN make".ljust(34) + " 1.5s"
    assert lines[3:] == [" => => # one", " => => # two    x"]
    assert all(len(line) < 40 for line in lines)


def test_picture_fits_the_screen() -> None:
    assert len(picture(_steps(), 102.0, 40, 4)) == 3


def test_final_picture() -> None:
    steps = _steps()
    steps.apply(StepFinished(2, 2.0, "", 0), 102.5)
    lines = final(steps, 103.0, 60, ["writing image sha256:1"])
    assert lines[0].text == "[+] Building 3.0s (2/3) FINISHED"
    assert lines[-1].text == " => => writing image sha256:1"
    steps.apply(_start(3, "RUN x"), 103.0)
    steps.stop(104.0)
    assert "CANCELED" in final(steps, 104.0, 60, [])[-1].text


def test_control_characters_stay_out() -> None:
    assert clean("a\x1b[2Kb\x07c\td\x1b]0;t\x07") == "abc    d0;t"


def test_terminal_sums_up_a_quick_build() -> None:
    out = io.StringIO()
    drawer = Terminal(out)
    drawer(_start(1, "COPY a b"))
    drawer(StepCached(1, ""))
    drawer.succeeded(["writing image sha256:1"])
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("[+] Building 0.")
    assert lines[1].startswith(" => CACHED [1/3] COPY a b")
    assert lines[2:] == [" => => writing image sha256:1", " => => 1 step reused, 0 run"]


def test_terminal_shows_a_long_build_while_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("lamina.cli.progress.terminal._PATIENCE", 0.01)
    monkeypatch.setattr("lamina.cli.progress.terminal._PERIOD", 0.01)
    out = Screen()
    drawer = Terminal(out)
    drawer(_start(1, "RUN sleep"))
    drawer(StepOutput(1, b"hello there\n", False))
    deadline = time.monotonic() + 20
    while "hello there" not in out.getvalue() and time.monotonic() < deadline:
        time.sleep(0.02)
    drawer(StepFailed(1, 0.5, "exit code: 1"))
    assert drawer.failed() is not None
    drawn = out.getvalue()
    assert "[+] Building 0.0s (0/3)" in drawn
    assert "\r\x1b[3A" in drawn  # over its three lines
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert "=> ERROR [1/3] RUN sleep" in out.getvalue().splitlines()[-1]


def test_the_report_has_the_output_and_the_place() -> None:
    steps = Steps(0.0)
    steps.apply(_start(2, "RUN make && make install", "base", 3), 0.0)
    steps.apply(StepOutput(2, b"cc\nld: no\n", True), 1.0)
    steps.apply(StepFailed(2, 1.0, "exit code: 2"), 1.0)
    step = steps.failed()
    assert step is not None
    text = report(step, "Dockerfile", DOCKERFILE)
    assert text == (
        "------\n > [base 2/3] RUN make && make install:\n1.000 cc\n1.000 ld: no\n------\n"
        "Dockerfile:3\n--------------------\n"
        "   1 |     FROM base\n   2 |     # why\n"
        "   3 | >>> RUN make && \\\n   4 | >>>     make install\n   5 |     CMD x\n"
        "--------------------"
    )
    assert "Dockerfile:3" not in report(step, "Dockerfile", DOCKERFILE, excerpt=False)


def test_an_excerpt_at_the_edges() -> None:
    assert marked("D", b"a\nb", 1, 1).splitlines()[2:4] == ["   1 | >>> a", "   2 |     b"]
    assert marked("D", b"", 1, 1).splitlines() == ["D:1", "-" * 20, "-" * 20]
