"""The typed side of the instructions: fields, defaults, and that they are frozen dataclasses."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from typing import Any

import pytest

import lamina.dockerfile as language
from lamina.dockerfile import ArgPair, Instruction, Pair, parse


def one(text: str) -> Any:
    """The last instruction of a file with a stage."""
    return parse(("FROM base\n" + text).encode()).instructions[-1]


def values(instruction: Instruction) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(instruction)]  # type: ignore[arg-type]
    return {name: getattr(instruction, name) for name in names[4:]}


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("FROM Image AS Stage", {"image": "Image", "stage": "stage", "platform": None}),
        ("FROM --platform=$BUILDPLATFORM a", {"image": "a", "stage": None, "platform": "$BUILDPLATFORM"}),
        ('ARG a b= c="d"', {"pairs": (ArgPair("a", None), ArgPair("b", ""), ArgPair("c", '"d"'))}),
        ("ENV a b  c", {"pairs": (Pair("a", "b  c", ""),)}),
        ("LABEL a=b c='d e'", {"pairs": (Pair("a", "b", "="), Pair("c", "'d e'", "="))}),
        ("WORKDIR /a b", {"path": "/a b"}),
        ("USER a:b", {"user": "a:b"}),
        ("EXPOSE 9 80", {"ports": ("80", "9")}),
        ("VOLUME /b /a", {"paths": ("/b", "/a"), "is_json": False}),
        ('VOLUME [" /b "]', {"paths": ("/b",), "is_json": True}),
        ("CMD a  b", {"command": "a  b", "is_json": False}),
        ("CMD", {"command": "", "is_json": False}),
        ("CMD []", {"command": (), "is_json": True}),
        ('ENTRYPOINT ["a", "b"]', {"command": ("a", "b"), "is_json": True}),
        ('SHELL ["a"]', {"shell": ("a",)}),
        ("STOPSIGNAL 9", {"signal": "9"}),
        ("MAINTAINER a b", {"maintainer": "a b"}),
    ],
)
def test_fields(text: str, fields: dict[str, Any]) -> None:
    assert values(one(text)) == fields


def test_run() -> None:
    run = one("RUN --mount=type=cache,target=/a --mount=type=tmpfs,target=/b --network=none --device=x a | b")
    assert (run.command, run.is_json) == ("a | b", False)
    assert run.mounts == ("type=cache,target=/a", "type=tmpfs,target=/b")
    assert (run.network, run.security, run.devices) == ("none", None, ("x",))


def test_copy_and_add() -> None:
    made = one("COPY --from=x --chown=1 --chmod=7 --link --parents=FALSE --exclude=a --exclude=b s1 s2 d/")
    assert (made.sources, made.dest, made.from_) == (("s1", "s2"), "d/", "x")
    assert (made.chown, made.chmod, made.link, made.parents, made.exclude) == (
        "1",
        "7",
        True,
        False,
        ("a", "b"),
    )
    added = one("ADD --checksum=sha256:1 --keep-git-dir --unpack=false s d")
    assert (added.checksum, added.keep_git_dir, added.unpack, added.link) == ("sha256:1", True, False, False)
    assert one("ADD s d").unpack is None


def test_heredocs_of_copy_are_files() -> None:
    made = one('COPY <<a.txt plain <<-"b.txt" /d/\n$x\na.txt\n\t\t$y\n\tb.txt\n')
    assert made.sources == ("plain",)
    assert [(doc.name, doc.text, doc.expand) for doc in made.heredocs] == [
        ("a.txt", "$x\n", True),
        ("b.txt", "$y\n", False),
    ]
    assert made.source == (2, 6)


def test_healthcheck() -> None:
    check = one(
        "HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=1h --start-interval=500ms \\\n"
        "--retries=+2 CMD a b"
    )
    assert (check.test, check.is_json) == (("CMD-SHELL", "a b"), False)
    assert (check.interval, check.timeout) == (90_000_000_000, 1_500_000_000)
    assert (check.start_period, check.start_interval) == (3_600_000_000_000, 500_000_000)
    assert check.retries == 2
    assert one('HEALTHCHECK CMD ["a"]').test == ("CMD", "a")
    none = one("HEALTHCHECK --interval=rubbish none")
    assert (none.test, none.interval) == (("NONE",), 0)
    assert one("HEALTHCHECK --interval=0 --timeout=0s CMD x").timeout == 0


def test_onbuild_keeps_the_expression_for_the_config() -> None:
    made = one("onBuild  RUN <<-E cat\n\tx\n\tE\n")
    assert made.expression == "RUN <<-E cat\n\tx\nE"
    assert made.inner.command == "<<-E cat"
    assert made.inner.heredocs == made.heredocs
    assert made.source == made.inner.source == (2, 4)


def test_every_class_is_a_frozen_dataclass() -> None:
    classes = [
        kind for kind in vars(language).values() if isinstance(kind, type) and issubclass(kind, Instruction)
    ]
    assert len(classes) == 19
    for kind in classes:
        assert dataclasses.is_dataclass(kind)
        assert [field.name for field in dataclasses.fields(kind)][:4] == [
            "source",
            "original",
            "flags",
            "args",
        ]
        assert not hasattr(kind, "__dict__") or "__dict__" not in dir(kind)


def test_instructions_are_values() -> None:
    run, same = one("RUN x"), one("RUN x")
    assert run == same and hash(run) == hash(same) and run != one("RUN y") and run != one("CMD x")
    assert pickle.loads(pickle.dumps(run)) == copy.deepcopy(run) == run
    assert dataclasses.replace(run, command="z").command == "z"
    assert "command='x'" in repr(run)
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.command = "y"
    with pytest.raises(AttributeError):
        del run.command
    with pytest.raises(TypeError):
        language.User(run.source, "", (), ())  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        language.User(run.source, "", (), (), user="x", other="y")  # type: ignore[call-arg]


def test_directives_escape_and_lines() -> None:
    dockerfile = parse(b"# syntax = docker/dockerfile:1 \n# Escape=`\n# check=skip=all;error=true\nFROM a\n")
    assert dockerfile.directives == {
        "syntax": "docker/dockerfile:1",
        "escape": "`",
        "check": "skip=all;error=true",
    }
    assert dockerfile.escape == "`"
    assert dockerfile.lines[3] == "FROM a"
    assert parse(b"#!/bin/x\n# escape=`\nFROM a\n").escape == "\\"
    assert parse(b"# unknown=1\n# escape=`\nFROM a\n").escape == "\\"
    assert parse(b"\n# escape=`\nFROM a\n").escape == "\\"


def test_the_escape_character_counts_in_flags_too() -> None:
    dockerfile = parse(b"# escape=`\nFROM a\nCOPY --from=a\\b --chown=x` y c d\n")
    assert dockerfile.instructions[1].flags == ("--from=a\\b", "--chown=x y")


def test_importing_the_language_loads_nothing_heavy() -> None:
    code = (
        "import sys, lamina.dockerfile as d; d.parse(b'FROM a\\nRUN x\\nENV a=$b');"
        "heavy = {'dataclasses', 'inspect', 'pathlib', 'ctypes', 'tempfile', 'shutil', 'subprocess'};"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
    )
    assert done.stdout.strip() == ""
