"""Files that are refused: message, line and column, hint and caret."""

from __future__ import annotations

import time

import pytest

from lamina.dockerfile import DockerfileError, locate, parse, parse_trigger
from lamina.errors import InvalidInput


def refused(data: bytes | str) -> DockerfileError:
    with pytest.raises(DockerfileError) as caught:
        parse(data.encode() if isinstance(data, str) else data)
    return caught.value


@pytest.mark.parametrize(
    ("text", "place", "detail", "hint"),
    [
        ("", (1, 1), "file with no instructions", "begin it with FROM"),
        ("# only\n\n", (2, 1), "file with no instructions", "begin it with FROM"),
        ("ARG a\n", (1, 1), "dockerfile contains no stages to build", "begin it with FROM"),
        ("ARG a\n  RUN x\n", (2, 3), "no build stage in current context", "only ARG may"),
        ("FORM a\n", (1, 1), "unknown instruction: FORM", "did you mean FROM?"),
        ("FROM a\n\n copz a b\n", (3, 2), "unknown instruction: copz", "did you mean COPY?"),
        ("FROM a\nGARBAGE\n", (2, 1), "unknown instruction: GARBAGE", None),
        ("FROM a\nworkd\u0131r /\n", (2, 1), "unknown instruction: workd\u0131r", "did you mean WORKDIR?"),
        ("FROM a\nRUN x \\\n  y\nRUNN x\n", (4, 1), "unknown instruction: RUNN", "did you mean RUN?"),
        ("FROM\n", (1, 1), "FROM requires either one or three arguments", "FROM IMAGE"),
        ("FROM a b\n", (1, 1), "FROM requires either one or three arguments", "FROM IMAGE"),
        ("FROM a ass b\n", (1, 1), "FROM requires either one or three arguments", "FROM IMAGE"),
        ("FROM a AS 1b\n", (1, 11), 'invalid name for build stage: "1b"', None),
        ("FROM a AS b/c\n", (1, 11), 'invalid name for build stage: "b/c"', None),
        ("FROM --platfrm=x a\n", (1, 6), "unknown flag: --platfrm", "did you mean --platform?"),
        (
            "FROM a\nCOPY a \\\n b\nCOPY --a=1 \\\n  --form=x a b\n",
            (4, 6),
            "unknown flag: --a",
            "COPY takes --chown",
        ),
        ("FROM a\nCOPY --link \\\n  --form=x a b\n", (3, 3), "unknown flag: --form", "did you mean --from?"),
        ("FROM a\nWORKDIR --x /\n", (2, 9), "unknown flag: --x", "WORKDIR takes no flags"),
        ("FROM a\nARG --x y\n", (2, 5), "unknown flag: --x", "ARG takes no flags"),
        ("FROM a\nCOPY --from a b\n", (2, 6), "missing a value on flag: --from", "write --from=VALUE"),
        ("FROM a\nCOPY --link= a b\n", (2, 6), "missing a value on flag: --link", "--link=false"),
        (
            "FROM a\nCOPY --link=1 a b\n",
            (2, 6),
            "expecting boolean value for flag --link, not: 1",
            "true or false",
        ),
        ("FROM a\nCOPY --link --link a b\n", (2, 6), "duplicate flag specified: --link", "give it once"),
        (
            "FROM a\nCOPY --chown=1 --chown=2 a b\n",
            (2, 6),
            "duplicate flag specified: --chown",
            "give it once",
        ),
        (
            "FROM a\nCOPY a\n",
            (2, 1),
            "COPY requires at least two arguments, but only one was provided",
            "DESTINATION",
        ),
        (
            'FROM a\nADD ["a"]\n',
            (2, 1),
            "ADD requires at least two arguments, but only one was provided",
            "DEST",
        ),
        ("FROM a\nCOPY a <<E\nE\n", (2, 8), "COPY cannot accept a heredoc as a destination", None),
        ('FROM a\nCOPY ["<<E", "/x"]\n', (2, 8), "COPY has no heredoc E", "in JSON form"),
        ("FROM a\nENV\n", (2, 1), "ENV requires at least one argument", None),
        ("FROM a\nENV a\n", (2, 5), "ENV must have two arguments", "write ENV name=value"),
        ("FROM a\nENV a=b \\\n  c d=e\n", (3, 3), 'Syntax error - can\'t find = in "c"', "in quotes"),
        ("FROM a\nLABEL =x\n", (2, 7), "LABEL names can not be blank", None),
        ("FROM a\nARG\n", (2, 1), "ARG requires at least one argument", None),
        ("FROM a\nARG a =b\n", (2, 7), "ARG names can not be blank", None),
        ("FROM a\nUSER\n", (2, 1), "USER requires exactly one argument", None),
        ("FROM a\nWORKDIR\n", (2, 1), "WORKDIR requires exactly one argument", None),
        ("FROM a\nSTOPSIGNAL\n", (2, 1), "STOPSIGNAL requires exactly one argument", None),
        ("FROM a\nMAINTAINER\n", (2, 1), "MAINTAINER requires exactly one argument", None),
        ("FROM a\nEXPOSE\n", (2, 1), "EXPOSE requires at least one argument", None),
        ("FROM a\nVOLUME\n", (2, 1), "VOLUME requires at least one argument", None),
        ('FROM a\nVOLUME ["a", " "]\n', (2, 1), "VOLUME specified can not be an empty string", None),
        ("FROM a\nSHELL bash -c\n", (2, 7), "SHELL requires the arguments to be in JSON form", "SHELL ["),
        ("FROM a\nSHELL []\n", (2, 1), "SHELL requires at least one argument", None),
        ('FROM a\nCMD ["a", 1]\n', (2, 5), "when using JSON array syntax", "double quotes"),
        ('FROM a\nRUN ["a", ["b"]]\n', (2, 5), "when using JSON array syntax", "double quotes"),
        ("FROM a\nRUN --network=lan x\n", (2, 5), 'invalid network mode "lan"', "default, none or host"),
        ("FROM a\nRUN --security=no x\n", (2, 5), 'security "no" is not valid', "sandbox or insecure"),
        ("FROM a\nRUN --mount=from=$x,target=/ y\n", (2, 5), "'from' doesn't support variable", "FROM $x AS"),
        ("FROM a\nONBUILD\n", (2, 1), "ONBUILD requires at least one argument", None),
        (
            "FROM a\nONBUILD onbuild RUN x\n",
            (2, 9),
            "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
            None,
        ),
        ("FROM a\nONBUILD FROM b\n", (2, 9), "FROM isn't allowed as an ONBUILD trigger", None),
        ("FROM a\nONBUILD maintainer b\n", (2, 9), "MAINTAINER isn't allowed as an ONBUILD trigger", None),
        ("FROM a\nONBUILD RNU b\n", (2, 9), "unknown instruction: RNU", "did you mean RUN?"),
        ("FROM a\nONBUILD COPY --x=y a b\n", (2, 14), "unknown flag: --x", "COPY takes"),
        ("FROM a\nHEALTHCHECK\n", (2, 1), "HEALTHCHECK requires at least one argument", None),
        ("FROM a\nHEALTHCHECK NONE x\n", (2, 18), "HEALTHCHECK NONE takes no arguments", None),
        (
            "FROM a\nHEALTHCHECK curl x\n",
            (2, 13),
            'Unknown type "CURL" in HEALTHCHECK (try CMD)',
            "CMD or NONE",
        ),
        ("FROM a\nHEALTHCHECK CMD\n", (2, 13), "Missing command after HEALTHCHECK CMD", None),
        ("FROM a\nHEALTHCHECK CMD []\n", (2, 13), "Missing command after HEALTHCHECK CMD", None),
        ("FROM a\nHEALTHCHECK --interval=3 CMD x\n", (2, 13), 'time: missing unit in duration "3"', "30s"),
        (
            "FROM a\nHEALTHCHECK --timeout=3x CMD x\n",
            (2, 13),
            'time: unknown unit "x" in duration "3x"',
            "30s",
        ),
        ("FROM a\nHEALTHCHECK --timeout=. CMD x\n", (2, 13), 'time: invalid duration "."', "30s"),
        ("FROM a\nHEALTHCHECK --timeout=- CMD x\n", (2, 13), 'time: invalid duration "-"', "30s"),
        ("FROM a\nHEALTHCHECK --timeout=9999999h CMD x\n", (2, 13), "time: invalid duration", "30s"),
        (
            "FROM a\nHEALTHCHECK --interval=1us CMD x\n",
            (2, 13),
            'Interval "interval" cannot be less than 1ms',
            None,
        ),
        ("FROM a\nHEALTHCHECK --interval=-1s CMD x\n", (2, 13), "cannot be less than 1ms", None),
        ("FROM a\nHEALTHCHECK --retries=x CMD x\n", (2, 13), "--retries must be a whole number", None),
        ("FROM a\nHEALTHCHECK --retries=-1 CMD x\n", (2, 13), "--retries cannot be negative (-1)", None),
        ("FROM a\nRUN cat <<EOF\nx\n", (2, 9), "unterminated heredoc", "a line that is EOF"),
        ("FROM a\nRUN cat <<A <<B\nA\nA\n", (2, 9), "unterminated heredoc", "a line that is B"),
        ("# escape=x\nFROM a\n", (1, 10), 'invalid escape token "x"', "# escape=`"),
        ("# syntax=a\n#Syntax = b\nFROM a\n", (2, 1), "only one syntax parser directive can be used", None),
        ("\\\n", (1, 1), "unknown instruction: ", None),
    ],
)
def test_refused(text: str, place: tuple[int, int], detail: str, hint: str | None) -> None:
    error = refused(text)
    assert detail in error.detail
    assert (error.line, error.column) == place
    assert error.message.startswith(f"Dockerfile:{place[0]}:{place[1]}: ")
    if hint is None:
        assert error.hint is None
    else:
        assert error.hint is not None and hint in error.hint


def test_excerpt_has_the_line_and_a_caret_below_the_place() -> None:
    error = refused("FROM a\n\tCOPY --link \\\n\t  --form=x a b\n")
    assert error.source == "\t  --form=x a b"
    assert error.excerpt() == "   3 | \t  --form=x a b\n     | \t  ^"


def test_excerpt_of_a_very_long_line_shows_the_place() -> None:
    error = refused("FROM a\nCOPY " + "--link=false " * 1 + "--exclude=" + "x" * 1000 + " --bad a b\n")
    shown, caret = error.excerpt().split("\n")
    assert len(shown) < 200
    assert shown[caret.index("^") :].startswith("--bad")


def test_nothing_of_the_file_can_steer_the_terminal() -> None:
    error = refused(b"FROM a\nFOO\x1b[31m\xff x\n")
    assert "\x1b" not in error.message + error.excerpt()
    (error.message + error.excerpt()).encode("utf-8")


def test_is_invalid_input_and_names_the_file() -> None:
    with pytest.raises(InvalidInput, match=r"^dir/Other:1:1: "):
        parse(b"X", "dir/Other")


def test_locate_points_at_a_word_or_at_the_instruction() -> None:
    dockerfile = parse(b"FROM a\n  COPY x \\\n    y /z\n", "D")
    copy = dockerfile.instructions[1]
    error = locate(dockerfile, copy, "not found", at="y", hint="look")
    assert (error.message, error.hint) == ("D:3:5: not found", "look")
    assert locate(dockerfile, copy, "no").message == "D:2:3: no"
    assert locate(dockerfile, copy, "no", at="absent").message == "D:2:3: no"


def test_line_length_bound() -> None:
    longest = b"RUN " + b"x" * (65_535 - 4)
    assert len(parse(b"FROM a\n" + longest + b"\n").instructions) == 2
    error = refused(b"FROM a\n" + longest + b"x\n")
    assert (error.line, error.detail) == (2, "dockerfile line greater than max allowed size of 65535")
    assert refused("FROM a\nRUN " + "\u2603" * 21_844).line == 2
    assert refused(b"FROM a\nRUN <<E\n" + b"x" * 65_536 + b"\nE\n").line == 3


def test_file_size_bound() -> None:
    assert "larger than 16 MiB" in refused(b"#" * (16 * 1024 * 1024 + 1)).detail


@pytest.mark.parametrize(
    "data",
    [
        b"ONBUILD " * 500_000 + b"RUN x",
        b"FROM a\nRUN " + b"[" * 60_000,
        b"FROM a\nRUN " + b"[" * 500 + b"]" * 500,
        b"FROM a\nRUN <<E" + b"${a:-" * 12_000 + b"\n",
        b"FROM a\nRUN " + b"<<E " * 15_000 + b"\n",
        b"FROM a\nENV " + b'a="' * 20_000 + b"\n",
        b"FROM a\nENV " + b"\\a" * 30_000 + b"=\\\n" * 1000,
        b"FROM a\nCOPY " + b"--exclude=x \\\n" * 20_000 + b" a b\n",
        b"FROM a\nRUN \\\n" + b"\\\n" * 200_000,
        b"FROM a\n" + b"# comment\n" * 200_000,
        b"FROM a\nHEALTHCHECK --retries=" + b"9" * 60_000 + b" CMD x\n",
        b"FROM a\nHEALTHCHECK --interval=" + b"1h" * 30_000 + b" CMD x\n",
        b"FROM a\nHEALTHCHECK --interval=" + b"9" * 60_000 + b"s CMD x\n",
        b"FROM a\nRUN " + b"9" * 60_000 + b"<<E\nE\n",
        b'FROM a\nRUN ["' + b"9" * 60_000 + b'", ' + b"9" * 5_000 + b"]\n",
        b"x" * 60_000 + b"\n",
    ],
)
def test_hostile_files_end_quickly(data: bytes) -> None:
    start = time.monotonic()
    try:
        parse(data)
    except DockerfileError as error:
        assert len(error.message) < 400
        assert len(error.excerpt()) < 400
    assert time.monotonic() - start < 5


def test_triggers_are_parsed_alone() -> None:
    dockerfile = parse_trigger("COPY --link <<EOF /x\nbody\nEOF")
    assert dockerfile.instructions[0].keyword == "COPY"
    for text in ("", "FROM a", "ONBUILD RUN x", "RUN x\nRUN y", "FOO"):
        with pytest.raises(DockerfileError):
            parse_trigger(text)
