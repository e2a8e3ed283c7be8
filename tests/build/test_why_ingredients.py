"""For each kind of ingredient of a cache key: what people are told where it differs, word for word."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import lamina
from lamina.build.given import Ulimit
from lamina.cli.reasons import reason_lines
from lamina.db import recorded
from lamina.graph.differences import Sources, changes
from lamina.graph.ingredients import copy_from_key, pinned_key
from lamina.graph.ops import CopyOp
from lamina.graph.reason import CHANGED, Reason, parse

from .kitchen import HOST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.graph.key import CacheKey

    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)


class Try(NamedTuple):
    """One build."""

    dockerfile: str
    files: Mapping[str, str] = {}
    modes: Mapping[str, int] = {}
    options: Mapping[str, object] = {}


class Case(NamedTuple):
    """Two builds, and what is told of step `step` of the second."""

    before: Try
    after: Try
    lines: list[str]
    step: int = 2


def edit(before: str, old: str, new: str, lines: list[str], step: int = 2, **options: object) -> Case:
    """One edit of a Dockerfile on busybox; the same options, and two files, in both builds."""
    text, files = f"FROM busybox\n{before}", {"a": "A", "d/b": "B"}
    assert text.count(old) == 1
    return Case(Try(text, files, {}, options), Try(text.replace(old, new), files, {}, options), lines, step)


def given(dockerfile: str, old: dict[str, object], new: dict[str, object], lines: list[str]) -> Case:
    """Two builds of one Dockerfile, with other options."""
    text = f"FROM busybox\n{dockerfile}"
    return Case(Try(text, {"a": "A"}, {}, old), Try(text, {"a": "A"}, {}, new), lines)


INSECURE = {"allow": frozenset(("security.insecure",))}
WORKER = "… echo worker:x:1234:4321:w:/home/worker:/bin/sh > …"
MANY = [f"{number:05}" for number in range(2100)]
TOO_MANY = "one or more of its files; it has too many for all to be known by name"
SCRIPT = "RUN <<EOF\n#!/bin/sh\necho one\necho two\nEOF\n"

CASES: dict[str, Case | list[Case]] = {
    # every RUN
    "instruction": edit("COPY a /x\n", "COPY", "ADD", ["instruction: COPY -> ADD"]),
    "parent": edit("RUN echo 1 > /x\nRUN true\n", "echo 1", "echo 2", [
        "above it #2 (Dockerfile:2) is another: RUN echo 1 > /x -> RUN echo 2 > /x",
        "/x: content, by #2 (Dockerfile:2)",
        "(not traced: steps are not traced here)",
    ], 3),
    "command": [
        edit("RUN echo 1\n", "echo 1", "echo 2", ["command: echo 1 -> echo 2"]),
        edit(
            "RUN echo this is a rather long line that has one word more at its end today than before\n",
            "today", "tomorrow morning",
            ["command: … end today than … -> … end tomorrow morning than …"],
        ),
        edit('RUN ["echo", "1"]\n', '"1"', '"2"', ['command: ["echo", "1"] -> ["echo", "2"]']),
        edit("RUN echo --password=hunter2\n", "hunter2", "hunter3", ["command changed: ***"]),
    ],
    "shell": edit('SHELL ["/bin/sh", "-c"]\nRUN true\n', '"-c"', '"-ec"', [
        'SHELL: ["/bin/sh", "-c"] -> ["/bin/sh", "-ec"]'
    ]),
    "user": [
        edit("USER worker\nRUN true\n", "worker", "root", ["USER: worker -> root"]),
        edit("RUN true\n", "RUN", "USER worker\nRUN", ["USER added: worker"]),
    ],
    "workdir": edit("RUN true\n", "RUN", "WORKDIR /tmp\nRUN", [
        "WORKDIR: / -> /tmp",
        "above it is a new step: #2 WORKDIR /tmp (Dockerfile:2)",
    ], 3),
    "network": edit("RUN true\n", "RUN", "RUN --network=none", ["network: host -> none"]),
    "platform": given(
        "RUN true\n", {}, {"platforms": ("linux/other",)}, [f"platform: {HOST} -> linux/other"]
    ),
    "script": edit(SCRIPT, "two", "three", ["script: … echo two -> … echo three"]),
    "security": edit(
        "RUN true\n", "RUN", "RUN --security=insecure", ["--security added: insecure"], **INSECURE
    ),
    "ARG {}": [
        given("ARG V\nRUN true\n", {"build_args": {"V": "1"}}, {"build_args": {"V": "2"}}, ["ARG V: 1 -> 2"]),
        given("ARG V\nRUN true\n", {}, {"build_args": {"V": "2"}}, ["ARG V added: 2"]),
        given("ARG V\nRUN true\n", {"build_args": {"V": ""}}, {"build_args": {"V": " "}},
              ['ARG V: "" -> " "']),
        given("ARG API_TOKEN\nRUN true\n", {"build_args": {"API_TOKEN": "one"}},
              {"build_args": {"API_TOKEN": "two"}}, ["ARG API_TOKEN changed: ***"]),
        given("ARG API_TOKEN\nRUN true\n", {}, {"build_args": {"API_TOKEN": "two"}},
              ["ARG API_TOKEN added: ***"]),
        edit("ARG V=1\nRUN true\n", "ARG V=1\n", "", ["ARG V removed: 1"]),
        edit("ARG V=1\nRUN true\n", "ARG", "ENV", ["ARG V removed: 1", "ENV V added: 1"]),
        given("ARG U\nRUN true\n", {"build_args": {"U": "https://me:secret@x/"}},
              {"build_args": {"U": "https://me:other@y/"}}, ["ARG U: https://***@x/ -> https://***@y/"]),
        given("ARG V\nRUN true\n", {"build_args": {"V": "a"}}, {"build_args": {"V": "\x1b[31mb"}},
              ["ARG V: a -> \\x1b[31mb"]),
    ],
    "ENV {}": [
        edit("ENV V=1\nRUN true\n", "V=1", "V=2", ["ENV V: 1 -> 2"]),
        edit("RUN true\n", "RUN", "ENV V=1\nRUN", ["ENV V added: 1"]),
        edit("ENV DB_PASSWORD=1\nRUN true\n", "=1", "=2", ["ENV DB_PASSWORD changed: ***"]),
    ],
    "ulimit {}": given(
        "RUN true\n", {"ulimits": (Ulimit("nofile", 64, 64),)}, {"ulimits": (Ulimit("nofile", 64, 128),)},
        ["--ulimit nofile: 64:64 -> 64:128"],
    ),
    "shm size": given("RUN true\n", {}, {"shm_size": 1 << 20}, ["--shm-size added: 1048576"]),
    "added hosts": given(
        "RUN true\n",
        {"add_hosts": (("one", "1.1.1.1"),)}, {"add_hosts": (("one", "1.1.1.1"), ("two", "::1"))},
        ["--add-host: one -> one two"],
    ),
    "host name": given(
        "RUN true\n", {}, {"build_args": {"BUILDKIT_SANDBOX_HOSTNAME": "me"}},
        ["BUILDKIT_SANDBOX_HOSTNAME added: me"],
    ),
    "SOURCE_DATE_EPOCH": [
        given(text, {"build_args": {"SOURCE_DATE_EPOCH": "1"}}, {"build_args": {"SOURCE_DATE_EPOCH": "2"}},
              ["SOURCE_DATE_EPOCH: 1 -> 2"])
        for text in ("COPY a /x\n", "RUN true\n", "WORKDIR /x\n")
    ],
    # who the process is: it counts beside the key, and what tells it lies below
    "identity": edit(
        "RUN echo worker:x:1234:4321:w:/home/worker:/bin/sh > /etc/passwd\nUSER worker\nRUN true\n",
        "1234", "1235",
        [
            f"above it #2 (Dockerfile:2) is another: {WORKER} -> {WORKER.replace('4:', '5:', 1)}",
            "/etc/passwd: content, by #2 (Dockerfile:2)",
        ], 3,
    ),
    # COPY, ADD, WORKDIR
    "link": edit("COPY a /x\n", "COPY", "COPY --link", ["--link added: yes"]),
    "dest": edit("COPY a /x\n", "/x", "/y", ["destination: /x -> /y"]),
    "chown": edit("COPY --chown=worker a /x\n", "worker", "0:50", ["--chown: 1234:4321 -> 0:50"]),
    "chmod": edit("COPY a /x\n", "COPY", "COPY --chmod=600", ["--chmod added: 600"]),
    "unpack": edit("ADD a /x\n", "ADD", "ADD --unpack=false", ["--unpack added: no"]),
    "document {}": [
        edit("COPY <<EOF /x\none\ntwo\nEOF\n", "two", "three", ["document EOF: one two -> one three"]),
        Case(
            Try("FROM busybox\nARG TOKEN\nCOPY <<EOF /x\nit is $TOKEN\nEOF\n",
                options={"build_args": {"TOKEN": "first"}}),
            Try("FROM busybox\nARG TOKEN\nCOPY <<EOF /x\nit is $TOKEN\nEOF\n",
                options={"build_args": {"TOKEN": "second"}}),
            ["document EOF changed: ***"],
        ),
    ],
    "path": edit("WORKDIR /x\n", "/x", "/y", ["folder: /x -> /y"]),
    "owner": edit("USER worker\nWORKDIR /x\n", "worker", "0:50", ["owner: 1234:4321 -> 0:50"]),
    "file {}: {}": [
        Case(
            Try("FROM busybox\nCOPY --parents x/y w/./z /d/\n", {"x/y/a": "1", "w/z/b": "1"}),
            Try("FROM busybox\nCOPY --parents x/y/a w/./z /d/\n", {"x/y/a": "1", "w/z/b": "2"}),
            ["w/z/b: content", "x/y: copied itself -> for what is in it"],
        ),
        Case(Try("FROM busybox\nCOPY . /\n", {"a": "A", "d/b": "B", "d/c": "C"}, {"a": 0o644}),
             Try("FROM busybox\nCOPY . /\n", {"a": "A", "d/b": "more", "d/e\n": ""}, {"a": 0o664}),
             ["d/b: content, 1 -> 4 bytes", "d/e\\n: added", "d/c: removed", "a: mode 0644 -> 0664"]),
        Case(Try("FROM busybox\nCOPY d/a /\n", {"d/a": "A"}), Try("FROM busybox\nCOPY d/a /\n", {"d/a": "B"}),
             ["d/a: content"]),
        Case(Try("FROM busybox\nCOPY d* /\n", {"d1/a": "A"}), Try("FROM busybox\nCOPY d* /\n", {"d1/a": "B"}),
             ["d*/a: content"]),
        Case(Try("FROM busybox\nCOPY a /\n", {"a": "A"}), Try("FROM busybox\nCOPY a /\n", {"a/b": "B"}),
             ["a: added (folder)", "a/b: added", "a: removed"]),
        Case(Try("FROM busybox\nCOPY a b /x/\n", {"a": "A", "b": "B"}),
             Try("FROM busybox\nCOPY a c /x/\n", {"a": "A", "c": "B"}), ["c: added", "b: removed"]),
    ],
    "file {}": [
        Case(Try("FROM busybox\nCOPY d /\n", {"d/a": "A"}), Try("FROM busybox\nCOPY e /\n", {"e/a": "B"}),
             ["e/a: content"]),
        Case(Try("FROM busybox\nRUN --mount=target=/m true\n", {"a": "A", "d/b": "B"}),
             Try("FROM busybox\nRUN --mount=target=/m true\n", {"a": "A", "d/b": "C"}, {"a": 0o600}),
             ["d/b: content", "a: mode 0644 -> 0600"]),
    ],
    "source {}": [
        Case(
            Try("FROM busybox\nCOPY . /x/\n", {**dict.fromkeys(MANY, ""), "d/gone": ""}),
            Try("FROM busybox\nRUN mkdir /x\nCOPY . /x/\n",
                {**dict.fromkeys(MANY, ""), "00001": "x", "02050": "xy", "new": ""}, {"02051": 0o600}),
            ["00001: content, 0 -> 1 bytes", "02050: content, 0 -> 2 bytes", "new: added",
             "d: removed (folder)", "d/gone: removed", "02051: mode 0644 -> 0600"],
            step=3,
        ),
        Case(
            Try("FROM busybox\nCOPY m n /x/\n", {**{f"m/{name}": "" for name in MANY}, "n": "1"}),
            Try("FROM busybox\nCOPY m n /x/\n", {**{f"m/{name}": "" for name in MANY}, "n": "2"}),
            ["/x/n: content"],
        ),
        Case(
            Try("FROM busybox\nCOPY . /x/\n", dict.fromkeys(MANY, "")),
            Try("FROM busybox\nCOPY --chmod=600 . /y/\n", {**dict.fromkeys(MANY, ""), "02050": "x"}),
            ["destination: /x/ -> /y/", "--chmod added: 600", f".: {TOO_MANY} (2100 now, 2000 are)"],
        ),
        Case(
            Try("FROM busybox AS a\nCOPY . /s/\nFROM busybox\nCOPY --from=a /s /\n", dict.fromkeys(MANY, "")),
            Try("FROM busybox AS a\nCOPY . /s/\nFROM busybox\nCOPY --from=a /s /\n",
                {**dict.fromkeys(MANY, ""), "02050": "x"}),
            ["/s/02050: content, 0 -> 1 bytes, by #2 (Dockerfile:2)"],
            step=4,
        ),
    ],
    # mounts
    "mount {} {} {}": [
        edit("RUN --mount=type=cache,target=/c true\n", "target=/c", "target=/c,uid=7",
             ["--mount=type=cache,target=/c uid added: 7"]),
        edit("RUN --mount=type=cache,target=/c true\n", "target=/c", "target=/d",
             ["--mount=type=cache,target=/d added", "--mount=type=cache,target=/c removed"]),
        edit("RUN --mount=type=tmpfs,target=/c true\n", "--m", "--mount=type=cache,target=/d --m",
             ["--mount=type=cache,target=/d added"]),
        edit("RUN --mount=type=secret,id=a true\n", "id=a", "id=a,mode=0444",
             ["--mount=type=secret,target=/run/secrets/a mode: 0400 -> 0444"]),
    ],
    "mount {} content": Case(
        Try("FROM busybox\nRUN --mount=target=/m true\n", dict.fromkeys(MANY, "")),
        Try("FROM busybox\nRUN --mount=target=/m true\n", {**dict.fromkeys(MANY, ""), "02050": "x"}),
        [f"--mount=type=bind,target=/m: {TOO_MANY}"],
    ),
}  # fmt: skip

# These keys stand for others that tell more, and mostly are there, too: only without them is this told.
_OP = CopyOp("COPY", ("a",), (), "/x", "", "", image="busybox")


def _from(source: str, exclude: tuple[str, ...] = ()) -> CacheKey:
    return copy_from_key(_OP._replace(exclude=exclude), "", None, None, source)


QUICK: dict[str, tuple[CacheKey, CacheKey, list[str]]] = {
    "source layers": (_from("one"), _from("two"), ["layers that it copies from: one -> two"]),
    "exclude {}": (_from("one"), _from("one", ("*.o",)), ["--exclude added: *.o"]),
    "checksum": (
        pinned_key(_OP._replace(checksum="sha256:aa"), "", None, None),
        pinned_key(_OP._replace(checksum="sha256:bb"), "", None, None),
        ["--checksum: sha256:aa -> sha256:bb"],
    ),
}
# What cannot differ between two builds with one Lamina.
NEVER = {"policy"}

MODULES = ("graph/ingredients.py", "graph/mounts.py", "build/limits.py", "build/reuse.py")


def labels(module: str) -> set[str]:
    """The labels of all ingredients that a module makes; {} stands for what is filled in."""
    tree = ast.parse((Path(lamina.__file__).parent / module).read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [call.args[0] for call in calls if getattr(call.func, "id", "") == "Ingredient"]
    return {label for name in names for label in _texts(name)}


def _texts(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.JoinedStr):
        return ["".join(text for part in node.values for text in _texts(part))]
    if isinstance(node, ast.BinOp):
        return [one + other for one in _texts(node.left) for other in _texts(node.right)]
    if isinstance(node, ast.IfExp):
        return _texts(node.body) + _texts(node.orelse)
    return ["{}"]


def test_no_kind_is_forgotten() -> None:
    made = set().union(*map(labels, MODULES))
    assert made == {*CASES, *QUICK, *NEVER}
    assert {"command", "ARG {}", "mount {} content"} <= made, "the labels are found"


def cases() -> list[object]:
    found = []
    for label, value in CASES.items():
        several = value if isinstance(value, list) else [value]
        found += [pytest.param(case, id=f"{label}-{n}" if n else label) for n, case in enumerate(several)]
    return found


def build(kitchen: Kitchen, what: Try) -> None:
    for path in sorted(kitchen.context.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    kitchen.write(what.files)
    for name in what.files:
        (kitchen.context / name).chmod(what.modes.get(name, 0o644))
    kitchen.build(what.dockerfile, **what.options)


def reason(kitchen: Kitchen, step: int) -> Reason:
    """Why a step of the last build was done."""
    c = kitchen.db.read()
    row = next(row for row in recorded.steps(c, recorded.find(c).id) if row.step == step)
    assert row.status == "run"
    found = parse(row.reason)
    assert found is not None
    return found


@pytest.mark.parametrize("case", cases())
def test_exact_text(kitchen: Kitchen, case: Case) -> None:
    build(kitchen, case.before)
    build(kitchen, case.after)
    found = reason(kitchen, case.step)
    assert found.code == CHANGED
    assert found.seconds is not None, "how long it took the last time"
    assert reason_lines(found) == case.lines


@pytest.mark.parametrize("label", QUICK)
def test_exact_text_of_quick_keys(label: str) -> None:
    old, new, lines = QUICK[label]
    found = changes(old.ingredients, new.ingredients, Sources(("a",), (1,)))
    assert reason_lines(Reason(CHANGED, tuple(found))) == lines
