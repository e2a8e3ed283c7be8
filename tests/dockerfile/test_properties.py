"""What holds for every file: it parses or is refused, never a traceback; and what is written comes back."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lamina.dockerfile import (
    DockerfileError,
    ExpandError,
    IgnoreFile,
    expand,
    expand_words,
    match,
    parse,
    to_json,
)
from lamina.errors import InvalidInput

WORDS = [
    "FROM a\n",
    "RUN ",
    "COPY ",
    "ADD ",
    "ENV ",
    "LABEL ",
    "ARG ",
    "CMD ",
    "ONBUILD ",
    "HEALTHCHECK ",
    "SHELL ",
    "VOLUME ",
    "EXPOSE ",
    "USER ",
    "run ",
    "FOO ",
    "# escape=`\n",
    "# comment\n",
    "\\\n",
    "`\n",
    "\n",
    "\r\n",
    " ",
    "\t",
    "\\",
    "`",
    '"',
    "'",
    "$x",
    "${x:-y}",
    "${",
    "<<E",
    "<<-'E'",
    "3<<E",
    "E\n",
    "\tE\n",
    '["a", "b"]',
    "[",
    "--from=x ",
    "--link ",
    "-- ",
    "a=b",
    "c",
    "NONE",
    "CMD",
    "--interval=1s ",
    "\u00e9",
    "\u00a0",
    "\x00",
    "\x1b",
]
FILES = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from(WORDS), max_size=25).map(lambda parts: "".join(parts).encode()),
    st.lists(st.sampled_from(WORDS), max_size=25).map(lambda parts: b"FROM a\n" + "".join(parts).encode()),
)
# What a shell-form command may be on one line: no line ends, nothing that joins lines or opens a heredoc.
COMMANDS = st.text(
    st.characters(blacklist_characters="\r\n\\<", blacklist_categories=["Cs"]), min_size=1
).filter(lambda text: text.strip() == text and not text.startswith(("[", "--", "#")) and text.isprintable())


@given(FILES)
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    try:
        dockerfile = parse(data)
    except DockerfileError as error:
        assert 1 <= error.line <= max(1, data.count(b"\n") + 1)
        assert error.column >= 1
        assert "\n" not in error.message
        assert error.excerpt().count("\n") == 1
        return
    json.dumps(to_json(dockerfile)).encode("ascii")
    end = 0
    for instruction in dockerfile.instructions:
        assert end < instruction.source.start_line <= instruction.source.end_line <= len(dockerfile.lines)
        end = instruction.source.end_line


@given(COMMANDS)
def test_the_shell_form_comes_back(command: str) -> None:
    run: Any = parse(f"FROM a\nRUN {command}\n".encode()).instructions[1]
    assert (run.command, run.is_json) == (command, False)


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"]))))
def test_the_exec_form_comes_back(arguments: list[str]) -> None:
    text = json.dumps(arguments, ensure_ascii=False)
    run: Any = parse(f"FROM a\nRUN {text}\n".encode()).instructions[1]
    assert run.command == tuple(arguments)
    assert run.is_json


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\n\r"))))
def test_a_heredoc_comes_back(lines: list[str]) -> None:
    body = "".join(f"{line}\n" for line in lines if line != "END")
    run: Any = parse(f"FROM a\nRUN cat <<'END'\n{body}END\n".encode()).instructions[1]
    assert run.heredocs[0].content == body


@given(st.text(max_size=60), st.dictionaries(st.sampled_from(["x", "y", "NAME"]), st.text(max_size=5)))
def test_expansion_ends_in_text_or_its_own_error(text: str, env: dict[str, str]) -> None:
    for escape in "\\`":
        try:
            expand(text, env, escape)
            expand_words(text, env, escape)
        except ExpandError:
            pass


@given(
    st.lists(
        st.sampled_from(["$", "{", "}", "x", ":", "-", "#", "%", "/", "*", "\\", "'", '"', " ", "?"]),
        max_size=14,
    )
)
def test_odd_substitutions_end_in_text_or_their_own_error(parts: list[str]) -> None:
    try:
        expand("".join(parts), {"x": "a*b/c"})
    except ExpandError:
        pass


@given(st.text(st.characters(blacklist_characters="$'\"\\\ufeff")))
def test_text_without_special_characters_stays(text: str) -> None:
    assert expand(text, {}) == text


@given(st.text("ab*?[]^-\\/!", max_size=12), st.text("ab/-]", max_size=8))
def test_patterns_match_or_are_refused(pattern: str, name: str) -> None:
    try:
        match(pattern, name)
    except InvalidInput:
        pass


@given(st.binary(max_size=80), st.lists(st.text("ab.", min_size=1), min_size=1, max_size=4).map("/".join))
def test_ignore_files_answer_or_are_refused(data: bytes, path: str) -> None:
    try:
        file = IgnoreFile.parse(data)
    except InvalidInput:
        return
    if file.matches(path) and not file.may_contain(path):
        assert file.matches(path + "/below")
