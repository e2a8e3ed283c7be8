"""`build --plan`: what it says is what the build then does; it changes nothing."""

from __future__ import annotations

import io
import re
import tarfile
from typing import TYPE_CHECKING

import pytest

from lamina.dockerfile import DockerfileError
from lamina.errors import InvalidInput, LaminaError
from lamina.graph import reason as reasons
from lamina.oci.config import ContainerConfig
from lamina.registry.settings import Settings

from .planned import agreed, check, planned, shown
from .scenarios import ARGUMENTS, COPYING, HEREDOCS, RUNNING, TRIGGERS
from .test_like_the_reference import MANY_IDS

if TYPE_CHECKING:
    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)

# One of them counts how often it was run.
CASES = {
    name: case
    for name, case in (COPYING | ARGUMENTS | RUNNING | TRIGGERS | HEREDOCS).items()
    if name != "use a cache"
}
_FROM = re.compile(r"(?mi)^(FROM busy\S+( AS \w+)?)$")


_OWNERS = [name for name in CASES if any(word in name for word in MANY_IDS)]


@pytest.mark.parametrize("name", [name for name in CASES if name not in _OWNERS])
def test_a_build_does_what_its_plan_said(kitchen: Kitchen, name: str) -> None:
    builds_as_planned(kitchen, name)


@pytest.mark.parametrize("name", _OWNERS)
def test_a_build_with_owners_does_what_its_plan_said(kitchen: Kitchen, many_ids: None, name: str) -> None:
    builds_as_planned(kitchen, name)


def builds_as_planned(kitchen: Kitchen, name: str) -> None:
    """First with an empty cache, then with a full one, then with a new step above all, and with new files."""
    case = CASES[name]
    kitchen.write(case.files)
    agreed(kitchen, case.dockerfile, **case.options)
    again, result = agreed(kitchen, case.dockerfile, **case.options)
    assert result.cached
    assert {step.status for step in again.steps} <= {"from", "reuse"}
    kitchen.write({"one-more": "1"})
    above = _FROM.sub(r"\1\nCOPY <<E /opt/new\nnew\nE", case.dockerfile)
    agreed(kitchen, above, **case.options)


@pytest.mark.parametrize("name", [*COPYING][::4])
def test_a_plan_without_the_cache(kitchen: Kitchen, name: str) -> None:
    case = CASES[name]
    kitchen.write(case.files)
    kitchen.build(case.dockerfile, **case.options)
    found, _ = agreed(kitchen, case.dockerfile, no_cache=True, **case.options)
    codes = {step.reason.code for step in found.steps if step.reason is not None}
    assert codes <= {reasons.NO_CACHE}
    assert found.count("unknown") == 0


TWO = """FROM busybox AS made
COPY app.py /app/
RUN cat /app/app.py > /out
WORKDIR /later
COPY --link docs /docs
FROM busybox AS other
COPY docs /docs
RUN echo other > /other
FROM busybox
COPY --from=other /other /other
COPY --link --from=made /out /out
RUN cat /out
"""


def test_what_waits_and_what_does_not(kitchen: Kitchen) -> None:
    kitchen.write({"app.py": "1", "docs/a": "a"})
    assert shown(agreed(kitchen, TWO)[0]) == [
        "2 run",
        "3 run",
        "4 unknown, waits for 3",
        "5 run",
        "7 run",
        "8 run",
        "10 unknown, waits for 8",
        "11 unknown, waits for 3",
        "12 unknown, waits for 3 8",
    ]
    kitchen.write({"app.py": "2"})
    assert shown(agreed(kitchen, TWO)[0]) == [
        "2 run",
        "3 run",
        "4 unknown, waits for 3",
        "5 reuse (exact)",
        "7 reuse (exact)",
        "8 reuse (exact)",
        "10 reuse (exact)",
        "11 unknown, waits for 3",
        "12 unknown, waits for 3",
    ]


def test_why_it_would_run(kitchen: Kitchen) -> None:
    """A step over layers that are not there yet is told what differs in them."""
    text = "FROM busybox\nARG WHO=you\nCOPY . /app\nRUN cat /app/a; sleep 0.1\n"
    kitchen.write({"a": "1"})
    kitchen.build(text)
    kitchen.write({"a": "2"})
    copy, run = agreed(kitchen, text)[0].steps[1:]
    assert copy.reason is not None
    assert [change[:3] for change in copy.reason.changes] == [("file", "a", "content")]
    assert run.reason is not None
    (change,) = run.reason.changes
    assert (change.name, change.what, change.step, change.line) == ("/app/a", "content", 2, 3)
    assert run.seconds is not None
    assert 0.1 <= run.seconds < 10


def test_how_long_a_step_took_that_is_not_known_yet(kitchen: Kitchen) -> None:
    text = "FROM busybox\nCOPY a /a\nRUN cat /a > /b\nRUN cat /b; sleep 0.1\n"
    kitchen.write({"a": "1"})
    kitchen.build(text)
    kitchen.write({"a": "2"})
    kitchen.registries = Settings()
    for found in (agreed(kitchen, text)[0], planned(kitchen, text.replace("busybox", "nowhere"))):
        assert found.steps[3].status == "unknown"
        assert found.steps[3].seconds is not None
        assert 0.1 <= found.steps[3].seconds < 10


def test_the_same_step_in_two_stages_is_done_once(kitchen: Kitchen) -> None:
    text = "FROM busybox AS a\nRUN echo 1 > /a\nRUN echo 2 > /b\nFROM busybox\nRUN echo 1 > /a\n"
    text += "RUN echo 2 > /b\nCOPY --from=a /b /c\n"
    found, _ = agreed(kitchen, text)
    assert shown(found)[:2] == ["2 run", "3 unknown, waits for 2"]
    assert shown(found)[2:4] == ["5 reuse (exact)", "6 unknown, waits for 2"]
    assert [step.like for step in found.steps] == [0, 0, 0, 0, 2, 3, 0]
    again, _ = agreed(kitchen, text, no_cache=True)
    assert shown(again)[:4] == ["2 run", "3 run", "5 reuse (exact)", "6 reuse (exact)"]


def test_names_of_owners_in_layers_that_are_not_there_yet(kitchen: Kitchen) -> None:
    kitchen.write({"passwd": "root:x:0:0::/:/bin/sh\nme:x:7:8::/:/bin/sh\n", "f": "1"})
    text = "FROM busybox\nCOPY passwd /etc/passwd\nUSER me\nWORKDIR /mine\nCOPY --chown=me f /mine/f\n"
    found, _ = agreed(kitchen, text)
    assert shown(found) == ["2 run", "3 run", "4 run"]
    assert shown(agreed(kitchen, text)[0]) == ["2 reuse (exact)", "3 reuse (exact)", "4 reuse (exact)"]


def test_archives_and_hard_links(kitchen: Kitchen) -> None:
    """What ADD would unpack is worked out, too: a copy of it that was made before is reused."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name in ("d/one", "d/two"):
            info = tarfile.TarInfo(name)
            info.size = 3
            tar.addfile(info, io.BytesIO(name.encode()[-3:]))
        link = tarfile.TarInfo("d/link")
        link.type, link.linkname = tarfile.LNKTYPE, "d/one"
        tar.addfile(link)
    kitchen.write({"a.tar.gz": out.getvalue(), "n": "1"})
    text = "FROM busybox AS a\nCOPY n /n\nADD a.tar.gz /t/\nFROM scratch\nCOPY --from=a /t/d /d\n"
    agreed(kitchen, text)
    kitchen.write({"n": "2"})
    found, result = agreed(kitchen, text.replace("/t/", "/u/"))
    assert shown(found) == ["2 run", "3 run", "5 reuse (exact)"]
    assert sorted(kitchen.listing(result.image_id)) == ["d", "d/link", "d/one", "d/two"]


def test_the_base_is_another_one(kitchen: Kitchen) -> None:
    """Rule by rule: COPY, WORKDIR and what only follows content are reused; what would run is known."""
    kitchen.add_image("base", ContainerConfig(), {"etc/v": b"1", "srv": None})
    text = "FROM base\nCOPY a /srv/a\nWORKDIR /srv/w\nCOPY --from=busybox /etc/group /g\n"
    kitchen.write({"a": "1"})
    kitchen.build(text)
    kitchen.add_image("base", ContainerConfig(), {"etc/v": b"2", "srv": None})
    found, _ = agreed(kitchen, text)
    assert shown(found) == ["2 reuse (independent)", "3 reuse (independent)", "4 reuse (independent)"]
    kitchen.add_image("base", ContainerConfig(), {"etc/v": b"2", "srv": b"a file"})
    with pytest.raises(DockerfileError) as told:
        planned(kitchen, text)
    with pytest.raises(DockerfileError) as failed:
        kitchen.build(text)
    assert (told.value.message, told.value.line) == (failed.value.message, failed.value.line)


def test_rules_that_are_off(kitchen: Kitchen) -> None:
    kitchen.write({"a": "1", "b": "1"})
    text = "FROM busybox\nCOPY a /a\nCOPY b /b\n"
    kitchen.build(text)
    kitchen.write({"a": "2"})
    for options in ({"rules_off": frozenset({"independent"})}, {"verify": True}):
        found = planned(kitchen, text, **options)
        assert shown(found) == ["2 run", "3 run"]
        assert found.steps[2].reason is not None
        assert found.steps[2].reason.code in (reasons.RULE_OFF, reasons.VERIFYING)
    assert shown(agreed(kitchen, text)[0]) == ["2 run", "3 reuse (independent)"]
    agreed(kitchen, text, rules_off=frozenset({"exact"}))


def test_age_and_stages_without_the_cache(kitchen: Kitchen) -> None:
    text = "FROM busybox AS a\nRUN echo 1 > /a\nFROM busybox AS b\nCOPY --from=a /a /a\nRUN echo 2 > /b\n"
    kitchen.build(text)
    assert shown(agreed(kitchen, text, cache_ttl=3600.0)[0]) == [
        "2 reuse (exact)",
        "4 reuse (exact)",
        "5 reuse (exact)",
    ]
    aged = planned(kitchen, text, cache_ttl=0.0)
    assert shown(aged) == ["2 run", "4 unknown, waits for 2", "5 unknown, waits for 2"]
    assert aged.steps[1].reason is not None
    assert aged.steps[1].reason.code == reasons.AGE
    only = agreed(kitchen, text, no_cache_filter=("b",))[0]
    assert shown(only) == ["2 reuse (exact)", "4 run", "5 run"]
    assert only.steps[4].reason is not None
    assert only.steps[4].reason.code == reasons.NO_CACHE_FILTER


def test_several_platforms(kitchen: Kitchen) -> None:
    text = "FROM scratch AS a\nCOPY a /a\nFROM scratch\nCOPY --from=a /a /b\nWORKDIR /w\n"
    kitchen.write({"a": "1"})
    found, _ = agreed(kitchen, text, platforms=("linux/amd64", "linux/arm64"))
    assert [step.number for step in found.steps] == list(range(1, 11))
    agreed(kitchen, text, platforms=("linux/amd64", "linux/arm64"))


# --- what would end the build


def test_what_ends_a_build_ends_its_plan(kitchen: Kitchen) -> None:
    kitchen.write({"a": "1", "d/x": "1"})
    for text in (
        "FROM scratch\nCOPY nothing /\n",
        "FROM scratch\nCOPY a /f\nCOPY d /f/\n",
        "FROM scratch\nCOPY --from=later a /\nFROM scratch AS later\nFROM 0\n",
        "FROM nowhere\n",
        "FROM busybox\nCOPY --chown=nobody-here a /\n",
        "FROM scratch\nCOPY a d/x /x\nRUN\n",
    ):
        with pytest.raises(LaminaError) as told:
            planned(kitchen, text)
        with pytest.raises(LaminaError) as failed:
            kitchen.build(text)
        assert told.value.message == failed.value.message
    with pytest.raises(InvalidInput):
        planned(kitchen, "FROM scratch\n", tags=("Bad Tag",))


def test_a_warning_of_the_build_is_one_of_the_plan(kitchen: Kitchen) -> None:
    found = planned(kitchen, "FROM scratch\nCOPY <<E /x\nE\n", build_args={"lost": "1"})
    assert found.notes == ("[Warning] One or more build-args [lost] were not consumed",)


def test_a_step_that_failed(kitchen: Kitchen) -> None:
    text = "FROM busybox\nCOPY a /a\nRUN cat /a; exit 3\n"
    kitchen.write({"a": "1"})
    with pytest.raises(LaminaError):
        kitchen.build(text)
    found = planned(kitchen, text)
    assert shown(found) == ["2 reuse (exact)", "3 run"]
    assert found.steps[2].reason is not None
    assert found.steps[2].reason.code == reasons.FAILED


def test_a_layer_that_is_gone(kitchen: Kitchen) -> None:
    from .test_swept import hold_nothing, prune

    text = "FROM busybox\nCOPY a /a\nRUN cat /a > /b\n"
    kitchen.write({"a": "1"})
    kitchen.build(text, output=())
    hold_nothing(kitchen)
    prune(kitchen)
    check(planned(kitchen, text), kitchen.build(text))
