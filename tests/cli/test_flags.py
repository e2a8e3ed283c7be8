"""Command lines are read as Docker's client reads them."""

from __future__ import annotations

import pytest

from lamina.cli.flags import Command, HelpWanted, UsageError
from lamina.errors import Unsupported


def _command(*, interspersed: bool = True) -> Command:
    command = Command("lamina", "thing", "Do a thing")
    command.takes("NAME [NAME...]", 1, None)
    command.interspersed = interspersed
    command.switch("interactive", "Keep it open", "i")
    command.switch("tty", "Have a terminal", "t")
    command.switch("rm", "Remove it")
    command.option("env", "list", "Set one", "e", many=True)
    command.option("name", "string", "Call it")
    command.later("publish p", "the network is the host's")
    return command


@pytest.mark.parametrize(
    ("words", "env", "operands"),
    [
        ("-e A=1 x", ["A=1"], ["x"]),
        ("-eA=1 --env B x", ["A=1", "B"], ["x"]),
        ("-e=A=1 --env=B=2 x", ["A=1", "B=2"], ["x"]),
        ("x -e A y", ["A"], ["x", "y"]),
        ("-ite A x", ["A"], ["x"]),
        ("-- -e x", [], ["-e", "x"]),
        ("- x", [], ["-", "x"]),
    ],
)
def test_values(words: str, env: list[str], operands: list[str]) -> None:
    args = _command().parse(words.split())
    assert args.texts("env") == env
    assert args.operands == operands


def test_switches_can_be_said_to_be_false() -> None:
    args = _command().parse(["-it", "--rm=false", "x"])
    assert (args.on("interactive"), args.on("tty"), args.on("rm"), args.given("rm")) == (
        True,
        True,
        False,
        True,
    )
    assert _command().parse(["-t=0", "x"]).on("tty") is False


def test_the_last_value_counts() -> None:
    args = _command().parse(["--name", "a", "--name", "b", "x"])
    assert args.text("name") == "b"
    assert args.text("other", "default") == "default"


def test_flags_can_end_at_the_first_operand() -> None:
    args = _command(interspersed=False).parse(["-t", "image", "ls", "-l", "--help", "--", "x"])
    assert args.operands == ["image", "ls", "-l", "--help", "--", "x"]


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        ("--foo x", "unknown flag: --foo", 125),
        ("-tZ x", "unknown shorthand flag: 'Z' in -tZ", 125),
        ("-e", "flag needs an argument: 'e' in -e", 125),
        ("x --name", "flag needs an argument: --name", 125),
        ("--rm=maybe x", 'invalid argument "maybe" for "--rm" flag', 125),
        ("", "lamina: 'lamina thing' requires at least 1 argument", 1),
    ],
)
def test_refusals(words: str, message: str, code: int) -> None:
    with pytest.raises(UsageError) as caught:
        _command().parse(words.split())
    assert caught.value.message.startswith(message)
    assert caught.value.exit_code == code
    assert "Usage:  lamina thing [OPTIONS] NAME [NAME...]" in caught.value.usage


@pytest.mark.parametrize(
    ("least", "most", "words", "message"),
    [
        (0, 0, ["x"], "accepts no arguments"),
        (1, 1, [], "requires 1 argument"),
        (2, 2, ["x"], "requires 2 arguments"),
        (0, 1, ["x", "y"], "requires at most 1 argument"),
    ],
)
def test_counts_of_operands(least: int, most: int, words: list[str], message: str) -> None:
    command = Command("lamina", "thing", "Do a thing")
    command.takes("", least, most)
    with pytest.raises(UsageError, match=message):
        command.parse(words)


@pytest.mark.parametrize("words", ["--publish 80:80 x", "-p 80:80 x"])
def test_what_is_not_built_yet_says_so(words: str) -> None:
    with pytest.raises(Unsupported, match="is not supported") as caught:
        _command().parse(words.split())
    assert caught.value.hint == "the network is the host's"


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help(word: str) -> None:
    with pytest.raises(HelpWanted) as caught:
        _command().parse([word])
    lines = caught.value.text.splitlines()
    assert lines[0] == "Usage:  lamina thing [OPTIONS] NAME [NAME...]"
    assert "  -e, --env list      Set one" in lines
    assert "      --rm            Remove it" in lines
    assert max(map(len, lines)) <= 80
