"""All rules together with the real recorder: edits of a project, and what of it is done again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import pytest

from lamina.build.given import Secret
from tests.build.kitchen import opened
from tests.build.ruled import all_traces, check_sound, how, notices, outline, row, rules
from tests.build.untouched.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lamina.mount.userns import IdMap
    from tests.build.kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def kitchen(inside: IdMap) -> Iterator[Kitchen]:
    """A kitchen whose steps are recorded."""
    with opened(Lab) as made:
        made.add_busybox()
        made.tools()  # skips where nothing can be recorded
        yield made


def add_bases(kitchen: Kitchen) -> None:
    """Two more images: busybox with another file, and with another group."""
    kitchen.build("FROM busybox\nRUN echo patch > /etc/motd\nRUN mkdir /opt\n", tags=("patched",))
    kitchen.build("FROM busybox\nRUN echo more:x:9: >> /etc/group\n", tags=("broken",))


FILES = {"requirements.txt": "flask", "app.py": "1", "docs/a.md": "a", "Makefile": "all"}
INSTALL = "RUN cat requirements.txt > /installed"
INDEX = "RUN ls docs > /index; cat Makefile /etc/group >> /index"
PROJECT = f"""\
FROM busybox
WORKDIR /app
COPY . .
{INSTALL}
{INDEX}
RUN echo made > /made
CMD ["run"]
"""
R, U, I, E = "ran", "untouched", "independent", "exact"  # noqa: E741


def write(**files: str) -> Callable[[Kitchen], object]:
    return lambda kitchen: kitchen.write(
        {name.replace("__", "/").replace("_", "."): text for name, text in files.items()}
    )


class Edit(NamedTuple):
    """A change of the files, or of the text; and how each step comes about then."""

    expected: tuple[str, ...]
    files: Callable[[Kitchen], object] = lambda kitchen: None
    texts: Mapping[str, str] = {}


EDITS = {
    "nothing": Edit((E, E, E, E, E)),
    "a source": Edit((E, R, U, U, U), write(app_py="2")),
    "a source, and another": Edit((E, R, U, U, U), write(app_py="2", other_py="b")),
    "what a step only looks at": Edit((E, R, U, R, U), write(docs__a_md="b")),
    "a new file": Edit((E, R, U, U, U), write(new_py="2")),
    "a new file in a folder that is listed": Edit((E, R, U, R, U), write(docs__b_md="b")),
    "the requirements": Edit((E, R, R, U, U), write(requirements_txt="flask, more")),
    "what two steps read": Edit((E, R, R, R, U), write(requirements_txt="flask, more", Makefile="none")),
    "a time": Edit((E, E, E, E, E), lambda kitchen: os.utime(kitchen.context / "app.py", (5, 5))),
    "a mode": Edit((E, R, U, U, U), lambda kitchen: (kitchen.context / "app.py").chmod(0o755)),
    "a mode of what is read": Edit(
        (E, R, R, U, U), lambda kitchen: (kitchen.context / "requirements.txt").chmod(0o755)
    ),
    "a file less": Edit((E, R, U, U, U), lambda kitchen: (kitchen.context / "app.py").unlink()),
    "a comment": Edit((E, E, E, E, E), texts={"COPY": "# all of it\nCOPY"}),
    "a label": Edit((E, E, E, E, E), texts={"COPY": "LABEL a=b\nCOPY"}),
    "a variable above": Edit((E, E, R, R, R), texts={"COPY": "ENV A=b\nCOPY"}),
    "a variable below": Edit((E, E, E, R, R), texts={"RUN ls": "ENV A=b\nRUN ls"}),
    "another directory": Edit((R, R, R, R, R), texts={"/app": "/srv"}),
    "two that were swapped": Edit(
        (E, E, U, U, U),
        texts={INSTALL: "1", INDEX: INSTALL, "1": INDEX},
    ),
    "one that is new": Edit((E, E, R, U, U, U), texts={"RUN cat": "RUN echo new > /new\nRUN cat"}),
    "one that is gone": Edit((E, E, U, U), texts={"RUN cat requirements.txt > /installed\n": ""}),
    "one whose result is read": Edit(
        (E, E, R, R, U, U), texts={"RUN cat": "RUN echo x >> requirements.txt\nRUN cat"}
    ),
    "one whose result is as before": Edit(
        (E, E, R, U, U, U),
        texts={"RUN cat": "RUN echo -n flask > requirements.txt && chmod 644 requirements.txt\nRUN cat"},
    ),
    "a step before all": Edit((R, I, I, U, U, U), texts={"WORKDIR": "RUN echo > /first\nWORKDIR"}),
    "another base": Edit((I, I, U, U, U), texts={"FROM busybox": "FROM patched"}),
    "a base that is patched where it is read": Edit((I, I, U, R, U), texts={"FROM busybox": "FROM broken"}),
    "in two stages": Edit(
        (E, E, E, E, E), texts={"FROM busybox": "FROM busybox AS one", "RUN cat": "FROM one\nRUN cat"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_an_edit(kitchen: Kitchen, name: str) -> None:
    """What is done again; that the image is what it would be if all were; and that verify agrees."""
    edit = EDITS[name]
    if "base" in name:
        add_bases(kitchen)
    write_project(kitchen)
    kitchen.build(PROJECT)
    text = PROJECT
    for old, new in edit.texts.items():
        assert old in text
        text = text.replace(old, new)
    edit.files(kitchen)
    result = kitchen.build(text)
    assert tuple(rules(result)) == edit.expected
    check_sound(kitchen, result.image_id)
    again = kitchen.build(text)
    assert set(rules(again)) == {E}
    assert again.image_id == result.image_id
    kitchen.build(text, verify=True)
    reused = sum(rule in (U, I) for rule in edit.expected)
    assert [told.rpartition(" ")[2] for told in notices(kitchen)] == ["reuse"] * reused
    honest = kitchen.build(text, no_cache=True)
    assert set(rules(honest)) == {R}
    assert outline(kitchen, honest.image_id) == outline(kitchen, result.image_id)


def write_project(kitchen: Kitchen) -> None:
    kitchen.write(FILES)
    for name in FILES:
        path = kitchen.context / name
        path.chmod(0o644)
        os.utime(path, (1_700_000_000, 1_700_000_000))
    (kitchen.context / "docs").chmod(0o755)


STEPS = {
    "a here-document": "RUN <<EOF\ncat /etc/group > /out\nEOF",
    "a script": "RUN <<EOF\n#!/bin/sh\ncat /etc/group > /out\nEOF",
    "the exec form": 'RUN ["/bin/touch", "/out"]',
    "a user": "USER worker\nRUN id > /tmp/out",
    "a working directory that is made": "WORKDIR /w\nRUN pwd > out",
    "no network": "RUN --network=none cat /etc/group > /out",
    "an argument": "ARG A=1\nRUN echo $A > /out",
    "a mount of a stage": "RUN --mount=from=stage,target=/m cat /m/s > /out",
    "a mount of an image": "RUN --mount=from=busybox,target=/m cat /m/etc/group > /out",
    "a mount of the context": "RUN --mount=target=/m cat /m/app.py > /out",
    "a cache mount": "RUN --mount=type=cache,target=/c echo > /c/x; echo > /out",
    "a tmpfs": "RUN --mount=type=tmpfs,target=/t echo > /t/x; echo > /out",
    "nothing": "RUN true",
    "a file removed": "RUN rm /etc/group",
    "a folder removed": "RUN rm -r /home/worker",
}


@pytest.mark.parametrize("name", STEPS)
def test_each_kind_of_step(kitchen: Kitchen, name: str) -> None:
    write_project(kitchen)
    text = "FROM busybox AS stage\nRUN echo s > /s\nFROM busybox\nRUN echo {} > /other\n" + STEPS[name] + "\n"
    kitchen.build(text.format(1))
    result = kitchen.build(text.format(2))
    assert rules(result)[-1] == U
    honest = kitchen.build(text.format(2), no_cache=True)
    assert outline(kitchen, honest.image_id) == outline(kitchen, result.image_id)


def test_a_mount_that_shows_something_else(kitchen: Kitchen) -> None:
    write_project(kitchen)
    text = "FROM busybox AS stage\nRUN echo {0} > /s; echo {1} > /t\nFROM busybox\nRUN echo {2} > /other\n"
    text += "RUN --mount=from=stage,source=/s,target=/m cat /m > /out\n"
    kitchen.build(text.format(1, 1, 1))
    assert how(kitchen.build(text.format(1, 2, 2)))[-1] == "RUN untouched", "the file is the same"
    assert how(kitchen.build(text.format(2, 2, 3)))[-1] == "RUN ran"
    assert kitchen.build(text.format(2, 2, 3)).cached


@pytest.mark.parametrize(
    ("step", "options", "why"),
    [
        ("RUN --mount=type=secret,id=s echo > /out", {"secrets": (Secret("s", value=b"x"),)}, "secret"),
        ("RUN --security=insecure echo > /out", {"allow": frozenset(["security.insecure"])}, "insecure"),
    ],
)
def test_what_is_not_traced(kitchen: Kitchen, step: str, options: dict[str, object], why: str) -> None:
    text = "FROM busybox\nRUN echo {} > /other\n" + step + "\n"
    kitchen.build(text.format(1), **options)
    (trace,) = [trace for trace in all_traces(kitchen) if trace.recipe == row(kitchen, "echo > /out").recipe]
    assert trace.read_set is None
    assert why in trace.doubt
    assert rules(kitchen.build(text.format(2), **options)) == [R, R]


def test_side_by_side(kitchen: Kitchen) -> None:
    """Three stages with steps of one recipe, on three parents."""
    write_project(kitchen)
    stage = "FROM busybox AS s{0}\nRUN echo {1} > /other{0}\nRUN cat /etc/group > /out\n"
    last = "FROM busybox\n" + "".join(f"COPY --from=s{n} /other{n} /o{n}\n" for n in range(3))
    text = "".join(stage.format(n, "{0}") for n in range(3)) + last
    first = kitchen.build(text.format(1))
    assert rules(first).count(E) == 0
    second = kitchen.build(text.format(2))
    assert [each for each in how(second) if "cat" in each or each.startswith("RUN")] == [
        f"RUN {R}",
        f"RUN {U}",
    ] * 3
    assert set(rules(kitchen.build(text.format(2)))) == {E}


def test_what_only_the_config_says(kitchen: Kitchen) -> None:
    """It does not concern a layer."""
    kitchen.build("FROM busybox\nRUN echo > /out\n")
    text = "FROM busybox\nENTRYPOINT x\nEXPOSE 80\nRUN true\nHEALTHCHECK CMD true\nRUN echo > /out\n"
    assert rules(kitchen.build(text)) == [R, U]
